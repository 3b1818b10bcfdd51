"""Animated pictures: GIF, or APNG with exact colours."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import write_file
from gtk.pictures.grid import MOST_PIXELS, check_picture
from gtk.pictures.picture_text import png_text

#: Suffixes of an animation's file.
SUFFIXES = (".gif", ".png", ".apng")
#: GIF counts time in hundredths of a second.
GIF_TICK = 10


def check_size(frame: NDArray[np.uint8], count: int) -> None:
    """Raise `InvalidValue` if such frames are too large, or `count` of them together."""
    check_picture(*frame.shape[:2])
    pixels = frame.shape[0] * frame.shape[1] * count
    if pixels > MOST_PIXELS:
        remedy = "make fewer frames, or give a smaller scale"
        raise InvalidValue(f"the animation would have {pixels:,} pixels: {remedy}")


def write_animation(
    frames: Sequence[NDArray[np.uint8]],
    path: Path,
    milliseconds: Sequence[int],
    text: Mapping[str, str] | None = None,
) -> None:
    """Write frames that repeat for ever, by rename: the file is whole or absent.

    Grey levels are exact in both formats. A frame of a GIF has at most 256 colours, which come near
    those of a coloured frame; APNG keeps all.

    Args:
        frames: (H, W) or (H, W, 3) each, all of one shape.
        path: ends in .gif, .png or .apng.
        milliseconds: how long each frame stays; a GIF rounds to 10.
        text: goes into the file by its keys; a GIF has the first text alone, as a comment.

    Raises:
        InvalidValue: see `check_size`.
        UserError: it cannot be written.
    """
    from PIL import Image

    check_size(frames[0], len(frames))
    gif = path.suffix.lower() == ".gif"
    images = [Image.fromarray(frame) for frame in frames]
    times = list(milliseconds)
    if gif:
        # Without dithering, which would flicker from frame to frame.
        images = [
            image if image.mode == "L" else image.quantize(256, dither=Image.Dither.NONE)
            for image in images
        ]
        times = [max(2, round(time / GIF_TICK)) * GIF_TICK for time in times]
    content = BytesIO()
    comment = next(iter(text.values()), "") if text else ""
    described = {"comment": comment} if gif else {"pnginfo": png_text(text or {})}
    images[0].save(
        content,
        format="GIF" if gif else "PNG",
        save_all=True,
        append_images=images[1:],
        duration=times,
        loop=0,
        **(described if text else {}),
    )
    write_file(path, content.getvalue())
