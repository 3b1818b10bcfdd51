"""A U-Net for flow and diffusion models."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from gtk.core.contracts.conditioner import Conditioner, Site
from gtk.core.contracts.normalization import Normalization
from gtk.plugins.networks.attention import SelfAttention
from gtk.plugins.networks.network_settings import UNetSettings
from gtk.plugins.networks.patches import Patches
from gtk.plugins.networks.stage import ImageShape, Size, Stage, sizes_down
from gtk.plugins.networks.time_embedding import TimeEmbedding
from gtk.plugins.networks.zeroed import zeroed

GROUP = Normalization("group")
#: Halves a size, rounding up: fits maps of every size.
HALVING = Stage(kernel=3, stride=2, padding=1)
#: Width of the time's vectors, as a multiple of the first channels (Ho et al., arXiv:2006.11239).
TIME_FACTOR = 4


class ResidualBlock(nn.Module):
    """Two convolutions beside an identity; time and condition scale and shift the second's input.

    Dhariwal and Nichol, Diffusion Models Beat GANs (arXiv:2105.05233), equation 3 and appendix.

    Args:
        conditioner: provides the normalizations and the layer before the second activation.
        site: of the block.
        features: channels of the input.
        width: channels of the output.
        time_width: E of the time's vector.
    """

    def __init__(
        self, conditioner: Conditioner, site: Site, features: int, width: int, time_width: int
    ) -> None:
        super().__init__()
        again = Site(site.role, f"{site.place} again")
        self.width = width
        self.norm = conditioner.normalization(site, features, GROUP, spatial=True)
        self.first = nn.Conv2d(features, width, 3, padding=1)
        self.norm_again = conditioner.normalization(again, width, GROUP, spatial=True)
        self.time = nn.Linear(time_width, 2 * width)
        self.hidden = conditioner.hidden(again, width)
        self.second = zeroed(nn.Conv2d(self.hidden.out_features, width, 3, padding=1))
        self.shortcut = nn.Conv2d(features, width, 1) if features != width else nn.Identity()

    def forward(self, maps: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, features, h, w), a time's vector (B, E) and a condition to (B, width, h, w)."""
        hidden = self.first(silu(self.norm(maps, condition)))
        code: Tensor = self.time(time).reshape(-1, 2, self.width, 1, 1)
        hidden = self.norm_again(hidden, condition) * (1 + code[:, 1]) + code[:, 0]
        hidden = self.second(silu(self.hidden(hidden, condition)))
        result: Tensor = self.shortcut(maps) + hidden
        return result


class AttentionBlock(nn.Module):
    """Normalized self-attention beside an identity.

    Args:
        conditioner: provides the normalization.
        site: of the block.
        features: channels of the maps, F.
    """

    def __init__(self, conditioner: Conditioner, site: Site, features: int) -> None:
        super().__init__()
        self.norm = conditioner.normalization(site, features, GROUP, spatial=True)
        self.attention = SelfAttention(features)
        zeroed(self.attention.output)

    def forward(self, maps: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F, h, w) and a condition to the same shape."""
        pixels = self.norm(maps, condition).permute(0, 2, 3, 1)
        result: Tensor = maps + self.attention(pixels).permute(0, 3, 1, 2)
        return result


class Step(nn.Module):
    """A residual block, followed by attention where `attends`; other arguments are the block's."""

    def __init__(
        self,
        conditioner: Conditioner,
        site: Site,
        features: int,
        width: int,
        time_width: int,
        *,
        attends: bool,
    ) -> None:
        super().__init__()
        self.block = ResidualBlock(conditioner, site, features, width, time_width)
        place = Site(site.role, f"{site.place} attention")
        self.attention = AttentionBlock(conditioner, place, width) if attends else None

    def forward(self, maps: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, features, h, w), a time's vector (B, E) and a condition to (B, width, h, w)."""
        maps = self.block(maps, time, condition)
        return maps if self.attention is None else self.attention(maps, condition)


@dataclass(frozen=True)
class StepMaker:
    """Makes the steps of one U-Net.

    Attributes:
        settings: of the U-Net.
        sizes: of the maps of each level.
        conditioner: provides the layers that take the condition.
        role: the network's name, for the conditioner.
        time_width: E of the time's vector.
    """

    settings: UNetSettings
    sizes: Sequence[Size]
    conditioner: Conditioner
    role: str
    time_width: int

    def step(self, place: str, features: int, width: int, *, attends: bool = False) -> Step:
        """Return a step from `features` channels to `width`."""
        site = Site(self.role, place)
        return Step(self.conditioner, site, features, width, self.time_width, attends=attends)

    def steps(self, way: str, level: int, features: Sequence[int]) -> nn.ModuleList:
        """Return a step for each number of channels of an input."""
        attends = max(self.sizes[level]) in self.settings.attention_sizes
        width = self.settings.channels[level]
        return nn.ModuleList(
            self.step(f"{way} {level} {index}", count, width, attends=attends)
            for index, count in enumerate(features)
        )


