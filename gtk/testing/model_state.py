"""The checks of a model that save and restore it."""

from safetensors.torch import load_file, save_file
from torch import Tensor

from gtk.core.storage.run import Run
from gtk.core.training.trainer import Trainer
from gtk.testing.check import CheckFailed, checks_in
from gtk.testing.model_case import ModelCase, model_check, take_steps
from gtk.testing.model_sampling import check_samples
from gtk.testing.model_training import FEW, check_seeds
from gtk.testing.weights import differing, listed, same_bits, weights_of


@model_check(check_samples)
def check_state(case: ModelCase) -> None:
    """The state has everything that samples depend on, and fits in a safetensors file."""
    model, name = case.model, case.class_name
    state = model.state_dict()
    unsaved = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if unsaved:
        raise CheckFailed(
            f"{listed(unsaved)} in the state of {name} cannot be saved, since it is not a tensor: "
            "keep it in a buffer"
        )
    file = case.folder / "state.safetensors"
    save_file({key: value.contiguous().clone() for key, value in state.items()}, file)
    other, _ = case.build(seed=1)
    try:
        other.load_state_dict(load_file(file))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckFailed(
            f"the state of {name} cannot be loaded again: {reason:.200}. Make all modules and "
            "buffers in the constructor, with their final shapes"
        ) from error
    lost = differing(weights_of(model), weights_of(other))
    if lost:
        remedy = "make the buffer persistent, or derive it from the options alone"
        raise CheckFailed(f"{listed(lost)} of {name} missing in its state: {remedy}")
    if not same_bits(case.draw(), case.draw(model=other.eval())):
        raise CheckFailed(
            f"{name} samples other images when its state is loaded into a new model: keep "
            "everything drawn or learned in parameters or buffers (register_buffer)"
        )


@model_check(check_seeds, check_state)
def check_resume(case: ModelCase) -> None:
    """A resumed training equals an unbroken one, bit by bit."""
    run, whole = case.create_run("stopped"), case.trainer()
    take_steps(whole, FEW)
    run.checkpoints.save(whole.state(run, None))
    counts = _counts(whole)
    terms = take_steps(whole, FEW)
    resumed = case.trainer()
    resumed.restore(run.checkpoints.load(FEW))
    again = take_steps(resumed, FEW)
    for number, (wanted, found) in enumerate(zip(terms, again, strict=True), FEW + 1):
        if repr(wanted) != repr(found):  # as strings, in which NaN equals NaN
            raise CheckFailed(
                f"after resuming at step {FEW}, step {number} has other losses ({found} instead "
                f"of {wanted}): keep what changes from step to step in parameters or persistent "
                "buffers (register_buffer)"
            )
    changed = differing(_everything(whole, run), _everything(resumed, run))
    if changed:
        raise CheckFailed(
            f"{listed(changed)} differ after resuming at step {FEW}, with the same losses: keep "
            "what changes from step to step in persistent buffers"
        )
    # A counter may take effect only after more steps than this check takes, so equal losses do not
    # show that it is harmless.
    counted = [name for name, value in _counts(whole).items() if counts.get(name, value) != value]
    if counted:
        raise CheckFailed(
            f"attribute {listed(counted)} changes from step to step, and checkpoints leave it out: "
            "keep it in a buffer (register_buffer), or use context.step in the loss"
        )


def _counts(trainer: Trainer) -> dict[str, int]:
    """Return the integers that are attributes of the model's modules, by name.

    Other attributes may change: many models keep the last result for inspection.
    """
    return {
        f"{path}.{name}".lstrip("."): value
        for path, module in trainer.learner.model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, int)
    }


def _everything(trainer: Trainer, run: Run) -> dict[str, Tensor]:
    state = trainer.state(run, None)
    return {**state.training, **state.model, **weights_of(trainer.published)}


CHECKS = checks_in(globals())
