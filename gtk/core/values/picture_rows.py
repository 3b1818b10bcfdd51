"""Pictures as the rows of a data set: channels before height and width."""

import numpy as np
from numpy.typing import NDArray


def as_rows(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, C, H, W) of pictures (N, H, W) in grey or (N, H, W, 3) in colour."""
    return pictures[:, None] if pictures.ndim == 3 else pictures.transpose(0, 3, 1, 2)
