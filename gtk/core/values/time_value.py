"""Times between noise and an image, as an input of an exported file."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.value import Value

#: Multiples of it, without their whole parts, lie evenly in 0..1, however many there are.
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Time(Value):
    """A time in 0..1 for each image: 0 is noise, 1 the image."""

    role: ClassVar[str] = "time"
    exact: ClassVar[bool] = True
    shape = ()
    limits = (0, 1)

    def cases(self, count: int, first: int) -> NDArray[np.float32]:
        """Return times evenly apart, of which the first two are 0 and 1."""
        places = np.arange(first, first + count)
        times = np.where(places == 1, 1, places * GOLDEN % 1)
        rows: NDArray[np.float32] = times.astype(np.float32)
        return rows
