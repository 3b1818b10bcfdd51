"""A part of a run's model, as its plugin exports it: checked, with a value for each port."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import torch
from torch import Tensor, nn

from gtk.core.contracts.iteration import Iteration
from gtk.core.contracts.model import ExportPart, Model, Prior
from gtk.core.models.sampler_fit import learns
from gtk.core.settings.choice import SamplerChoice
from gtk.core.storage.run import Run
from gtk.core.values.codes import Codes
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import GtkError, PluginError, unknown_name
from gtk.core.values.image import Image
from gtk.core.values.path import PATHS
from gtk.core.values.value import Array, Value
from gtk.exports.sampled_part import NAME, sampled_part

#: Names of parts become file names, names of ports become names in a graph.
IDENTIFIER = re.compile(r"[A-Za-z][\w-]*", re.ASCII)


@dataclass(frozen=True)
class LoadedPart:
    """A part of a model that was loaded from a run.

    Attributes:
        plugin: the name of the model's plugin.
        name: the name of the part.
        part: as `Model.exports` returned it.
        model: the model that the part belongs to.
        image_shape: of the data, (C, H, W).
        sampled: whether a sampler draws it, with a reference of its own.
    """

    plugin: str
    name: str
    part: ExportPart
    model: Model
    image_shape: tuple[int, int, int]
    sampled: bool = False

    def __str__(self) -> str:
        """Name part and plugin, for messages."""
        return f"part '{self.name}' of plugin '{self.plugin}'"

    @cached_property
    def inputs(self) -> dict[str, Value]:
        """The value of each input, in order."""
        return {
            name: self._value(name, self.part.inputs, self.model.noise) for name in self.part.inputs
        }

    @cached_property
    def outputs(self) -> dict[str, Value]:
        """The value of each output, in order."""
        return {name: self._value(name, self.part.outputs, Array(())) for name in self.part.outputs}

    @property
    def condition(self) -> ConditionSpec | None:
        """The model's condition, None where the part does not take it."""
        condition = self.model.condition
        return condition if condition is not None and condition.port in self.part.inputs else None

    @property
    def noise(self) -> dict[str, Value]:
        """The noise that a sampler takes besides the first, by name; empty for any other part."""
        noise = {name: value for name, value in self.inputs.items() if value.role == "latent"}
        return dict(list(noise.items())[1:]) if self.sampled else {}

    @property
    def raw_inputs(self) -> set[str]:
        """The inputs in the data set's own units, and noise that draws discrete codes."""
        chooses = self.part.margin is not None
        return {
            name
            for name, value in self.inputs.items()
            if value.exact or name in self.noise or (chooses and value.role == "latent")
        }

    @property
    def repeats(self) -> bool:
        """Whether it draws by many steps that are alike."""
        return isinstance(self.part.module, Iteration)

    @property
    def draws(self) -> bool:
        """Whether it maps noise to images, as `Model.sample` does."""
        takes = [value.role for value in self.inputs.values()]
        takes_noise = takes in (["latent"], ["latent", "condition"])
        return not self.sampled and (
            takes_noise and tuple(self.part.outputs) == ("image",) and self.part.prior == "normal"
        )

    def call(self, what: str, function: Callable[..., Any], *inputs: Any) -> Any:  # noqa: ANN401 - whatever a plugin returns
        """Call a function of the plugin, named `what` in messages, without gradients.

        Raises:
            PluginError: the function raises anything that is not gtk's own error.
        """
        try:
            with torch.no_grad():
                return function(*inputs)
        except GtkError:
            raise
        except Exception as error:
            raise PluginError(f"{self}: {what} fails: {one_line(error)}") from error

    def compute(self, what: str, function: Callable[..., Any], *inputs: Any) -> list[Tensor]:  # noqa: ANN401 - a model, or tensors
        """Return the outputs that a function of the plugin computes of a batch, its last input.

        Raises:
            PluginError: as in `call`, or the outputs differ from what the part promises.
        """
        given = self.call(what, function, *inputs)
        outputs = [given] if isinstance(given, Tensor) else given
        if not isinstance(outputs, tuple | list) or len(outputs) != len(self.outputs):
            found = len(outputs) if isinstance(outputs, tuple | list) else type(given).__name__
            wanted = ", ".join(self.outputs)
            raise PluginError(f"{self}: {what} gives {found} outputs for {wanted}")
        for (name, value), output in zip(self.outputs.items(), outputs, strict=True):
            fault = _fault_of_output(output, value, len(inputs[-1]))
            if fault:
                raise PluginError(f"{self}: {what} gives {name} {fault}")
        return list(outputs)

    def _value(self, name: str, values: Any, other: Value) -> Value:  # noqa: ANN401 - names, or values by name
        """Return the value of a port: the part's own, or what its name stands for, or `other`."""
        if isinstance(values, Mapping):
            value: Value = values[name]
            return value
        if self.model.condition is not None and name == self.model.condition.port:
            return self.model.condition
        return Image(self.image_shape) if name == "image" else self.part.codes.get(name, other)


