"""Checks of a replayed step, which both models and losses have to pass."""

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.model import Model
from gtk.testing.check import CheckFailed
from gtk.testing.process_state import GlobalSeeds
from gtk.testing.replayed_step import ReplayedStep, context
from gtk.testing.replayed_update import ReplayedUpdate
from gtk.testing.weights import differing, listed, same_bits, weights_of

#: The ratio of the losses of a doubled batch and a batch, where the loss is a sum over images.
SUMMED = (1.7, 2.3)
#: Seeds of the noise with which the ratio is measured, since one may come near it by chance.
SUMMED_SEEDS = 4
#: How far an image's term may update, as a share of it, where others of the batch are changed.
ROUNDING = 1e-3


def expect_clean_yields(step: ReplayedStep) -> None:
    """Every update is yielded outside of `torch.no_grad()`, inference mode and autocast.

    Raises:
        CheckFailed: one is yielded inside; the trainer would then work inside it, too.
    """
    for update in step.replay():
        if update.leak:
            raise CheckFailed(
                f"update {update.number} of {type(step.loss).__name__} is yielded inside "
                f"{update.leak}, which stays switched on in the trainer: leave the with block, "
                "then yield"
            )


def expect_sound_updates(step: ReplayedStep) -> None:
    """Every update has a finite scalar loss that reaches all parameters of a part of the model.

    Raises:
        CheckFailed: one is wrong; the message names it and the remedy.
    """
    expect_steps(step)
    expect_reached_parameters(step)


def expect_reached_parameters(step: ReplayedStep) -> None:
    """Every update's loss reaches all parameters of its part.

    Raises:
        CheckFailed: one does not; the message names the parameters.
    """
    for update in step.replay():
        if update.unreached:
            raise CheckFailed(
                f"update {update.number} (part '{update.part}') of {type(step.loss).__name__}: "
                f"{update.unreached}"
            )


def expect_steps(step: ReplayedStep) -> None:
    """Every update can be taken: it has a part and a finite scalar loss, the mean of a batch.

    Raises:
        CheckFailed: one cannot; the message names it and the remedy.
    """
    name, replayed = type(step.loss).__name__, step.replay()
    if not replayed:
        raise CheckFailed(
            f"updates() of {name} yields nothing: yield one gtk.Update or more in each step"
        )
    for update in replayed:
        if update.fault:
            part = f" (part '{update.part}')" if update.part else ""
            raise CheckFailed(f"update {update.number}{part} of {name}: {update.fault}")
    summed = _summed(step)
    if summed is not None:
        raise CheckFailed(
            f"the loss of update {summed} of {name} is about twice as large for a batch of twice "
            "as many images, so that --batch-size changes the effective learning rate: take the "
            "mean over the batch, not the sum"
        )


def expect_repeatable_updates(step: ReplayedStep) -> None:
    """The same seeds give the same losses, bit by bit.

    Raises:
        CheckFailed: they do not: the loss draws elsewhere, or keeps state between steps.
    """
    # The two seeds are equal in their low 32 bits, which seed torch, as the trainer does. Those of
    # numpy and Python differ, which the trainer does not seed.
    first, again = (_values(step.replay(seed=1, global_seed=seed)) for seed in (1, (1 << 32) + 1))
    if repr(first) != repr(again):  # as strings, in which NaN equals NaN
        raise CheckFailed(
            f"a step of {type(step.loss).__name__} repeated with the same seed has other losses "
            f"({_shown(again)}, at first {_shown(first)}): draw from context.noise, and keep state "
            "only in parameters and buffers"
        )


def expect_own_noise(step: ReplayedStep) -> None:
    """Losses do not depend on the global generators, dropout apart.

    Raises:
        CheckFailed: they do.
    """
    # In eval mode, since dropout draws from torch's global generator in train mode.
    first, other = (
        _values(step.replay(seed=1, global_seed=seed, training=False)) for seed in (1, 2)
    )
    if repr(first) != repr(other):
        raise CheckFailed(
            f"the losses of {type(step.loss).__name__} depend on a global generator (of torch, "
            "numpy or random): draw from context.noise instead, as context.noise.normal(16, 8)"
        )


