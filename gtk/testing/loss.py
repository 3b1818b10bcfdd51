"""The checks of a loss, with a model that it is for."""

import copy
from dataclasses import replace
from typing import Any

import torch

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Loss
from gtk.core.models.build import build
from gtk.core.models.device import fork_random_state
from gtk.core.models.loss_networks import eval_mode, loss_networks, network_state, trained
from gtk.core.settings.choice import Settings
from gtk.core.storage.run import Run
from gtk.core.storage.runs import RunPlace
from gtk.core.training.resumption import resumed_training
from gtk.core.training.trainer import Trainer
from gtk.core.training.training import Training
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.testing.bf16 import expect_bf16
from gtk.testing.check import (
    CheckFailed,
    CheckSkipped,
    Specimen,
    checks_in,
    error_line,
    needs,
    unchanged_process_state,
)
from gtk.testing.loss_case import (
    EPOCHS,
    UNCONDITIONAL,
    loss_settings,
    new_replayed_step,
    replayed_step,
    settled,
)
from gtk.testing.model_case import take_steps
from gtk.testing.replayed_step import CPU, TOTAL_STEPS, ReplayedStep, context, step_batch
from gtk.testing.small_model import expect_protocol
from gtk.testing.step_checks import (
    expect_clean_yields,
    expect_own_noise,
    expect_repeatable_updates,
    expect_seed,
    expect_sound_evaluation,
    expect_sound_updates,
    expect_unseeded_steps,
)
from gtk.testing.weights import differing, last_weights, listed, same_bits, weights_of


def check_described(specimen: Specimen) -> None:
    """It is a `gtk.Loss` that defines requires, unit and criterion."""
    target: Any = specimen.plugin.spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Loss)):
        raise CheckFailed(f"its target {target!r:.60} is not a gtk.Loss: derive it from one")
    missing = sorted(getattr(target, "__abstractmethods__", ()))
    if missing:
        raise CheckFailed(f"{target.__name__} lacks {missing[0]}(): write it")
    expect_protocol(getattr(target, "requires", None), "gtk.LatentVariableModel")
    unit: Any = getattr(target, "unit", None)
    if not isinstance(unit, str) or not unit.strip():
        raise CheckFailed('it lacks the unit of its terms: set unit = "nats per image"')
    criterion: Any = target.criterion
    if criterion is not None and not isinstance(criterion, str):
        remedy = "name the term of evaluate() that is lower for better weights, or use None"
        raise CheckFailed(f"its criterion is {criterion!r:.40}: {remedy}")


@needs(check_described)
def check_model(specimen: Specimen) -> None:
    """An installed model can be trained with it."""
    replayed_step(specimen)


@needs(check_model)
def check_reads_only(specimen: Specimen) -> None:
    """It leaves the images and conditions of the batch unchanged."""
    replayed = new_replayed_step(specimen)  # a new batch, which other checks have not used
    before = copy.deepcopy(replayed.batch)
    replayed.replay()
    with torch.no_grad():
        given = context(0, networks=replayed.networks)
        replayed.loss.evaluate(replayed.model, replayed.batch, given)
    for name, value in vars(before).items():
        if value is not None and not torch.equal(value, getattr(replayed.batch, name)):
            remedy = "avoid operations in place, such as mul_() or images -= ..."
            raise CheckFailed(f"it changes the batch's {name}: {remedy}")


@needs(check_model)
def check_keeps_no_state(specimen: Specimen) -> None:
    """A step leaves the attributes of the loss unchanged, since checkpoints leave them out."""
    replayed = new_replayed_step(specimen)
    before = copy.deepcopy(vars(replayed.loss))
    replayed.replay()
    changed = [
        name
        for name, value in vars(replayed.loss).items()
        if name not in before or not _same(before[name], value)
    ]
    if changed:
        raise CheckFailed(
            f"a step changes self.{changed[0]}, which checkpoints leave out, so that a resumed "
            "training would start without it: use context.step for what changes with time, and "
            "keep what is learned in a buffer of the model that Model.after_update() sets"
        )


