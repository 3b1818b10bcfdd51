"""`gtk reconstruct`: images beside their reconstructions."""

from pathlib import Path

import click
import numpy as np

from gtk.cli.condition import condition_options
from gtk.cli.inputs import (
    Inputs,
    load_test_images,
    read_files,
    refuse_condition,
    take_test_images,
)
from gtk.cli.options import USER_PATH, data_root_option, number_option, run_argument
from gtk.cli.picture import Layout, PictureOptions, picture_options
from gtk.core.storage.run_source import RunSource
from gtk.core.values.dataset import spread
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import counted

#: A picture with more images side by side than this is too large to look at.
MOST = 100
COUNT = 10


@click.command()
@run_argument()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=USER_PATH)
@number_option("-n", "count", text=f"Test images.  [default: {COUNT}, or all]", high=MOST)
@data_root_option
@condition_options("The class of the files, by number or name.")
@picture_options(
    draws=False,
    seed=None,
    seed_help="Draw test images at random, the same for the same seed.  [default: evenly chosen]",
)
def reconstruct(
    *,
    run: str,
    files: tuple[Path, ...],
    count: int | None,
    data_root: Path | None,
    label: str | None,
    conditions: tuple[str, ...],
    picture: PictureOptions,
) -> None:
    """Show test images, or your own, beside their reconstructions.

    gtk reconstruct latest --out reconstructions.png

    gtk reconstruct latest -n 20 --seed 1 --out others.png

    gtk reconstruct latest mine.jpg --label 3 --out mine.png
    """
    from gtk.core.models.sampling import to_pixels
    from gtk.plugins.families.reconstruction import Reconstruction

    picture.check(".png")
    source = picture.open_run(run, "no encoder")
    if files and (count is not None or picture.seed is not None):
        raise InvalidValue("-n and --seed choose test images: give them or files, not both")
    if files and data_root is not None:
        raise InvalidValue("--data-root is for test images: leave it out, or leave the files out")
    if len(files) > MOST:
        raise InvalidValue(f"{len(files)} files are too many for a picture: give up to {MOST}")
    reconstruction = Reconstruction(source.model)
    if files:
        inputs = read_files(source, files, label, conditions)
        if len(inputs.images) > MOST:
            raise InvalidValue(f"{len(inputs.images)} pages are too many for a picture")
    else:
        refuse_condition(label, conditions)
        inputs = _test_images(source, count, picture.seed, data_root)
    images = inputs.images / 255
    expected = reconstruction(inputs.images, inputs.labels)
    error = float(np.mean((expected - images) ** 2))
    layout = Layout(
        np.concatenate([inputs.pixels, to_pixels(expected)]),
        len(images),
        column_names=inputs.names,
        row_names=("image", "reconstruction"),
    )
    noun, theirs = "images", "their reconstructions"
    if len(images) == 1:
        noun, theirs = "image", "its reconstruction"
    what = noun if files else f"test {noun} of {source.run.data_spec.name}"
    picture.show(
        layout,
        f"{len(images)} {what} and {theirs}, mean squared error {error:.4f} per pixel in 0..1",
        source.weights,
    )


def _test_images(
    source: RunSource, count: int | None, seed: int | None, data_root: Path | None
) -> Inputs:
    """Return test images evenly chosen, or drawn with a seed without replacement."""
    split = load_test_images(source, data_root)
    count = count or min(COUNT, len(split))
    if count > len(split):
        raise InvalidValue(
            f"the data have {counted(len(split), 'test image')}: ask for no more with -n"
        )
    rows = spread(len(split), count)
    if seed is not None:
        rows = np.random.default_rng(seed).permutation(len(split))[:count]
    return take_test_images(source, split, rows)
