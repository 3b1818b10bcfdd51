"""A training: from settings to a run, from the first step or on from the last."""

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from gtk.core.models.build import build
from gtk.core.models.device import resolve_device
from gtk.core.registry.discovery import CALLBACK, Plugin, find
from gtk.core.registry.options import as_table, make_config
from gtk.core.registry.spec import CallbackSpec
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.choice import Settings
from gtk.core.settings.image_source import load_data
from gtk.core.storage.early_stop import EarlyStop
from gtk.core.storage.run import Run, misfit
from gtk.core.storage.run_document import image_counts
from gtk.core.storage.runs import RunPlace
from gtk.core.training.events import Events
from gtk.core.training.trainer import Trainer
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError, InvalidValue, PluginError
from gtk.core.values.output import check_writable_folder
from gtk.core.values.setting import setting
from gtk.core.values.tracking import heard_by

#: A training of fewer steps shows little of what a model can do, one of so many does.
SHORT, ENOUGH = 1_000, 3_000


class Training:
    """A training that is ready to start; nothing has been written yet.

    Args:
        settings: what decides it.
        device: "auto" or a torch device; None for that of the run that is repeated, else "auto".
        callbacks: objects whose methods implement event hooks; told of the data as they load.

    Attributes:
        settings: as given.
        dataset: the images.
        model: with its first weights.
        loss: the game.
        trainer: checked against the data.
        run: where it is written, None until it starts.

    Raises:
        GtkError: something does not exist or does not fit.
        PluginError: a callback has a hook that does not exist.
    """

    def __init__(self, settings: Settings, device: str | None, callbacks: Iterable[object]) -> None:
        if device is None:
            device = settings.choice.recipe.device or "auto"
        place = resolve_device(device)
        self.settings = settings
        self._events = Events(callbacks)
        with heard_by(self._events.work):
            self.dataset = load_dataset(settings)
        for note in self.dataset.notes:
            self._events.note(note)
        self.model, self.loss = build(settings, self.dataset.spec)
        self.trainer = Trainer(self.model, self.loss, self.dataset, settings.train, place)
        self.run: Run | None = None
        self._device = place.type

    def start(self, place: RunPlace) -> Run:
        """Train from the first step, in a run folder of its own.

        Raises:
            UserError: the folder cannot be had.
        """
        self._note_short_training()
        self.run = place.make(
            self.settings,
            self.dataset,
            device=self._device,
            threads=self.settings.train.threads or torch.get_num_threads(),
        )
        return self._fit(self.run)

    def go_on(self, run: Run) -> Run:
        """Train on from a run's last checkpoint, or from the first step if it has none.

        Raises:
            UserError: another process trains this run.
        """
        self.run = run
        return self._fit(run)

    def note_changed_files(self, run: Run) -> None:
        """Say so where the data that a run goes on with are not as they were.

        It is no mistake: files that were copied have other times, too.
        """
        before, now = run.document.get("content"), self.dataset.content
        if before and now and before != now:
            note = (
                "the files of the data have changed since the training began, or were copied: it "
                "goes on with them as they are now"
            )
            self._events.note(note)

    def _note_short_training(self) -> None:
        """Say so where the usual number of epochs makes few steps, since few images do."""
        steps, epochs = self.trainer.schedule.total_steps, self.settings.train.epochs
        usual = self.settings.choice.presets["train"].get("epochs", TrainConfig.epochs)
        if epochs == usual and steps < SHORT:
            more = math.ceil(ENOUGH / self.trainer.schedule.steps_per_epoch)
            note = (
                f"{len(self.dataset.train)} training images make {steps} steps in {epochs} epochs, "
                f"which is a short training: {setting('epochs', more)} makes {ENOUGH} or more"
            )
            self._events.note(note)

    def _fit(self, run: Run) -> Run:
        threads = torch.get_num_threads()
        with run.locked():
            try:
                # Their number changes the bits of sums.
                torch.set_num_threads(int(run.document["threads"]))
                self._take_up(run)
                self.trainer.fit(run, self._events)
            finally:
                torch.set_num_threads(threads)
        return run

    def _take_up(self, run: Run) -> None:
        """Put trainer and metrics where the last checkpoint left them, or at the start."""
        steps, metrics_bytes = run.checkpoints.steps(), 0
        if steps:
            checkpoint = run.checkpoints.load(steps[-1])
            try:
                self.trainer.restore(checkpoint)
            except (RuntimeError, LookupError) as error:
                folder = run.checkpoints.folder(steps[-1])
                raise misfit(run, f"{folder} does") from error
            metrics_bytes = checkpoint.state["metrics_bytes"]
        run.metrics_file.truncate(metrics_bytes)
        run.checkpoints.prune(self.settings.train.keep_checkpoints)
        run.replace_settings(self.settings)


