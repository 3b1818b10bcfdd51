"""DICOM files, as pydicom reads them where it is installed.

The grey levels are those of DICOM's own pipeline (PS3.3, C.11): rescaling, then the window. The
user's range replaces the window; without either, the stored bits are the range.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gtk.plugins.datasets.levels import in_range
from gtk.plugins.datasets.page import DARK, BadImage, Header, Page, reason_of

SUFFIXES = frozenset({".dcm", ".dicom"})


MISSING = "is DICOM, which pydicom reads: pip install 'generative-toolkit[dicom]'"


def installed() -> bool:
    """Return whether pydicom is installed."""
    return find_spec("pydicom") is not None


def read_header(path: Path) -> Header:
    """Return the size and colour.

    Raises:
        BadImage: pydicom is not installed, or the file has no image that it can read.
    """
    with _readable(path):
        found = _dataset(path, header=True)
        grey = found.SamplesPerPixel == 1 and found.PhotometricInterpretation != "PALETTE COLOR"
        return Header(int(found.Rows), int(found.Columns), grey)


def read_pages(path: Path, limits: tuple[float, ...], *, all_pages: bool) -> tuple[list[Page], int]:
    """Return the first frame or all, and how many there are.

    Args:
        path: the file.
        limits: the rescaled values that become black and white; empty for the file's own window.
        all_pages: whether to read more than the first.

    Raises:
        BadImage: as in `read_header`.
    """
    from pydicom.pixels import pixel_array

    with _readable(path):
        found = _dataset(path)
        count = int(found.get("NumberOfFrames") or 1)
        wanted = range(count if all_pages else 1)
        return [
            _page(pixel_array(found, index=index), found, limits, index) for index in wanted
        ], count


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn any error of pydicom into a `BadImage`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise BadImage(path, MISSING) from error
    except Exception as error:  # pydicom raises errors of many types
        raise BadImage(path, f"cannot be read as DICOM ({reason_of(error)})") from error


def _dataset(path: Path, *, header: bool = False) -> Any:  # noqa: ANN401 - pydicom's
    from pydicom import dcmread

    found = dcmread(path, stop_before_pixels=header)
    if "Rows" not in found:  # a report or an index, as discs have them beside images
        raise ValueError("it holds no image")
    return found


def _page(values: NDArray[Any], found: Any, limits: tuple[float, ...], index: int) -> Page:  # noqa: ANN401 - pydicom's
    """Return a frame with its number, given as (H, W) or (H, W, 3)."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut

    kind = found.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        values = apply_color_lut(values, found)
    if values.ndim == 3:
        top = np.iinfo(values.dtype).max
        levels, beyond = in_range(values, limits or (0, float(top)))
        return Page(Image.fromarray(levels), beyond=bool(limits) and bool(beyond.any()))
    window = limits or _window(_of_frame(found, index, "FrameVOILUTSequence"))
    rescaling = _of_frame(found, index, "PixelValueTransformationSequence")
    if window:
        levels, beyond = in_range(apply_modality_lut(values, rescaling), window)
        largest = None
    else:
        low, high = _stored_range(found)
        levels, beyond = in_range(values, (low, high))
        if float(rescaling.get("RescaleSlope") or 1) < 0:
            levels = 255 - levels
        largest = None if found.PixelRepresentation else _dark(values, rescaling, high)
    if kind == "MONOCHROME1":  # whose lowest value is white
        levels = 255 - levels
    return Page(Image.fromarray(levels), largest, bool(limits) and bool(beyond.any()))


def _of_frame(found: Any, index: int, group: str) -> Any:  # noqa: ANN401 - pydicom's
    """Return a frame's own group of elements, else that of all frames, else the file's elements.

    Enhanced files have such groups (PS3.3, C.7.6.16).
    """
    frames = found.get("PerFrameFunctionalGroupsSequence") or []
    shared = found.get("SharedFunctionalGroupsSequence") or []
    for groups in (*frames[index : index + 1], *shared[:1]):
        if inside := groups.get(group):
            return inside[0]
    return found


def _dark(values: NDArray[Any], rescaling: Any, high: float) -> float | None:  # noqa: ANN401 - pydicom's
    """Return the largest value as in `Page`; only where values are stored as they are meant."""
    largest = float(values.max())
    plain = not float(rescaling.get("RescaleIntercept") or 0)
    plain = plain and float(rescaling.get("RescaleSlope") or 1) == 1
    return largest if plain and high > 255 and largest < DARK * high else None


def _stored_range(found: Any) -> tuple[float, float]:  # noqa: ANN401 - pydicom's
    """Return the lowest and the highest value that the stored bits can hold."""
    bits = int(found.BitsStored)
    return (
        (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if found.PixelRepresentation else (0, 2**bits - 1)
    )


def _window(found: Any) -> tuple[float, ...]:  # noqa: ANN401 - pydicom's
    """Return the values that the file's first window shows as black and white; empty without one.

    Raises:
        ValueError: it is shown in another way than by a straight line.
    """
    center, width = (_first(found.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None:
        if "VOILUTSequence" in found:
            raise ValueError("its window is a table: give the range of values")
        return ()
    function = found.get("VOILUTFunction") or "LINEAR"
    if function == "LINEAR_EXACT":
        return center - width / 2, center + width / 2
    if function != "LINEAR":
        raise ValueError(f"its window is {function}: give the range of values")
    half = max(width - 1, 1e-6) / 2  # C.11.2.1.2.1: a width of 1 is a threshold
    return center - 0.5 - half, center - 0.5 + half


def _first(value: Any) -> float | None:  # noqa: ANN401 - pydicom's
    """Return a number, or the first of several."""
    if value is None or value == "":
        return None
    return float(value if isinstance(value, int | float | str) else value[0])
