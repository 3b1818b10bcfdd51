"""The contract Model: networks, and how an image is drawn from them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from gtk.core.values.codes import Codes
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import PluginError
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import Value

#: What a model asks of a part's inputs to be like those that it was trained on.
Prior = Literal["normal", "learned"]


@dataclass(frozen=True)
class ExportPart:
    """A module worth exporting: what it takes and gives, and what it has to be equal to.

    Inputs and outputs are values by name, or names alone. Then one called "image" is images
    (B, C, H, W) of the data in 0..1; one called as `ConditionSpec.port` says is the condition; one
    that is in `codes` is whole numbers; any other input is a latent code (B, *noise.shape) of the
    model's `NoiseSpec`, and any other output has any values. Images and conditions are called so in
    any case.

    Attributes:
        module: called with the inputs in order; gives a tensor, or a tuple of as many as `outputs`.
        inputs: what it takes, by name, or the names.
        outputs: what it gives, likewise.
        reference: called with the model and the inputs, returns what the module has to give: a
            tensor or a tuple. It is called with a model that was loaded again, so it can tell a
            module that was put together wrongly, if it uses the model's own methods. By default
            `Model.sample`, which is also what a part from noise to images is always held against.
        prior: how the latent code is distributed where images are to be like the data: "normal",
            or "learned" by another part, so that this one alone cannot draw.
        codes: which of the names are discrete, and how many entries they choose from. A graph
            refuses codes out of range in any runtime.
        margin: for a module that chooses by the largest or smallest of some numbers: called with
            the model and the inputs, it returns (B,), how far the two best candidates of an image's
            closest choice are apart, 0 or more. Where that is next to nothing, rounding may rightly
            choose the other one: such rows are left out of the comparison with PyTorch, and
            counted.
    """

    module: nn.Module
    inputs: Mapping[str, Value] | tuple[str, ...]
    outputs: Mapping[str, Value] | tuple[str, ...]
    reference: Callable[..., Tensor | tuple[Tensor, ...]] | None = None
    prior: Prior = "normal"
    codes: Mapping[str, Codes] = field(default_factory=dict)
    margin: Callable[..., Tensor] | None = None


class Model(nn.Module, ABC):
    """Networks. A subclass is constructed with (config, data_spec, conditioner).

    Attributes:
        config: the plugin's options.
        noise: what sampling starts from.
        condition: what samples are conditioned on, None where no condition acts; set by gtk after
            construction.
        unconditioned: networks, by their names in `networks()`, that the condition is kept from by
            design, such as an autoencoder whose prior takes it. Any other network in which no
            condition acts, though one should, is refused: it would be ignored there.
    """

    config: Any
    noise: NoiseSpec
    condition: ConditionSpec | None = None
    unconditioned: tuple[str, ...] = ()

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks by role, {"encoder": ..., "decoder": ...}; these are counted.

        By default the modules that are its attributes, under these names.
        """
        return dict(self.named_children())

    def parts(self) -> dict[str, nn.Module]:
        """Return what each optimizer trains, by name; disjoint and complete; one by default."""
        return {"model": self}

    @abstractmethod
    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, *noise.shape) and a condition to images (B, C, H, W) in 0..1.

        A pure function of its inputs: it draws nothing.
        """

    def after_update(self, part: str, statistics: Mapping[str, Tensor]) -> None:
        """Learn what gradients do not teach, codebook averages for instance, into buffers.

        Called without gradients after each optimizer step whose `Update` has statistics, and only
        then: evaluation and sampling leave the model as it is.

        Args:
            part: which was trained.
            statistics: as the update gave them.

        Raises:
            PluginError: the model learns nothing so, and the loss believes it does.
        """
        raise PluginError(
            f"the loss hands statistics ({', '.join(statistics)}) to {type(self).__name__}, which "
            "has no after_update() to take them."
        )

    def exports(self) -> dict[str, ExportPart]:
        """Return the modules worth exporting, by name; the first is what `gtk export` writes.

        By default one, "generator", which maps noise "z" and the condition as `sample` does.
        """
        condition = () if self.condition is None else (self.condition.port,)
        return {"generator": ExportPart(Sampling(self), ("z", *condition), ("image",))}


@runtime_checkable
class ReconstructingModel(Protocol):
    """A model that encodes images, and says itself what is left of them."""

    def reconstruct(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Send images (B, C, H, W) in 0..1 through the model's code and back: the same shape."""


class Sampling(nn.Module):
    """What a model's `sample` computes, as a module.

    Args:
        model: whose.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, *noise.shape) and a condition to images (B, C, H, W) in 0..1."""
        return self.model.sample(z, condition)
