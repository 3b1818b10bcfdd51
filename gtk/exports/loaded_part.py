"""A part of a run's model, asked of its plugin and found to be one."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

from torch import nn

from gtk.core.contracts.model import ExportPart, Model, Prior
from gtk.core.storage.run import Run
from gtk.core.values.codes import Codes
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import GtkError, PluginError, unknown_name
from gtk.core.values.image import Image
from gtk.core.values.value import Array, Value

#: Of images where only it matters that they are images.
ONE_PIXEL = (1, 1, 1)
#: What becomes part of a file's name, or a name in a graph.
NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)


@dataclass(frozen=True)
class LoadedPart:
    """A part of a model that was loaded from a run.

    Attributes:
        plugin: the model's name.
        name: the part's.
        part: as `Model.exports` gave it.
        model: whose part it is.
        image_shape: of the data, (C, H, W).
    """

    plugin: str
    name: str
    part: ExportPart
    model: Model
    image_shape: tuple[int, int, int]

    def __str__(self) -> str:
        """Say what it is, for messages."""
        return f"part '{self.name}' of plugin '{self.plugin}'"

    @property
    def condition(self) -> ConditionSpec | None:
        """The model's condition, None where the part takes none."""
        condition = self.model.condition
        taken = condition is not None and condition.port in self.part.inputs
        return condition if taken else None

    @property
    def raw_inputs(self) -> set[str]:
        """The inputs in the data set's own units, and noise that draws discrete codes."""
        values = {name: self.value(name) for name in self.part.inputs}
        return {
            name
            for name, value in values.items()
            if value.exact or (self.part.margin and value.role == "latent")
        }

    @property
    def draws(self) -> bool:
        """Whether it makes images of noise, as `Model.sample` does."""
        return draws(self.part, self.model)

    def value(self, name: str) -> Value:
        """Return what flows through an input or an output."""
        return _value(name, self.part, self.model, self.image_shape)

    def codes(self, name: str) -> Codes | None:
        """Return the codes that flow through an input or an output, None where none do."""
        value = self.value(name)
        return value if isinstance(value, Codes) else None

    @contextmanager
    def blamed(self, what: str) -> Iterator[None]:
        """Turn what the plugin's own code raises into one line that names it.

        Args:
            what: of the plugin is run.

        Raises:
            PluginError: anything was raised.
        """
        try:
            yield
        except GtkError:
            raise
        except Exception as error:
            raise PluginError(f"{self}: {what} fails: {one_line(error)}") from error


def draws(part: ExportPart, model: Model) -> bool:
    """Say whether a part of a model makes images of noise, as `Model.sample` does."""
    roles = [_value(name, part, model, ONE_PIXEL).role for name in part.inputs]
    takes_noise = roles in (["latent"], ["latent", "condition"])
    return takes_noise and tuple(part.outputs) == ("image",) and part.prior == "normal"


def _value(name: str, part: ExportPart, model: Model, image_shape: tuple[int, int, int]) -> Value:
    """Return what flows through an input or an output: as the part says, or what its name says."""
    for side in (part.inputs, part.outputs):
        if isinstance(side, Mapping) and name in side:
            return side[name]
    if model.condition is not None and name == model.condition.port:
        return model.condition
    if name == "image":
        return Image(image_shape)
    if name in part.codes:
        return part.codes[name]
    return model.noise if name in part.inputs else Array(())


class LoadedModel:
    """A run's model at one checkpoint, loaded once for all of its parts.

    Args:
        run: the run.
        step: of the checkpoint.

    Attributes:
        run: the run.
        step: of the checkpoint.
        plugin: the model's name.
        parts: by name, in the plugin's order.

    Raises:
        PluginError: what the plugin says of its parts is not what `Model.exports` asks for.
    """

    def __init__(self, run: Run, step: int) -> None:
        self.run = run
        self.step = step
        self.plugin = str(run.document["model"]["name"])
        model, shape = run.load_model(step), run.data_spec.image_shape
        self.parts = {
            name: LoadedPart(self.plugin, name, part, model, shape)
            for name, part in model_parts(model, self.plugin).items()
        }

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
        """The model loaded again, for proofs: `exports` and the exporter may have changed it."""
        return self.run.load_model(self.step)


def model_parts(model: Model, plugin: str) -> dict[str, ExportPart]:
    """Return a model's parts by name.

    Raises:
        PluginError: they are not what `Model.exports` asks for.
    """
    try:
        parts: Any = model.exports()
    except Exception as error:
        raise PluginError(f"exports() of plugin '{plugin}' fails: {one_line(error)}") from error
    if not isinstance(parts, dict) or not parts:
        given = "an empty dict" if parts == {} else type(parts).__name__
        raise PluginError(
            f"exports() of plugin '{plugin}' gives {given}: it should be a dict of ExportPart by "
            "name, with one entry or more"
        )
    for name, part in parts.items():
        fault = _fault(name, part, model)
        if fault:
            raise PluginError(f"part {name!r} of plugin '{plugin}' {fault}")
    found: dict[str, ExportPart] = parts
    return found


def _fault(name: Any, part: Any, model: Model) -> str:  # noqa: ANN401 - whatever a plugin gave
    """Return what is wrong with a part, an empty text if nothing is."""
    if not _is_name(name) or name == "all":
        return "needs another name: letters, digits, - and _, and not 'all'"
    if not isinstance(part, ExportPart):
        return f"is {type(part).__name__}: it should be an ExportPart"
    module: Any = part.module
    if not isinstance(module, nn.Module):
        return f"has {type(module).__name__} for a module: it should be an nn.Module"
    if part.prior not in get_args(Prior):
        return f"has prior {part.prior!r}: it is {' or '.join(get_args(Prior))}"
    for what, names in (("inputs", part.inputs), ("outputs", part.outputs)):
        kind = isinstance(names, tuple | Mapping)
        if not (kind and names and all(_is_name(item) for item in names)):
            return f"has {what} {names!r}: they should be a tuple of names"
        fault = _fault_of_values(names) if isinstance(names, Mapping) else ""
        if fault:
            return fault
    ports = (*part.inputs, *part.outputs)
    double = sorted({item for item in ports if ports.count(item) > 1})
    if double:
        return f"has more than one input or output called '{double[0]}': ONNX tells them by name"
    fault = _fault_of_codes(part, model)
    if fault:
        return fault
    margin: Any = part.margin
    if margin is not None and not callable(margin):
        return f"has margin {margin!r}: it should be a function"
    if part.reference is None and not draws(part, model):
        return "needs a reference: it does not make images of noise, as Model.sample does"
    return ""


def _fault_of_values(values: Mapping[str, Any]) -> str:
    """Return what is wrong with values by name, an empty text if nothing is."""
    for name, value in values.items():
        if not isinstance(value, Value):
            return f"has {type(value).__name__} for {name!r}: it should be a value, as gtk.Codes is"
        if (name == "image" or value.role in ("image", "condition")) and name != value.port:
            return f"has {name!r}, which is its {value.role}: call it '{value.port}'"
    return ""


def _fault_of_codes(part: ExportPart, model: Model) -> str:
    """Return what is wrong with what a part says of its codes, an empty text if nothing is."""
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


def _is_name(name: Any) -> bool:  # noqa: ANN401 - whatever a plugin gave
    return isinstance(name, str) and NAME.fullmatch(name) is not None


def one_line(error: BaseException) -> str:
    """Return an error's type and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
