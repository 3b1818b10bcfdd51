"""Normalization of features, as a model asks for it and a conditioner may build it."""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting

NormalizationName = Literal["none", "batch", "group", "layer"]
#: Group normalization has at most 32 groups (Wu and He, arXiv:1803.08494, section 3.1), of at least
#: 4 features: normalizing a single feature of a vector, or of a map of one pixel, would give 0.
MOST_GROUPS, LEAST_FEATURES = 32, 4


@dataclass(frozen=True)
class Normalization:
    """The kind of normalization that a network uses.

    Attributes:
        name: "batch": over the images of a batch (Ioffe and Szegedy, arXiv:1502.03167); "group":
            over groups of features of each image; "layer": over all features of each pixel (Ba,
            Kiros and Hinton, arXiv:1607.06450); "none".
        epsilon: added to the variance.
        momentum: weight of a batch in the running statistics.
    """

    name: NormalizationName
    epsilon: float = 1e-5
    momentum: float = 0.1

    def build(self, features: int, *, spatial: bool, affine: bool) -> nn.Module:
        """Return a layer for (B, F), or for (B, F, H, W) where `spatial`.

        Args:
            features: F.
            spatial: whether features are maps.
            affine: whether it learns a scale and a shift of each feature.

        Raises:
            ValueError: the name is "none", which has no layer.
        """
        if self.name == "batch":
            kind = nn.BatchNorm2d if spatial else nn.BatchNorm1d
            return kind(features, self.epsilon, self.momentum, affine)
        if self.name == "group":
            return nn.GroupNorm(group_count(features), features, self.epsilon, affine)
        if self.name == "layer":
            return FeatureNorm(features, self.epsilon, affine)
        raise ValueError(f"normalization {self.name!r} has no layer")


class FeatureNorm(nn.LayerNorm):
    """Layer normalization over the features of (B, F) or (B, F, H, W), of each pixel alone."""

    def forward(self, values: Tensor) -> Tensor:
        """Normalize values to the same shape."""
        return super().forward(values.movedim(1, -1)).movedim(-1, 1)


def group_count(features: int) -> int:
    """Return the number of groups into which features are divided; 1 if nothing else fits."""
    groups = math.gcd(features, MOST_GROUPS)
    while groups > 1 and features < groups * LEAST_FEATURES:
        groups //= 2
    return groups


def check_batch_size(model: nn.Module, batch_size: int, images: int, needed: int) -> None:
    """Raise InvalidValue for batches of one image with batch normalization: they lack variance.

    Args:
        model: with or without batch normalization.
        batch_size: of the training.
        images: for training.
        needed: how many of them batches of two images need.
    """
    if batch_size == 1 and any(isinstance(module, _BatchNorm) for module in model.modules()):
        batch = f"use a {setting('batch_size')} of 2 or more"
        more = f"give at least {needed} training images instead of {images}"
        raise InvalidValue(
            "batch normalization needs more than one image: "
            f"{batch if images >= needed else more}, or another normalization"
        )