def expect_sound_evaluation(step: ReplayedStep) -> None:
    """`evaluate` returns finite terms for each image, with the criterion, and changes no state.

    Raises:
        CheckFailed: it does not.
    """
    loss, model = step.loss, copy.deepcopy(step.model).eval()
    name, before, found = type(loss).__name__, weights_of(model), []
    for global_seed in (0, 1):
        with GlobalSeeds(global_seed), torch.no_grad():
            found.append(loss.evaluate(model, step.batch, context(0)))
    terms, again = found
    if not isinstance(terms, dict) or not terms:
        raise CheckFailed(
            f"evaluate() of {name} returns {type(terms).__name__} {terms!r:.40}: return a dict of "
            "one term or more"
        )
    for term, values in terms.items():
        fault = _evaluated_fault(values, len(step.batch))
        if fault:
            raise CheckFailed(f"evaluate() of {name} returns '{term}' {fault}")
        if not same_bits(values, again[term]):
            raise CheckFailed(
                f"evaluate() of {name} returns another '{term}' when it is called again: draw from "
                "context.noise, and keep no state between calls"
            )
    mixed = _mixed_term(step, model, terms)
    if mixed:
        raise CheckFailed(
            f"evaluate() of {name} returns the same '{mixed}' for every image of a batch, and "
            "another one when a single image is changed: return one number for each image, "
            "without the mean over the batch"
        )
    if loss.criterion is not None and loss.criterion not in terms:
        raise CheckFailed(
            f"the criterion of {name} is '{loss.criterion}' and evaluate() returns only "
            f"{', '.join(terms)}: name one of these, or None"
        )
    changed = differing(before, weights_of(model))
    if changed:
        raise CheckFailed(
            f"evaluate() of {name} changes {listed(changed)} of the model: change it only in "
            "training, what is learned without gradients in Model.after_update"
        )


def _evaluated_fault(values: object, count: int) -> str:
    if not isinstance(values, Tensor) or tuple(values.shape) != (count,):
        given = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        return f"as {given} for {count} images: return a number for each, ({count},)"
    if not values.is_floating_point():
        return f"in {values.dtype}: return float32"
    if not values.isfinite().all():
        return "that is not finite everywhere: look for log(0) or 1/0"
    return ""


def _summed(step: ReplayedStep) -> int | None:
    """Return the number of an update whose loss is a sum over the batch, if there is one."""
    batch = step.batch
    labels = batch.condition
    images = batch.images.repeat_interleave(
        2, 0
    )  # each twice in a row, so that `Batch.split` doubles all
    doubled = Batch(images, None if labels is None else labels.repeat_interleave(2, 0))
    larger = replace(step, batch=doubled)
    suspects: list[int] = []
    for seed in range(SUMMED_SEEDS):
        pairs = zip(
            _values(step.replay(seed=seed)), _values(larger.replay(seed=seed)), strict=False
        )
        suspects = [
            number
            for number, (one, two) in enumerate(pairs, 1)
            if one and two and SUMMED[0] < two / one < SUMMED[1]
            if seed == 0 or number in suspects
        ]
        if not suspects:  # nearly always with the first seed
            return None
    return suspects[0]


def _mixed_term(step: ReplayedStep, model: Model, terms: Mapping[str, Tensor]) -> str:
    """Return the name of a term that is the mean over the batch, "" if all belong to an image.

    Equal values for all images prove little: a prior's term may be constant. It is a mean if it
    also changes with another image. A term that differs between images may still depend on the
    batch, as behind minibatch statistics; that is allowed.
    """
    constant = [name for name, values in terms.items() if len(values) > 1 and _equal(values)]
    if not constant:
        return ""
    images = step.batch.images.clone()
    images[0] = 1 - images[0]
    changed = Batch(images, step.batch.condition)
    with GlobalSeeds(0), torch.no_grad():
        again = step.loss.evaluate(model, changed, context(0))
    for name in constant:
        value, other = terms[name][-1], again[name][-1]
        if (value - other).abs() > ROUNDING * value.abs():
            return name
    return ""


def _equal(values: Tensor) -> bool:
    return bool((values == values[0]).all())


def _values(replayed: list[ReplayedUpdate]) -> list[float | None]:
    return [None if update.value is None else update.value.item() for update in replayed]


def _shown(values: list[float | None]) -> str:
    return ", ".join("none" if value is None else f"{value:.9g}" for value in values)
