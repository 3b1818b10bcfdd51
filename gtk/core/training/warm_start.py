"""A warm start: the first weights of a training come from a run, a file or a module."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gtk.core.contracts.model import Model
from gtk.core.storage.run_folder import is_run
from gtk.core.storage.runs import find_run
from gtk.core.storage.tensor_file import decode_tensors, encode_tensors
from gtk.core.values.argument import shown
from gtk.core.values.errors import InvalidValue
from gtk.core.values.ordinary_file import read_ordinary
from gtk.core.values.setting import setting
from gtk.core.values.text import counted, one_line, visible
from gtk.core.values.user_path import user_path

#: The number of tensors that a note lists.
LISTED = 3
#: How pickles begin, alone and in the archives that torch.save writes.
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


@dataclass(frozen=True)
class Weights:
    """Tensors by name, from which a training starts.

    Attributes:
        source: where they come from: a path, or words for a module.
        step: that of the run's checkpoint; None for a file or a module.
        sha256: of the safetensors file, in hexadecimal; of a module, as one would have it.
    """

    source: str | Path
    tensors: Mapping[str, Tensor]
    sha256: str
    step: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what run.json says of them."""
        source = self.source.absolute() if isinstance(self.source, Path) else self.source
        return {"source": str(source), "step": self.step, "sha256": self.sha256}

    def load_into(self, model: Model) -> str:
        """Give a model the tensors that fit its own by name and shape; return a note on them.

        Raises:
            InvalidValue: none of the model's parameters gets one, or one is not finite.
        """
        own, fitting = _tensors(model), self.fitting(model)
        if not fitting.keys() & dict(model.named_parameters()).keys():
            found = _listed(sorted(_described(self.tensors)))
            raise InvalidValue(
                f"nothing in {self} fits the model: it has {found}, and the model "
                f"{_listed(_described(own))}"
            )
        for name, value in fitting.items():
            if value.is_floating_point() and not value.isfinite().all():
                raise InvalidValue(f"{name!r} of {self} is not finite. Start from other weights.")
        model.load_state_dict(fitting, strict=False)
        note = f"{len(fitting)} of the model's {counted(len(own), 'tensor')} come from {self}"
        new = [_reason(name, own[name], self.tensors) for name in own if name not in fitting]
        unused = sorted(self.tensors.keys() - own.keys())
        note += f"; new are {_listed(new)}" if new else ""
        return note + (f"; not used are {_listed(unused)}" if unused else "")

    def fitting(self, model: Model) -> dict[str, Tensor]:
        """Return those that fit a model's own tensors by name and shape, in their types."""
        return {
            name: self.tensors[name].to(value.dtype)
            for name, value in _tensors(model).items()
            if name in self.tensors and _fits(self.tensors[name], value)
        }

    def __str__(self) -> str:
        step = "" if self.step is None else f", step {self.step}"
        return visible(f"{self.source}{step}")


def read_weights(source: object, runs: Path) -> Weights:
    """Read weights from a run, a .safetensors file, or a module.

    Of a run they are those that it samples with: of the best checkpoint if one was selected, else
    of the latest. Nothing is ever unpickled.

    Raises:
        InvalidValue: it is something else, or damaged.
        UserError: there is no such run, or its checkpoints cannot be read.
    """
    if isinstance(source, nn.Module):
        name = f"a {type(source).__name__}"
        try:
            content = encode_tensors(_tensors(source))
        except (RuntimeError, ValueError) as error:  # of lazy or meta tensors
            what = f"the weights of {name} cannot be read"
            raise InvalidValue(f"{what}: {one_line(error)}") from error
        return Weights(name, decode_tensors(content), hashlib.sha256(content).hexdigest())
    if not isinstance(source, str | Path):
        raise InvalidValue(
            f"{setting('init_from')} must be a run, a .safetensors file or a torch.nn.Module, not "
            f"{shown(source)}"
        )
    path = user_path(source, "init_from")
    if path.exists() and not path.is_dir() and not is_run(runs / path):
        return _from_file(path)
    run = find_run(source, runs)
    step = run.checkpoints.choose(None)
    tensors = run.checkpoints.load_model(step)
    return Weights(run.path, tensors, run.checkpoints.digest(step), step)


def _from_file(path: Path) -> Weights:
    """Read a .safetensors file."""
    if path.suffix.lower() == ".onnx":
        raise InvalidValue(
            f"{path} is an exported file, whose weights have not the model's names. Give the run "
            "that it was exported from."
        )
    try:
        content = read_ordinary(path, path.stat().st_size, follow=True)
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}") from error
    try:
        tensors = decode_tensors(content)
    except InvalidValue as error:
        # Only now: a safetensors file begins with a length, whose bytes may be those of a pickle.
        if content.startswith(PICKLES):
            raise _pickled(path) from error
        raise InvalidValue(f"{path} is not a .safetensors file, or is damaged") from error
    return Weights(path, tensors, hashlib.sha256(content).hexdigest())


def _pickled(path: Path) -> InvalidValue:
    target = path.with_suffix(".safetensors").name
    return InvalidValue(
        f"{path} is a pickle, which could run any code, so gtk does not open it. If you trust "
        "it, make a safetensors file of it: safetensors.torch.save_file(torch.load("
        f"{path.name!r}, weights_only=True), {target!r})"
    )


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a module's state_dict, which may have other entries."""
    state = module.state_dict()
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _fits(found: Tensor, own: Tensor) -> bool:
    """Say whether a tensor can take the place of the model's own: both are numbers of one kind."""
    alike = found.dtype == own.dtype or (found.is_floating_point() and own.is_floating_point())
    return alike and found.shape == own.shape


def _reason(name: str, own: Tensor, tensors: Mapping[str, Tensor]) -> str:
    if name not in tensors:
        return name
    return f"{name} ({_size(tensors[name])} there, {_size(own)} here)"


def _described(tensors: Mapping[str, Tensor]) -> list[str]:
    return [f"{name} ({_size(value)})" for name, value in tensors.items()]


def _size(tensor: Tensor) -> str:
    """Return a tensor's shape, and its type where that is not a usual one."""
    kind = "" if tensor.is_floating_point() else f" {str(tensor.dtype).removeprefix('torch.')}"
    return ("x".join(map(str, tensor.shape)) or "one number") + kind


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return visible((", ".join(names[:LISTED]) or "nothing") + more)
