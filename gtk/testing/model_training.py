"""Checks of a model: what its loss does to it."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from gtk.core.models.device import fork_random_state
from gtk.core.values.seeding import derive_seed
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.model_case import STEPS, Trial, for_each_trial, take_steps
from gtk.testing.model_structure import check_parts
from gtk.testing.process_state import GlobalSeeds, Surroundings
from gtk.testing.replayed_step import (
    CPU,
    TOTAL_STEPS,
    context,
    expect_clean_yields,
    expect_own_noise,
    expect_reached_parameters,
    expect_repeatable_updates,
    expect_sound_evaluation,
    expect_steps,
)
from gtk.testing.weights import differing, listed, weights_of

#: Steps of the shortest trainings.
FEW = 3


@needs(check_parts)
def check_yields(specimen: Specimen) -> None:
    """No update is yielded inside `torch.no_grad()`, inference mode or autocast."""
    for_each_trial(specimen, lambda trial: expect_clean_yields(trial.game()))


@needs(check_parts, check_yields)
def check_updates(specimen: Specimen) -> None:
    """Every update names a part, and its loss is a finite scalar, the mean of the batch."""
    for_each_trial(specimen, lambda trial: expect_steps(trial.game()))


@needs(check_updates)
def check_reached(specimen: Specimen) -> None:
    """Every update's loss reaches all parameters of its part."""
    for_each_trial(specimen, lambda trial: expect_reached_parameters(trial.game()))


@needs(check_updates)
def check_condition_used(specimen: Specimen) -> None:
    """Every layer in which the conditioner acts is handed the condition."""
    for_each_trial(specimen, _condition_used)


def _condition_used(trial: Trial) -> None:
    model, record = trial.construct()
    game = trial.game(model)
    game.play()
    with GlobalSeeds(0), torch.no_grad():
        game.loss.evaluate(copy.deepcopy(model).eval(), game.batch, context(0))
    if record.unused:
        trial.draw(model=copy.deepcopy(model).eval())
    if record.unused:  # perhaps of use late in a training alone, as a game that begins then is
        game.play(step=TOTAL_STEPS - 1)
    if record.unused:
        site = record.unused[0]
        conditioner = trial.settings.choice.conditioner.spec.name
        raise CheckFailed(
            f"{type(model).__name__} asks conditioner '{conditioner}' for a layer at "
            f"'{site.place}' of '{site.role}', and neither training nor sampling hands it a "
            "condition: call the layer in forward() as layer(hidden, condition), or do not ask for "
            "it"
        )


@needs(check_updates)
def check_seeds(specimen: Specimen) -> None:
    """The same seed gives the same losses, bit by bit."""
    for_each_trial(specimen, _seeds)


def _seeds(trial: Trial) -> None:
    expect_repeatable_updates(trial.game())
    first = take_steps(trial.trainer(), FEW)
    np.random.random()  # noqa: NPY002 - what is not gtk's to seed goes on as in any program
    again = take_steps(trial.trainer(), FEW)
    if repr(first) != repr(again):  # as texts, since a NaN equals itself there
        raise CheckFailed(
            f"two trainings with the same seed have other losses ({again[0]}, at first "
            f"{first[0]}): draw weights from torch's generator and noise from context.noise alone, "
            "and keep nothing outside of the model"
        )


@needs(check_seeds)
def check_other_seeds(specimen: Specimen) -> None:
    """Another seed gives other weights to begin with, and other losses."""
    for_each_trial(specimen, _other_seeds)


def _other_seeds(trial: Trial) -> None:
    trainers = [trial.trainer(seed) for seed in (0, 1)]
    first, second = (dict(trainer.published.named_parameters()) for trainer in trainers)
    drawn = [name for name, value in first.items() if value.numel() > 1 and value.std() > 0]
    if drawn and not differing(first, second):
        raise CheckFailed(
            "trainings with other seeds begin with the same weights: draw them from torch's global "
            "generator, as nn.Linear does, which gtk has seeded, and not from one of your own"
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
    for_each_trial(specimen, lambda trial: expect_own_noise(trial.game()))


@needs(check_updates)
def check_evaluation(specimen: Specimen) -> None:
    """Evaluating gives a number for each image, and changes nothing: no buffer, no average."""
    for_each_trial(specimen, lambda trial: expect_sound_evaluation(trial.game()))


@needs(check_updates)
def check_finite_weights(specimen: Specimen) -> None:
    """Twenty steps leave all weights finite."""
    for_each_trial(specimen, _finite_weights)


def _finite_weights(trial: Trial) -> None:
    trained = trial.trained.published
    broken = [name for name, value in weights_of(trained).items() if not value.isfinite().all()]
    if broken:
        raise CheckFailed(
            f"{listed(broken)} of {type(trained).__name__} not finite after {STEPS} steps: look "
            "for log(0), 1/0 and overflow, or give the spec a smaller learning_rate in its defaults"
        )


@needs(check_finite_weights)
def check_learning(specimen: Specimen) -> None:
    """Twenty steps move every part."""
    for_each_trial(specimen, _learning)


def _learning(trial: Trial) -> None:
    begun, _ = trial.build()
    trained = trial.trained.published
    for part, module in trained.parts().items():
        # Not the buffers: an average moves without anything learned.
        if not differing(_parameters(begun.parts()[part]), _parameters(module)):
            raise CheckFailed(
                f"part '{part}' of {type(trained).__name__} is as it was after {STEPS} steps: "
                "yield updates of it, and look where its gradient is 0"
            )


def _parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in module.named_parameters()}


@needs(check_seeds, check_own_noise)
def check_globals(specimen: Specimen) -> None:
    """Building, training, evaluating and sampling change nothing of the whole process's."""
    for_each_trial(specimen, _globals)


def _globals(trial: Trial) -> None:
    surroundings, game = Surroundings(), trial.game()
    trainer = trial.trainer()
    with fork_random_state(CPU):
        for step, rows in zip(range(2), trainer.schedule.batches(0), strict=False):
            trainer.train_step(rows)
            if torch.initial_seed() != derive_seed(0, "layers", step):
                raise CheckFailed(
                    "a step seeds torch's global generator: leave it out, it makes dropout alike "
                    "in every step"
                )
    with fork_random_state(CPU), torch.no_grad():
        model = trainer.published.eval()
        game.loss.evaluate(model, game.batch, context(0))
        noise = torch.from_numpy(model.noise.draw(len(game.batch), 0))
        model.sample(noise, game.batch.condition if trial.conditional else None)
    changes = surroundings.changes()
    if changes:
        raise CheckFailed(
            f"building, training or sampling changes {listed(changes)} for the whole process: "
            "leave it alone, or change it for a while where it is needed, and then back"
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
