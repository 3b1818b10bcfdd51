"""Noise of several batches of a step, drawn as for one batch of all their images."""

from collections.abc import Callable

import torch
from torch import Tensor

from gtk.core.contracts.noise import Noise
from gtk.core.values.errors import PluginError
from gtk.core.values.setting import setting


class StepDraws:
    """The draws of a step, each made once for all batches and kept until all have their rows.

    Args:
        batches: their number.
        noise: the source.
    """

    def __init__(self, batches: int, noise: Noise) -> None:
        self.batches, self.noise = batches, noise
        self._rows = 1
        self._drawn: list[tuple[object, Tensor | None]] = []
        self._taken = [0] * batches

    def begin(self, rows: int) -> None:
        """Begin a step of batches of which the loss sees `rows` images at a time."""
        self._rows = rows
        self._drawn, self._taken = [], [0] * self.batches

    def take(self, index: int, what: object, draw: Callable[[], Tensor]) -> Tensor:
        """Return the next draw of a batch, which another may have made; `what` describes it.

        Raises:
            PluginError: the other one has drawn something else.
        """
        number = self._taken[index]
        self._taken[index] += 1
        if number == len(self._drawn):
            self._drawn.append((what, draw()))
        known, drawn = self._drawn[number]
        if known != what or drawn is None:
            raise differing()
        if min(self._taken) > number:
            self._drawn[number] = (what, None)
        return drawn

    def own(self, index: int, count: int, whole: Tensor) -> Tensor:
        """Return the `count` rows of a batch among those of all.

        A multiple of its images is several rows of each, as IWAE's samples are: all images come
        once, then all of them again.
        """
        times = self._times(count)
        rows = whole.reshape(times, self.batches, count // times, *whole.shape[1:])
        return rows[:, index].reshape(count, *whole.shape[1:])

    def whole(self, gathered: list[Tensor]) -> Tensor:
        """Return all rows of those of each batch, in the order of one batch of all images."""
        groups = [rows.tensor_split(self._times(len(rows))) for rows in gathered]
        return torch.cat([rows for group in zip(*groups, strict=True) for rows in group])

    def _times(self, count: int) -> int:
        return 1 if count % self._rows else max(1, count // self._rows)


class BatchNoise(Noise):
    """The noise of one batch of a step: its rows of what is drawn for the whole step.

    Args:
        draws: of the step.
        index: of the batch.
        gather: returns the values of all batches.
    """

    def __init__(
        self, draws: StepDraws, index: int, gather: Callable[[Tensor], list[Tensor]]
    ) -> None:
        self._draws, self._index, self._gather = draws, index, gather

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal noise; the first number of the shape is the batch."""
        return self._own(shape, "normal", lambda whole: self._draws.noise.normal(*whole))

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers from 0 to 1; the first number of the shape is the batch."""
        return self._own(shape, "uniform", lambda whole: self._draws.noise.uniform(*whole))

    def labels(self, count: int, classes: int) -> Tensor:
        """Draw class labels, all equally likely: (count,), int64."""
        draw = self._draws.noise.labels
        return self._own((count,), ("labels", classes), lambda whole: draw(whole[0], classes))

    def permutation(self, count: int) -> Tensor:
        """Draw an order of `count` things of this batch alone: (count,), int64."""
        order = self._order(count)
        other = order // count != self._index
        # Sorted, since a GPU has to be waited for to learn how many of a mask are true.
        own = other.to(torch.uint8).argsort(stable=True)[:count]
        return order[own] - self._index * count

    def permuted(self, rows: Tensor) -> Tensor:
        """Exchange rows (B, ...) with those of all batches, in an order that it draws."""
        order, whole = self._order(len(rows)), self._draws.whole(self._gather(rows.detach()))
        return self._draws.own(self._index, len(rows), whole[order])

    def _order(self, count: int) -> Tensor:
        draws = self._draws
        return draws.take(
            self._index, ("order", count), lambda: draws.noise.permutation(draws.batches * count)
        )

    def _own(
        self, shape: tuple[int, ...], what: object, draw: Callable[[tuple[int, ...]], Tensor]
    ) -> Tensor:
        draws, (count, *rest) = self._draws, shape
        whole = (draws.batches * count, *rest)
        drawn = draws.take(self._index, (what, shape), lambda: draw(whole))
        # A copy, since a loss may write into it.
        return draws.own(self._index, count, drawn).clone()


def differing() -> PluginError:
    """Return the error of a loss that does not do the same with all batches of a step."""
    return PluginError(
        "the loss draws, averages or yields other things in one batch of a step than in the next, "
        f"so that {setting('accumulate')} cannot make one of them: train without it."
    )
