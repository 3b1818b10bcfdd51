"""Checks of a replayed step, which models and losses share; each raises `CheckFailed`."""

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.model import Model
from gtk.core.models.device import fork_random_state
from gtk.core.models.loss_networks import eval_mode, network_state
from gtk.core.training.trainer import Trainer
from gtk.core.values.seeding import derive_seed
from gtk.testing.check import CheckFailed
from gtk.testing.process_state import seeded_generators
from gtk.testing.replayed_step import CPU, ReplayedStep, context
from gtk.testing.replayed_update import ReplayedUpdate
from gtk.testing.weights import differing, listed, same_bits, weights_of

#: The ratio of the losses of a doubled batch and a batch, where the loss is a sum over images.
SUMMED = (1.7, 2.3)
#: Seeds of the noise that the ratio is measured with, since one may come near it by chance.
SUMMED_SEEDS = 4
#: How far an image's term may change, as a share of it, where another image of the batch does.
ROUNDING = 1e-3


def expect_clean_yields(step: ReplayedStep) -> None:
    """Every update is yielded outside of `torch.no_grad()`, inference mode and autocast."""
    for update in step.replay():
        if update.leak:
            inside = f"inside {update.leak}, which stays switched on in the trainer"
            remedy = "leave the with block, then yield"
            raise CheckFailed(
                f"update {update.number} of {step.name} is yielded {inside}: {remedy}"
            )


def expect_sound_updates(step: ReplayedStep) -> None:
    """Every update has a finite scalar loss that reaches all parameters of a part of the model."""
    expect_steps(step)
    expect_reached_parameters(step)


def expect_reached_parameters(step: ReplayedStep) -> None:
    """Every update's loss reaches all parameters of its part."""
    for update in step.replay():
        if update.unreached:
            part = f" (part {update.part!r})"
            raise CheckFailed(f"update {update.number}{part} of {step.name}: {update.unreached}")


def expect_steps(step: ReplayedStep) -> None:
    """Every update can be taken: it has a part and a finite scalar loss, the mean of a batch."""
    name, replayed = step.name, step.replay()
    if not replayed:
        remedy = "yield one gtk.Update or more in each step"
        raise CheckFailed(f"updates() of {name} yields nothing: {remedy}")
    for update in replayed:
        if update.fault:
            part = f" (part {update.part!r})" if update.part else ""
            raise CheckFailed(f"update {update.number}{part} of {name}: {update.fault}")
    summed = _summed(step)
    if summed is not None:
        raise CheckFailed(
            f"the loss of update {summed} of {name} is about twice as large for a batch of twice "
            "as many images, so that --batch-size changes the effective learning rate: take the "
            "mean over the batch, not the sum"
        )


def expect_repeatable_updates(step: ReplayedStep) -> None:
    """The same seeds give the same losses, bit by bit."""
    # The two seeds share their low 32 bits, which seed torch, as the trainer does. They differ for
    # numpy and Python, which the trainer leaves unseeded.
    first, again = (_values(step.replay(seed=1, global_seed=seed)) for seed in (1, (1 << 32) + 1))
    if repr(first) != repr(again):  # as strings, in which NaN equals NaN
        raise CheckFailed(
            f"a step of {step.name} repeated with the same seed has other losses ({_shown(first)} "
            f"and {_shown(again)}): draw from context.noise, and keep state only in parameters and "
            "buffers"
        )


def expect_own_noise(step: ReplayedStep) -> None:
    """Losses do not depend on the global generators, dropout apart."""
    # In eval mode, since dropout draws from torch's global generator in train mode.
    first, other = (
        _values(step.replay(seed=1, global_seed=seed, training=False)) for seed in (1, 2)
    )
    if repr(first) != repr(other):
        generator = "a global generator (of torch, numpy or random)"
        remedy = "draw from context.noise instead, as context.noise.normal(16, 8)"
        raise CheckFailed(f"the losses of {step.name} depend on {generator}: {remedy}")


