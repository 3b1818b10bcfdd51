"""Checks of a model: that nothing of it is lost where it is saved."""

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gtk.core.storage.run import Run
from gtk.core.training.trainer import Trainer
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.model_case import Trial, create_run, for_each_trial, take_steps
from gtk.testing.model_sampling import check_samples
from gtk.testing.model_training import FEW, check_seeds
from gtk.testing.weights import differing, listed, same_bits, weights_of


@needs(check_samples)
def check_state(specimen: Specimen) -> None:
    """What the model computes with is in its state, which goes through a safetensors file."""
    for_each_trial(specimen, lambda trial: _restored(specimen, trial))


def _restored(specimen: Specimen, trial: Trial) -> None:
    model, name = trial.model, type(trial.model).__name__
    state = model.state_dict()
    strange = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if strange:
        raise CheckFailed(
            f"the state of {name} has {listed(strange)}, which is no tensor and cannot be saved: "
            "keep it in a buffer"
        )
    file = specimen.folder / "state.safetensors"
    save_file({key: value.contiguous().clone() for key, value in state.items()}, file)
    other, _ = trial.build(seed=1)
    try:
        other.load_state_dict(load_file(file))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckFailed(
            f"the state of {name} cannot be loaded again: {reason:.200}. Let the constructor make "
            "all modules and buffers, of the shapes that they keep"
        ) from error
    lost = differing(weights_of(model), weights_of(other))
    if lost:
        raise CheckFailed(
            f"{listed(lost)} of {name} not in its state: save the buffer, persistent=True, or "
            "derive it from the options alone"
        )
    if not same_bits(trial.draw(), trial.draw(model=other.eval())):
        raise CheckFailed(
            f"{name} samples other images when its state is loaded into another: keep everything "
            "that is drawn or learned in parameters or buffers (register_buffer), not in attributes"
        )


@needs(check_seeds, check_state)
def check_resume(specimen: Specimen) -> None:
    """A training that goes on from a checkpoint gives the bits of one that was never stopped."""
    for_each_trial(specimen, lambda trial: _resume(create_run(specimen, trial, "stopped"), trial))


def _resume(run: Run, trial: Trial) -> None:
    whole = trial.trainer()
    take_steps(whole, FEW)
    run.checkpoints.save(whole.state(run, None))
    counts = _counts(whole)
    terms = take_steps(whole, FEW)
    resumed = trial.trainer()
    resumed.restore(run.checkpoints.load(FEW))
    again = take_steps(resumed, FEW)
    for number, (wanted, found) in enumerate(zip(terms, again, strict=True), FEW + 1):
        if repr(wanted) != repr(found):  # as texts, since a NaN equals itself there
            raise CheckFailed(
                f"after going on from step {FEW}, step {number} has other losses ({found} instead "
                f"of {wanted}): keep what changes from step to step in parameters or in buffers "
                "that are saved (register_buffer), not in attributes"
            )
    changed = differing(_everything(whole, run), _everything(resumed, run))
    if changed:
        raise CheckFailed(
            f"{listed(changed)} differ after going on from step {FEW}, with the same losses: keep "
            "what changes from step to step in buffers that are saved"
        )
    # What such a count does, it may do only after more steps than these.
    counted = [name for name, value in _counts(whole).items() if counts.get(name, value) != value]
    if counted:
        raise CheckFailed(
            f"{listed(counted)} changes from step to step and is an attribute, which no checkpoint "
            "has, so that a training that goes on begins to count anew: keep it in a buffer "
            "(register_buffer), take context.step in the loss, or leave it out"
        )


def _counts(trainer: Trainer) -> dict[str, int]:
    """Return the whole numbers that are attributes of the model's modules, by name.

    Other attributes may change: what was computed last is often kept to be looked at.
    """
    found = {}
    for path, module in trainer.learner.model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, int):
                found[f"{path}.{name}" if path else name] = value
    return found


def _everything(trainer: Trainer, run: Run) -> dict[str, torch.Tensor]:
    state = trainer.state(run, None)
    return {**state.training, **state.model, **weights_of(trainer.published)}


STATE_CHECKS: tuple[Check, ...] = (check_state, check_resume)
