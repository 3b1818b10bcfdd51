"""A picture in the terminal: two pixels to a character, upper half and lower half."""

import numpy as np
from numpy.typing import NDArray
from rich.text import Text


def half_blocks(pixels: NDArray[np.uint8], width: int) -> Text:
    """Render (H, W) or (H, W, 3) pixels, made smaller where they are wider than `width`."""
    if pixels.ndim == 2:
        pixels = pixels[..., None].repeat(3, axis=2)
    if pixels.shape[1] > width:
        pixels = _shrink(pixels, width)
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    text = Text()
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            text.append("▀", f"rgb({_rgb(top)}) on rgb({_rgb(bottom)})")
        text.append("\n")
    return text


def _rgb(pixel: NDArray[np.uint8]) -> str:
    return ",".join(str(int(level)) for level in pixel)


def _shrink(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    from PIL import Image

    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))
