"""The checks of a model that train it."""

import copy

import numpy as np
import torch

from gtk.core.models.device import fork_random_state
from gtk.core.models.loss_networks import eval_mode
from gtk.core.models.sampling import draw_noise
from gtk.testing.bf16 import expect_bf16
from gtk.testing.check import CheckFailed, checks_in, unchanged_process_state
from gtk.testing.model_case import STEPS, ModelCase, model_check, take_steps
from gtk.testing.model_structure import check_parts
from gtk.testing.process_state import seeded_generators
from gtk.testing.replayed_step import CPU, TOTAL_STEPS, context
from gtk.testing.step_checks import (
    expect_clean_yields,
    expect_own_noise,
    expect_reached_parameters,
    expect_repeatable_updates,
    expect_sound_evaluation,
    expect_steps,
    expect_unseeded_steps,
)
from gtk.testing.weights import differing, listed, weights_of

#: Steps of a short training.
FEW = 3


@model_check(check_parts)
def check_yields(case: ModelCase) -> None:
    """Every update is yielded outside of `torch.no_grad()`, inference mode and autocast."""
    expect_clean_yields(case.replayed_step())


@model_check(check_parts, check_yields)
def check_updates(case: ModelCase) -> None:
    """Every update names a part, and its loss is a finite scalar, the mean of the batch."""
    expect_steps(case.replayed_step())


@model_check(check_updates)
def check_reached(case: ModelCase) -> None:
    """Every update's loss reaches all parameters of its part."""
    expect_reached_parameters(case.replayed_step())


@model_check(check_updates)
def check_condition_used(case: ModelCase) -> None:
    """Every layer in which the conditioner acts receives the condition."""
    model, record = case.construct()
    replayed = case.replayed_step(model)
    replayed.replay()
    networks = replayed.networks
    with seeded_generators(0), torch.no_grad(), eval_mode(*networks.values()):
        given = context(0, networks=networks)
        replayed.loss.evaluate(copy.deepcopy(model).eval(), replayed.batch, given)
    if record.unused:
        case.draw(model=copy.deepcopy(model).eval())
    if record.unused:  # a layer may be used late in a training, as in an adversarial phase
        replayed.replay(step=TOTAL_STEPS - 1)
    if record.unused:
        site = record.unused[0]
        conditioner = case.settings.choice.conditioner.spec.name
        layer = f"conditioner {conditioner!r} for a layer at {site.place!r} of {site.role!r}"
        raise CheckFailed(
            f"{case.class_name} asks {layer}, and neither training nor sampling passes it a "
            "condition: call it in forward() as layer(hidden, condition), or do not ask for it"
        )


@model_check(check_updates)
def check_seeds(case: ModelCase) -> None:
    """The same seed gives the same losses, bit by bit."""
    expect_repeatable_updates(case.replayed_step())
    first = take_steps(case.trainer(), FEW)
    np.random.random()  # noqa: NPY002 - gtk leaves numpy unseeded
    again = take_steps(case.trainer(), FEW)
    if repr(first) != repr(again):  # as strings, in which NaN equals NaN
        raise CheckFailed(
            f"two trainings with the same seed have other losses ({first[0]} and {again[0]}): draw "
            "weights from torch's generator, noise from context.noise, and keep state in the model"
        )


@model_check(check_seeds)
def check_other_seeds(case: ModelCase) -> None:
    """Another seed gives other initial weights and other losses."""
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
        remedy = "use the batch's images and draw from context.noise"
        raise CheckFailed(
            f"trainings with other seeds have the same losses ({terms[0][0]}): {remedy}"
        )


@model_check(check_updates)
def check_own_noise(case: ModelCase) -> None:
    """Losses do not depend on the global generators, dropout apart."""
    expect_own_noise(case.replayed_step())


@model_check(check_updates)
def check_evaluation(case: ModelCase) -> None:
    """Evaluating returns a number for each image and leaves weights and buffers unchanged."""
    expect_sound_evaluation(case.replayed_step())


@model_check(check_updates)
def check_finite_weights(case: ModelCase) -> None:
    """Twenty steps leave all weights finite."""
    trained = case.trained.published
    broken = [name for name, value in weights_of(trained).items() if not value.isfinite().all()]
    if broken:
        raise CheckFailed(
            f"{listed(broken)} of {type(trained).__name__} not finite after {STEPS} steps: look "
            "for log(0), 1/0 and overflow, or give the spec a smaller learning_rate in its defaults"
        )


@model_check(check_seeds)
def check_bf16(case: ModelCase) -> None:
    """If its spec says that it bears bf16, steps in it are finite and close to those in fp32."""
    if case.settings.choice.model.spec.bf16:
        expect_bf16(case.trainer)


@model_check(check_finite_weights)
def check_learning(case: ModelCase) -> None:
    """Twenty steps change every part."""
    begun, _ = case.build()
    trained = case.trained.published
    for part, module in trained.parts().items():
        # Buffers are left out: a running average changes without any learning.
        initial = dict(begun.parts()[part].named_parameters())
        if not differing(initial, dict(module.named_parameters())):
            raise CheckFailed(
                f"part {part!r} of {type(trained).__name__} has its initial weights after {STEPS} "
                "steps: yield updates of it, and look where its gradient is 0"
            )


@model_check(check_seeds, check_own_noise)
def check_globals(case: ModelCase) -> None:
    """Building, training, evaluating and sampling leave the global state unchanged."""
    remedy = "leave it unchanged, or restore it after each change"
    with unchanged_process_state("building, training or sampling", remedy):
        replayed, trainer = case.replayed_step(), case.trainer()
        expect_unseeded_steps(trainer, seed=0)
        with fork_random_state(CPU), torch.no_grad():
            model, batch = trainer.published.eval(), replayed.batch
            with eval_mode(*replayed.networks.values()):
                replayed.loss.evaluate(model, batch, context(0, networks=replayed.networks))
            sampler = case.sampler(model)
            noise = map(torch.from_numpy, draw_noise(sampler, len(batch), 0).values())
            sampler.module()(*noise, condition=batch.condition if case.conditional else None)


CHECKS = checks_in(globals())
