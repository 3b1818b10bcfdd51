"""What of a part was compared so far: rows, outputs and conditions."""

import numpy as np
from numpy.typing import NDArray

from gtk.exports.examples import example_conditions
from gtk.exports.loaded_part import Subject
from gtk.exports.options import ExportOptions
from gtk.exports.parity import Difference, Parity


class Tally:
    """Counts what the comparison of a file with the model found.

    Args:
        subject: the part.
        options: of the file.

    Attributes:
        rows: how many were drawn.
        compared: how many of these were decided, and compared.
        left_out: which of the conditions' examples no compared row had.
    """

    def __init__(self, subject: Subject, options: ExportOptions) -> None:
        self.rows = 0
        self.compared = 0
        condition = subject.condition
        self.left_out = set() if condition is None else set(range(len(condition.examples())))
        self._subject = subject
        self._options = options
        self._differences: dict[str, dict[int, Difference]] = {
            name: {} for name in subject.part.outputs
        }

    def add(
        self, clear: NDArray[np.bool_], found: dict[str, Difference], only: int | None = None
    ) -> None:
        """Count a batch.

        Args:
            clear: which of its rows were compared.
            found: how each output differs in these; empty if there is none.
            only: as in `example_batch`.
        """
        size = len(clear)
        conditions = example_conditions(self._subject, size, self.rows, only)
        self.left_out.difference_update(conditions[clear].tolist())
        for name, difference in found.items():
            known = self._differences[name].get(size)
            self._differences[name][size] = (
                difference if known is None else known.joined(difference)
            )
        self.rows, self.compared = self.rows + size, self.compared + int(clear.sum())

    def parity(self) -> Parity:
        """Return what was found."""
        margin = None if self._subject.part.margin is None else self._options.margin
        undecided = self.rows - self.compared
        return Parity(self._options.allowed, self._differences, self.compared, undecided, margin)
