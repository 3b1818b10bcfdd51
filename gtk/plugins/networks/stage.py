"""Strided convolutions, the transposed convolutions that undo them, and the sizes of their maps."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

Size = tuple[int, int]
#: (channels, height, width).
ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class Stage:
    """A convolution's settings, the same along both axes.

    Attributes:
        kernel: width of the kernel.
        stride: step between two places of the kernel.
        padding: zeros on either side.
    """

    kernel: int
    stride: int
    padding: int

    def smaller(self, size: int) -> int:
        """Return the output's pixels for `size` input pixels: less than 1 if it cannot work."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    def output_padding(self, small: int, large: int) -> int:
        """Return the output padding with which a transposed convolution maps small to large.

        It is the remainder that the stride's division dropped on the way down, in 0..stride - 1
        (Dumoulin and Visin, arXiv:1603.07285, relationship 14).
        """
        return large - ((small - 1) * self.stride - 2 * self.padding + self.kernel)

    def convolution(self, features: int, width: int) -> nn.Conv2d:
        """Return the convolution."""
        return nn.Conv2d(features, width, self.kernel, self.stride, self.padding)

    def transposed(self, features: int, width: int, small: Size, large: Size) -> nn.ConvTranspose2d:
        """Return the transposed convolution from maps of size `small` to maps of size `large`."""
        rows, columns = map(self.output_padding, small, large)
        return nn.ConvTranspose2d(
            features, width, self.kernel, self.stride, self.padding, (rows, columns)
        )


def sizes_down(size: Size, stages: Sequence[Stage]) -> list[Size]:
    """Return the size of an image and of the maps after each stage: (height, width).

    Raises:
        ValueError: the maps before a stage are too small for it.
    """
    sizes = [size]
    for number, stage in enumerate(stages, start=1):
        height, width = map(stage.smaller, sizes[-1])
        if min(height, width) < 1:
            least = stage.kernel - 2 * stage.padding
            raise ValueError(
                f"convolution {number} of {len(stages)} (kernel {stage.kernel}, stride "
                f"{stage.stride}, padding {stage.padding}) needs {least} pixels and gets maps of "
                f"{sizes[-1][0]}x{sizes[-1][1]}: use fewer convolutions or more padding"
            )
        sizes.append((height, width))
    return sizes
