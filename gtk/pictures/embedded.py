"""Pictures inside a page as data: URIs, made smaller where the page would be too large."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.ordinary_file import read_ordinary

Item = TypeVar("Item")

#: Frames of a series that are kept before their quality is reduced.
LEAST_FRAMES = 6
#: Encodings that are tried in turn: (WebP quality, greatest width in pixels).
ENCODINGS = ((85, 2000), (70, 1000), (50, 500), (30, 250))
#: How many times as high as wide a picture that was made smaller may be.
TALLEST = 3
#: The most bytes and pixels of a picture that is read. Larger ones would not fit into a page, and
#: may be a stranger's, made to take minutes.
MOST_BYTES, MOST_PIXELS = 16 << 20, 25_000_000


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes:
        content: the bytes of the file.
        kind: "png" or "webp".
        width: in pixels, as is `height`.
    """

    content: bytes
    kind: str
    width: int
    height: int

    @classmethod
    def read(cls, path: Path) -> "Picture | None":
        """Read a PNG; None where it is damaged, unreadable or large: others can still be shown."""
        from PIL import Image

        try:
            content = read_ordinary(path, MOST_BYTES)
            with Image.open(BytesIO(content), formats=["PNG"]) as image:
                image.verify()  # checksums alone, since decoding many large pictures takes long
                small = image.width * image.height <= MOST_PIXELS
                return cls(content, "png", image.width, image.height) if small else None
        except Exception:  # noqa: BLE001 - Pillow's decoders raise errors of many types
            return None

    @classmethod
    def of(cls, pixels: NDArray[np.uint8]) -> "Picture":
        """Encode (H, W) or (H, W, 3) pixels as PNG."""
        from PIL import Image

        content = BytesIO()
        Image.fromarray(pixels).save(content, format="PNG", optimize=True)
        return cls(content.getvalue(), "png", pixels.shape[1], pixels.shape[0])

    @property
    def size(self) -> int:
        """How many bytes it adds to a page."""
        return 4 * -(-len(self.content) // 3) + 30

    @property
    def uri(self) -> str:
        """The picture as a data: URI, whose characters need no escaping."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.content).decode()}"

    def smaller(self, quality: int, width: int) -> "Picture | None":
        """Return it as WebP, no wider than `width`; or itself where that is not smaller.

        None where it cannot be decoded.
        """
        try:
            content, size = self._webp(quality, width)
        except Exception:  # noqa: BLE001 - as in `read`
            return None
        if len(content) >= len(self.content):
            return self
        return replace(self, content=content, kind="webp", width=size[0], height=size[1])

    def _webp(self, quality: int, width: int) -> tuple[bytes, tuple[int, int]]:
        from PIL import Image

        with Image.open(BytesIO(self.content)) as image:
            pixels = image.convert("RGB")
        factor = min(1.0, width / pixels.width, TALLEST * width / pixels.height)
        if factor < 1:
            sides = [max(1, round(side * factor)) for side in pixels.size]
            pixels = pixels.resize((sides[0], sides[1]), Image.Resampling.BOX)
        content = BytesIO()
        pixels.save(content, format="WEBP", quality=quality)
        return content.getvalue(), pixels.size


#: Pictures of one kind by epoch.
Frames = dict[int, Picture]


def fitting(series: Mapping[str, Frames], room: int) -> dict[str, Frames]:
    """Return as much of the series as fits into `room` bytes.

    Epochs are left out first, evenly and never the first or the last; then pictures lose quality.
    If they are still too large, all are left out.
    """
    for candidate in _candidates(series):
        if sum(picture.size for frames in candidate.values() for picture in frames.values()) < room:
            return candidate
    return {name: {} for name in series}


def _candidates(series: Mapping[str, Frames]) -> Iterator[dict[str, Frames]]:
    longest = max((len(frames) for frames in series.values()), default=0)
    least = min(LEAST_FRAMES, longest)
    step = max(1, (longest - least) // 50)  # about 50 counts are tried
    for count in [*range(longest, least, -step), least]:
        yield {name: spread(frames, count) for name, frames in series.items()}
    kept = {name: spread(frames, least) for name, frames in series.items()}
    for quality, width in ENCODINGS:
        kept = {
            name: {
                epoch: small
                for epoch, picture in frames.items()
                if (small := picture.smaller(quality, width)) is not None
            }
            for name, frames in kept.items()
        }
        yield kept
    for count in (2, 1):
        yield {name: spread(frames, count) for name, frames in kept.items()}


def spread(frames: Mapping[int, Item], count: int) -> dict[int, Item]:
    """Return at most `count` frames, evenly spaced: the last, and the first if there are two."""
    epochs = sorted(frames)
    if count == 1:
        epochs = epochs[-1:]
    elif count < len(epochs):
        epochs = [epochs[round(at * (len(epochs) - 1) / (count - 1))] for at in range(count)]
    return {epoch: frames[epoch] for epoch in epochs}
