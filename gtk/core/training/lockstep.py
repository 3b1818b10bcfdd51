"""The batches of one step, computed in lockstep and averaged as if they were one batch."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Semaphore, Thread
from typing import Any

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.training.pending_terms import as_scalar
from gtk.core.training.step_noise import BatchNoise, StepDraws, differing

#: What a batch yields after its last update.
_END: Any = object()


class Lockstep:
    """Computes update i of every batch of a step before update i + 1 of any.

    Where a loss asks for what all batches have, each stops there until the others have come as far.
    A function cannot stop its caller, so all batches but the first then go on in threads, of which
    one runs at a time and in their order, so that the bits are always the same. A loss that does
    not ask has no threads.

    Args:
        count: of the batches.
        context: of the training.

    Attributes:
        contexts: of each batch, with the noise that it draws.
    """

    def __init__(self, count: int, context: Context) -> None:
        self._draws = StepDraws(count, context.noise)
        self._strands: list[_Strand] = []
        gathers = [partial(self._gather, index) for index in range(count)]
        self.contexts = [
            replace(context, noise=BatchNoise(self._draws, index, gather), gather=gather)
            for index, gather in enumerate(gathers)
        ]

    def start_step(self, done: int, rows: int) -> None:
        """Start the step that follows `done` steps; the loss sees `rows` images at a time."""
        self._draws.begin(rows)
        for context in self.contexts:
            context.start_step(done)

    def next_updates(self, updates: Sequence[Iterator[Update]]) -> Generator[Update, None, None]:
        """Yield the next update of each batch; nothing after the last.

        Raises:
            PluginError: the loss does one thing with a batch, and another with the next.
        """
        self._strands = [_Strand(own) for own in updates]
        ended = 0
        try:
            for index, strand in enumerate(self._strands):
                update = strand.finish()
                ended += update is _END
                if ended not in (0, index + 1):
                    raise differing()
                if update is not _END:
                    yield update
        finally:
            for strand in self._strands:
                strand.abandon()

    def _gather(self, index: int, value: Tensor) -> list[Tensor]:
        """Return the values of all batches to one of them, once each has come as far."""
        if index:
            return self._strands[index].ask(value)
        others = self._strands[1:]
        values = [value, *(strand.go_on() for strand in others)]
        if any(other.shape != value.shape for other in values):
            raise differing()
        for strand in others:
            strand.answer = values
        return values


class _Strand:
    """One batch on the way to its next update: in a thread once the first batch has asked.

    Attributes:
        answer: the values of all batches, to what it has asked.
    """

    def __init__(self, updates: Iterator[Update]) -> None:
        self._updates = updates
        self._thread: Thread | None = None
        self._turn, self._back = Semaphore(0), Semaphore(0)
        self._abandoned = False
        self._asked: Tensor | None = None
        self._update: Update = _END
        self._error: BaseException | None = None
        self.answer: list[Tensor] = []

    def go_on(self) -> Tensor:
        """Run until it asks, and return the value that it asks with."""
        self._run_thread()
        if self._asked is None:
            raise self._error or differing()
        return self._asked

    def finish(self) -> Update:
        """Run to its next update, and return that."""
        if self._thread is None:
            return next(self._updates, _END)
        self._run_thread()
        if self._asked is not None:
            raise differing()
        if self._error is not None:
            raise self._error
        return self._update

    def ask(self, value: Tensor) -> list[Tensor]:
        """Wait in its thread for the values of all batches, and return them."""
        if self._thread is None:
            raise differing()
        self._asked = value
        self._back.release()
        self._turn.acquire()
        if self._abandoned:
            raise _Abandoned
        return self.answer

    def abandon(self) -> None:
        """End its thread where it waits."""
        self._abandoned = True
        if self._thread is not None:
            self._turn.release()
            self._thread.join()

    def _run_thread(self) -> None:
        """Run the thread until it asks or ends."""
        self._asked = None
        if self._thread is None:
            self._thread = Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._turn.release()
        self._back.acquire()

    def _run(self) -> None:
        try:
            with suppress(_Abandoned):
                self._update = next(self._updates, _END)
        except BaseException as error:  # noqa: BLE001 - raised where the thread is waited for
            self._error = error
        finally:
            self._back.release()


class _Abandoned(BaseException):
    """Ends a batch whose step has failed."""


def divided(batch: Batch, groups: int, count: int) -> list[Batch]:
    """Divide the images of a step among `count` batches.

    The loss splits each into `groups`: the n-th groups of all of them make the n-th of the step.
    """
    parts = [group.split(count) for group in batch.split(groups)]
    return [_joined(own) for own in zip(*parts, strict=True)]


def _joined(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    conditions = [batch.condition for batch in batches if batch.condition is not None]
    images = torch.cat([batch.images for batch in batches])
    return Batch(images, torch.cat(conditions) if conditions else None)


def averaged(updates: Sequence[Update]) -> Update:
    """Return one update with the means of loss, terms and statistics, without gradients.

    Raises:
        PluginError: the updates differ in part, terms or statistics.
    """
    first, device = updates[0], updates[0].loss.device
    losses = [as_scalar(update.loss, device) for update in updates]
    terms = [
        {name: as_scalar(value, device) for name, value in update.terms.items()}
        for update in updates
    ]
    if any(update.part != first.part for update in updates):
        raise differing()
    statistics = _means([update.statistics for update in updates])
    return Update(_mean(losses), _means(terms), first.part, statistics)


def _means(named: Sequence[Any]) -> dict[str, Tensor]:
    if any(other.keys() != named[0].keys() for other in named):
        raise differing()
    return {name: _mean([other[name] for other in named]) for name in named[0]}


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Return the mean as floating point; of truth values, whether all are true."""
    if any(value.shape != values[0].shape for value in values):
        raise differing()
    all_values = torch.stack(list(values))
    if all_values.dtype == torch.bool:
        return all_values.all(0)
    return (all_values if all_values.is_floating_point() else all_values.float()).mean(0)
