"""Encoder and decoder of convolutions."""

from math import prod

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Site
from gtk.plugins.networks.layer import LayerMaker, run
from gtk.plugins.networks.perceptron import Perceptron
from gtk.plugins.networks.stage import Stage, sizes_down

#: Halves a size, rounding up: fits images of every size.
HALVING = Stage(kernel=3, stride=2, padding=1)


class ConvolutionalEncoder(nn.Module):
    """Images to the two halves of a Gaussian, halving their size with every convolution.

    Args:
        maker: of the hidden layers.
        image_shape: (C, H, W).
        channels: of each convolution.
        latent_dim: D.
    """

    def __init__(
        self,
        maker: LayerMaker,
        image_shape: tuple[int, int, int],
        channels: tuple[int, ...],
        latent_dim: int,
    ) -> None:
        super().__init__()
        self.input = maker.conditioner.input(Site(maker.role, "input"), image_shape[0])
        features = self.input.out_features
        self.hidden = nn.ModuleList()
        for index, width in enumerate(channels):
            convolution = nn.Conv2d(
                features, width, HALVING.kernel, HALVING.stride, HALVING.padding
            )
            layer = maker.make(convolution, width, f"hidden {index}")
            self.hidden.append(layer)
            features = layer.out_features
        size = sizes_down(image_shape[1:], [HALVING] * len(channels))[-1]
        self.head = nn.Linear(features * prod(size), 2 * latent_dim)

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) and a condition to mean and log variance, (B, 2D)."""
        maps = run(self.hidden, self.input(images, condition), condition)
        values: Tensor = self.head(maps.flatten(1))
        return values


class ConvolutionalDecoder(nn.Module):
    """A latent code to the parameters of the pixels' likelihood.

    Fully connected layers make the smallest maps; every stage doubles their size with a transposed
    convolution and looks at the result with one of stride 1. The last of these, right before the
    output, is not normalized: its scale is what the output is made of.

    Args:
        maker: of the hidden layers.
        latent_dim: D.
        widths: of the fully connected layers before the one that makes the maps.
        channels: of each stage; the smallest maps have as many as the first.
        output_shape: (channels, H, W).
    """

    def __init__(
        self,
        maker: LayerMaker,
        latent_dim: int,
        widths: tuple[int, ...],
        channels: tuple[int, ...],
        output_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        sizes = sizes_down(output_shape[1:], [HALVING] * len(channels))[::-1]
        self.linear = Perceptron(maker, latent_dim, (*widths, channels[0] * prod(sizes[0])))
        if self.linear.out_features != channels[0] * prod(sizes[0]):
            raise ValueError("a convolutional decoder needs layers that keep their width")
        self.smallest = (channels[0], *sizes[0])
        self.hidden = nn.ModuleList()
        features = channels[0]
        for index, width in enumerate(channels):
            doubling = doubled(features, width, sizes[index], sizes[index + 1])
            layer = maker.make(doubling, width, f"stage {index}")
            looking = nn.ConvTranspose2d(layer.out_features, width, 3, padding=1)
            last = index == len(channels) - 1
            refined = maker.make(looking, width, f"stage {index} again", normalized=not last)
            self.hidden.extend([layer, refined])
            features = refined.out_features
        self.head = nn.ConvTranspose2d(features, output_shape[0], 3, padding=1)

    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Map z (B, D) and a condition to (B, channels, H, W)."""
        maps = self.linear(z, condition).reshape(-1, *self.smallest)
        values: Tensor = self.head(run(self.hidden, maps, condition))
        return values


def doubled(
    features: int, width: int, small: tuple[int, int], large: tuple[int, int]
) -> nn.ConvTranspose2d:
    """Return the transposed convolution that undoes a halving from `large` to `small`."""
    rows, columns = (
        HALVING.output_padding(less, more) for less, more in zip(small, large, strict=True)
    )
    kernel, stride, padding = HALVING.kernel, HALVING.stride, HALVING.padding
    return nn.ConvTranspose2d(features, width, kernel, stride, padding, (rows, columns))
