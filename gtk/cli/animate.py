"""`gtk animate`: the samples of a training epoch by epoch, or a walk through latent space."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from gtk.cli.options import number_option, source_argument
from gtk.cli.picture import Layout, PictureOptions, picture_options
from gtk.cli.sampler_options import DrawingCommand
from gtk.core.models.source import Source
from gtk.core.storage.run_source import RunSource
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.interpolation import closed_walk
from gtk.core.values.text import counted
from gtk.pictures.embedded import Picture
from gtk.pictures.grid import MOST_COLUMNS, check_grid, most_columns
from gtk.pictures.picture_text import picture_text

if TYPE_CHECKING:
    from gtk.core.storage.run import Run

#: Frames and frames a second of a walk; frames a second of a training and of steps, which are few.
FRAMES, WALK_RATE, TRAINING_RATE, SAMPLING_RATE = 60, 12, 4, 8
#: Points that a walk goes through; walks below each other, and side by side without a condition.
POINTS, ROWS, UNCONDITIONAL_COLUMNS = 4, 2, 8
#: How many times as long the last picture of a training or a draw stays.
LAST = 6


@click.command(cls=DrawingCommand)
@source_argument
@click.option("--walk", is_flag=True, help="Walk through latent space instead.")
@click.option(
    "--sampling",
    is_flag=True,
    help="Show noise becoming images, step by step: x itself, cut off at black and white.",
)
@number_option("--frames", text=f"Frames of a walk.  [default: {FRAMES}]", low=2, high=1000)
@number_option(
    "--fps",
    text=f"Frames a second.  [default: {TRAINING_RATE}, of a walk {WALK_RATE}, of steps "
    f"{SAMPLING_RATE}]",
    high=50,
)
@picture_options(
    seed=None,
    seed_help="Decides the walk; the same seed gives the same file.  [default: 0]",
    out="FILE.gif|.png|.apng",
)
def animate(
    *,
    source: str,
    walk: bool,
    sampling: bool,
    frames: int | None,
    fps: int | None,
    picture: PictureOptions,
) -> None:
    """Make a GIF or APNG of a training, of a walk in latent space, or of drawing.

    gtk animate latest --out training.gif

    gtk animate latest --walk --out walk.gif

    gtk animate digits.onnx --walk --seed 3 --frames 120 --fps 25 --out walk.png
    """
    from gtk.pictures.animation import SUFFIXES, check_size, write_animation

    picture.check(*SUFFIXES)
    if sampling and (walk or frames is not None):
        raise InvalidValue(
            "--sampling has a frame for each step of the sampler: leave --walk and --frames out"
        )
    if sampling:
        run_source = picture.open_run(source, "no steps in between to show")
        seed = picture.seed or 0
        facts = {**run_source.drawn_with, "seed": seed}
        layouts = _sampling(run_source, seed, picture.scale)
        drawn = [layout.draw(picture.scale, labels=not picture.no_labels) for layout in layouts]
        shown, time = layouts[-1], round(1000 / (fps or SAMPLING_RATE))
        times = [time] * (len(drawn) - 1) + [LAST * time]
        summary = f"from noise to images, {counted(len(drawn), 'frame')}, seed {seed}"
        summary += run_source.how
    elif walk:
        count = frames or FRAMES
        drawn = []
        origin = picture.open(source)
        facts = {**origin.drawn_with, "seed": picture.seed or 0}
        for layout in _walk(origin, count, picture.seed or 0, picture.scale):
            drawn.append(layout.draw(picture.scale, labels=not picture.no_labels))
            if len(drawn) == 1:
                shown = layout
                check_size(drawn[0], count)
        times = [round(1000 / (fps or WALK_RATE))] * len(drawn)
        summary = f"a closed walk, {counted(len(drawn), 'frame')}, seed {picture.seed or 0}"
        summary += origin.how
        if origin.condition is not None and len(origin.condition.examples()) > shown.columns:
            every = f"{len(origin.condition.examples()):,} {origin.condition.nouns[1]}"
            summary += f", the first {shown.columns} of {every}"
    else:
        _refuse_options_of_a_walk(picture, frames)
        run = picture.open_run(source, "no training to show without --walk").run
        facts = {"run": run.name}
        drawn, shown, epochs = _training_frames(run, labels=not picture.no_labels)
        time = round(1000 / (fps or TRAINING_RATE))
        times = [time] * (len(drawn) - 1) + [LAST * time]
        summary = f"epochs {epochs[0]} to {epochs[-1]}, {counted(len(drawn), 'frame')}"
    picture.show_in_terminal(shown)
    if picture.out is not None:
        write_animation(drawn, picture.out, times, picture_text(facts))
    picture.say(summary, facts)


def _refuse_options_of_a_walk(picture: PictureOptions, frames: int | None) -> None:
    """Refuse options that a training's pictures, which are drawn already, cannot take."""
    given = {**vars(picture), "frames": frames}
    for name in ("frames", "seed", "scale", "checkpoint", "average", "device"):
        if given[name] is not None:
            raise InvalidValue(
                f"--{name} goes with --walk, since a training's pictures are drawn already. Add "
                f"--walk, or leave --{name} out"
            )