class LoadedModel:
    """A run's model at one checkpoint, loaded once for all of its parts.

    Attributes:
        run: the run.
        step: of the checkpoint.
        average: the decay of the average whose weights it has; None for the first, or the only
            weights.
        sampler: how it draws, None where that is the model's own `sample`.
        parts: by name: the sampler's, if there is one, then the plugin's in their order.

    Without `fitting` the part of a sampler that learns from training images is left out.

    Raises:
        InvalidValue: the sampler is not for this model, or cannot be exported.
        PluginError: the plugin's parts are not what `Model.exports` asks for.
    """

    def __init__(
        self,
        run: Run,
        step: int,
        average: float | None = None,
        sampler: SamplerChoice | None = None,
        *,
        fitting: bool = True,
    ) -> None:
        self.run = run
        self.step = step
        self.average = average
        # An average that nobody asked for is not passed on: a run may have none.
        self._chosen = {} if average is None else {"average": average}
        plugin = str(run.document["model"]["name"])
        model, shape = run.load_model(step, **self._chosen), run.data_spec.image_shape
        choice = sampler or run.settings.sampler_choice(None, {})
        target: Any = choice[0].resolve()
        part = sampled_part(run, choice, model) if fitting or not learns(target) else None
        self.sampler = None if part is None else choice
        self.parts = load_parts(model, plugin, shape, optional=part is not None)
        if part is not None:
            loaded = LoadedPart(plugin, NAME, part, model, shape, sampled=True)
            fault = _fault(loaded)
            if fault:
                raise PluginError(f"the noise of sampler {choice[0].spec.name!r} {fault}")
            self.parts = {NAME: loaded, **{k: v for k, v in self.parts.items() if k != NAME}}

    def part(self, name: str | None) -> LoadedPart:
        """Return a part, by default the first, which makes images.

        Raises:
            UnknownName: the model has no such part.
        """
        if name is not None and name not in self.parts:
            raise unknown_name("part", name, self.parts)
        return self.parts[name or next(iter(self.parts))]

    @cached_property
    def untouched(self) -> Model:
        """The model loaded again, for proofs: `exports` and the exporter may change the first."""
        return self.run.load_model(self.step, **self._chosen)


def load_parts(
    model: Model, plugin: str, image_shape: tuple[int, int, int], *, optional: bool = False
) -> dict[str, LoadedPart]:
    """Return a model's parts by name, at least one unless they are `optional`.

    Raises:
        PluginError: they are not what `Model.exports` asks for.
    """
    try:
        parts: Any = model.exports()
    except Exception as error:
        raise PluginError(f"exports() of plugin '{plugin}' fails: {one_line(error)}") from error
    if not isinstance(parts, dict) or not (parts or optional):
        given = "an empty dict" if parts == {} else type(parts).__name__
        raise PluginError(
            f"exports() of plugin '{plugin}' gives {given}: it should be a dict of ExportPart by "
            "name, with one entry or more"
        )
    loaded = {
        name: LoadedPart(plugin, name, part, model, image_shape) for name, part in parts.items()
    }
    for name, part in loaded.items():
        fault = _fault(part)
        if fault:
            raise PluginError(f"part {name!r} of plugin '{plugin}' {fault}")
    return loaded