@needs(check_model)
def check_networks(specimen: Specimen) -> None:
    """Its networks are drawn from the seed alone, and every one is trained or fixed."""
    step = new_replayed_step(specimen)
    before = weights_of(step.model)
    networks = step.networks
    if not networks:
        return
    changed = differing(before, weights_of(step.model))
    if changed:
        raise CheckFailed(f"networks() changes {listed(changed)} of the model: only read it")
    state, again, other = (
        network_state(loss_networks(step.loss, step.model, seed)) for seed in (0, 0, 1)
    )
    remedy = "draw first weights from torch's global generator, as nn.Linear does, unseeded"
    if differing(state, again):
        raise CheckFailed(f"networks() returns other weights with the same seed: {remedy}")
    drawn = [name for name, value in state.items() if value.numel() > 1 and value.double().std()]
    if trained(networks) and drawn and not differing(state, other):
        raise CheckFailed(f"networks() returns the same weights with another seed: {remedy}")
    updates = [update for when in (0, TOTAL_STEPS - 1) for update in step.replay(step=when)]
    idle = set(trained(networks)) - {update.part for update in updates}
    if idle and not any(update.fault for update in updates):
        name = min(idle)
        raise CheckFailed(
            f"no update trains its network {name!r}: yield gtk.Update(loss, part={name!r}), or fix "
            "its weights with requires_grad_(False)"
        )


@needs(check_model)
def check_yields(specimen: Specimen) -> None:
    """Every update is yielded outside of `torch.no_grad()`, inference mode and autocast."""
    expect_clean_yields(replayed_step(specimen))


@needs(check_yields)
def check_updates(specimen: Specimen) -> None:
    """Every loss is a finite scalar whose gradient reaches all parameters of the part."""
    expect_sound_updates(replayed_step(specimen))


@needs(check_updates, check_reads_only, check_keeps_no_state)
def check_seeds(specimen: Specimen) -> None:
    """The same seed gives the same losses."""
    expect_repeatable_updates(replayed_step(specimen))


@needs(check_seeds)
def check_own_noise(specimen: Specimen) -> None:
    """It draws only from `context.noise`."""
    expect_own_noise(replayed_step(specimen))


@needs(check_seeds)
def check_bf16(specimen: Specimen) -> None:
    """If its spec says that it bears bf16, steps in it are finite and close to those in fp32."""
    if specimen.plugin.spec.bf16:
        settings, dataset = loss_settings(specimen)
        expect_bf16(lambda: Trainer(*build(settings, dataset.spec), dataset, settings.train, CPU))


@needs(check_seeds)
def check_compiles(specimen: Specimen) -> None:
    """If its `compiles` says so, steps call `context.compiled`, with the same functions each."""
    settings, dataset = loss_settings(specimen)
    model, loss = build(settings, dataset.spec)
    trainer = Trainer(model, loss, dataset, settings.train, CPU)
    asked: list[Any] = []

    def as_it_is(function: Any) -> Any:  # noqa: ANN401 - any function of tensors
        asked.append(function)
        return function

    trainer.learner.context.compile_with(as_it_is)
    take_steps(trainer, 2)
    before = set(asked)  # a method of the same object is equal to itself
    take_steps(trainer, 2)
    if loss.compiles and not before:
        raise CheckFailed(
            "its compiles is True, and no step calls context.compiled(): call it, or leave it out"
        )
    if set(asked) - before:
        raise CheckFailed(
            "a step gives context.compiled() a new function, which would be compiled in each step: "
            "give a method or a function of the module"
        )


