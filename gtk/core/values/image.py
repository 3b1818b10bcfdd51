"""Images as models make and take them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.value import Value


@dataclass(frozen=True)
class Image(Value):
    """Images in 0..1, float32.

    Attributes:
        shape: (C, H, W).
    """

    shape: tuple[int, int, int]

    role: ClassVar[str] = "image"
    limits = (0, 1)

    def cases(self, count: int, first: int) -> NDArray[np.float32]:
        """Return images from black to white."""
        generator = np.random.default_rng(first)
        images = generator.random((count, *self.shape), dtype=np.float32)
        # Noise alone has no dark and no bright image.
        shade = generator.random((count, 1, 1, 1), dtype=np.float32)
        shown: NDArray[np.float32] = np.clip(images + 2 * shade - 1, 0, 1)
        return shown
