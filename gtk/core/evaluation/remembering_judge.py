"""A judge that remembers what it saw in real images, which are judged again and again."""

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.metric import Judge

#: Images that are remembered, at some kilobytes each.
MOST = 20_000


class RememberingJudge:
    """Looks once at the same images, of the first so many.

    Args:
        judge: looks at them.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge, self._images = judge, 0
        self._seen: dict[bytes, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the features (N, F) and the logits (N, classes) of images (N, C, H, W)."""
        key = sha256(images.tobytes()).digest()
        found = self._seen.get(key)
        if found is None:
            found = self._judge.look(images)
            if self._images + len(images) <= MOST:
                self._seen[key] = found
                self._images += len(images)
        return found
