"""The contract Sampler: how an image is drawn from a trained model."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor, nn

from gtk.core.contracts.batch import Batch
from gtk.core.values.noise import NoiseSpec

ModelType = TypeVar("ModelType")


class Sampler(ABC, Generic[ModelType]):
    """A way to draw from models of one type, `Sampler[LatentVariableModel]`; it keeps no state.

    It is made when somebody draws, from options that are given then.

    Args:
        config: the plugin's options.
        model: a trained model, in eval mode, whose weights it does not change.

    Attributes:
        requires: the protocol of the methods that it calls on a model, or a class of models.
        evaluations: how often a network is evaluated for an image at most, known before a draw.
        fitted: what `fit` returned, on the model's device; set by gtk before `module` is called.

    Raises:
        InvalidValue: an option does not fit the model.
    """

    requires: ClassVar[type]
    evaluations: int = 1
    fitted: Mapping[str, Tensor] = MappingProxyType({})

    def __init__(self, config: Any, model: ModelType) -> None:  # noqa: ANN401 - the plugin's own class
        self.config, self.model = config, model

    @property
    def noise(self) -> Mapping[str, NoiseSpec]:
        """What a draw starts from, by name: by default "z" alone, the model's noise.

        The first is "z", which `gtk sample` draws in the same way for every sampler, and which
        `gtk interpolate` and the like move. Any other stays the same along a row of such a picture,
        and is an input of its own, under its name, in an exported file.
        """
        model: Any = self.model
        return {"z": model.noise}

    def fit(self, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """Return what it learns from the training images, as tensors by name: by default nothing.

        A run keeps them for these weights, options and data, so that each is fitted once. A pure
        function, called without gradients: what it draws comes from fixed seeds of its own.

        Args:
            batches: the training images, each once and in a random order that is always the same,
                so that any number of the first are a fair choice; on the model's device, with
                the model's condition, None for a model without one.
        """
        return {}

    @abstractmethod
    def module(self) -> nn.Module:
        """Return a module from noise and a condition to images (B, C, H, W) in 0..1.

        It is called with the noise of each name in order, (B, *shape), and with the condition, or
        None, as `condition=`: a pure function, which draws nothing, and whose rows are independent
        of each other. A draw by many steps is a `gtk.Iteration`, which a file holds as a loop.
        """

    def inverse(self) -> nn.Module | None:
        """Return a module from images (B, C, H, W) in 0..1 to the z that they are drawn from.

        It is called with the condition as `module` is. None where there is none, as by default.
        """
        return None
