"""Generator and discriminator of convolutions; one goes through the sizes of the other."""

from collections.abc import Sequence

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Site
from gtk.plugins.networks.layer import LayerMaker, run
from gtk.plugins.networks.stage import Stage, sizes_down


class ConvolutionalGenerator(nn.Module):
    """Noise, as maps of one pixel, to images, by transposed convolutions.

    The first makes the smallest maps; each of the others undoes a stage of the discriminator.

    Args:
        maker: of the hidden layers.
        latent_dim: width of the noise.
        channels: of the hidden layers, from the noise outwards; as many as stages.
        stages: of the discriminator, from the image inwards.
        image_shape: (C, H, W).

    Raises:
        ValueError: the image is too small for the stages.
    """

    def __init__(
        self,
        maker: LayerMaker,
        latent_dim: int,
        channels: Sequence[int],
        stages: Sequence[Stage],
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        sizes = sizes_down(image_shape[1:], stages)[::-1]
        self.input = maker.conditioner.input(Site(maker.role, "input"), latent_dim)
        transposed: nn.Module = nn.ConvTranspose2d(self.input.out_features, channels[0], sizes[0])
        self.hidden = nn.ModuleList()
        for index, stage in enumerate(reversed(stages)):
            layer = maker.make(transposed, channels[index], f"hidden {index}")
            self.hidden.append(layer)
            width = image_shape[0] if index == len(stages) - 1 else channels[index + 1]
            rows, columns = (
                stage.output_padding(small, large)
                for small, large in zip(sizes[index], sizes[index + 1], strict=True)
            )
            transposed = nn.ConvTranspose2d(
                layer.out_features,
                width,
                stage.kernel,
                stage.stride,
                stage.padding,
                (rows, columns),
            )
        self.head = transposed

    def forward(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, D) and a condition to images (B, C, H, W) in -1..1."""
        maps = self.input(noise, condition)[:, :, None, None]
        images: Tensor = self.head(run(self.hidden, maps, condition))
        return images.tanh()


class ConvolutionalDiscriminator(nn.Module):
    """Images to scores.

    Args:
        maker: of the hidden layers.
        image_shape: (C, H, W).
        channels: of the hidden layers, from the image inwards; as many as stages.
        stages: kernels, strides and paddings.

    Raises:
        ValueError: the image is too small for the stages.
    """

    def __init__(
        self,
        maker: LayerMaker,
        image_shape: tuple[int, int, int],
        channels: Sequence[int],
        stages: Sequence[Stage],
    ) -> None:
        super().__init__()
        self.input = maker.conditioner.input(Site(maker.role, "input"), image_shape[0])
        features = self.input.out_features
        self.hidden = nn.ModuleList()
        for index, (width, stage) in enumerate(zip(channels, stages, strict=True)):
            convolution = nn.Conv2d(features, width, stage.kernel, stage.stride, stage.padding)
            layer = maker.make(convolution, width, f"hidden {index}", normalized=index > 0)
            self.hidden.append(layer)
            features = layer.out_features
        # The last convolution sees all that is left of the image.
        self.head = nn.Conv2d(features, 1, sizes_down(image_shape[1:], stages)[-1])
        self.score = maker.conditioner.score(Site(maker.role, "score"), features)

    def forward(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Map images (B, C, H, W) in -1..1 and a condition to logits (B,)."""
        maps = run(self.hidden, self.input(images, condition), condition)
        score: Tensor = self.score(self.head(maps).flatten(), maps.sum((2, 3)), condition)
        return score
