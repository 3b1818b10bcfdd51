"""The contract Model: networks, and how an image is drawn from them."""

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from gtk.core.values.codes import Codes
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import PluginError
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import Value

#: The distribution of the latent codes that a model was trained on.
Prior = Literal["normal", "learned"]


@dataclass(frozen=True)
class ExportPart:
    """A module to export, with its inputs, outputs and reference.

    Inputs and outputs are values by name, or names alone. Of names alone, "image" is images
    (B, C, H, W) of the data in 0..1; `ConditionSpec.port` is the condition; one in `codes` is whole
    numbers; any other input is a latent code (B, *noise.shape) of the model's `NoiseSpec`, and any
    other output any numbers. Images and conditions must have these names.

    Attributes:
        module: called with the inputs in order; returns a tensor, or a tuple of `outputs`.
        inputs: its inputs by name, or their names.
        outputs: its outputs, likewise.
        reference: called with the model, loaded again, and the inputs; returns what the module must
            return, best by the model's own methods, so that it detects a module that was put
            together wrongly. By default `Model.sample`, which a part from noise to images is always
            compared with.
        prior: the distribution of the latent code of images like the data: "normal", or "learned"
            by another part, without which this one cannot draw.
        codes: which of the names are discrete, and how many entries they choose from. A graph
            refuses codes out of range in any runtime.
        margin: for a module that chooses by the largest or smallest of some numbers: called with
            the model and the inputs, it returns (B,), the smallest distance, 0 or more, between the
            two best candidates of any choice for an image. Rows in which rounding may change a
            choice are counted, not compared with PyTorch.
        path: for one evaluation of a flow, which maps noise, a `gtk.Time` and the condition to
            velocities: the name of its path from noise to images. A program draws from such a file
            by any solver.
    """

    module: nn.Module
    inputs: Mapping[str, Value] | tuple[str, ...]
    outputs: Mapping[str, Value] | tuple[str, ...]
    reference: Callable[..., Tensor | tuple[Tensor, ...]] | None = None
    prior: Prior = "normal"
    codes: Mapping[str, Codes] = field(default_factory=dict)
    margin: Callable[..., Tensor] | None = None
    path: str | None = None


class Model(nn.Module, ABC):
    """Networks. A subclass is constructed with (config, data_spec, conditioner).

    Attributes:
        config: the plugin's options.
        noise: what sampling starts from.
        condition: what samples are conditioned on, None if no condition acts; set by gtk after
            construction.
        unconditioned: names in `networks()` that take no condition by design, such as an
            autoencoder whose prior takes it. Any other network that ignores a condition is refused.
    """

    config: Any
    noise: NoiseSpec
    condition: ConditionSpec | None = None
    unconditioned: tuple[str, ...] = ()

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks by role, {"encoder": ..., "decoder": ...}, whose sizes gtk shows.

        By default all modules that are its attributes.
        """
        return dict(self.named_children())

    def parts(self) -> dict[str, nn.Module]:
        """Return the module that each optimizer trains, by name; disjoint and complete."""
        return {"model": self}

    def after_update(self, part: str, statistics: Mapping[str, Tensor]) -> None:
        """Update buffers that are learned without gradients, such as codebook averages.

        Called without gradients after the optimizer step of every `Update`; by default it does
        nothing.

        Args:
            part: the part that was trained.
            statistics: of the update, which may be empty.

        Raises:
            PluginError: the model does not override this, although its loss has statistics.
        """
        if not statistics:
            return
        raise PluginError(
            f"the loss has statistics ({', '.join(statistics)}) for {type(self).__name__}, which "
            "has no after_update() to take them."
        )

    def exports(self) -> dict[str, ExportPart]:
        """Return the modules to export, by name; `gtk export` writes the first by default.

        By default one, "generator", which maps noise "z" and the condition as `sample` does, if the
        model has that.
        """
        if not isinstance(self, SampledModel):
            return {}
        condition = () if self.condition is None else (self.condition.port,)
        return {"generator": ExportPart(Sampling(self), ("z", *condition), ("image",))}


@runtime_checkable
class SampledModel(Protocol):
    """A model that is sampled in one pass."""

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """Map noise (B, *noise.shape) and a condition to images (B, C, H, W) in 0..1.

        A pure function of its inputs: it draws nothing.
        """


@runtime_checkable
class ReconstructingModel(Protocol):
    """A model that reconstructs images."""

    def reconstruct(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Encode and decode images (B, C, H, W) in 0..1: the same shape."""


class Sampling(nn.Module):
    """A model's `sample` as a module."""

    def __init__(self, model: SampledModel) -> None:
        super().__init__()
        self.model: Any = model  # a module, whose weights are its own

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map noise (B, *noise.shape) and a condition to images (B, C, H, W) in 0..1."""
        images: Tensor = self.model.sample(z, condition)
        return images
