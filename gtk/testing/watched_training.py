"""A short training with the callback under test."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from logging.handlers import BufferingHandler
from typing import Any

from gtk.core.settings.choice import Choice, Settings
from gtk.core.storage.run import Run
from gtk.core.storage.runs import RunPlace
from gtk.core.training.resumption import resumed_training
from gtk.core.training.training import Training, load_dataset
from gtk.testing.check import Specimen
from gtk.testing.process_state import restored_process_state

#: The models that are trained, each with options that keep it small.
WATCHED: Mapping[str, Mapping[str, Any]] = {
    "gan": {"network": "mlp", "hidden_dims": (16,), "latent_dim": 2},
    "cvae": {"hidden_dims": (16,), "latent_dim": 2},
}
#: Epochs before the training is resumed, and in total.
EPOCHS = (1, 2)


@dataclass(frozen=True)
class WatchedTraining:
    """A finished training with the callback.

    Attributes:
        run: of the training.
        failures: the errors that the callback raised, a line each.
        changes: names of the pieces of global state that it changed.
        stray: names of files that it wrote into the working folder.
    """

    run: Run
    failures: list[str]
    changes: list[str]
    stray: list[str]


def watched_trainings(specimen: Specimen) -> Iterator[tuple[str, WatchedTraining]]:
    """Yield each model's name and its training, which is run once for all checks."""
    for model in WATCHED:
        yield model, specimen.once(f"watched {model}", partial(_watch, specimen, model))


def _watch(specimen: Specimen, model: str) -> WatchedTraining:
    make = specimen.plugin.spec.resolve()
    place = specimen.folder / f"{model}-user"
    place.mkdir()
    _import_all(specimen, model)
    with (
        _reported_failures() as failures,
        redirect_stdout(StringIO()),  # what a callback prints would mix with the results of checks
        redirect_stderr(StringIO()),
        chdir(place),
        restored_process_state() as snapshot,
    ):
        run = trained(specimen, model, "watched", make)
        changes = snapshot.changes()
    return WatchedTraining(run, failures, changes, sorted(item.name for item in place.iterdir()))


def _import_all(specimen: Specimen, model: str) -> None:
    """Import what a training imports, so that the callback is not blamed for it.

    Some libraries draw from the global generators when they are first imported.
    """
    import matplotlib.pyplot  # noqa: F401, ICN001 - for what importing it does

    load_dataset(_settings(specimen, model))


def trained(specimen: Specimen, model: str, name: str, make: Any) -> Run:  # noqa: ANN401 - a callback's target, or None
    """Train a model for one epoch, then resume it for another, with the callback of `make` if any.

    The folder of the run gets `name`.
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


@contextmanager
def _reported_failures() -> Iterator[list[str]]:
    """Collect the trainer's warnings of callbacks that raise; the list is filled at the end."""
    handler, logger, lines = BufferingHandler(sys.maxsize), logging.getLogger("gtk"), list[str]()
    handler.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        found = (" ".join(record.getMessage().split()) for record in handler.buffer)
        lines += [line for line in found if line.startswith("callback ")]
