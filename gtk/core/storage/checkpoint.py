"""Checkpoints: safetensors and JSON in a folder that appears by rename, complete or not at all."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gtk.core.values.errors import InvalidValue, UnknownName
from gtk.core.values.output import refuse_link
from gtk.core.values.setting import setting
from gtk.core.values.temporary import CHECKPOINT


@dataclass(frozen=True)
class Checkpoint:
    """The whole state of a training after some step.

    Attributes:
        step: steps done.
        model: the weights that sampling and export use: the averaged ones if there are any.
        training: what only resuming needs, with flat names: optimizer state, weights behind an
            average, pending terms.
        state: what JSON holds: "metrics_bytes", "pending", and "validation", the monitored term
            on the validation images, None where it was not measured.
    """

    step: int
    model: Mapping[str, Tensor]
    training: Mapping[str, Tensor]
    state: Mapping[str, Any]


class CheckpointFolder:
    """The checkpoints of a run, a folder each, named by step.

    The latest and the best are read from the folders, so no pointer can disagree with them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def steps(self) -> list[int]:
        """Return the steps of all checkpoints, in order."""
        # A folder without state.json is being removed, or was never a checkpoint.
        return sorted(int(item.parent.name) for item in self.path.glob("[0-9]" * 9 + "/state.json"))

    def folder(self, step: int) -> Path:
        """Return the folder of a step's checkpoint."""
        return self.path / f"{step:09d}"

    def state(self, step: int) -> dict[str, Any]:
        """Read a checkpoint's state.json.

        Raises:
            InvalidValue: the file is damaged.
        """
        file = self.folder(step) / "state.json"
        try:
            state: dict[str, Any] = json.loads(file.read_text())
            return {key: state[key] for key in ("metrics_bytes", "validation", "pending")}
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidValue(f"{file} is damaged. Remove {file.parent}.") from error

    def best(self) -> int | None:
        """Return the step with the lowest validation term, None if none was measured."""
        measured = [(self.state(step)["validation"], step) for step in self.steps()]
        return min((item for item in measured if item[0] is not None), default=(None, None))[1]

    def choose(self, which: str | int | None) -> int:
        """Return the step meant by a step, "latest", "best" or None: the best, else the latest.

        Raises:
            UnknownName: there is no such checkpoint.
        """
        steps = self.steps()
        if not steps:
            raise UnknownName(
                f"{self.path.parent} has no checkpoint yet. Go on with "
                f"gtk train --resume {self.path.parent}, or, if that fails, train anew."
            )
        best = self.best()
        if which in (None, "best") and best is not None:
            return best
        if which in (None, "latest"):
            return steps[-1]
        if which == "best":
            raise UnknownName(
                f"{self.path.parent} has no best checkpoint: it was trained without "
                f"{setting('validation')}. Use latest or a step."
            )
        if str(which).isdecimal() and int(which or 0) in steps:
            return int(which or 0)
        raise UnknownName(
            f"{self.path.parent} has no checkpoint '{which}'. It has: "
            f"{', '.join(map(str, steps))}, latest{', best' if best is not None else ''}."
        )

    def save(self, checkpoint: Checkpoint) -> Path:
        """Publish a checkpoint by rename."""
        folder = self.folder(checkpoint.step)
        if folder.exists():  # a step of a run has one outcome
            return folder
        self._remove_left_overs()
        partial = self.path / f".{folder.name}.partial"
        partial.mkdir(parents=True)
        for name, tensors in (("model", checkpoint.model), ("training", checkpoint.training)):
            # Clones, since safetensors refuses shared or non-contiguous memory.
            flat = {
                key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()
            }
            save_file(flat, partial / f"{name}.safetensors")
        state = {"format": 1, "step": checkpoint.step, **checkpoint.state}
        (partial / "state.json").write_text(json.dumps(state, indent=2) + "\n")
        for item in partial.iterdir():
            _flush(item)
        partial.rename(folder)
        _flush(self.path)
        return folder

    def _remove_left_overs(self) -> None:
        """Remove what a killed process has left; never what is not gtk's, nor through a link.

        Raises:
            UserError: the folder, or one of gtk's temporary names in it, is a link.
        """
        refuse_link(self.path)
        for item in self.path.glob(".*"):
            if CHECKPOINT.fullmatch(item.name):
                refuse_link(item)
                if item.is_dir():
                    shutil.rmtree(item)

    def prune(self, keep: int) -> None:
        """Remove all checkpoints but the newest `keep` and the best."""
        kept = {*self.steps()[-keep:], self.best()}
        for step in self.steps():
            if step not in kept:
                removed = self.path / f".{step:09d}.removed"
                self.folder(step).rename(removed)  # gone at once, also if the rest is interrupted
                shutil.rmtree(removed)

    def load_model(self, step: int) -> dict[str, Tensor]:
        """Read the weights that sampling and export use."""
        return self._tensors(step, "model")

    def load(self, step: int) -> Checkpoint:
        """Read a whole checkpoint.

        Raises:
            InvalidValue: a file of it is damaged.
        """
        training = self._tensors(step, "training")
        return Checkpoint(step, self.load_model(step), training, self.state(step))

    def _tensors(self, step: int, name: str) -> dict[str, Tensor]:
        file = self.folder(step) / f"{name}.safetensors"
        try:
            return load_file(file)
        except OSError as error:
            raise InvalidValue(f"{file} cannot be read: {error.strerror or error}") from error
        except SafetensorError as error:
            raise InvalidValue(
                f"{file} is damaged ({error}). Choose another with {setting('checkpoint')}, or "
                f"remove {file.parent} and resume from the one before."
            ) from error


def _flush(path: Path) -> None:
    """Have the operating system write a file or folder to disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