def resumed_training(
    run: Run,
    *,
    epochs: int | None,
    data_root: Path | None,
    device: str | None,
    callbacks: Iterable[object],
) -> Training:
    """Prepare to go on with a run, to its planned end or to `epochs` if that is given.

    Raises:
        InvalidValue: the run is complete, or the data are not those it was trained on.
    """
    settings = run.settings
    planned = settings.train.epochs
    table = as_table(settings.train) | ({} if epochs is None else {"epochs": epochs})
    train = make_config(TrainConfig, table, "training")
    settings = replace(settings, train=train, data_root=data_root or settings.data_root)
    check_writable_folder(run.path / "metrics.jsonl", run.path)
    training = Training(settings, run.document["device"] if device is None else device, callbacks)
    # A folder may have been renamed since, and then the data are, too.
    if replace(training.dataset.spec, name=run.data_spec.name) != run.data_spec:
        raise InvalidValue(
            f"the data in {settings.data_root} are not those that {run.path} was trained on: "
            "classes or image size differ"
        )
    found = image_counts(training.dataset)
    if run.document.get("images", found) != found:  # runs of older versions do not say
        then, now = (
            " and ".join(f"{count} {split} images" for split, count in counts.items())
            for counts in (run.document["images"], found)
        )
        raise InvalidValue(
            f"{run.path} was trained on {then}, and now there are {now}: it cannot go on as if "
            "nothing had happened. Put the images back, or train anew"
        )
    training.note_changed_files(run)
    total = training.trainer.schedule.total_steps
    reached = max(run.checkpoints.steps(), default=0)
    stop = _early_stop(run, reached)
    if stop.reached and _reported(run, training.dataset):
        raise InvalidValue(
            f"{run.path} is complete: {stop}. To train longer, train anew with more "
            f"{setting('patience')} than {settings.train.patience}"
        )
    if reached > total and not _reported(run, training.dataset):
        raise InvalidValue(
            f"{run.path} has come further than {train.epochs} epochs: {reached} steps of "
            f"{planned} planned epochs. Leave {setting('epochs')} out to go on, or ask for "
            f"{planned} or more."
        )
    if reached > total or (reached == total and _reported(run, training.dataset)):
        raise InvalidValue(
            f"{run.path} is complete: {planned} epochs, {reached} steps. To train on, ask for more "
            f"epochs in all: {setting('epochs', 2 * planned)}"
        )
    return training


def _early_stop(run: Run, step: int) -> EarlyStop:
    """Return what the checkpoint of a step knew of the validations; 0 is the start."""
    patience = run.settings.train.patience
    if not patience or not step:
        return EarlyStop(patience)
    known = run.checkpoints.state(step)["metrics_bytes"]
    return EarlyStop(patience, run.metrics_file.lines(known))


def _reported(run: Run, dataset: Dataset) -> bool:
    """Say whether the test images have been evaluated, which a training does last."""
    return not len(dataset.test) or any(line["split"] == "test" for line in run.metrics())


def find_callbacks(chosen: Iterable[str | object]) -> list[object]:
    """Return the chosen callbacks, which are names or objects; one that is named twice once.

    Raises:
        UnknownName: nothing installed goes by a name.
        PluginError: one cannot be made, or lacks a package that is not gtk's own need.
    """
    chosen = list(chosen)
    names = [item for item in chosen if isinstance(item, str)]
    plugins = {plugin.installed: plugin for plugin in (find(CALLBACK, name) for name in names)}
    objects = [item for item in chosen if not isinstance(item, str)]
    return [*(_make_callback(plugin) for plugin in plugins.values()), *objects]


def _make_callback(plugin: Plugin[CallbackSpec]) -> object:
    try:
        return plugin.resolve()()
    except GtkError:
        raise
    except Exception as error:
        raise PluginError(
            f"callback '{plugin.spec.name}' of {plugin.installed} failed with "
            f"{type(error).__name__}: {error}."
        ) from error


def load_dataset(settings: Settings) -> Dataset:
    """Load the data set that the settings name.

    Raises:
        GtkError: the data are not there or cannot be read.
        PluginError: the plugin fails, or returns something else than a `gtk.Dataset`.
    """
    return load_data(settings.choice.dataset, settings.configs["data"], settings.data_root)
