"""A check that the images of a folder were not scaled to one size."""

from pathlib import Path

from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible
from gtk.plugins.datasets import USUAL_SIDE


def check_unscaled(folder: Path, spec: DataSpec) -> None:
    """Refuse a folder of images that were scaled to one size, as those of several sizes are.

    Args:
        folder: the images.
        spec: of the data that were read from there.

    Raises:
        InvalidValue: it names the first image of another size.
    """
    if (spec.height, spec.width) != (USUAL_SIDE, USUAL_SIDE):
        return
    from PIL import Image

    for path in sorted(folder.rglob("*")):
        try:
            with Image.open(path) as image:
                size = image.size
        except (OSError, ValueError):  # a folder, or not an image
            continue
        if size != (USUAL_SIDE, USUAL_SIDE):
            raise InvalidValue(
                f"{visible(path)} has {size[0]}x{size[1]} pixels, and the images of {folder} would "
                f"be scaled to {USUAL_SIDE}x{USUAL_SIDE}: evaluate images of one size"
            )