class Level(nn.Module):
    """The steps on maps of one size, on the way down and up, and all that is on smaller maps.

    Args:
        maker: makes the steps.
        level: its number, from 0 for the largest maps.
    """

    def __init__(self, maker: StepMaker, level: int) -> None:
        super().__init__()
        channels, more = maker.settings.channels, maker.settings.blocks - 1
        width, before = channels[level], channels[max(level - 1, 0)]
        deepest = level == len(channels) - 1
        below = width if deepest else channels[level + 1]
        self.down = maker.steps("down", level, [before, *[width] * more])
        self.inner = Middle(maker, width) if deepest else Halved(maker, level)
        self.up = maker.steps("up", level, [below + width, *[2 * width] * more])

    def forward(self, maps: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map the maps before the level, a time's vector and a condition to those after it."""
        links: list[Tensor] = []
        for step in self.down:
            maps = step(maps, time, condition)
            links.append(maps)
        maps = self.inner(maps, time, condition)
        for step in self.up:
            maps = step(torch.cat([maps, links.pop()], dim=1), time, condition)
        return maps


class Halved(nn.Module):
    """The next level, on maps of half the size.

    Its result is doubled by repeating every pixel, and cropped to the size before: a convolution
    behind it would take a fifth of a training's time.
    """

    def __init__(self, maker: StepMaker, level: int) -> None:
        super().__init__()
        width = maker.settings.channels[level]
        self.halving = HALVING.convolution(width, width)
        self.level = Level(maker, level + 1)

    def forward(self, maps: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F, h, w), a time's vector and a condition to (B, F', h, w)."""
        _, _, height, width = maps.shape
        small = self.level(self.halving(maps), time, condition)
        return interpolate(small, scale_factor=2.0, mode="nearest")[:, :, :height, :width]


class Middle(nn.Module):
    """Two residual blocks with attention between them, on the smallest maps."""

    def __init__(self, maker: StepMaker, width: int) -> None:
        super().__init__()
        self.first = maker.step("middle 0", width, width, attends=True)
        self.second = maker.step("middle 1", width, width)

    def forward(self, maps: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, F, h, w), a time's vector and a condition to the same shape."""
        result: Tensor = self.second(self.first(maps, time, condition), time, condition)
        return result


class UNet(nn.Module):
    """A U-Net: residual blocks on maps of halving, then of doubling size, linked across.

    Ronneberger, Fischer and Brox (arXiv:1505.04597), with the blocks of Dhariwal and Nichol
    (arXiv:2105.05233). At first it returns zeros.

    Args:
        settings: its sizes.
        image_shape: (C, H, W).
        conditioner: provides the layers that take the condition.
        role: the network's name in `Model.networks()`.

    Raises:
        ValueError: attention on maps of a size that it does not have.
    """

    def __init__(
        self,
        settings: UNetSettings,
        image_shape: ImageShape,
        conditioner: Conditioner,
        role: str,
    ) -> None:
        super().__init__()
        self.patches = Patches(image_shape, settings.patch)
        sizes = sizes_down(self.patches.size, [HALVING] * (len(settings.channels) - 1))
        check_attention_sizes(settings.attention_sizes, sizes)
        width, patch = settings.channels[0], settings.patch
        self.time = TimeEmbedding(TIME_FACTOR * width, conditioner, role)
        self.input = conditioner.input(Site(role, "input"), image_shape[0])
        # It sees a patch and its eight neighbours.
        self.first = nn.Conv2d(self.input.out_features, width, 3 * patch, patch, patch)
        self.level = Level(StepMaker(settings, sizes, conditioner, role, TIME_FACTOR * width), 0)
        self.norm = conditioner.normalization(Site(role, "head"), width, GROUP, spatial=True)
        self.head = zeroed(nn.Conv2d(width, self.patches.values, 3, padding=1))

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map (B, C, H, W), times (B,) in 0..1 and a condition to (B, C, H, W)."""
        maps = self.first(self.patches.whole(self.input(x, condition)))
        maps = self.level(maps, self.time(time, condition), condition)
        return self.patches.joined(self.head(silu(self.norm(maps, condition))))


def check_attention_sizes(chosen: Sequence[int], sizes: Sequence[Size]) -> None:
    """Refuse attention on maps of a size that a U-Net does not have.

    Raises:
        ValueError: there are no such maps.
    """
    known = [max(size) for size in sizes]
    for size in chosen:
        if size not in known:
            raise ValueError(
                f"attention_sizes has {size}, and the longer sides of this U-Net's maps are "
                f"{', '.join(map(str, known))}: choose among these"
            )
