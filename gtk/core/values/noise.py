"""Noise: what sampling starts from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NoiseSpec:
    """Standard normal noise of a given shape, as data, so that a runtime without torch can draw it.

    Attributes:
        shape: of one image's noise, without the batch.
    """

    shape: tuple[int, ...]

    def draw(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw noise for `count` images, image by image: (count, *shape), float32.

        A longer draw begins with the shorter one, so splitting into batches changes nothing.
        `gtk.exports.runtime`, which may import nothing of ours, draws the same.
        """
        generator = np.random.default_rng(seed)
        return generator.standard_normal((count, *self.shape), dtype=np.float32)
