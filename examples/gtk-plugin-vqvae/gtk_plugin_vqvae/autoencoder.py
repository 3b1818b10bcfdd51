"""Encoder and decoder: an image to a small map of features, and back."""

from torch import Tensor, nn

#: Without being told, the encoder halves an image until no side is longer.
LONGEST_SIDE = 8


def map_sizes(size: tuple[int, int], halvings: int) -> list[tuple[int, int]]:
    """Return (height, width) of an image and after each halving, which rounds up.

    Args:
        size: of the image.
        halvings: how many; 0: until no side is longer than `LONGEST_SIDE`, and once at least.
    """
    sizes = [size]
    while len(sizes) <= (halvings or 1) or (not halvings and max(sizes[-1]) > LONGEST_SIDE):
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


class Residual(nn.Module):
    """x + conv1x1(relu(conv3x3(relu(x)))): arXiv:1711.00937, section 4.1.

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, channels, h, w) to the same shape."""
        return maps + self.layers(maps)


class Encoder(nn.Sequential):
    """Images (B, C, H, W) in 0..1 to features (B, D, h, w).

    Args:
        image_channels: C.
        channels: of the maps.
        halvings: how often the size is halved.
        code_dim: D.
    """

    def __init__(self, image_channels: int, channels: int, halvings: int, code_dim: int) -> None:
        layers: list[nn.Module] = []
        for index in range(halvings):
            width = image_channels if index == 0 else channels
            layers += [nn.Conv2d(width, channels, 3, 2, 1), nn.ReLU()]
        super().__init__(
            *layers,
            nn.Conv2d(channels, channels, 3, padding=1),
            Residual(channels),
            Residual(channels),
            nn.ReLU(),
            nn.Conv2d(channels, code_dim, 1),
        )


class Decoder(nn.Sequential):
    """Vectors of codes (B, D, h, w) to logits of the pixels (B, C, H, W).

    Args:
        image_channels: C.
        channels: of the maps.
        sizes: of the image and after each halving, as `map_sizes` says.
        code_dim: D.
    """

    def __init__(
        self, image_channels: int, channels: int, sizes: list[tuple[int, int]], code_dim: int
    ) -> None:
        layers: list[nn.Module] = []
        for index in reversed(range(len(sizes) - 1)):
            small, large = sizes[index + 1], sizes[index]
            # A transposed convolution of stride 2 makes 2n - 1 of n, plus what is added at the end.
            added = (large[0] - 2 * small[0] + 1, large[1] - 2 * small[1] + 1)
            width = image_channels if index == 0 else channels
            layers += [nn.ReLU(), nn.ConvTranspose2d(channels, width, 3, 2, 1, added)]
        super().__init__(
            nn.Conv2d(code_dim, channels, 3, padding=1),
            Residual(channels),
            Residual(channels),
            *layers,
        )


def straight_through(features: Tensor, vectors: Tensor) -> Tensor:
    """Return the vectors, with a gradient as if they were the features: section 3.2."""
    return features + (vectors - features).detach()