def _fault(loaded: LoadedPart) -> str:
    """Return what is wrong with a part, an empty string if nothing is."""
    name: Any = loaded.name
    if not _is_name(name) or name == "all":
        return "needs another name: letters, digits, - and _, and not 'all'"
    part: Any = loaded.part
    if not isinstance(part, ExportPart):
        return f"is {type(part).__name__}: it should be an ExportPart"
    module: Any = part.module
    if not isinstance(module, nn.Module):
        return f"has {type(module).__name__} for a module: it should be an nn.Module"
    if part.prior not in get_args(Prior):
        return f"has prior {part.prior!r}: it is {' or '.join(get_args(Prior))}"
    for what, names in (("inputs", part.inputs), ("outputs", part.outputs)):
        if not (isinstance(names, tuple | Mapping) and names and all(map(_is_name, names))):
            return f"has {what} {names!r}: they should be names, or values by name"
        fault = _fault_of_values(names) if isinstance(names, Mapping) else ""
        if fault:
            return fault
    ports = (*part.inputs, *part.outputs)
    double = sorted({item for item in ports if ports.count(item) > 1})
    if double:
        return (
            f"has several inputs or outputs called {double[0]!r}: ONNX distinguishes them by name"
        )
    fault = _fault_of_codes(part, loaded.model)
    if fault:
        return fault
    margin: Any = part.margin
    if margin is not None and not callable(margin):
        return f"has margin {margin!r}: it should be a function"
    if part.path is not None and not _is_evaluation(loaded):
        return (
            f"has path {part.path!r}: it is one of {', '.join(PATHS)}, of a part from noise of the "
            "image's shape, a time and the condition to values of that shape"
        )
    if part.reference is None and not loaded.draws:
        return "needs a reference: it does not make images of noise, as Model.sample does"
    return ""


def _is_evaluation(loaded: LoadedPart) -> bool:
    """Return whether a part with a path is one evaluation of a flow."""
    takes, gives = [*loaded.inputs.values()], [*loaded.outputs.values()]
    roles = ["latent", "time", *([] if loaded.model.condition is None else ["condition"])]
    shapes = [value.shape for value in (takes[0], *gives)]
    return (
        loaded.part.path in PATHS
        and [value.role for value in takes] == roles
        and [value.role for value in gives] == ["values"]
        and shapes == [loaded.image_shape] * 2
    )


def _fault_of_values(values: Mapping[str, Any]) -> str:
    """Return what is wrong with values by name, an empty string if nothing is."""
    for name, value in values.items():
        if not isinstance(value, Value):
            return f"has {type(value).__name__} for {name!r}: it should be a value, as gtk.Codes is"
        if (name == "image" or value.role in ("image", "condition")) and name != value.port:
            return f"has {name!r}, which is its {value.role}: call it '{value.port}'"
    return ""


def _fault_of_codes(part: ExportPart, model: Model) -> str:
    """Return what is wrong with a part's `codes`, an empty string if nothing is."""
    codes: Any = part.codes
    if not isinstance(codes, Mapping):
        return f"has codes {codes!r}: they should be a dict of Codes by name"
    taken = {"image"} if model.condition is None else {"image", model.condition.port}
    for name, value in codes.items():
        if name not in (*part.inputs, *part.outputs):
            return f"has codes {name!r}, which names no input or output of it"
        if name in taken:
            return f"has codes {name!r}, which means something else: choose another name"
        if not isinstance(value, Codes):
            return f"has {type(value).__name__} for its codes {name!r}: it should be Codes"
    return ""


def _fault_of_output(output: Any, value: Value, size: int) -> str:  # noqa: ANN401 - whatever a plugin returns
    """Return what is wrong with an output for a batch of `size`, an empty string if nothing is."""
    if not isinstance(output, Tensor):
        return f"as {type(output).__name__}, it should be a tensor"
    if not isinstance(value, Codes):
        return ""
    if output.dtype != torch.int64:
        return f"{output.dtype}, they should be int64"
    wanted = (size, *value.shape)
    if output.shape != wanted:
        return f"of shape {tuple(output.shape)}, they should be {wanted}"
    low, high = int(output.min()), int(output.max())
    if not 0 <= low <= high < value.count:
        return f"from {low} to {high}, they should be in 0..{value.count - 1}"
    return ""


def _is_name(name: Any) -> bool:  # noqa: ANN401 - whatever a plugin returns
    return isinstance(name, str) and IDENTIFIER.fullmatch(name) is not None


def one_line(error: BaseException) -> str:
    """Return an error's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
