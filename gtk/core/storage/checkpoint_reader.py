"""The checkpoints of a run as they are read: the latest, the best, and what is damaged."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from gtk.core.storage.stored_checkpoint import (
    MODEL,
    TRAINING,
    Damage,
    State,
    StoredCheckpoint,
    average_file,
)
from gtk.core.values.argument import shown
from gtk.core.values.errors import InvalidValue, UnknownName, UserError
from gtk.core.values.setting import setting
from gtk.core.values.text import visible

logger = logging.getLogger("gtk")

#: Stands for a validation term that cannot be read; less than all others.
UNREADABLE = float("-inf")


class CheckpointReader:
    """Chooses and reads the checkpoints of a run, a folder each, named by step.

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
                f"{self.path.parent} has no checkpoint yet. Resume it with "
                f"gtk train --resume {self.path.parent}, or, if that fails, train anew."
            )
        if which is None:
            return self._first_intact(self._ranked(), MODEL)
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
        return self._first_intact(reversed(steps), MODEL, TRAINING) if steps else None

    def load_model(self, step: int, average: float | None = None) -> dict[str, Tensor]:
        """Read the weights that sampling and export use, or those of another average.

        Raises:
            InvalidValue: the file is damaged.
        """
        try:
            return self._at(step).tensors(MODEL if average is None else average_file(average))
        except Damage as damage:
            raise self._damaged(step, damage) from damage

    def digest(self, step: int) -> str:
        """Return the SHA-256 of the file of weights, in hexadecimal.

        Raises:
            InvalidValue: the file is damaged.
        """
        try:
            return self._at(step).sha256(MODEL)
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

    def _first_intact(self, steps: Iterable[int], *names: str) -> int:
        """Return the first step whose files are intact, and warn of those before it."""
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
        """Return whether the weights of a step are intact, even if other files are damaged."""
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
        other, option = setting("checkpoint", others[-1]), setting("checkpoint")
        return InvalidValue(f"{damage}. Use {other}, or leave {option} out")

    def _all_damaged(self, damage: Damage) -> InvalidValue:
        """Return the error for a damaged checkpoint where no other is intact."""
        drawn = next((step for step in reversed(self._steps()) if self._has_weights(step)), None)
        if drawn is not None:
            return InvalidValue(
                f"{damage}, and there is no other checkpoint to train on from. The weights of step "
                f"{drawn} are intact: sample and export them with {setting('checkpoint', drawn)}. "
                f"Train anew with: gtk train --recipe {self.path.parent / 'run.json'}"
            )
        return InvalidValue(
            f"{damage}. Remove {self.path}, which has no intact checkpoint, and train "
            f"again from the first step: gtk train --resume {self.path.parent}"
        )
