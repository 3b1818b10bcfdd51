"""Image files decoded to pixels by the rules of docs/data.md."""

import logging
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from gtk.core.values.dataset import DataSpec
from gtk.core.values.preprocessing import Fit
from gtk.plugins.datasets import dicom
from gtk.plugins.datasets.fitting import cut_centre, fit_image
from gtk.plugins.datasets.levels import in_range
from gtk.plugins.datasets.page import DARK, BadImage, Header, Page, reason_of
from gtk.plugins.datasets.signature import content_suffix

#: The formats that Pillow decodes by itself. Left out: EPS, which starts Ghostscript; BUFR, GRIB,
#: HDF5 and WMF, which need a handler of the program; MPEG, which is only recognized; IPTC, which
#: opens any format inside it; and FITS, which unpacks gzip of any size.
FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "BLP", "CUR", "DCX", "DDS", "DIB", "FLI",
    "FTEX", "GBR", "ICNS", "ICO", "IM", "IMT", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX", "PIXAR",
    "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "XBM", "XPM", "XVTHUMB", "TGA", "HEIF",
)  # fmt: skip
#: Suffixes of HEIF, which Pillow reads where pillow-heif is installed.
HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif", ".heics", ".heifs"})
#: Formats whose further frames are images: not those of PSD, which are layers, nor of ICO and MPO,
#: which are the same image in other sizes or from another place.
PAGED = ("TIFF", "GIF", "PNG", "WEBP", "AVIF", "DCX", "FLI", "HEIF", "IM", "SPIDER")

#: Reasons of images that are read if the user gives the range of their values.
MEASURED = "has whole numbers of 32 bits", "has floating-point numbers"
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
#: Modes of 8 bits to which a range of stored values applies.
RANGED = ("L", "LA", "RGB", "RGBA")
GREY_MODES = ("1", "L", "LA", "F", "I", "I;16", "I;16B", "I;16L", "I;16N")


# Pillow also logs some damage; without a handler, logging would print it to the terminal.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class DecodedFile:
    """The images of a file.

    Attributes:
        images: (n, C, H, W), uint8: one, or one for each page.
        left_out: the number of further pages.
        largest: as in `Page`, of all pages.
        beyond: as in `Page`, of any page.
        halved: likewise.
        dim: the largest value of 8 bits, where that is below `DARK`, too, and whether a page has
            several values; None for others.
    """

    images: NDArray[np.uint8]
    left_out: int = 0
    largest: float | None = None
    beyond: bool = False
    halved: bool = False
    dim: tuple[int, bool] | None = None


