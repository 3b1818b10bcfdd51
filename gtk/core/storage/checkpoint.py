"""Checkpoints: safetensors, JSON and digests in a folder that appears by rename, whole or not."""

import logging
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gtk.core.settings.json_file import as_json
from gtk.core.storage.stored_checkpoint import (
    MODEL,
    STATE,
    STATE_FORMAT,
    TRAINING,
    Damage,
    State,
    StoredCheckpoint,
    write_stored,
)
from gtk.core.storage.tensor_file import encode_tensors
from gtk.core.values.argument import shown
from gtk.core.values.errors import GtkError, InvalidValue, UnknownName, UserError
from gtk.core.values.output import failure, refuse_link, sync
from gtk.core.values.setting import setting
from gtk.core.values.temporary import CHECKPOINT
from gtk.core.values.text import visible

logger = logging.getLogger("gtk")

#: Stands for a validation term that cannot be read; less than all others.
UNREADABLE = float("-inf")


@dataclass(frozen=True)
class Checkpoint:
    """The whole state of a training after some step.

    Attributes:
        step: steps done.
        model: the weights that sampling and export use: the averaged ones if there are any.
        training: what only resuming needs, with flat names: optimizer state, weights behind an
            average, pending terms.
        state: what JSON holds: "metrics_bytes" and "metrics_sha256", the size and digest of
            metrics.jsonl, "pending", and "validation", the monitored term on the validation
            images, None where it was not measured.
    """

    step: int
    model: Mapping[str, Tensor]
    training: Mapping[str, Tensor]
    state: Mapping[str, Any]


class CheckpointFolder:
    """The checkpoints of a run, a folder each, named by step.

    The latest and the best are read from the folders, so no pointer can disagree with them. Every
    file is compared with its digest before it is used.

    Where nobody names a checkpoint, one that is damaged is passed over with a warning: the best
    for the next best, the latest for the one before.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stored: dict[int, StoredCheckpoint] = {}
        self._warned: set[str] = set()

    def steps(self) -> list[int]:
        """Return the steps of all checkpoints that have all files, in order.

        The files are not read.

        Raises:
            UserError: the folder cannot be read.
        """
        return [step for step in self._steps() if self._at(step).complete()]

    def folder(self, step: int) -> Path:
        """Return the folder of a step's checkpoint."""
        return self.path / f"{step:09d}"

    def state(self, step: int) -> State:
        """Read a checkpoint's state.json.

        Raises:
            InvalidValue: the file is damaged.
        """
        try:
            return self._at(step).state()
        except Damage as damage:
            raise self._damaged(step, damage) from damage

    def best(self) -> int | None:
        """Return the step with the lowest validation term, None if none was measured.

        A checkpoint whose state.json is damaged is not considered.
        """
        found = {step: value for step, value in self._validations().items() if value is not None}
        found = {step: value for step, value in found.items() if value != UNREADABLE}
        return min(sorted(found), key=found.__getitem__, default=None)

    def choose(self, which: str | int | None) -> int:
        """Return the step meant by a step, "latest", "best" or None: the best, else the latest.

        For None it returns one that is not damaged, and warns of those that it passes over.

        Raises:
            UnknownName: there is no such checkpoint.
            InvalidValue: the checkpoints that could be meant are damaged.
        """
        steps = self._steps()
        if not steps:
            raise UnknownName(
                f"{self.path.parent} has no checkpoint yet. Go on with "
                f"gtk train --resume {self.path.parent}, or, if that fails, train anew."
            )
        if which is None:
            return self._first_whole(self._ranked(), MODEL)
        if which == "latest":
            return steps[-1]
        if which == "best":
            for step in steps:
                self.state(step)  # one that cannot be read may be the best
        best = self.best()
        if which == "best" and best is not None:
            return best
        if which == "best":
            raise UnknownName(
                f"{self.path.parent} has no best checkpoint: it was trained without "
                f"{setting('validation')}. Use latest or a step."
            )
        # Python refuses to read thousands of digits, and no step has as many as these.
        which = which if isinstance(which, str) else shown(which)
        if which.isdecimal() and len(which) < 20 and int(which) in steps:
            return int(which)
        raise UnknownName(
            f"{self.path.parent} has no checkpoint '{which}'. It has: "
            f"{', '.join(map(str, steps))}, latest{', best' if best is not None else ''}."
        )

    def latest(self) -> int | None:
        """Return the last step that a training can go on from, None if there is no checkpoint.

        It warns of later ones that are damaged.

        Raises:
            InvalidValue: all of them are damaged.
        """
        steps = self._steps()
        return self._first_whole(reversed(steps), MODEL, TRAINING) if steps else None

    def save(self, checkpoint: Checkpoint) -> Path:
        """Publish a checkpoint by rename, once all of it is on the disk.

        Raises:
            WorkFailed: the disk is full or fails; the checkpoints before are as they were.
            UserError: the folder cannot be written.
        """
        step, folder = checkpoint.step, self.folder(checkpoint.step)
        if self._at(step).complete():  # a step of a run has one outcome
            return folder
        partial = self.path / f".{folder.name}.partial"
        with self._removing():
            self._remove_left_overs()
        try:
            partial.mkdir(parents=True)
            write_stored(partial, _contents(checkpoint))
            self._remove(step)  # a part of one, which a failing disk or a copy has left
            partial.rename(folder)
            sync(self.path)
            sync(self.path.parent)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)  # the disk may be full
            raise self._not_saved(folder, error) from error
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
        """Remove all checkpoints but the newest `keep` and the best, and what a kill has left.

        Of what cannot be removed it warns.
        """
        with self._removing():
            self._remove_left_overs()
        steps = self.steps()
        kept = {*steps[-keep:], self.best()}
        for step in steps:
            if step not in kept:
                with self._removing():
                    self._remove(step)

    def remove_after(self, step: int) -> None:
        """Remove later checkpoints: damaged ones, so that the training saves these steps again.

        Raises:
            UserError: one cannot be removed, so that its step could not be saved again.
        """
        for later in self._steps():
            if later > step:
                try:
                    self._remove(later)
                except OSError as error:
                    what = f"{self.folder(later)} is damaged and cannot be removed"
                    raise failure(f"{what}: {error.strerror}", error) from error

    @contextmanager
    def _removing(self) -> Iterator[None]:
        """Warn of what cannot be removed; nothing is lost by it."""
        try:
            yield
        except OSError as error:
            self._warn(f"{error.filename or self.path} cannot be removed: {error.strerror}")

    def load_model(self, step: int) -> dict[str, Tensor]:
        """Read the weights that sampling and export use.

        Raises:
            InvalidValue: the file is damaged.
        """
        try:
            return self._at(step).tensors(MODEL)
        except Damage as damage:
            raise self._damaged(step, damage) from damage

    def load(self, step: int) -> Checkpoint:
        """Read a whole checkpoint.

        Raises:
            InvalidValue: a file of it is damaged.
        """
        try:
            model, training = self._at(step).tensors(MODEL), self._at(step).tensors(TRAINING)
            return Checkpoint(step, model, training, self._at(step).state())
        except Damage as damage:
            raise self._damaged(step, damage) from damage

    def _steps(self) -> list[int]:
        """Return the steps that have a folder, which may be damaged or lack files, in order."""
        try:
            names = [item.name for item in self.path.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}") from error
        return sorted(int(name) for name in names if re.fullmatch("[0-9]{9}", name))

    def _first_whole(self, steps: Iterable[int], *names: str) -> int:
        """Return the first step whose files are whole, and warn of those before it."""
        damages: list[Damage] = []
        for step in steps:
            try:
                self._at(step).check(*names)
            except Damage as damage:
                damages.append(damage)
                continue
            for passed in damages:
                self._warn(f"{passed}: the checkpoint of step {step} is used instead")
            return step
        raise self._all_damaged(damages[0])

    def _has_weights(self, step: int) -> bool:
        """Return whether the weights of a step are whole, whatever else of it is damaged."""
        try:
            self._at(step).tensors(MODEL)
        except Damage:
            return False
        return True

    def _ranked(self) -> list[int]:
        """Return all steps, from the one that stands for the run to the last resort.

        That is by validation, then those that were not validated, the latest first. Of a run with
        validation, one whose state.json is damaged comes first, since it may be the best.
        """
        values = self._validations()
        if all(value in (None, UNREADABLE) for value in values.values()):
            return sorted(values, reverse=True)
        order = {
            step: (True, 0.0, -step) if value is None else (False, value, step)
            for step, value in values.items()
        }
        return sorted(order, key=order.__getitem__)

    def _validations(self) -> dict[int, float | None]:
        """Return each step's validation term, None if not measured, UNREADABLE if damaged."""
        values: dict[int, float | None] = {}
        for step in self._steps():
            try:
                values[step] = self._at(step).state()["validation"]
            except Damage:
                values[step] = UNREADABLE
        return values

    def _at(self, step: int) -> StoredCheckpoint:
        """Return a step's checkpoint, which remembers what it has compared."""
        return self._stored.setdefault(step, StoredCheckpoint(self.folder(step), step))

    def _remove(self, step: int) -> None:
        """Remove a step's folder, if there is one."""
        folder, removed = self.folder(step), self.path / f".{step:09d}.removed"
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(removed, ignore_errors=True)  # of a killed process
            folder.rename(removed)  # in one step, even if the rest is interrupted
            shutil.rmtree(removed)

    def _warn(self, text: str) -> None:
        """Log a warning once."""
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("%s", visible(text))

    def _damaged(self, step: int, damage: Damage) -> InvalidValue:
        """Return the error for a damaged checkpoint that was asked for."""
        others = [other for other in self.steps() if other != step]
        if not others:
            return self._all_damaged(damage)
        return InvalidValue(
            f"{damage}. Choose another with {setting('checkpoint')}, "
            f"{' or '.join(map(str, others))}, or name none."
        )

    def _all_damaged(self, damage: Damage) -> InvalidValue:
        """Return the error for a damaged checkpoint where no other is whole."""
        drawn = next((step for step in reversed(self._steps()) if self._has_weights(step)), None)
        if drawn is not None:
            return InvalidValue(
                f"{damage}, and there is no other checkpoint to train on from. The weights of step "
                f"{drawn} are whole: sample and export them with {setting('checkpoint', drawn)}. "
                f"Train anew with: gtk train --recipe {self.path.parent / 'run.json'}"
            )
        return InvalidValue(
            f"{damage}. Remove {self.path}, which has no other checkpoint that is whole, and train "
            f"again from the first step: gtk train --resume {self.path.parent}"
        )

    def _not_saved(self, folder: Path, error: OSError) -> GtkError:
        """Return the error for a checkpoint that cannot be written."""
        saved, remedy = [step for step in self.steps() if self.folder(step) != folder], ""
        if saved:
            remedy = (
                f". The checkpoint of step {saved[-1]} is saved: make room, and go on with "
                f"gtk train --resume {self.path.parent}"
            )
        return failure(f"{folder} cannot be written: {error.strerror or error}{remedy}", error)


def _contents(checkpoint: Checkpoint) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of a checkpoint's files, each made when its turn comes."""
    yield MODEL, encode_tensors(checkpoint.model)
    yield TRAINING, encode_tensors(checkpoint.training)
    yield STATE, as_json({"format": STATE_FORMAT, "step": checkpoint.step, **checkpoint.state})