@needs(check_seeds, check_own_noise)
def check_globals(specimen: Specimen) -> None:
    """Its steps and its evaluation leave the global state of the process unchanged."""
    settings, dataset = loss_settings(specimen)
    remedy = "restore it before the next yield, and draw from context.noise"
    with unchanged_process_state("a step or evaluate()", remedy):
        model, loss = build(settings, dataset.spec)
        trainer = Trainer(model, loss, dataset, settings.train, CPU)
        expect_unseeded_steps(trainer, settings.train.seed)
        with fork_random_state(CPU), torch.no_grad():
            seed = torch.initial_seed()
            networks = trainer.learner.context.networks
            with eval_mode(trainer.published, *networks.values()):
                given = context(0, networks=networks)
                loss.evaluate(trainer.published, step_batch(dataset, loss), given)
            expect_seed(seed, "evaluate()")


@needs(check_model, check_reads_only)
def check_evaluation(specimen: Specimen) -> None:
    """`evaluate` returns finite terms for each image, with the criterion."""
    expect_sound_evaluation(replayed_step(specimen))


@needs(check_updates, check_evaluation)
def check_without_labels(specimen: Specimen) -> None:
    """It works for unlabelled images and an unconditional model."""
    settings, dataset = loss_settings(specimen)
    try:
        plain = settled(specimen, settings.choice.model.installed, UNCONDITIONAL)
        model, loss = build(plain, dataset.spec)
    except GtkError as error:
        raise CheckSkipped(f"its model requires a condition: {error}") from error
    replayed = ReplayedStep(model, loss, Batch(step_batch(dataset, loss).images, None))
    try:
        expect_sound_updates(replayed)
        expect_sound_evaluation(replayed)
    except CheckFailed as error:
        raise CheckFailed(f"without labels, {error}") from error
    except InvalidValue as error:
        raise CheckSkipped(f"it refuses images without labels: {error}") from error
    except Exception as error:
        remedy = "handle batch.condition and model.condition being None"
        raise CheckFailed(f"it fails without labels ({error_line(error)}): {remedy}") from error


@needs(check_seeds, check_own_noise, check_evaluation)
def check_resume(specimen: Specimen) -> None:
    """A resumed training with it ends with the same weights, bit by bit, as an unbroken one."""
    settings, _ = loss_settings(specimen)
    whole, part = (_trained(specimen, settings, epochs) for epochs in (EPOCHS, EPOCHS - 1))
    training = resumed_training(part, epochs=EPOCHS, data_root=None, device="cpu", callbacks=[])
    resumed = training.go_on(part)
    if last_weights(whole) != last_weights(resumed):
        raise CheckFailed(
            "a resumed training with it ends with other weights than an unbroken one: keep no "
            "state in the loss, and draw from context.noise"
        )
    changed = differing(_last_networks(whole), _last_networks(resumed))
    if changed:
        raise CheckFailed(
            f"{listed(changed)} of its networks differ in a resumed training: keep what changes "
            "from step to step in parameters or persistent buffers"
        )


CHECKS = checks_in(globals())


def _trained(specimen: Specimen, settings: Settings, epochs: int) -> Run:
    train = replace(settings.train, decay="constant", epochs=epochs)
    place = RunPlace(specimen.folder, f"{epochs}-epochs", False)
    return Training(replace(settings, train=train), "cpu", []).start(place)


def _last_networks(run: Run) -> dict[str, torch.Tensor]:
    """Return the weights and buffers of the loss's networks in a run's last checkpoint."""
    tensors = run.checkpoints.load(run.checkpoints.steps()[-1]).training
    return {name: value for name, value in tensors.items() if name.startswith("networks/")}


def _same(first: Any, second: Any) -> bool:  # noqa: ANN401 - whatever a loss has
    """Return whether two attributes are equal; for other types, whether they have the same type."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return same_bits(first.detach(), second.detach())
    plain = (int, float, str, bool, tuple, list, dict, type(None))
    if isinstance(first, plain) and isinstance(second, plain):
        return repr(first) == repr(second)
    return type(first) is type(second)