def expect_sound_evaluation(step: ReplayedStep) -> None:
    """`evaluate` returns finite terms for each image, with the criterion, and changes no state."""
    loss, model = step.loss, copy.deepcopy(step.model).eval()
    name, before = step.name, _state(step, model)
    terms, again = (_evaluated(step, model, step.batch, seed) for seed in (0, 1))
    if not isinstance(terms, dict) or not terms:
        raise CheckFailed(
            f"evaluate() of {name} returns {type(terms).__name__} {terms!r:.40}: return a dict of "
            "one term or more"
        )
    for term, values in terms.items():
        fault = _evaluated_fault(values, len(step.batch))
        if fault:
            raise CheckFailed(f"evaluate() of {name} returns {term!r} {fault}")
        if not same_bits(values, again[term]):
            raise CheckFailed(
                f"evaluate() of {name} returns another {term!r} when it is called again: draw from "
                "context.noise, and keep no state between calls"
            )
    mixed = _mixed_term(step, model, terms)
    if mixed:
        raise CheckFailed(
            f"evaluate() of {name} returns the same {mixed!r} for every image of a batch, and "
            "another one when a single image is changed: return one number for each image, "
            "without the mean over the batch"
        )
    if loss.criterion is not None and loss.criterion not in terms:
        raise CheckFailed(
            f"the criterion of {name} is {loss.criterion!r} and evaluate() returns only "
            f"{', '.join(terms)}: name one of these, or None"
        )
    changed = differing(before, _state(step, model))
    if changed:
        raise CheckFailed(
            f"evaluate() of {name} changes {listed(changed)} of the model: change it only in "
            "training, what is learned without gradients in Model.after_update"
        )


def _state(step: ReplayedStep, model: Model) -> dict[str, Tensor]:
    """Return copies of the tensors of a model and of its loss's networks."""
    networks = {name: value.clone() for name, value in network_state(step.networks).items()}
    return weights_of(model) | networks


def expect_unseeded_steps(trainer: Trainer, seed: int) -> None:
    """Two steps of a training leave torch's global generator seeded as the trainer seeds it."""
    with fork_random_state(CPU):
        for step, rows in zip(range(2), trainer.schedule.batches(0), strict=False):
            trainer.train_step(rows)
            expect_seed(derive_seed(seed, "layers", step), "a step")


def expect_seed(seed: int, what: str) -> None:
    """Torch's global generator still has its seed."""
    if torch.initial_seed() != seed:
        raise CheckFailed(
            f"{what} seeds torch's global generator, so that dropout is the same in every step: "
            "remove the call, for example of torch.manual_seed(), and draw from context.noise"
        )


def _evaluated(
    step: ReplayedStep, model: Model, batch: Batch, global_seed: int
) -> dict[str, Tensor]:
    networks = step.networks
    with seeded_generators(global_seed), torch.no_grad(), eval_mode(*networks.values()):
        return step.loss.evaluate(model, batch, context(0, networks=networks))


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
    # Each image twice in a row, so that every part of `Batch.split` doubles.
    condition = step.batch.condition
    doubled = None if condition is None else condition.repeat_interleave(2, 0)
    larger = replace(step, batch=Batch(step.batch.images.repeat_interleave(2, 0), doubled))
    suspects: list[int] = []
    for seed in range(SUMMED_SEEDS):
        values = (_values(one.replay(seed=seed)) for one in (step, larger))
        suspects = [
            number
            for number, (one, two) in enumerate(zip(*values, strict=False), 1)
            if one and two and SUMMED[0] < two / one < SUMMED[1]
            if seed == 0 or number in suspects
        ]
        if not suspects:  # nearly always with the first seed
            return None
    return suspects[0]


def _mixed_term(step: ReplayedStep, model: Model, terms: Mapping[str, Tensor]) -> str:
    """Return the name of a term that is the mean over the batch, "" if all belong to an image.

    A term with equal values for all images may be constant, as a prior's may be. It is a mean if it
    also changes with another image. A term that differs between images may still depend on the
    batch, as through minibatch statistics; that is allowed.
    """
    constant = [
        name
        for name, values in terms.items()
        if len(values) > 1 and bool((values == values[0]).all())
    ]
    if not constant:
        return ""
    images = step.batch.images.clone()
    images[0] = 1 - images[0]
    again = _evaluated(step, model, Batch(images, step.batch.condition), 0)
    for name in constant:
        value, other = terms[name][-1], again[name][-1]
        if (value - other).abs() > ROUNDING * value.abs():
            return name
    return ""


def _values(replayed: list[ReplayedUpdate]) -> list[float | None]:
    return [None if update.value is None else update.value.item() for update in replayed]


def _shown(values: list[float | None]) -> str:
    return ", ".join("none" if value is None else f"{value:.9g}" for value in values)
