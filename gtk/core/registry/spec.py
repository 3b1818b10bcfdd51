"""Specs: the frozen records in which a plugin describes a model, a conditioner, a loss, ..."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from gtk.core.registry.importing import import_plugin
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import PluginError

#: The version of the contracts, and the oldest one that still loads.
API_VERSION, OLDEST_API_VERSION = 2, 1


@dataclass(frozen=True)
class NoConfig:
    """The configuration of a plugin that has no options."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What the specs of all kinds of plugins have.

    Attributes:
        name: the same as its entry point's.
        summary: one line for listings and help.
        target: the plugin's class or function, best as a string, "package.module:Name", so that
            `--help` need not import torch.
        config: a frozen dataclass of its options; each field has a default and
            `metadata={"help": ...}`.
        api: the version of the contracts it was written for.
    """

    name: str
    summary: str
    target: Callable[..., Any] | str
    config: type = NoConfig
    api: int = API_VERSION

    def resolve(self) -> Callable[..., Any]:
        """Return the target itself, importing it if it is a string.

        Raises:
            PluginError: it cannot be imported.
        """
        if not isinstance(self.target, str):
            return self.target
        name, _, attribute = self.target.partition(":")
        module = import_plugin(name)
        try:
            target: Callable[..., Any] = getattr(module, attribute)
        except AttributeError as error:
            raise PluginError(
                f"its target is {self.target}, and the module {name} has no {attribute!r}. Fix, "
                "update or uninstall it."
            ) from error
        return target


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A model: `target(config, data_spec, conditioner)` returns a `gtk.Model`.

    Attributes:
        loss: the name of its default loss.
        conditioner: the name of its default conditioner.
        sampler: the name of its default sampler.
        defaults: trainer settings that suit it, by name.
        bf16: whether its networks bear bf16 autocast, which `--precision auto` then may choose.
        suggest: called as `suggest(config, data_spec, images)` with its options, the data and the
            number of training images, it returns settings that suit them by name. They replace
            defaults of model and data set, and nothing that a user, a recipe or the loss chose; no
            optimizer and rate where one of the two, or an option of an optimizer, was chosen.
        suggests: what it may return: "epochs", "batch_size", "optimizer" and "learning_rate", the
            name of a "sampler", and options of the model and of its default loss as
            "model.latent_dim" or "loss.beta"; of these, a recipe that has their table chose all,
            and one that has a model's chose the sampler.
    """

    loss: str
    conditioner: str
    sampler: str = "direct"
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    bf16: bool = False
    suggest: Callable[[Any, DataSpec, int], Mapping[str, Any]] | None = None
    suggests: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ConditionerSpec(Spec):
    """A conditioning strategy: `target(config, condition_spec)` returns a `gtk.Conditioner`.

    Attributes:
        bf16: whether its layers bear bf16 autocast, as `ModelSpec.bf16`.
    """

    bf16: bool = False


@dataclass(frozen=True, kw_only=True)
class LossSpec(Spec):
    """A loss: `target(config)` returns a `gtk.Loss`.

    Attributes:
        defaults: trainer settings that suit it, by name; they override a model's.
        bf16: whether its updates bear bf16 autocast, as `ModelSpec.bf16`: what it computes of a
            network's output is fp32.
    """

    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    bf16: bool = False


@dataclass(frozen=True, kw_only=True)
class SamplerSpec(Spec):
    """A sampler: `target(config, model)` returns a `gtk.Sampler`."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A metric: `target(config, data_spec)` returns a `gtk.Metric`."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A data set: `target(config, root)` returns a `gtk.Dataset`; `root` is a path or None.

    Attributes:
        root: "none": its images come with it, and `root` is always None. "optional": without one
            it downloads them. "required": they are the user's own, in the path `root`.
        defaults: trainer settings that suit it, by name; a model's own override them.
    """

    root: Literal["none", "optional", "required"] = "optional"
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class CallbackSpec(Spec):
    """A callback: `target()` returns an object whose methods implement event hooks."""
