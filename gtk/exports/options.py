"""How a part is written as ONNX."""

import math
from dataclasses import dataclass

from gtk.core.errors import InvalidValue

#: Ten times what float32 rounding was measured to make.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class ExportOptions:
    """What the exported file is like, and how near to PyTorch it has to be.

    Attributes:
        opset: the version of ONNX's operators.
        tolerance: the largest difference allowed from PyTorch, of values; where they are no images,
            as much again of each value. None for the default.

    Raises:
        InvalidValue: a value outside what is possible.
    """

    opset: int = 18
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.tolerance is not None and not 0 <= self.tolerance < math.inf:
            raise InvalidValue(
                f"the tolerance must be a number of at least 0, not {self.tolerance}"
            )

    @property
    def allowed(self) -> float:
        """The tolerance, or what it is by default."""
        return TOLERANCE if self.tolerance is None else self.tolerance
