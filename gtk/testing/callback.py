"""What a callback promises."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pluggy

from gtk.core.settings.choice import Choice, Settings
from gtk.core.storage.run import Run
from gtk.core.storage.runs import RunPlace
from gtk.core.training.events import EventHooks
from gtk.core.training.training import Training, load_dataset, resumed_training
from gtk.core.values.errors import UserError
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.process_state import restored_surroundings, working_in

#: The trainings that a callback watches, by model, each with options that keep it small.
WATCHED: Mapping[str, Mapping[str, Any]] = {
    "gan": {"network": "mlp", "hidden_dims": (16,), "latent_dim": 2},
    "cvae": {"hidden_dims": (16,), "latent_dim": 2},
}
#: Epochs of these before and after they are resumed.
EPOCHS = (1, 2)


@dataclass(frozen=True)
class Watched:
    """What came of a training that was watched.

    Attributes:
        run: the training's.
        failures: what the callback raised, a line each.
        changes: what it changed that is the whole process's.
        stray: what it wrote into the working folder.
    """

    run: Run
    failures: list[str]
    changes: list[str]
    stray: list[str]


def check_constructs(specimen: Specimen) -> None:
    """Its target makes a new object of no arguments each time."""
    target = specimen.plugin.spec.resolve()
    try:
        first, second = target(), target()
    except TypeError as error:
        raise CheckFailed(
            f"its target cannot be called without arguments ({error}): a callback has no options, "
            "give them defaults"
        ) from error
    if first is second:
        raise CheckFailed(
            "its target gives the same object twice, and two trainings would share what it "
            "remembers: make a new one each time"
        )


@needs(check_constructs)
def check_hooks(specimen: Specimen) -> None:
    """It hears at least one event, and takes what is told of it."""
    callback = specimen.plugin.spec.resolve()()
    manager = pluggy.PluginManager("gtk")
    manager.add_hookspecs(EventHooks)
    try:
        manager.register(callback)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        reason = " ".join(str(error).replace(repr(callback), type(callback).__name__).split())
        raise CheckFailed(
            f"{reason}: the events, and what each is told, are listed in docs/hooks.md"
        ) from error
    heard = {caller.name for caller in manager.get_hookcallers(callback) or []}
    unmarked = [
        name
        for name in dir(callback)
        if name.startswith("gtk_") and name not in heard and callable(getattr(callback, name))
    ]
    if unmarked:
        raise CheckFailed(
            f"{type(callback).__name__}.{unmarked[0]} is not marked with @gtk.hookimpl, so that "
            "nobody calls it: mark it, or rename it if it is no event"
        )
    if not heard:
        raise CheckFailed(
            f"{type(callback).__name__} hears no event: give it a method such as gtk_step_end, "
            "marked with @gtk.hookimpl; they are listed in docs/hooks.md"
        )


@needs(check_hooks)
def check_raises_nothing(specimen: Specimen) -> None:
    """It raises nothing in a training that is resumed, of a model with a latent code or a game."""
    for model in WATCHED:
        failures = watched(specimen, model).failures
        if failures:
            raise CheckFailed(
                f"while {model} was trained, {failures[0]}. In a user's training it would be left "
                "out from there on: handle what may be missing, such as labels or a latent code"
            )


@needs(check_raises_nothing)
def check_same_bits(specimen: Specimen) -> None:
    """With it a training has the same weights and figures as without it, bit by bit."""
    for model in WATCHED:
        run, alone = watched(specimen, model).run, _trained(specimen, model, "alone", None)
        if _weights(run) != _weights(alone):
            raise CheckFailed(
                f"{model} has other weights where it watches than without it: do not change the "
                "model or its mode, call it under torch.no_grad(), and work on copies"
            )
        if run.metrics() != alone.metrics():
            raise CheckFailed(
                f"{model} has other lines in metrics.jsonl where it watches than without it: leave "
                "the run's own files alone, write into run.pictures"
            )


@needs(check_raises_nothing)
def check_globals(specimen: Specimen) -> None:
    """It changes nothing that is the whole process's."""
    for model in WATCHED:  # all of them: what happens once happens in the first
        changes = watched(specimen, model).changes
        if changes:
            raise CheckFailed(
                f"while {model} was trained it changed {', '.join(changes)} for the whole process: "
                "put it back before the method returns, and draw from a generator of its own"
            )


