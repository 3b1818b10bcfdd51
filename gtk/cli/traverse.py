"""`gtk traverse`: what each latent dimension does, or the whole plane of two."""

import math
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from gtk.cli.condition import condition_options, wanted_condition
from gtk.cli.options import number_option, several, source_argument
from gtk.cli.picture import Layout, PictureOptions, picture_options
from gtk.cli.sampler_options import DrawingCommand
from gtk.core.models.source import Source
from gtk.core.values.condition import Classes
from gtk.core.values.errors import InvalidValue
from gtk.core.values.interpolation import quantile_plane

#: Defaults: dimensions to sweep, images of a sweep and on a side of the manifold, and standard
#: deviations; then the most of these.
MOST_DIMENSIONS, STEPS, SIDE, RANGE, FURTHEST = 16, 7, 20, 3.0, 100.0
#: The most dimensions whose use is measured, and the share of what the strongest one changes in an
#: image that one in use changes.
MOST_MEASURED, USED = 1_024, 0.1


@click.command(cls=DrawingCommand)
@source_argument
@click.option(
    "--dims",
    type=several(tuple[int, ...]),
    metavar="LIST",
    help="Dimensions from 1, with commas.  [default: those in use, the strongest first, up to "
    f"{MOST_DIMENSIONS}]",
)
@number_option(
    "--steps",
    text=f"Images of each sweep, or on a side of the manifold.  [default: {STEPS}, {SIDE}]",
    low=2,
    high=100,
)
@click.option(
    "--range",
    "reach",
    type=float,
    metavar="X",
    help=f"Sweep from -X to X standard deviations.  [default: {RANGE:g}]",
)
@condition_options("The class of every image.  [default: the first]")
@picture_options(
    seed=None,
    seed_help="Keep the other dimensions at a random point.  [default: all at 0, the middle]",
)
def traverse(
    *,
    source: str,
    dims: tuple[int, ...] | None,
    steps: int | None,
    reach: float | None,
    label: str | None,
    conditions: tuple[str, ...],
    picture: PictureOptions,
) -> None:
    """Sweep each latent dimension, or draw the manifold of two.

    gtk traverse latest --out dimensions.png

    gtk traverse digits.onnx --dims 1,4,7 --label 3 --range 2 --out three.png

    gtk traverse vae-2d-mnist-0001 --out manifold.png
    """
    picture.check(".png")
    if reach is not None and not 0 < reach <= FURTHEST:
        raise InvalidValue(f"--range must be more than 0 and at most {FURTHEST:g}, not {reach}")
    origin = picture.open(source, codes=True)
    spec, name = origin.condition, ""
    condition = wanted_condition(spec, label, conditions)
    if spec is not None:
        condition = spec.default() if condition is None else condition
        what = "class" if isinstance(spec, Classes) else "condition"
        name = f", {what} {spec.name(condition)}"
    if len(origin.noise_shape) > 1:
        raise InvalidValue(
            f"the noise of {source!r} is an image itself, which has no dimensions to sweep: use "
            "gtk interpolate"
        )
    count = math.prod(origin.noise_shape)
    if count == 2 and dims is None:
        if reach is not None or picture.seed is not None:
            raise InvalidValue(
                "two latent dimensions are drawn as a plane, without --range and --seed: add "
                "--dims 1,2 to sweep each"
            )
        side = steps or SIDE
        picture.show(
            _manifold(origin, condition, side),
            f"{side}x{side} images{origin.how}{name}",
            origin.drawn_with,
        )
        return
    if dims is not None and not all(1 <= dimension <= count for dimension in dims):
        raise InvalidValue(f"--dims must be in 1..{count}, not {','.join(map(str, dims))}")
    reach = reach or RANGE
    if dims is None and count <= MOST_MEASURED:
        used = _used(origin, condition, count, reach=reach, seed=picture.seed)
        chosen = used[:MOST_DIMENSIONS]
        order = "the strongest first" if chosen == used else f"the {len(chosen)} strongest"
        text = f"{len(used)} of {count} dimensions are in use, {order}"
    else:
        chosen = dims or tuple(range(1, MOST_DIMENSIONS + 1))
        text = f"{len(chosen)} of {count} dimensions"
    layout = _sweep(origin, condition, chosen, steps=steps or STEPS, reach=reach, seed=picture.seed)
    around = "0" if picture.seed is None else f"the point of seed {picture.seed}"
    picture.show(
        layout,
        f"{text}, around {around}{origin.how}{name}",
        origin.drawn_with | ({} if picture.seed is None else {"seed": picture.seed}),
    )


def _used(
    source: Source,
    condition: NDArray[Any] | None,
    count: int,
    *,
    reach: float,
    seed: int | None,
) -> tuple[int, ...]:
    """Return the dimensions in use, from 1, by how much the ends of their sweeps differ."""
    every = tuple(range(1, count + 1))
    images = _sweep(source, condition, every, steps=2, reach=reach, seed=seed).images
    ends = images.reshape(count, 2, -1).astype(np.float64)
    changes = np.abs(ends[:, 0] - ends[:, 1]).mean(axis=1)
    order = np.argsort(-changes, kind="stable")
    return tuple(int(it) + 1 for it in order if changes[it] >= USED * changes.max())


def _sweep(
    source: Source,
    condition: NDArray[Any] | None,
    dims: tuple[int, ...],
    *,
    steps: int,
    reach: float,
    seed: int | None,
) -> Layout:
    """Draw a row for each dimension: its value goes from -reach to reach, the others stay."""
    shape = source.noise_shape
    middle = np.zeros((1, *shape), np.float32) if seed is None else source.draw_noise(1, seed)
    values = np.linspace(-reach, reach, steps)
    noise = middle.reshape(1, -1).repeat(len(dims) * steps, axis=0)
    for row, dimension in enumerate(dims):
        noise[row * steps : (row + 1) * steps, dimension - 1] = values
    return Layout(
        source.generate(noise.reshape(-1, *shape), condition),
        steps,
        column_names=[f"{value:.3g}" for value in values],
        row_names=[f"z {dimension}" for dimension in dims],
        column_title="standard deviations",
    )


def _manifold(source: Source, condition: NDArray[Any] | None, side: int) -> Layout:
    """Draw the plane of two latent dimensions at quantiles of the prior, as axes are drawn."""
    noise, values = quantile_plane(side)
    names = [f"{value:.2f}" for value in values]
    return Layout(
        source.generate(noise.reshape(-1, *source.noise_shape), condition),
        side,
        column_names=names,
        row_names=names[::-1],
        column_title="z 1",
        row_title="z 2",
    )
