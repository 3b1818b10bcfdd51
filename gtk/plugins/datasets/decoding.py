"""Image files decoded to pixels by the rules of docs/data.md."""

import logging
import stat
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
from gtk.plugins.datasets import Fit
from gtk.plugins.datasets.fitting import fit_image

#: The formats that Pillow decodes by itself. Left out: EPS, which starts Ghostscript; BUFR, GRIB,
#: HDF5 and WMF, which need a handler of the program; MPEG, which is only recognized; IPTC, which
#: opens any format inside it; and FITS, which unpacks gzip of any size.
FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "BLP", "CUR", "DCX", "DDS", "DIB", "FLI",
    "FTEX", "GBR", "ICNS", "ICO", "IM", "IMT", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX", "PIXAR",
    "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "XBM", "XPM", "XVTHUMB", "TGA",
)  # fmt: skip

#: Pillow's own limit: a small file with more pixels may fill the memory.
MOST_PIXELS = 89_478_485

#: The transposition that turns an image upright, by EXIF orientation (EXIF 2.32, 4.6.4.A).
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
#: What a path leads to that is not a file. A pipe would never end, a device may act on being read.
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")


# Pillow also logs some damage; without a handler, logging would print it to the terminal.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class BadImage(InvalidValue):
    """An image file that cannot be used; `reason` is the message without the file's name."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{visible(str(path))} {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Header:
    """The size of the upright image, and its colour, from a file's header."""

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
    """Return the suffixes of image files, in lower case, with the dot."""
    # Pillow's JPEG reader also reads MPO, several JPEGs in one file.
    known, formats = Image.registered_extensions().items(), {*readable_formats(), "MPO"}
    return frozenset(suffix.lower() for suffix, name in known if name in formats)


def decode_image(path: Path, spec: DataSpec, fit: Fit = "crop") -> NDArray[np.uint8]:
    """Return the image of a file in any of `FORMATS` as (C, H, W), uint8, of the shape of `spec`.

    Raises:
        BadImage: the file cannot be read, is not an image, is damaged, or is too large.
    """
    with quiet_pillow():
        return decode(path, spec.image_shape, fit)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings: damage raises errors, and oddities do not concern the user.

    Warning filters are global to the process: enter this once around all threads that decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def inspect(path: Path) -> Header:
    """Read size and colour of an image without decoding it.

    Raises:
        BadImage: the file cannot be read, is not an image, or is too large.
    """
    with _opened(path) as image:
        width, height = image.size
        # Orientations from 5 on swap the sides. Pillow already swaps the size of a TIFF.
        if image.format != "TIFF" and _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, image.mode in GREY_MODES)


def decode(path: Path, shape: tuple[int, int, int], fit: Fit) -> NDArray[np.uint8]:
    """Return a file's image as (C, H, W), uint8; see `decode_image`."""
    channels, height, width = shape
    with _opened(path) as image:
        try:
            image.load()
            _check(path, image)  # again: an icon's header may differ from the image inside
            upright = UPRIGHT.get(_orientation(image))
            plain = _plain(image if upright is None else image.transpose(upright))
            plain = plain.convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(fit_image(plain, (width, height), fit))
        except BadImage:
            raise
        except Exception as error:  # Pillow's decoders raise errors of many types
            raise BadImage(path, f"is damaged ({_reason(error)})") from error
    if channels == 1:
        return pixels[None]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image and read only its header."""
    if not path.is_file() and path.exists():
        raise BadImage(path, f"is {kind_of(path)} instead of a file")
    try:
        image = Image.open(path, formats=readable_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage(path, f"has more than {MOST_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        unknown = path.stat().st_size > 0
        reason = "is not an image that gtk can read" if unknown else "is empty"
        raise BadImage(path, reason) from error
    except Exception as error:  # as in decode
        what = "cannot be read" if isinstance(error, OSError) and error.errno else "is damaged"
        raise BadImage(path, f"{what} ({_reason(error)})") from error
    with image:
        _check(path, image)
        yield image


def kind_of(path: Path) -> str:
    """Return the type of a path that is not a file."""
    return KINDS.get(stat.S_IFMT(path.stat().st_mode), "something else")


def _check(path: Path, image: Image.Image) -> None:
    """Refuse an image that is too large, or whose levels have an unknown range."""
    # Pillow only warns, up to twice this limit.
    if image.width * image.height > MOST_PIXELS:
        raise BadImage(
            path,
            f"has {image.width}x{image.height} pixels, more than {MOST_PIXELS:,}: scale it down",
        )
    # Mode I is also 16-bit grey in a PGM, and in a PNG before Pillow 11.3.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PPM", "PNG")):
        what = "whole numbers of 32 bits" if image.mode == "I" else "floating-point numbers"
        raise BadImage(path, f"has {what} for pixels: save it with 8 or 16 bits")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1..8; 1 where EXIF is missing or damaged."""
    try:
        # PngImageFile.getexif() would decode the whole image to look for EXIF behind it.
        orientation = Image.Image.getexif(image).get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow's parsers raise errors of many types
        return 1
    return orientation if orientation in UPRIGHT else 1


def _plain(image: Image.Image) -> Image.Image:
    """Return the image in a mode of 8 bits or less without transparency."""
    if image.mode.startswith("I"):  # 16 bits: _check refuses the others
        return _from_16_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Return grey levels 0..65535 as 0..255, rounded, and a transparent level as white."""
    values = np.asarray(image).astype(np.uint32)
    levels = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        levels[values == transparent] = 255
    return Image.fromarray(levels)


def _reason(error: Exception) -> str:
    """Return the reason of an error, without its type."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return visible(" ".join(text.split())) or type(error).__name__