@needs(check_raises_nothing)
def check_writes_into_the_run(specimen: Specimen) -> None:
    """It writes into the run alone, and nothing that `--overwrite` would not remove."""
    for model in WATCHED:
        found = watched(specimen, model)
        if found.stray:
            raise CheckFailed(
                f"it writes {found.stray[0]} into the folder that the user is in: write into "
                "run.pictures"
            )
        try:
            found.run.check_removable()
        except UserError as error:
            raise CheckFailed(
                f"gtk train --overwrite would not replace a run that it watched, {error}: write "
                "into run.pictures"
            ) from error


CHECKS: tuple[Check, ...] = (
    check_constructs,
    check_hooks,
    check_raises_nothing,
    check_same_bits,
    check_globals,
    check_writes_into_the_run,
)


def watched(specimen: Specimen, model: str) -> Watched:
    """Have the callback watch a short training that is resumed once; done once for all checks."""
    return specimen.once(f"watched {model}", lambda: _watch(specimen, model))


def _watch(specimen: Specimen, model: str) -> Watched:
    make = specimen.plugin.spec.resolve()
    place = specimen.folder / f"{model}-user"
    place.mkdir()
    _import_all(specimen, model)
    with (
        _failures() as failures,
        _unseen(),
        working_in(place),
        restored_surroundings() as surroundings,
    ):
        run = _trained(specimen, model, "watched", make)
        changes = surroundings.changes()
    return Watched(run, failures, changes, sorted(item.name for item in place.iterdir()))


def _import_all(specimen: Specimen, model: str) -> None:
    """Import what a training imports on its way, so that the callback does not answer for it.

    Libraries may draw from the global generators when they are first imported.
    """
    import matplotlib.pyplot  # noqa: F401, ICN001 - for what importing it does

    load_dataset(_settings(specimen, model))


def _trained(specimen: Specimen, model: str, name: str, make: Any) -> Run:  # noqa: ANN401 - a callback's target, or None
    """Train a model for an epoch, and then another in a training that goes on.

    Args:
        specimen: says which data.
        model: a name in `WATCHED`.
        name: the folder of the run.
        make: makes the callback that watches; None for nobody.
    """
    settings = _settings(specimen, model)
    place = RunPlace(specimen.folder / name, model, False)
    run = Training(settings, "cpu", [make()] if make else []).start(place)
    training = resumed_training(
        run, epochs=EPOCHS[1], data_root=None, device="cpu", callbacks=[make()] if make else []
    )
    return training.go_on(run)


def _settings(specimen: Specimen, model: str) -> Settings:
    options = {**WATCHED[model], "epochs": EPOCHS[0], "log_every": 3, "sample_every": 1}
    return Choice.by_name(f"generative-toolkit/{model}", specimen.data).settle(options, None)


def _weights(run: Run) -> bytes:
    step = run.checkpoints.steps()[-1]
    return (run.checkpoints.folder(step) / "model.safetensors").read_bytes()


class _Failures(logging.Handler):
    """Keeps what the trainer reports of callbacks that raise."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        line = " ".join(record.getMessage().split())
        if line.startswith("callback "):
            self.lines.append(line)


@contextmanager
def _failures() -> Iterator[list[str]]:
    """Collect what callbacks raise, and show it to nobody else."""
    handler, logger = _Failures(), logging.getLogger("gtk")
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)


@contextmanager
def _unseen() -> Iterator[None]:
    """Print nothing for a while: what a callback shows is not what a check has to say."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield
