"""The checks of a callback."""

from typing import Any

import pluggy

from gtk.core.storage.run import Run
from gtk.core.training.events import EventHooks
from gtk.core.values.errors import UserError
from gtk.testing.check import CheckFailed, Specimen, checks_in, needs, refuse_changes
from gtk.testing.watched_training import trained, watched_trainings
from gtk.testing.weights import last_weights


def check_constructs(specimen: Specimen) -> None:
    """Its target takes no arguments and makes a new object with each call."""
    target = specimen.plugin.spec.resolve()
    try:
        first, second = target(), target()
    except TypeError as error:
        raise CheckFailed(
            f"its target cannot be called without arguments ({error}): give its parameters "
            "defaults, since a callback has no options"
        ) from error
    if first is second:
        raise CheckFailed(
            "its target returns the same object twice, so that two trainings would share its "
            "state: make a new object with each call"
        )


@needs(check_constructs)
def check_hooks(specimen: Specimen) -> None:
    """It implements at least one event and accepts the arguments of each."""
    callback = specimen.plugin.spec.resolve()()
    manager = pluggy.PluginManager("gtk")
    manager.add_hookspecs(EventHooks)
    try:
        manager.register(callback)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        reason = " ".join(str(error).replace(repr(callback), type(callback).__name__).split())
        remedy = "docs/hooks.md lists the events and their arguments"
        raise CheckFailed(f"{reason}: {remedy}") from error
    handled = {caller.name for caller in manager.get_hookcallers(callback) or []}
    unmarked = [
        name
        for name in dir(callback)
        if name.startswith("gtk_") and name not in handled and callable(getattr(callback, name))
    ]
    if unmarked:
        raise CheckFailed(
            f"{type(callback).__name__}.{unmarked[0]} is not marked with @gtk.hookimpl, so it is "
            "never called: mark it, or rename it if it does not handle an event"
        )
    if not handled:
        raise CheckFailed(
            f"{type(callback).__name__} handles no event: give it a method such as gtk_step_end, "
            "marked with @gtk.hookimpl; docs/hooks.md lists the events"
        )


@needs(check_hooks)
def check_raises_nothing(specimen: Specimen) -> None:
    """It raises nothing while a VAE and a GAN are trained and resumed."""
    for model, found in watched_trainings(specimen):
        if found.failures:
            raise CheckFailed(
                f"while {model} was trained, {found.failures[0]}. A user's training would disable "
                "it there: handle what may be missing, such as labels or a latent code"
            )


@needs(check_raises_nothing)
def check_same_bits(specimen: Specimen) -> None:
    """A training has the same weights and figures with it as without it, bit by bit.

    If it stops the training, those figures that both trainings have are the same.
    """
    for model, found in watched_trainings(specimen):
        run, alone = found.run, trained(specimen, model, "alone", None)
        ours, theirs = _metrics(run), _metrics(alone)
        if run.checkpoints.steps()[-1] < alone.checkpoints.steps()[-1]:  # gtk.StopTraining
            ours, theirs = (
                {key: it[key] for key in ours if key in theirs} for it in (ours, theirs)
            )
        elif last_weights(run) != last_weights(alone):
            raise CheckFailed(
                f"{model} has other weights with it than without it: do not change the model or "
                "its mode, call it under torch.no_grad(), and work on copies"
            )
        if ours != theirs:
            raise CheckFailed(
                f"{model} has other lines in metrics.jsonl with it than without it: write into "
                "run.pictures, and leave the run's other files unchanged"
            )


def _metrics(run: Run) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the lines of metrics.jsonl by split and step."""
    return {(line["split"], line["step"]): line for line in run.metrics()}


@needs(check_raises_nothing)
def check_globals(specimen: Specimen) -> None:
    """It leaves the global state of the process unchanged."""
    # In all trainings, since a change that is made once a process shows only in the first.
    remedy = "restore it before the method returns, and draw from a generator of its own"
    for model, found in watched_trainings(specimen):
        refuse_changes(f"while {model} is trained, it", found.changes, remedy)


@needs(check_raises_nothing)
def check_writes_into_the_run(specimen: Specimen) -> None:
    """It writes only into the run, and only files that `--overwrite` would remove."""
    for _, found in watched_trainings(specimen):
        if found.stray:
            raise CheckFailed(
                f"it writes {found.stray[0]!r} into the user's working folder: write into "
                "run.pictures"
            )
        try:
            found.run.check_removable()
        except UserError as error:
            raise CheckFailed(
                f"gtk train --overwrite cannot replace a run that it was used in, {error}: write "
                "into run.pictures"
            ) from error


CHECKS = checks_in(globals())
