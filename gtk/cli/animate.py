"""`gtk animate`: how a training came along, or a walk through latent space."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from gtk.cli.options import RunReference
from gtk.cli.picture import Layout, PictureOptions, picture_options
from gtk.cli.source import Source
from gtk.core.values.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Frames and frames a second of a walk; frames a second of a training, which has few.
FRAMES, WALK_RATE, TRAINING_RATE = 60, 12, 4
#: Points that a walk goes through, walks below each other, and side by side without a condition.
POINTS, ROWS, UNCONDITIONAL_COLUMNS = 4, 2, 8
#: How much longer the last picture of a training stays.
LAST = 6


@click.command()
@click.argument("source", metavar="RUN|FILE.onnx", type=RunReference())
@click.option("--walk", is_flag=True, help="Walk through latent space instead.")
@click.option(
    "--frames",
    type=click.IntRange(2, 1000),
    metavar="N",
    help=f"Frames of a walk.  [default: {FRAMES}]",
)
@click.option(
    "--fps",
    type=click.IntRange(1, 50),
    metavar="N",
    help=f"Frames a second.  [default: {TRAINING_RATE}, of a walk {WALK_RATE}]",
)
@picture_options(
    seed=None,
    seed_help="Decides the walk; the same seed gives the same file.  [default: 0]",
    out="FILE.gif|.png|.apng",
)
def animate(
    *, source: str, walk: bool, frames: int | None, fps: int | None, picture: PictureOptions
) -> None:
    """Make a GIF or APNG of a training, or of a walk in latent space.

    gtk animate latest --out training.gif

    gtk animate latest --walk --out walk.gif

    gtk animate digits.onnx --walk --seed 3 --frames 120 --fps 25 --out walk.png
    """
    from gtk.pictures.animation import SUFFIXES, check_size, write_animation

    picture.check(*SUFFIXES)
    if walk:
        count = frames or FRAMES
        drawn: list[NDArray[np.uint8]] = []
        for layout in _walk(picture.open(source), count, picture.seed or 0):
            drawn.append(layout.draw(picture.scale, labels=not picture.no_labels))
            if len(drawn) == 1:
                shown = layout
                check_size(drawn[0], count)
        times = [round(1000 / (fps or WALK_RATE))] * len(drawn)
        summary = f"a closed walk, {len(drawn)} frames, seed {picture.seed or 0}"
    else:
        _refuse_walking(picture, frames)
        from gtk.cli.training_frames import training_frames

        run = picture.open_run(source, "no training to show without --walk").run
        drawn, shown, epochs = training_frames(run, labels=not picture.no_labels)
        time = round(1000 / (fps or TRAINING_RATE))
        times = [time] * (len(drawn) - 1) + [LAST * time]
        summary = f"epochs {epochs[0]} to {epochs[-1]}, {len(drawn)} frames"
    picture.show_in_terminal(shown)
    if picture.out is not None:
        write_animation(drawn, picture.out, times)
    picture.say(summary)


def _refuse_walking(picture: PictureOptions, frames: int | None) -> None:
    """Refuse options that a training's pictures, which are drawn already, cannot take."""
    given = {
        "--frames": frames,
        "--seed": picture.seed,
        "--scale": picture.scale,
        "--checkpoint": picture.checkpoint,
        "--device": picture.device,
    }
    for option, value in given.items():
        if value is not None:
            raise InvalidValue(
                f"{option} goes with --walk: a training's pictures are drawn already"
            )


def _walk(source: Source, frames: int, seed: int) -> Iterator[Layout]:
    """Yield every frame of a walk that ends where it began: a column for each class."""
    import numpy as np

    from gtk.core.values.interpolation import closed_walk

    spec = source.condition
    names = [] if spec is None else spec.example_names()
    labels = None if spec is None else spec.cycle(ROWS * len(names))
    columns = len(names) or UNCONDITIONAL_COLUMNS
    # With a condition all columns of a row go the same way, so that classes compare.
    walks = ROWS if spec else ROWS * columns
    points = source.draw_noise(POINTS * walks, seed).reshape(walks, POINTS, *source.noise_shape)
    paths = np.stack([closed_walk(item, frames) for item in points], axis=1)
    for noise in paths.repeat(columns, axis=1) if spec else paths:
        yield Layout(source.generate(noise, labels), columns, column_names=names)