def _training_frames(
    run: "Run", *, labels: bool
) -> tuple[list[NDArray[np.uint8]], Layout, list[int]]:
    """Return pictures/samples-0030.png and the like: frames, the last one's layout, their epochs.

    Each frame is (H, W) or (H, W, 3); `labels` draws the epoch and the classes' names above it.

    Raises:
        UserError: there are no pictures, or they cannot be read, or differ in size.
    """
    found = {
        int(match[1]): path
        for path in run.pictures.glob("samples-*.png")
        if (match := re.fullmatch(r"samples-(\d+)\.png", path.name))
    }
    files = dict(sorted(found.items()))
    if not files:
        raise InvalidValue(
            f"{run.pictures} has no pictures of samples: draw a walk with --walk, or train anew"
        )
    pictures = [_read(path) for path in files.values()]
    if len({picture.shape for picture in pictures}) > 1:
        raise InvalidValue(
            f"the pictures of samples in {run.pictures} differ in size. Remove those of an older "
            "training"
        )
    last = Layout(pictures[-1][None], 1)
    if not labels:
        return pictures, last, list(files)
    from gtk.pictures.labels import add_names

    names, pitch = _columns(run, pictures[-1])
    digits = len(str(max(files)))
    frames = [
        # All epochs have equally many digits, so that nothing else moves.
        add_names(picture, pitch, column_names=names, column_title=f"epoch {epoch:0{digits}}")
        for epoch, picture in zip(files, pictures, strict=True)
    ]
    return frames, last, list(files)


def _read(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    wrong = UserError(f"{path} is not a picture, or is damaged, or too large. Remove it")
    picture = Picture.read(path)
    if picture is None:
        raise wrong
    try:
        with Image.open(BytesIO(picture.content)) as image:
            return np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise wrong from error


def _columns(run: "Run", picture: NDArray[np.uint8]) -> tuple[list[str], tuple[int, int]]:
    """Return the names of the columns, if the picture has one for each, and its pitch."""
    from gtk.pictures.grid import GAP, usual_scale

    spec = run.data_spec
    factor = usual_scale(spec.height)
    pitch = (spec.height + GAP) * factor, (spec.width + GAP) * factor
    shown = (picture.shape[1] + GAP * factor) // pitch[1]
    names = [] if run.condition is None else run.condition.example_names()[:shown]
    fits = picture.shape[1] == len(names) * pitch[1] - GAP * factor
    return (names if fits else []), pitch


def _classes(
    source: Source, frames: int, scale: int | None
) -> tuple[NDArray[Any] | None, list[str]]:
    """Return the condition of each image in `ROWS` rows, and the columns' names; none without one.

    Of more than `MOST_COLUMNS` classes there are as many as fit into so many frames.
    """
    spec = source.condition
    if spec is None:
        return None, []
    examples = spec.examples()
    if len(examples) > MOST_COLUMNS:
        examples = examples[: most_columns(source.image_size, ROWS * frames, scale)]
    return np.concatenate([examples] * ROWS), [spec.name(row) for row in examples]


def _sampling(source: RunSource, seed: int, scale: int | None) -> list[Layout]:
    """Return every frame of a draw, from noise to images: a column for each class.

    Raises:
        InvalidValue: the sampler takes no steps, or the animation would be too large.
    """
    from gtk.pictures.animation import check_size

    frames = getattr(source.sampler.module(), "count", 0) + 1
    labels, names = _classes(source, frames, scale)
    columns = len(names) or UNCONDITIONAL_COLUMNS
    check_grid(ROWS * columns, columns, source.image_size, scale)
    blank = np.zeros((ROWS * columns, *source.image_size), np.uint8)
    check_size(Layout(blank, columns).draw(scale, labels=False), frames)
    digits = len(str(frames - 1))
    return [
        # All steps have equally many digits, so that nothing else moves.
        Layout(images, columns, names, column_title=f"step {step:0{digits}} of {frames - 1}")
        for step, images in enumerate(source.states(ROWS * columns, labels, seed))
    ]


def _walk(source: Source, frames: int, seed: int, scale: int | None) -> Iterator[Layout]:
    """Yield every frame of a walk that ends where it began: a column for each class.

    Of more than `MOST_COLUMNS` classes there are as many as fit.
    """
    spec, (labels, names) = source.condition, _classes(source, frames, scale)
    columns = len(names) or UNCONDITIONAL_COLUMNS
    # With a condition all columns of a row go the same way, so that classes compare.
    walks = ROWS if spec else ROWS * columns
    points = source.draw_noise(POINTS * walks, seed).reshape(walks, POINTS, *source.noise_shape)
    paths = np.stack([closed_walk(item, frames) for item in points], axis=1)
    with source.timed(frames * ROWS * columns, draws=frames):
        for noise in paths.repeat(columns, axis=1) if spec else paths:
            yield Layout(source.generate(noise, labels), columns, column_names=names)
