"""A loss played on a model for one step, as the trainer plays it: what both are judged by."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from gtk.core.engine import fork_random_state
from gtk.core.loss import Context, Loss, Update
from gtk.core.model import Model
from gtk.core.noise import Noise
from gtk.core.optimizer import Optimizers
from gtk.core.settings import TrainConfig
from gtk.core.store import Batch
from gtk.testing.check import CheckFailed
from gtk.testing.weights import differing, listed, same_bits, weights_of

CPU = torch.device("cpu")
#: The training that a step is said to be the first of: longer than any warm-up.
TOTAL_STEPS = 100_000


@dataclass(frozen=True)
class Move:
    """One update of a step, as it was found.

    Attributes:
        number: which of the step's, from 1.
        part: the part it trains, "" where that cannot be said.
        value: of its loss, None where that is no scalar.
        leak: what was on while it was yielded and should not be, as "torch.no_grad()"; else "".
        fault: what is wrong with it and how to mend it, "" if nothing is.
    """

    number: int
    part: str
    value: Tensor | None
    leak: str
    fault: str


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
                leak = _leak()
                with torch.inference_mode(False), torch.enable_grad():
                    moves.append(_move(number, update, leak, model, optimizers))
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
    if first != again:
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
    if first != other:
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


class GlobalSeeds:
    """Seed the global generators for a while, and give them back as they were.

    Args:
        seed: of all three; torch has its low 32 bits, as its CPU generator takes no more.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __enter__(self) -> None:
        self._states = np.random.get_state(), random.getstate()  # noqa: NPY002 - what a plugin may draw from
        self._fork = fork_random_state(CPU)
        self._fork.__enter__()
        torch.default_generator.manual_seed(self._seed % (1 << 32))
        np.random.seed(self._seed % 65_521)  # noqa: NPY002 - as above
        random.seed(self._seed)

    def __exit__(self, *error: object) -> None:
        self._fork.__exit__(None, None, None)
        np.random.set_state(self._states[0])  # noqa: NPY002 - as above
        random.setstate(self._states[1])


def _leak() -> str:
    """Return what a generator that has just yielded has left switched on."""
    if torch.is_inference_mode_enabled():
        return "torch.inference_mode()"
    if not torch.is_grad_enabled():
        return "torch.no_grad()"
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        return "torch.autocast()"
    return ""


def _move(
    number: int,
    update: object,
    leak: str,
    model: Model,
    optimizers: Optimizers,
) -> Move:
    """Take an update, if it can be taken."""
    if not isinstance(update, Update):
        fault = f"it is {type(update).__name__}: yield gtk.Update(loss)"
        return Move(number, "", None, leak, fault)
    part = update.part
    if part is None and len(optimizers.parts) == 1:
        part = optimizers.parts[0]
    if part not in optimizers.parts:
        names = ", ".join(f"'{name}'" for name in optimizers.parts)
        known = f"the model's parts are {names}: say gtk.Update(loss, part=...)"
        fault = "it names no part, and " if part is None else f"there is no part '{part}': "
        return Move(number, "", None, leak, fault + known)
    fault = _loss_fault(update) or _terms_fault(update)
    value = update.loss.detach().clone() if isinstance(update.loss, Tensor) else None
    if not fault:
        fault = _step_fault(update, part, model, optimizers)
    return Move(number, part, value, leak, fault)


def _loss_fault(update: Update) -> str:
    loss: Any = update.loss
    if not isinstance(loss, Tensor):
        return f"its loss is {type(loss).__name__}: it should be a tensor with a gradient"
    if loss.shape:
        return f"its loss has shape {tuple(loss.shape)}: take the mean over the batch"
    if not loss.isfinite():
        return f"its loss is {loss.item()} before anything was learned: look for log(0) or 1/0"
    if not loss.requires_grad:
        return (
            "its loss has no gradient: compute it outside of torch.no_grad(), from tensors that "
            "are not detached"
        )
    return ""


def _terms_fault(update: Update) -> str:
    value: Any
    for name, value in update.terms.items():
        if not isinstance(value, Tensor) or value.shape:
            given = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            return f"its term '{name}' is {given}: it should be a scalar tensor, as a mean is"
        if not value.isfinite():
            return f"its term '{name}' is {value.item()} before anything was learned"
    for name, value in update.statistics.items():
        if not isinstance(value, Tensor):
            return f"its statistic '{name}' is {type(value).__name__}: it should be a tensor"
        if value.requires_grad:
            return f"its statistic '{name}' has a gradient: detach() it, or memory grows"
    return ""


def _step_fault(update: Update, part: str, model: Model, optimizers: Optimizers) -> str:
    """Take the step as the trainer does, and say what is wrong with it."""
    try:
        optimizers.step(part, update.loss)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        return (
            f"its gradient cannot be computed ({reason}): compute each loss after the yield before "
            "it, when the trainer has changed the weights"
        )
    parameters = dict(model.parts()[part].named_parameters())
    # Fused Adam does not say that it has changed weights, and a gradient through older ones would
    # be wrong without an error.
    increment_version(list(parameters.values()))
    unreached = [
        name
        for name, parameter in parameters.items()
        if parameter.requires_grad and parameter.grad is None
    ]
    if unreached:
        return (
            f"its loss does not reach {listed(unreached)}: use them, take them out of part "
            f"'{part}', or make them buffers"
        )
    if update.statistics:
        with torch.no_grad():
            model.after_update(part, update.statistics)
    return ""


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
