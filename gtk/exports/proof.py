"""Prove that an exported file computes what the run computes in PyTorch."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import NONE, ConditionSpec
from gtk.core.values.errors import ExportMismatch, WorkFailed
from gtk.core.values.seeding import derive_seed
from gtk.core.values.setting import setting
from gtk.exports.candidate import Candidate
from gtk.exports.float16_arithmetic import OnnxReference
from gtk.exports.loaded_part import LoadedPart
from gtk.exports.options import QUANTIZED_PRECISIONS, ExportOptions, FileOptions
from gtk.exports.parity import (
    Difference,
    Float16Parity,
    Parity,
    Tolerance,
    as_levels,
    measure,
    nearest_unrounded,
)
from gtk.exports.reference import decided, expected

#: Batch sizes that are compared: a graph that fixed its example's size fails on another.
BATCH_SIZES = (1, 2, 3, 16)
#: A tolerance that allows everything, and the largest that a message names: beyond, the file
#: computes something else.
ANY, LARGEST_NAMED = 1e300, 0.5
#: The tolerance of images that are drawn by many steps.
ONE_LEVEL = 1 / 255
#: Rows of a condition that are drawn before a proof gives up on comparing one of them.
LEAST_DRAWS = 64


def compare(subject: LoadedPart, candidate: Candidate, options: ExportOptions) -> Parity:
    """Compare a file with the model on several batch sizes, and with each condition.

    Rows whose choices are undecided in PyTorch are left out. A batch without any other row is
    followed by another one of its size, a condition without any other row by batches of it alone.

    Args:
        subject: the part, with a model that was loaded again from disk.
        candidate: the file.
        options: of the file.

    Raises:
        ExportMismatch: a difference is over the tolerance, or a shape or a code differs; or too few
            rows could be compared, or none of a condition.
        WorkFailed: onnxruntime cannot run the file, or PyTorch's own outputs are not finite.
        PluginError: the plugin's own code fails, or gives something else than its part promises.
    """
    proof, sizes = Proof(subject, candidate, options), batch_sizes(subject, options)
    least, last = sum(sizes), sizes[-1]
    while sizes:
        size = sizes.pop(0)
        if not proof.compare_batch(size):
            sizes.append(size)
        if proof.rows >= least and 2 * proof.compared < proof.rows:
            where = f"{proof.compared} of {proof.rows} rows only: in the others"
            raise _undecided(subject, options, where, "Half of them are needed")
    for kind in sorted(proof.left_out):
        start = proof.rows
        while not proof.compare_batch(last, kind):
            if proof.rows - start >= LEAST_DRAWS:
                assert subject.condition is not None  # noqa: S101 - else nothing is left out
                names = [*subject.condition.example_names(), NONE]
                with_kind = f"{subject.condition.port} {names[kind]}"
                where = f"none of {proof.rows - start} rows with {with_kind}: in all"
                needed = "One is needed of each condition"
                raise _undecided(subject, options, where, needed)
    for item, rows in candidate.float16:
        proof.compare_in_float16(item, rows)
    return proof.parity()


def tolerance_needed(
    subject: LoadedPart, candidate: Candidate, options: ExportOptions
) -> float | None:
    """Return a short number that is a tolerance with which `compare` succeeds, None without one."""
    try:
        needed = compare(subject, candidate, replace(options, tolerance=ANY)).needed
    except WorkFailed:
        return None
    digits = 1 - math.floor(math.log10(needed)) if needed else 0  # two of them, rounded up
    return math.ceil(needed * 10**digits) / 10**digits if needed <= LARGEST_NAMED else None


class Proof:
    """The batches compared so far.

    Attributes:
        rows: the number of rows drawn.
        compared: the number of these that were decided, and compared.
        left_out: the positions in `ConditionSpec.kinds_of_rows` that no compared row had.
    """

    def __init__(self, subject: LoadedPart, candidate: Candidate, options: ExportOptions) -> None:
        self.rows = 0
        self.compared = 0
        condition = subject.condition
        self.left_out = set() if condition is None else set(range(len(condition.kinds_of_rows())))
        self._subject = subject
        self._candidate = candidate
        self._options = options
        self._tolerance = Tolerance(_allowed(subject, options), _spreads(subject, options))
        self._differences: dict[str, dict[int, Difference]] = {name: {} for name in subject.outputs}
        self._float16: dict[str, Difference] = {}
        self._float16_rows: list[int] = []

    def compare_batch(self, size: int, only: int | None = None) -> bool:
        """Draw a batch as `example_batch` does, compare it, and return whether a row was clear."""
        subject = self._subject
        inputs = example_batch(subject, self._options, size, self.rows, only)
        kinds = _kinds(subject.condition, size, self.rows, only)
        clear, found = self._measured(self._candidate, inputs)
        for name, difference in found.items():
            sizes = self._differences[name]
            sizes[size] = sizes[size].joined(difference) if size in sizes else difference
        self.left_out.difference_update(kinds[clear].tolist())
        self.rows, self.compared = self.rows + size, self.compared + int(clear.sum())
        return bool(clear.any())

    def compare_in_float16(self, candidate: Candidate, rows: int) -> None:
        """Compare at least `rows` rows in float16 arithmetic, other ones than those of the batches.

        Raises:
            ExportMismatch: shapes differ, or values by more than the tolerance.
        """
        size, compared = self._options.batch_size or min(rows, BATCH_SIZES[-1]), 0
        for first in range(0, rows, size):
            inputs = example_batch(self._subject, self._options, size, self.rows + first)
            try:
                clear, found = self._measured(candidate, inputs, "in float16 arithmetic")
            except ExportMismatch as error:
                changed = isinstance(self._options, FileOptions)
                way = "convert less of it" if changed else f"use {setting('precision', 'fp32')}"
                raise ExportMismatch(
                    f"{error}. Numbers in float16 have 11 bits and end at 65,504: {way}"
                ) from error
            except WorkFailed:
                if isinstance(candidate.session, OnnxReference):  # it lacks an operator
                    return
                raise
            compared += int(clear.sum())
            for name, difference in found.items():
                known = self._float16.get(name)
                self._float16[name] = difference if known is None else known.joined(difference)
        self._float16_rows.append(compared)

    def _measured(
        self, candidate: Candidate, inputs: Sequence[NDArray[Any]], arithmetic: str = ""
    ) -> tuple[NDArray[np.bool_], dict[str, Difference]]:
        """Return which rows are compared, and by output how far a candidate is from PyTorch."""
        subject, options = self._subject, self._options
        wanted = expected(subject, inputs)
        if options.image == "float":  # the file clips its images, as gtk sample does
            wanted = [
                rows.clip(0, 1) if name == "image" else rows
                for name, rows in zip(subject.outputs, wanted, strict=True)
            ]
        clear = decided(subject, inputs, options.margin)
        found, unrounded = candidate.run(subject, options, inputs)
        differences = {}
        for name, mine, exact, theirs in zip(
            subject.outputs, found, unrounded, wanted, strict=True
        ):
            known = exact.dtype != np.uint8 or exact.shape != theirs.shape
            values = exact if known else nearest_unrounded(exact, theirs)
            difference = measure(name, mine, values, theirs, clear, self._tolerance, arithmetic)
            if difference is not None:
                differences[name] = difference
        return clear, differences

    def parity(self) -> Parity:
        """Return the result."""
        margin = None if self._subject.part.margin is None else self._options.margin
        undecided = self.rows - self.compared
        float16 = None
        if self._float16_rows:
            rows, *checked = self._float16_rows
            float16 = Float16Parity(rows, sum(checked), self._float16)
        return Parity(
            self._tolerance.value,
            self._differences,
            self.compared,
            undecided,
            margin,
            float16,
            self._tolerance.spreads,
        )


def _allowed(subject: LoadedPart, options: ExportOptions) -> float:
    """Return the tolerance: of a draw of many steps, over which rounding adds up, an 8-bit level.

    Quantized weights differ by more.
    """
    of_steps = subject.repeats and options.precision not in QUANTIZED_PRECISIONS
    return ONE_LEVEL if of_steps and options.tolerance is None else options.allowed


def _spreads(subject: LoadedPart, options: ExportOptions) -> dict[str, float]:
    """Return how far the values of an output spread that is quantized: scores, latent codes.

    Quantization rounds them to a share of their range, whatever their unit. It is the width of a
    standard deviation to both sides of their mean, in PyTorch.
    """
    if options.precision not in QUANTIZED_PRECISIONS:
        return {}
    inputs = example_batch(subject, options, options.batch_size or LEAST_DRAWS, 0)
    found = dict(zip(subject.outputs, expected(subject, inputs), strict=True))
    floats = {name: rows for name, rows in found.items() if rows.dtype.kind == "f"}
    spreads = {name: 2 * float(rows.std()) for name, rows in floats.items() if name != "image"}
    return {name: spread for name, spread in spreads.items() if spread > 0}


def batch_sizes(subject: LoadedPart, options: ExportOptions) -> list[int]:
    """Return the sizes of batches that go through each size to compare and all conditions."""
    condition = subject.model.condition
    kinds = 0 if condition is None else len(condition.kinds_of_rows())
    sizes = list(BATCH_SIZES) if options.batch_size is None else [options.batch_size] * 2
    while sum(sizes) < max(kinds, sum(BATCH_SIZES)):
        sizes.append(sizes[-1])
    return sizes


def example_batch(
    subject: LoadedPart, options: ExportOptions, size: int, first: int, only: int | None = None
) -> list[NDArray[Any]]:
    """Return a batch of latents out to 4 sigma, images from black to white, codes, conditions.

    Args:
        subject: the part that takes them.
        options: of the file; where that takes 8-bit images, images have such values.
        size: of the batch.
        first: the number of rows before the batch; another number, another draw.
        only: the one kind of condition for all rows, as a position in
            `ConditionSpec.kinds_of_rows`; by default they take turns, from the last one downwards.
    """
    inputs: list[NDArray[Any]] = []
    noise = subject.noise
    for name, value in subject.inputs.items():
        if isinstance(value, ConditionSpec):
            inputs.append(value.kinds_of_rows()[_kinds(value, size, first, only)])
        else:  # other noise than of the ports before, so that a wrong order of them is found
            inputs.append(value.cases(size, derive_seed(first, name) if name in noise else first))
        if name == "image" and options.image == "uint8":
            inputs[-1] = as_levels(inputs[-1]).astype(np.float32) / np.float32(255)
    return inputs


def _kinds(
    condition: ConditionSpec | None, size: int, first: int, only: int | None
) -> NDArray[np.int64]:
    """Return the kind of condition of each row of a batch, (B,), as `example_batch` says."""
    if only is not None:
        return np.full(size, only)
    count = 1 if condition is None else len(condition.kinds_of_rows())
    return count - 1 - np.arange(first, first + size, dtype=np.int64) % count


def _undecided(
    subject: LoadedPart, options: ExportOptions, where: str, needed: str
) -> ExportMismatch:
    hint = "" if options.precision == "fp32" else ", and fp32 rounds less"
    return ExportMismatch(
        f"{subject} can be compared in {where} the two best candidates of a choice are less than "
        f"{options.margin:g} apart, so that rounding may choose either. {needed}{hint}; no file "
        "was written"
    )
