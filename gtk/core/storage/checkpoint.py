"""Checkpoints: safetensors, JSON and digests in a folder that appears by rename, whole or not."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from gtk.core.settings.json_file import as_json
from gtk.core.storage.checkpoint_reader import CheckpointReader
from gtk.core.storage.stored_checkpoint import (
    MODEL,
    STATE,
    STATE_FORMAT,
    TRAINING,
    Damage,
    average_file,
    write_stored,
)
from gtk.core.storage.tensor_file import encode_tensors
from gtk.core.values.errors import GtkError
from gtk.core.values.output import failure, refuse_link, sync
from gtk.core.values.temporary import CHECKPOINT


@dataclass(frozen=True)
class Checkpoint:
    """The whole state of a training after some step.

    Attributes:
        step: steps done.
        model: the weights that sampling and export use: the averaged ones if there are any.
        training: what only resuming needs, with flat names: optimizer state, networks of the loss,
            weights behind an average, pending terms.
        state: what JSON holds: "metrics_bytes" and "metrics_sha256", the size and digest of
            metrics.jsonl, "pending", and "validation", the monitored value of the validation, with
            the other sign if higher is better, None where it was not measured.
        averages: the weights of every average but the first, by decay.
    """

    step: int
    model: Mapping[str, Tensor]
    training: Mapping[str, Tensor]
    state: Mapping[str, Any]
    averages: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)


class CheckpointFolder(CheckpointReader):
    """The checkpoints of a run: written whole, and removed when newer ones replace them."""

    def load(self, step: int) -> Checkpoint:
        """Read a whole checkpoint.

        Raises:
            InvalidValue: a file of it is damaged.
        """
        try:
            at = self._at(step)
            model, training = at.tensors(MODEL), at.tensors(TRAINING)
            averages = {decay: at.tensors(average_file(decay)) for decay in at.averages()}
            return Checkpoint(step, model, training, at.state(), averages)
        except Damage as damage:
            raise self._damaged(step, damage) from damage

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

    def _remove(self, step: int) -> None:
        """Remove a step's folder, if there is one."""
        folder, removed = self.folder(step), self.path / f".{step:09d}.removed"
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(removed, ignore_errors=True)  # of a killed process
            folder.rename(removed)  # in one step, even if the rest is interrupted
            shutil.rmtree(removed)

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

    @contextmanager
    def _removing(self) -> Iterator[None]:
        """Warn of what cannot be removed; nothing is lost by it."""
        try:
            yield
        except OSError as error:
            self._warn(f"{error.filename or self.path} cannot be removed: {error.strerror}")

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
    for decay, weights in checkpoint.averages.items():
        yield average_file(decay), encode_tensors(weights)
    yield TRAINING, encode_tensors(checkpoint.training)
    yield STATE, as_json({"format": STATE_FORMAT, "step": checkpoint.step, **checkpoint.state})
