"""Sizes through strided convolutions and back: by stride and output padding alone."""

from collections.abc import Sequence
from dataclasses import dataclass

Size = tuple[int, int]


@dataclass(frozen=True)
class Stage:
    """A convolution's way with sizes, along both axes.

    Attributes:
        kernel: width of the kernel.
        stride: step between two places of it.
        padding: zeros on either side.
    """

    kernel: int
    stride: int
    padding: int

    def smaller(self, size: int) -> int:
        """Return how many pixels the convolution makes of `size`: less than 1 if it cannot."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    def output_padding(self, small: int, large: int) -> int:
        """Return what a transposed convolution has to add at the end to come from small to large.

        It is what the division by the stride left over on the way down, so it is 0..stride - 1 for
        every size (Dumoulin and Visin, arXiv:1603.07285, relationship 14).
        """
        return large - ((small - 1) * self.stride - 2 * self.padding + self.kernel)


def sizes_down(size: Size, stages: Sequence[Stage]) -> list[Size]:
    """Return the size of an image and of the maps after each stage: (height, width).

    Raises:
        ValueError: a stage has too few pixels to work on.
    """
    sizes = [size]
    for number, stage in enumerate(stages, start=1):
        height, width = (stage.smaller(length) for length in sizes[-1])
        if min(height, width) < 1:
            least = stage.kernel - 2 * stage.padding
            raise ValueError(
                f"convolution {number} of {len(stages)} (kernel {stage.kernel}, stride "
                f"{stage.stride}, padding {stage.padding}) needs {least} pixels and gets maps of "
                f"{sizes[-1][0]}x{sizes[-1][1]}: use fewer, or more padding"
            )
        sizes.append((height, width))
    return sizes
