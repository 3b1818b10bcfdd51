"""A loss played on a model for one step, as the trainer plays it: what both are judged by."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.optimizer import Optimizers
from gtk.testing.check import CheckFailed
from gtk.testing.process_state import GlobalSeeds
from gtk.testing.replayed_update import Move, left_on, take
from gtk.testing.weights import differing, listed, same_bits, weights_of

CPU = torch.device("cpu")
#: The training that a step is said to be the first of: longer than any warm-up.
TOTAL_STEPS = 100_000
#: A batch of twice as many images has about so many times the loss where it sums over them.
SUMMED = (1.7, 2.3)
#: Noise with which it has to be so before it is told, since a loss may come near it by chance.
SUMMED_SEEDS = 4
#: How far an image's term may move, as a share of it, where others of the batch are changed.
ROUNDING = 1e-3


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

    def play(
        self, *, seed: int = 0, global_seed: int = 0, training: bool = True, step: int = 0
    ) -> list[Move]:
        """Take the updates of one step, each before the next is asked for.

        It ends with the first that cannot be taken.

        Args:
            seed: of `context.noise`.
            global_seed: of the global generators of torch, numpy and Python.
            training: whether the model is in train mode.
            step: which of the training it is said to be.
        """
        model = copy.deepcopy(self.model).train(training)
        optimizers = Optimizers(model, TrainConfig())
        moves: list[Move] = []
        with (
            GlobalSeeds(global_seed),
            _closed(self.loss.updates(model, self.batch, context(seed, step))) as updates,
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
    expect_steps(game)
    expect_reached_parameters(game)


def expect_reached_parameters(game: Game) -> None:
    """Every update's loss reaches all parameters of its part.

    Raises:
        CheckFailed: it says which it does not, and how to mend it.
    """
    for move in game.play():
        if move.unreached:
            raise CheckFailed(
                f"update {move.number} (part '{move.part}') of {type(game.loss).__name__}: "
                f"{move.unreached}"
            )


def expect_steps(game: Game) -> None:
    """Every update can be taken: it has a part and a finite scalar loss, the mean of a batch.

    Raises:
        CheckFailed: it says which cannot, and how to mend it.
    """
    name, moves = type(game.loss).__name__, game.play()
    if not moves:
        raise CheckFailed(f"updates() of {name} yields nothing: yield a gtk.Update or more a step")
    for move in moves:
        if move.fault:
            part = f" (part '{move.part}')" if move.part else ""
            raise CheckFailed(f"update {move.number}{part} of {name}: {move.fault}")
    summed = _summed(game)
    if summed is not None:
        raise CheckFailed(
            f"the loss of update {summed} of {name} is about twice as large for a batch of twice "
            "as many images: take the mean over the batch, not the sum, or the learning rate means "
            "something else with each --batch-size"
        )


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
    mixed = _mixed_term(game, model, terms)
    if mixed:
        raise CheckFailed(
            f"evaluate() of {name} gives the same '{mixed}' for every image of a batch, and "
            "another one when a single image is changed: give each image its own, without the "
            "mean over the batch"
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


def context(seed: int, step: int = 0) -> Context:
    """Return what a loss may know in a step of a long training."""
    noise = Noise(CPU)
    noise.seed(seed)
    return Context(noise, torch.tensor(step, dtype=torch.int64), TOTAL_STEPS)


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


def _summed(game: Game) -> int | None:
    """Return the number of an update whose loss grows as the batch does, whatever the noise."""
    batch = game.batch
    labels = batch.condition
    images = batch.images.repeat_interleave(2, 0)  # so that `Batch.split` gives twice of each
    doubled = Batch(images, None if labels is None else labels.repeat_interleave(2, 0))
    larger = replace(game, batch=doubled)
    suspects: list[int] = []
    for seed in range(SUMMED_SEEDS):
        pairs = zip(_values(game.play(seed=seed)), _values(larger.play(seed=seed)), strict=False)
        suspects = [
            number
            for number, (one, two) in enumerate(pairs, 1)
            if one and two and SUMMED[0] < two / one < SUMMED[1]
            if seed == 0 or number in suspects
        ]
        if not suspects:  # nearly always at once
            return None
    return suspects[0]


def _mixed_term(game: Game, model: Model, terms: Mapping[str, Tensor]) -> str:
    """Return the name of a term that is one number of the whole batch, "" if none is.

    That it is the same for all alone says little, as a prior's may be; that it moves with another
    image says the rest. A term of each image's own that moves with the batch, as one behind
    minibatch statistics does, is no mistake.
    """
    constant = [name for name, values in terms.items() if len(values) > 1 and _equal(values)]
    if not constant:
        return ""
    images = game.batch.images.clone()
    images[0] = 1 - images[0]
    changed = Batch(images, game.batch.condition)
    with GlobalSeeds(0), torch.no_grad():
        again = game.loss.evaluate(model, changed, context(0))
    for name in constant:
        value, other = terms[name][-1], again[name][-1]
        if (value - other).abs() > ROUNDING * value.abs():
            return name
    return ""


def _equal(values: Tensor) -> bool:
    return bool((values == values[0]).all())


def _values(moves: list[Move]) -> list[float | None]:
    return [None if move.value is None else move.value.item() for move in moves]


def _shown(values: list[float | None]) -> str:
    return ", ".join("none" if value is None else f"{value:.9g}" for value in values)
