"""A loss played on a model for one step, as the trainer plays it: what both are judged by."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from gtk.core.loss import Context, Loss, Update
from gtk.core.model import Model
from gtk.core.noise import Noise
from gtk.core.optimizer import Optimizers
from gtk.core.settings import TrainConfig
from gtk.core.store import Batch
from gtk.testing.check import CheckFailed
from gtk.testing.move import Move, left_on, take
from gtk.testing.surroundings import GlobalSeeds
from gtk.testing.weights import differing, listed, same_bits, weights_of

CPU = torch.device("cpu")
#: The training that a step is said to be the first of: longer than any warm-up.
TOTAL_STEPS = 100_000


@dataclass(frozen=True)
class Game:
    """A loss, and the model and batch that it is played on.

    Attributes:
        model: its weights are left as they are: each step is played on a copy.
        loss: played.
        batch: `loss.batches` times as many images as in a batch of a training.
    """

    model: Model
    loss: Loss
    batch: Batch

    def play(self, *, seed: int = 0, global_seed: int = 0, training: bool = True) -> list[Move]:
        """Take the updates of one step, each before the next is asked for.

        It ends with the first that cannot be taken.

        Args:
            seed: of `context.noise`.
            global_seed: of the global generators of torch, numpy and Python.
            training: whether the model is in train mode.
        """
        model = copy.deepcopy(self.model).train(training)
        optimizers = Optimizers(model, TrainConfig())
        moves: list[Move] = []
        with (
            GlobalSeeds(global_seed),
            _closed(self.loss.updates(model, self.batch, context(seed))) as updates,
        ):
            for number, update in enumerate(updates, 1):
                leak = left_on()
                with torch.inference_mode(False), torch.enable_grad():
                    moves.append(take(number, update, leak, model, optimizers))
                if moves[-1].fault:
                    break
        return moves


def expect_clean_yields(game: Game) -> None:
    """Every update is yielded outside of `torch.no_grad()`, inference mode and autocast.

    Raises:
        CheckFailed: one is not: what the generator has switched on is on in the trainer, too.
    """
    for move in game.play():
        if move.leak:
            raise CheckFailed(
                f"update {move.number} of {type(game.loss).__name__} is yielded inside "
                f"{move.leak}, which the trainer then works in, too: leave the with block, then "
                "yield"
            )


def expect_sound_updates(game: Game) -> None:
    """Every update has a finite scalar loss that reaches all parameters of a part of the model.

    Raises:
        CheckFailed: it says which has not, and how to mend it.
    """
    name, moves = type(game.loss).__name__, game.play()
    if not moves:
        raise CheckFailed(f"updates() of {name} yields nothing: yield a gtk.Update or more a step")
    for move in moves:
        if move.fault:
            part = f" (part '{move.part}')" if move.part else ""
            raise CheckFailed(f"update {move.number}{part} of {name}: {move.fault}")


def expect_repeatable_updates(game: Game) -> None:
    """The same seeds give the same losses, bit by bit.

    Raises:
        CheckFailed: they do not: something else is drawn from, or kept from one step to the next.
    """
    # What the trainer seeds is seeded alike; numpy's and Python's generators it leaves alone.
    first, again = (_values(game.play(seed=1, global_seed=seed)) for seed in (1, (1 << 32) + 1))
    if repr(first) != repr(again):  # as texts, since a NaN equals itself there
        raise CheckFailed(
            f"a step of {type(game.loss).__name__} repeated with the same seed has other losses "
            f"({_shown(again)}, at first {_shown(first)}): draw from context.noise, and keep "
            "nothing from step to step outside of parameters and buffers"
        )


def expect_own_noise(game: Game) -> None:
    """Losses do not depend on the global generators, dropout apart.

    Raises:
        CheckFailed: they do.
    """
    # Dropout draws globally, and only in train mode.
    first, other = (_values(game.play(seed=1, global_seed=seed, training=False)) for seed in (1, 2))
    if repr(first) != repr(other):
        raise CheckFailed(
            f"the losses of {type(game.loss).__name__} depend on a global generator (of torch, "
            "numpy or random): draw from context.noise instead, as context.noise.normal(16, 8)"
        )


def expect_sound_evaluation(game: Game) -> None:
    """`evaluate` gives finite terms for each image, its criterion among them, and changes nothing.

    Raises:
        CheckFailed: it does not.
    """
    loss, model = game.loss, copy.deepcopy(game.model).eval()
    name, before, found = type(loss).__name__, weights_of(model), []
    for global_seed in (0, 1):
        with GlobalSeeds(global_seed), torch.no_grad():
            found.append(loss.evaluate(model, game.batch, context(0)))
    terms, again = found
    if not isinstance(terms, dict) or not terms:
        raise CheckFailed(
            f"evaluate() of {name} gives {type(terms).__name__} {terms!r:.40}: it should be a dict "
            "of terms, one or more"
        )
    for term, values in terms.items():
        fault = _evaluated_fault(values, len(game.batch))
        if fault:
            raise CheckFailed(f"evaluate() of {name} gives '{term}' {fault}")
        if not same_bits(values, again[term]):
            raise CheckFailed(
                f"evaluate() of {name} gives another '{term}' when it is asked again: draw from "
                "context.noise, and keep nothing from call to call"
            )
    if loss.criterion is not None and loss.criterion not in terms:
        raise CheckFailed(
            f"the criterion of {name} is '{loss.criterion}' and evaluate() gives only "
            f"{', '.join(terms)}: name one of these, or None"
        )
    changed = differing(before, weights_of(model))
    if changed:
        raise CheckFailed(
            f"evaluate() of {name} changes {listed(changed)} of the model: change nothing outside "
            "of training; what is learned without gradients belongs into Model.after_update"
        )


def context(seed: int) -> Context:
    """Return what a loss may know in the first step of a long training."""
    noise = Noise(CPU)
    noise.seed(seed)
    return Context(noise, torch.zeros((), dtype=torch.int64), TOTAL_STEPS)


@contextmanager
def _closed(updates: Iterator[Update]) -> Iterator[Iterator[Update]]:
    """Close a generator that was not asked to the end, so that it leaves its with blocks now."""
    try:
        yield updates
    finally:
        getattr(updates, "close", lambda: None)()


def _evaluated_fault(values: object, count: int) -> str:
    if not isinstance(values, Tensor) or tuple(values.shape) != (count,):
        given = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        return f"as {given} for {count} images: it should be a number for each, ({count},)"
    if not values.is_floating_point():
        return f"in {values.dtype}: it should be in float32"
    if not values.isfinite().all():
        return "that is not finite everywhere: look for log(0) or 1/0"
    return ""


def _values(moves: list[Move]) -> list[float | None]:
    return [None if move.value is None else move.value.item() for move in moves]


def _shown(values: list[float | None]) -> str:
    return ", ".join("none" if value is None else f"{value:.9g}" for value in values)
