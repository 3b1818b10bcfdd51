"""An image file to pixels, by the rules that docs/data.md states; what cannot be read is named."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible
from gtk.plugins.datasets.fitting import fit_image
from gtk.plugins.datasets.folder_config import Fit

#: What Pillow decodes by itself. Not EPS, for which it starts Ghostscript; nor what needs a handler
#: of the program's own (BUFR, GRIB, HDF5, WMF) or is only recognized (MPEG); nor IPTC, which opens
#: whatever format it finds inside; nor FITS, which unpacks gzip of any size.
FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "BLP", "CUR", "DCX", "DDS", "DIB", "FLI",
    "FTEX", "GBR", "ICNS", "ICO", "IM", "IMT", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX", "PIXAR",
    "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "XBM", "XPM", "XVTHUMB", "TGA",
)  # fmt: skip

#: Pillow's own limit: beyond it, a small file may well be made to fill the memory.
MOST_PIXELS = 89_478_485

#: What turns an image the right way up, by the value of its EXIF orientation (EXIF 2.32, 4.6.4.A).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 0x0112
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")


# Pillow logs some damage, too, which would be printed where nobody listens to logs.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class BadImage(InvalidValue):
    """An image file that cannot be used; `reason` is the message without the file's name."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{visible(str(path))} {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before it is decoded; sizes are of the upright image."""

    height: int
    width: int
    grey: bool


@cache
def readable_formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that the installed Pillow has."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def image_suffixes() -> frozenset[str]:
    """Return how the names of image files end, in lower case, with the dot."""
    # The reader of JPEG reads MPO, several JPEGs in one file.
    known, formats = Image.registered_extensions().items(), {*readable_formats(), "MPO"}
    return frozenset(suffix.lower() for suffix, name in known if name in formats)


def decode_image(path: Path, spec: DataSpec, fit: Fit = "crop") -> NDArray[np.uint8]:
    """Return a file's image as a model for `spec` takes it.

    Args:
        path: of an image in any of `FORMATS`.
        spec: says how many channels, and the size.
        fit: how another size is brought to it.

    Returns:
        (C, H, W), uint8.

    Raises:
        BadImage: it cannot be read, is no image, a damaged one, or one too large.
    """
    with quiet_pillow():
        return decode(path, spec.image_shape, fit)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Hush what Pillow warns of: damage is refused, and oddities are no news to a user.

    Filters of warnings belong to the whole process: enter this once around all threads that decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def inspect(path: Path) -> Header:
    """Read how large an image is, and whether it is grey, without decoding it.

    Raises:
        BadImage: it cannot be read, is no image, or one too large.
    """
    with _opened(path) as image:
        width, height = image.size
        # From 5 on an image lies on its side. Pillow gives the size of a TIFF as it is upright.
        if image.format != "TIFF" and _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, image.mode in GREY_MODES)


def decode(path: Path, shape: tuple[int, int, int], fit: Fit) -> NDArray[np.uint8]:
    """Return a file's image as (C, H, W), uint8; `decode_image` has the rest."""
    channels, height, width = shape
    with _opened(path) as image:
        try:
            image.load()
            _check(path, image)  # the image in an icon can be another than the icon says
            upright = UPRIGHT.get(_orientation(image))
            plain = _plain(image if upright is None else image.transpose(upright))
            plain = plain.convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(fit_image(plain, (width, height), fit))
        except BadImage:
            raise
        except Exception as error:  # Pillow raises whatever its decoders raise
            raise BadImage(path, f"is damaged ({_reason(error)})") from error
    if channels == 1:
        return pixels[None]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, of which only the header has been read."""
    try:
        image = Image.open(path, formats=readable_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage(path, f"has more than {MOST_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        raise BadImage(path, "is empty" if empty else "is no image that gtk can read") from error
    except Exception as error:  # as in decode
        if isinstance(error, OSError) and error.errno:
            raise BadImage(path, f"cannot be read ({_reason(error)})") from error
        raise BadImage(path, f"is damaged ({_reason(error)})") from error
    with image:
        _check(path, image)
        yield image


def _check(path: Path, image: Image.Image) -> None:
    """Refuse an image that is too large, or whose pixels have no levels that are known."""
    # Pillow only warns up to twice as many pixels.
    if image.width * image.height > MOST_PIXELS:
        raise BadImage(
            path, f"has {image.width}x{image.height} pixels, {MOST_PIXELS:,} are the most"
        )
    # Of 16-bit grey, a PGM has mode I, and so has PNG before Pillow 11.3.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PPM", "PNG")):
        what = "whole numbers of 32 bits" if image.mode == "I" else "floating-point numbers"
        raise BadImage(path, f"has {what} for pixels: save it with 8 or 16 bits")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1..8; damaged EXIF counts as none."""
    try:
        # Not image.getexif(), which decodes a PNG that has none.
        orientation = Image.Image.getexif(image).get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow raises whatever its parsers raise
        return 1
    return orientation if orientation in UPRIGHT else 1


def _plain(image: Image.Image) -> Image.Image:
    """Return the image in a mode of 8 bits or less without transparency."""
    if image.mode.startswith("I"):  # of 16 bits, or it would have been refused
        return _from_16_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return (
        image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")
    )


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Return grey levels 0..65535 as 0..255, rounded, and a transparent level as white."""
    values = np.asarray(image).astype(np.uint32)
    levels = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        levels[values == transparent] = 255
    return Image.fromarray(levels)


def _reason(error: Exception) -> str:
    """Return in a few words what went wrong."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return visible(" ".join(text.split())) or type(error).__name__
