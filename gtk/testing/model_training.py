"""The checks of a model that train it."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from gtk.core.models.device import fork_random_state
from gtk.core.values.seeding import derive_seed
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.model_case import STEPS, ModelCase, for_each_case, take_steps
from gtk.testing.model_structure import check_parts
from gtk.testing.process_state import GlobalSeeds, Snapshot
from gtk.testing.replayed_step import (
    CPU,
    TOTAL_STEPS,
    context,
)
from gtk.testing.step_checks import (
    expect_clean_yields,
    expect_own_noise,
    expect_reached_parameters,
    expect_repeatable_updates,
    expect_sound_evaluation,
    expect_steps,
)
from gtk.testing.weights import differing, listed, weights_of

#: Steps of a short training.
FEW = 3


@needs(check_parts)
def check_yields(specimen: Specimen) -> None:
    """Every update is yielded outside of `torch.no_grad()`, inference mode and autocast."""
    for_each_case(specimen, lambda case: expect_clean_yields(case.replayed_step()))


@needs(check_parts, check_yields)
def check_updates(specimen: Specimen) -> None:
    """Every update names a part, and its loss is a finite scalar, the mean of the batch."""
    for_each_case(specimen, lambda case: expect_steps(case.replayed_step()))


@needs(check_updates)
def check_reached(specimen: Specimen) -> None:
    """Every update's loss reaches all parameters of its part."""
    for_each_case(specimen, lambda case: expect_reached_parameters(case.replayed_step()))


@needs(check_updates)
def check_condition_used(specimen: Specimen) -> None:
    """Every layer in which the conditioner acts receives the condition."""
    for_each_case(specimen, _condition_used)


def _condition_used(case: ModelCase) -> None:
    model, record = case.construct()
    replayed = case.replayed_step(model)
    replayed.replay()
    with GlobalSeeds(0), torch.no_grad():
        replayed.loss.evaluate(copy.deepcopy(model).eval(), replayed.batch, context(0))
    if record.unused:
        case.draw(model=copy.deepcopy(model).eval())
    if (
        record.unused
    ):  # perhaps of use late in a training alone, as in an adversarial phase that begins then
        replayed.replay(step=TOTAL_STEPS - 1)
    if record.unused:
        site = record.unused[0]
        conditioner = case.settings.choice.conditioner.spec.name
        raise CheckFailed(
            f"{type(model).__name__} asks conditioner '{conditioner}' for a layer at "
            f"'{site.place}' of '{site.role}', and neither training nor sampling passes it a "
            "condition: call the layer in forward() as layer(hidden, condition), or do not ask for "
            "it"
        )


@needs(check_updates)
def check_seeds(specimen: Specimen) -> None:
    """The same seed gives the same losses, bit by bit."""
    for_each_case(specimen, _seeds)


def _seeds(case: ModelCase) -> None:
    expect_repeatable_updates(case.replayed_step())
    first = take_steps(case.trainer(), FEW)
    np.random.random()  # noqa: NPY002 - gtk does not seed numpy, so its state differs between trainings
    again = take_steps(case.trainer(), FEW)
    if repr(first) != repr(again):  # as strings, in which NaN equals NaN
        raise CheckFailed(
            f"two trainings with the same seed have other losses ({again[0]}, at first "
            f"{first[0]}): draw weights only from torch's generator and noise from context.noise, "
            "and keep state only in the model"
        )


@needs(check_seeds)
def check_other_seeds(specimen: Specimen) -> None:
    """Another seed gives other initial weights and other losses."""
    for_each_case(specimen, _other_seeds)


def _other_seeds(case: ModelCase) -> None:
    trainers = [case.trainer(seed) for seed in (0, 1)]
    first, second = (dict(trainer.published.named_parameters()) for trainer in trainers)
    drawn = [name for name, value in first.items() if value.numel() > 1 and value.std() > 0]
    if drawn and not differing(first, second):
        raise CheckFailed(
            "trainings with other seeds start with the same weights: draw them from torch's global "
            "generator, as nn.Linear does, since gtk seeds that one"
        )
    terms = [take_steps(trainer, FEW) for trainer in trainers]
    if repr(terms[0]) == repr(terms[1]):
        raise CheckFailed(
            f"trainings with other seeds have the same losses ({terms[0][0]}): use the batch's "
            "images and draw from context.noise"
        )


@needs(check_updates)
def check_own_noise(specimen: Specimen) -> None:
    """Losses do not depend on the global generators, dropout apart."""
    for_each_case(specimen, lambda case: expect_own_noise(case.replayed_step()))


@needs(check_updates)
def check_evaluation(specimen: Specimen) -> None:
    """Evaluating returns a number for each image and leaves weights and buffers unchanged."""
    for_each_case(specimen, lambda case: expect_sound_evaluation(case.replayed_step()))


@needs(check_updates)
def check_finite_weights(specimen: Specimen) -> None:
    """Twenty steps leave all weights finite."""
    for_each_case(specimen, _finite_weights)


def _finite_weights(case: ModelCase) -> None:
    trained = case.trained.published
    broken = [name for name, value in weights_of(trained).items() if not value.isfinite().all()]
    if broken:
        raise CheckFailed(
            f"{listed(broken)} of {type(trained).__name__} not finite after {STEPS} steps: look "
            "for log(0), 1/0 and overflow, or give the spec a smaller learning_rate in its defaults"
        )


@needs(check_finite_weights)
def check_learning(specimen: Specimen) -> None:
    """Twenty steps change every part."""
    for_each_case(specimen, _learning)


def _learning(case: ModelCase) -> None:
    begun, _ = case.build()
    trained = case.trained.published
    for part, module in trained.parts().items():
        # Buffers are left out: a running average changes without any learning.
        if not differing(_parameters(begun.parts()[part]), _parameters(module)):
            raise CheckFailed(
                f"part '{part}' of {type(trained).__name__} has its initial weights after {STEPS} "
                "steps: yield updates of it, and look where its gradient is 0"
            )


def _parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in module.named_parameters()}


@needs(check_seeds, check_own_noise)
def check_globals(specimen: Specimen) -> None:
    """Building, training, evaluating and sampling leave the global state unchanged."""
    for_each_case(specimen, _globals)


def _globals(case: ModelCase) -> None:
    snapshot, replayed = Snapshot(), case.replayed_step()
    trainer = case.trainer()
    with fork_random_state(CPU):
        for step, rows in zip(range(2), trainer.schedule.batches(0), strict=False):
            trainer.train_step(rows)
            if torch.initial_seed() != derive_seed(0, "layers", step):
                raise CheckFailed(
                    "a step seeds torch's global generator, so that dropout is the same in every "
                    "step: leave that out"
                )
    with fork_random_state(CPU), torch.no_grad():
        model = trainer.published.eval()
        replayed.loss.evaluate(model, replayed.batch, context(0))
        noise = torch.from_numpy(model.noise.draw(len(replayed.batch), 0))
        model.sample(noise, replayed.batch.condition if case.conditional else None)
    changes = snapshot.changes()
    if changes:
        raise CheckFailed(
            f"building, training or sampling changes {listed(changes)} for the whole process: "
            "leave it unchanged, or restore it after each change"
        )


TRAINING_CHECKS: tuple[Check, ...] = (
    check_yields,
    check_updates,
    check_reached,
    check_condition_used,
    check_seeds,
    check_other_seeds,
    check_own_noise,
    check_evaluation,
    check_finite_weights,
    check_learning,
    check_globals,
)
