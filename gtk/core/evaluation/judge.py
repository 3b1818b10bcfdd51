"""The judge: a classifier of a data set's images, in whose features images are compared."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gtk.core.models.tf32 import without_tf32
from gtk.core.values.dataset import DataSpec

#: The longest side of images that a judge sees; larger ones are averaged over squares of pixels.
LONGEST = 48
#: Channels at the image's size and at each half of it, of small, grey and colour images.
SMALL_SIDE, SMALL, GREY, COLOUR = 16, (32, 64, 64, 128), (16, 32, 64, 128), (24, 48, 96, 192)
#: Images in one pass, and the values that these may have: fewer of large images.
BATCH, VALUES = 500, 1 << 25


class JudgeNetwork(nn.Module):
    """Convolutions on maps of four sizes, with two residual pairs (He et al., arXiv:1512.03385).

    Args:
        spec: the images, with classes as their condition.
    """

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        side = max(spec.height, spec.width)
        self.shrinks = math.ceil(side / LONGEST)
        a, b, c, d = SMALL if side <= SMALL_SIDE else GREY if spec.channels == 1 else COLOUR
        self.first = _convolution(spec.channels, a)
        self.second = _convolution(a, b, _halved())
        self.second_pair = nn.Sequential(_convolution(b, b), _convolution(b, b))
        self.third = _convolution(b, c, _halved())
        self.fourth = _convolution(c, d, _halved())
        self.fourth_pair = nn.Sequential(_convolution(d, d), _convolution(d, d))
        classes = 0 if spec.condition is None else len(spec.condition.names)
        self.output = nn.Linear(d, classes)

    def features(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) in 0..1 to (B, F)."""
        if self.shrinks > 1:
            images = avg_pool2d(images, self.shrinks, ceil_mode=True)
        maps = self.second(self.first(images * 2 - 1))
        maps = self.fourth(self.third(maps + self.second_pair(maps)))
        result: Tensor = (maps + self.fourth_pair(maps)).amax((2, 3))
        return result

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) in 0..1 to logits (B, classes)."""
        logits: Tensor = self.output(self.features(images))
        return logits


class TrainedJudge:
    """A trained judge.

    Args:
        network: trained, in eval mode on its device.
        digest: of its weights, by which protocols name it.

    Attributes:
        network: the classifier.
        accuracy: the share of the test images whose class it sees.
    """

    def __init__(self, network: JudgeNetwork, digest: str, accuracy: float) -> None:
        self.network, self.digest, self.accuracy = network, digest, accuracy

    @property
    def stated(self) -> dict[str, Any]:
        """Its digest and accuracy, for protocols."""
        return {"digest": self.digest, "accuracy": self.accuracy}

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the features (N, F) and the logits (N, classes) of images (N, C, H, W)."""
        parts = [*seen(self.network, images)]
        features, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return features, logits


def seen(
    network: JudgeNetwork, images: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield a network's features and logits of images (N, C, H, W), a batch at a time."""
    device = network.output.weight.device
    count = max(1, min(BATCH, VALUES // math.prod(images.shape[1:])))
    for start in range(0, len(images), count):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + count])).to(device)
        with torch.no_grad(), without_tf32(device):
            features = network.features(part.float() / 255)
            logits = network.output(features)
        yield features.cpu().double().numpy(), logits.cpu().double().numpy()


def _convolution(features: int, width: int, *after: nn.Module) -> nn.Sequential:
    """Return a normalized 3x3 convolution with its activation."""
    layer = nn.Conv2d(features, width, 3, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(width), nn.ReLU(), *after)


def _halved() -> nn.MaxPool2d:
    return nn.MaxPool2d(2, ceil_mode=True)