@cache
def readable_formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that the installed Pillow has, and pillow-heif's."""
    Image.init()
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes of image files, in lower case, with the dot.

    HEIF and DICOM are among them without their packages: a file that cannot be read is not skipped.
    """
    # Pillow's JPEG reader also reads MPO, several JPEGs in one file.
    known, formats = Image.registered_extensions().items(), {*readable_formats(), "MPO"}
    readable = frozenset(suffix.lower() for suffix, name in known if name in formats)
    return readable | HEIF_SUFFIXES | dicom.SUFFIXES


def image_suffix(path: Path) -> str:
    """Return the suffix of an image file, the usual one of its content if its name has none."""
    suffix = path.suffix.lower()
    return suffix if suffix in image_suffixes() else content_suffix(path)


def missing_reader(suffix: str) -> str:
    """Return the reason why files of a suffix cannot be read, "" if their package is installed."""
    heif = suffix.lower() in HEIF_SUFFIXES and "HEIF" not in readable_formats()
    if heif:
        return "is HEIC, which pillow-heif reads: pip install 'generative-toolkit[heic]'"
    return dicom.MISSING if suffix.lower() in dicom.SUFFIXES and not dicom.installed() else ""


def decode_image(
    path: Path, spec: DataSpec, fit: Fit = "crop", limits: tuple[float, ...] = ()
) -> NDArray[np.uint8]:
    """Return the image of a file in any of `FORMATS` as (C, H, W), uint8, of the shape of `spec`.

    It is the first, if the file has several. `limits` are the stored values that become black and
    white.

    Raises:
        BadImage: the file cannot be read, is not an image, is damaged, or is too large.
    """
    with quiet_pillow():
        images = decode(path, spec.image_shape, fit, limits).images
    return np.asarray(images[0])


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings: damage raises errors, and oddities do not concern the user.

    Warning filters are global to the process: enter this once around all threads that decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def inspect(path: Path, limits: tuple[float, ...] = ()) -> Header:
    """Read size and colour of an image without decoding it.

    Raises:
        BadImage: the file cannot be read, is not an image, or is too large.
    """
    if image_suffix(path) in dicom.SUFFIXES:
        header = dicom.read_header(path)
        _check_size(path, header.width, header.height)
        return header
    with _opened(path, limits) as image:
        width, height = image.size
        # Orientations from 5 on swap the sides. Pillow already swaps the size of a TIFF.
        if image.format != "TIFF" and _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, image.mode in GREY_MODES)


def decode(
    path: Path,
    shape: tuple[int, int, int],
    fit: Fit,
    limits: tuple[float, ...] = (),
    *,
    centre: tuple[int, ...] = (),
    all_pages: bool = False,
) -> DecodedFile:
    """Return a file's image, or one for each page, of the shape (C, H, W); see `decode_image`.

    `centre` is as in `Preprocessing`.
    """
    if image_suffix(path) in dicom.SUFFIXES:
        inspect(path)
        pages, count = dicom.read_pages(path, limits, all_pages=all_pages)
        found = [_fitted(page, shape, fit, centre) for page in pages]
    else:
        with _opened(path, limits) as image:
            try:
                pages = [_read_page(path, image, limits)]
                found = [_fitted(pages[0], shape, fit, centre)]
                count = _page_count(image)
                for index in range(1, count if all_pages else 1):
                    image.seek(index)
                    pages.append(_read_page(path, image, limits))
                    found.append(_fitted(pages[-1], shape, fit, centre))
            except BadImage:
                raise
            except Exception as error:  # Pillow's decoders raise errors of many types
                raise BadImage(path, f"is damaged ({reason_of(error)})") from error
    images, dims = zip(*found, strict=True)
    return DecodedFile(
        np.stack(images),
        count - len(found),
        max((page.largest for page in pages if page.largest is not None), default=None),
        any(page.beyond for page in pages),
        any(page.halved for page in pages),
        None if None in dims else tuple(map(max, zip(*dims, strict=True))),
    )


def _fitted(
    page: Page, shape: tuple[int, int, int], fit: Fit, centre: tuple[int, ...]
) -> tuple[NDArray[np.uint8], tuple[int, bool] | None]:
    """Return a page as (C, H, W), and its `DecodedFile.dim`."""
    channels, height, width = shape
    plain = cut_centre(page.image, centre).convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(fit_image(plain, (width, height), fit))
    dim = None
    if page.plain and pixels.max() < DARK * 255:  # of few images, since the whole one takes longer
        low, high = np.array(page.image.getextrema()).reshape(-1, 2).T
        dim = (int(high.max()), bool((low < high).any())) if high.max() < DARK * 255 else None
    planes = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(planes), dim


def _page_count(image: Image.Image) -> int:
    """Return how many images a file has, 1 where its later ones are damaged."""
    try:
        return int(getattr(image, "n_frames", 1)) if image.format in PAGED else 1
    except Exception:  # noqa: BLE001 - as in decode
        return 1


def _read_page(path: Path, image: Image.Image, limits: tuple[float, ...]) -> Page:
    """Decode the page that an open image is at."""
    deep = ";16" in str(getattr(image, "tile", ""))
    halved = deep and len(image.getbands()) > 1  # Pillow keeps the high byte of each colour
    image.load()
    _check(path, image, limits)  # again: an icon's header may differ from the image inside
    upright = UPRIGHT.get(_orientation(image))
    page = image if upright is None else image.transpose(upright)
    if limits:
        ranged, beyond = _ranged(path, page, limits, deep=deep)
        return Page(_plain(ranged), None, beyond, halved)
    plain = not deep and page.mode in RANGED
    return Page(_plain(page), _largest(page, deep=deep), halved=halved, plain=plain)


def _largest(image: Image.Image, *, deep: bool) -> float | None:
    """Return the largest value of an image of 16 bits that is nearly black, None for others."""
    if image.mode.startswith("I"):
        largest = float(np.asarray(image).max())
    elif deep and len(image.getbands()) > 1:
        ends: Any = zip(image.getbands(), image.getextrema(), strict=True)
        largest = max(257.0 * high for band, (_, high) in ends if band != "A")
    else:
        return None
    return largest if largest < DARK * 65535 else None


def _ranged(
    path: Path, image: Image.Image, limits: tuple[float, ...], *, deep: bool
) -> tuple[Image.Image, bool]:
    """Return an image whose stored values are made levels, and whether one is beyond the limits.

    One bit, palettes and colours other than RGB are left alone: they do not hold measured values.
    """
    if image.mode[0] in "IF":
        values = np.asarray(image)
        if np.isnan(values).any():
            raise BadImage(path, "has a value that is not a number")
        levels, beyond = in_range(values, limits)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            levels[values == transparent] = 255
        return Image.fromarray(levels), bool(beyond.any())
    if image.mode not in RANGED:
        return image, False
    if image.has_transparency_data:
        image = image.convert("RGBA")
    colours = len(image.getbands()) - (image.mode == "RGBA")
    table, outside = in_range(np.arange(256) * (257 if deep else 1), limits)
    counts = np.array(image.histogram()).reshape(-1, 256)[:colours]
    kept = [*range(256)] if image.mode == "RGBA" else []
    return image.point(table.tolist() * colours + kept), bool(counts[:, outside].any())


@contextmanager
def _opened(path: Path, limits: tuple[float, ...]) -> Iterator[Image.Image]:
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
        raise BadImage(
            path, missing_reader(content_suffix(path) or path.suffix) or reason
        ) from error
    except Exception as error:  # as in decode
        what = "cannot be read" if isinstance(error, OSError) and error.errno else "is damaged"
        raise BadImage(path, f"{what} ({reason_of(error)})") from error
    with image:
        _check(path, image, limits)
        yield image


def kind_of(path: Path) -> str:
    """Return the type of a path that is not a file."""
    return KINDS.get(stat.S_IFMT(path.stat().st_mode), "something else")


def _check_size(path: Path, width: int, height: int) -> None:
    # Pillow only warns, up to twice this limit.
    if width * height > MOST_PIXELS:
        raise BadImage(
            path, f"has {width}x{height} pixels, more than {MOST_PIXELS:,}: scale it down"
        )


def _check(path: Path, image: Image.Image, limits: tuple[float, ...]) -> None:
    """Refuse an image that is too large, or whose levels have an unknown range."""
    _check_size(path, image.width, image.height)
    if limits:
        return
    # Mode I is also 16-bit grey in a PGM, and in a PNG before Pillow 11.3.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PPM", "PNG")):
        what = MEASURED[image.mode == "F"]
        raise BadImage(path, f"{what} for pixels: save it with 8 or 16 bits")


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
