"""A training: from settings to a run, from the first step or resumed after the last."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

import torch

from gtk.core.models.build import build, own_sampler
from gtk.core.models.device import has_bf16, resolve_device
from gtk.core.models.freed_memory import kept_freed_memory
from gtk.core.models.suited_settings import suited_settings
from gtk.core.models.summary import network_sizes
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import CALLBACK, describe
from gtk.core.registry.train_config import AUTO
from gtk.core.settings.choice import Settings
from gtk.core.settings.image_source import load_data
from gtk.core.storage.command import command_reference
from gtk.core.storage.replacement import take_back, waiting
from gtk.core.storage.run import Run, misfit
from gtk.core.storage.run_document import new_document
from gtk.core.storage.run_folder import has_checkpoint, is_run, remove_temporary_files
from gtk.core.storage.runs import RunPlace
from gtk.core.training.advice import advice_at_start, advice_on_data
from gtk.core.training.arithmetic import (
    Arithmetic,
    check_bf16,
    check_deterministic,
    deterministic_algorithms,
)
from gtk.core.training.automatic_figures import with_figures
from gtk.core.training.compilation import check_compiler, compile_failure
from gtk.core.training.events import Events
from gtk.core.training.trainer import Trainer
from gtk.core.training.trial import FEWEST_STEPS, Rates, Trial, same_threads
from gtk.core.training.warm_start import Weights
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError, InvalidValue, WorkFailed
from gtk.core.values.memory import within_memory
from gtk.core.values.output import disk_failure
from gtk.core.values.setting import setting
from gtk.core.values.text import counted, one_line, visible
from gtk.core.values.tracking import heard_by

logger = logging.getLogger("gtk")

#: A warm-up that nobody chose, and that is longer than the training, becomes one in so many steps.
WARMUP_SHARE = 10
#: What to do where the images alone need too much memory.
SMALLER_IMAGES = "Use fewer or smaller images, or a machine with more memory"


class Training:
    """A training that is ready to start; nothing has been written yet.

    The device is "auto" or a torch device; None means that of the repeated run, else "auto".
    Callbacks are objects whose methods implement event hooks. The model starts from `weights`, as
    far as they fit. The arithmetic is that of a resumed run; None to choose one. `figures` are
    names of the metrics that judge samples where the settings say auto and they take little time.

    Attributes:
        run: the run that it is written to, None until it starts.

    Raises:
        GtkError: something does not exist or does not fit.
        PluginError: a callback has an unknown hook.
    """

    def __init__(
        self,
        settings: Settings,
        device: str | None,
        callbacks: Iterable[object],
        weights: Weights | None = None,
        arithmetic: Arithmetic | None = None,
        figures: Sequence[str] = (),
    ) -> None:
        if device is None:
            device = settings.choice.recipe.device or "auto"
        place = resolve_device(device)
        if arithmetic is None and settings.train.precision == "bf16":
            check_bf16(place)
        if settings.train.deterministic:
            check_deterministic(place)
        if settings.train.compile:
            check_compiler(place)
        self._events = Events(callbacks)
        if arithmetic is not None and arithmetic.precision == "bf16" and not has_bf16(place):
            self.note("the run is in bf16, which this device lacks, so that it is slow here")
        with heard_by(self._events.work), within_memory("loading the images", SMALLER_IMAGES):
            self.dataset = load_dataset(settings)
        images = len(self.dataset.train)
        self.settings = settings = suited_settings(settings, self.dataset.spec, images)
        for note in (*self.dataset.notes, *advice_on_data(self.dataset, settings.train)):
            self.note(note)
        self._device = str(place)  # with the number of a GPU: cuda:1
        with self._within_memory():
            self.model, self.loss = build(settings, self.dataset.spec)
            own_sampler(settings, self.model)  # it refuses now what could not be drawn later
            if weights is not None:
                self.note(weights.load_into(self.model))
            self.settings = settings = self._fitted(self.loss.batches)
            self.trainer = Trainer(
                self.model, self.loss, self.dataset, settings.train, place, settings.metrics
            )
        self._weights, self._figures = weights, figures
        self.run: Run | None = None

    def note(self, text: str) -> None:
        """Tell the callbacks what somebody should know."""
        self._events.note(text)

    def start(self, place: RunPlace) -> Run:
        """Train from the first step, in a new run folder.

        Raises:
            UserError: the folder cannot be made.
        """
        images = len(self.dataset.train)
        for note in advice_at_start(self.settings, self.trainer, images, self._weights):
            self.note(note)
        arithmetic, rates = self.choose_arithmetic()
        train = replace(
            self.settings.train,
            precision=arithmetic.precision,
            memory_format=arithmetic.memory_format,
        )
        self.settings = replace(self.settings, train=train)
        if train.metric == (AUTO,):
            self._add_figures(arithmetic, rates)
        document, first = self._document(arithmetic, rates), None
        if self._weights is not None:
            # Saved at once, so that resuming never needs their source.
            document["init_from"], first = self._weights.as_json(), self.trainer.first_state()
            self._weights = None  # they take as much memory as the model
        with place.made(self.settings, document, first) as run:
            try:
                return self.go_on(run, rates)
            except BaseException as error:
                # Nothing was done that could go on, or less than the replaced run has.
                failed_at_once = isinstance(error, Exception) and not self.trainer.step
                early = failed_at_once or is_run(waiting(run.path))
                if early and not has_checkpoint(run.path) and take_back(run.path):
                    self.run = None
                raise

    def _add_figures(self, arithmetic: Arithmetic, rates: Rates) -> None:
        """Add metrics of samples, as far as there is time; none where they fail, unasked for."""
        train = replace(self.settings.train, metric=())
        try:
            with (
                heard_by(self._events.work),
                self._within_memory(),
                self._deterministic(),
                kept_freed_memory(),
                same_threads(),
                self.trainer.learner.as_loaded() as model,
            ):
                torch.set_num_threads(arithmetic.threads)
                seconds = train.epochs * self.epoch_seconds(arithmetic, rates)
                train = with_figures(
                    self._figures, self.trainer, self.settings, model, self.dataset, seconds
                )
        except (GtkError, RuntimeError) as error:
            reason = visible(one_line(error))
            logger.warning("no figures of samples are computed in the training: %s", reason)
        self.settings = replace(self.settings, train=train)

    def _document(self, arithmetic: Arithmetic, rates: Rates) -> dict[str, Any]:
        """Return what run.json says before the first step."""
        sizes = network_sizes(self.model.networks())
        document = new_document(
            self.settings, self.dataset, self._device, arithmetic.threads, sizes
        )
        networks = self.trainer.learner.context.networks
        if networks:
            document["loss_networks"] = network_sizes(networks)
        trial = rates if len(rates) > 1 else {}  # else there was nothing to choose from
        document["trial"] = [
            {**asdict(tried), "images_per_second": round(rate, 1)} for tried, rate in trial.items()
        ]
        return document

    def go_on(self, run: Run, rates: Rates = MappingProxyType({})) -> Run:
        """Train on from a run's last checkpoint, or from the first step if it has none.

        `rates` are those that have just been measured, if any were.

        Raises:
            UserError: another process trains this run, or one of its files is a link.
            WorkFailed: the disk is full or fails; what could not be written is written when the
                run is resumed.
        """
        self.run, threads = run, torch.get_num_threads()
        arithmetic = Arithmetic.of_run(run)
        with (
            run.locked(),
            self._within_memory(),
            self._disk_failure_with_remedy(run),
            kept_freed_memory(),
        ):
            run.check_links()
            remove_temporary_files(run.path)
            try:
                # Their number changes the bits of sums.
                torch.set_num_threads(arithmetic.threads)
                self.trainer.learner.use(arithmetic)
                if self.settings.train.compile:
                    self._compile()
                self._restore(run)
                self._prepare_figures(run)
                self.trainer.epoch_seconds = self.epoch_seconds(arithmetic, rates)
                with self._deterministic(), self._compile_failure():
                    self.trainer.fit(run, self._events)
                run.replace_settings(self.settings, finished=True)
            finally:
                torch.set_num_threads(threads)
        return run

    def _prepare_figures(self, run: Run) -> None:
        """Make what judges samples ready, with the training's progress display."""
        learner = self.trainer.learner
        with heard_by(self._events.work), self._deterministic(), learner.as_loaded() as model:
            self.trainer.figures.prepare(run, model, first=not self.trainer.step)

    def choose_arithmetic(self) -> tuple[Arithmetic, Rates]:
        """Choose precision, memory format and threads, and return the rates that were measured."""
        with (
            heard_by(self._events.work),
            self._within_memory(),
            self._deterministic(),
            kept_freed_memory(),
        ):
            return self._trial().choose()

    def epoch_seconds(self, arithmetic: Arithmetic, rates: Rates) -> float:
        """Return about how many seconds an epoch takes, 0 in a training that is soon done."""
        schedule = self.trainer.schedule
        if arithmetic not in rates:  # in a resumed training
            if schedule.total_steps - self.trainer.step < FEWEST_STEPS:
                return 0.0
            with self._deterministic():
                rates = self._trial().rate(arithmetic)
        images = schedule.images_per_step * schedule.steps_per_epoch
        return images / rates[arithmetic] if arithmetic in rates else 0.0

    def _trial(self) -> Trial:
        bears_bf16 = not self.settings.choice.without_bf16
        return Trial(self.trainer, self.settings.train, bears_bf16=bears_bf16)

    def _deterministic(self) -> AbstractContextManager[None]:
        return deterministic_algorithms(self.settings.train.deterministic)

    def _compile(self) -> None:
        """Compile the loss's steps, or say that it has none to compile."""
        if self.loss.compiles:
            self.trainer.learner.compile()
            return
        self.note(
            f"{describe(self.loss)} has nothing to compile, so that {setting('compile')} changes "
            "nothing: it differentiates twice, or does not call context.compiled"
        )

    def _compile_failure(self) -> AbstractContextManager[None]:
        return compile_failure() if self.settings.train.compile else nullcontext()

    def _fitted(self, batches: int) -> Settings:
        """Return the settings, of which what nobody chose is fitted to the images."""
        settings, train = self.settings, self.settings.train
        images = len(self.dataset.train) - train.validation
        fitting = images // (batches * train.accumulate)
        if "batch_size" in settings.fitted and 1 <= fitting < train.batch_size:
            self.note(
                f"{counted(images, 'training image')} {'is' if images == 1 else 'are'} fewer than "
                f"a step usually takes: its batch is {counted(fitting, 'image')}, not "
                f"{train.batch_size}"
            )
            train = replace(train, batch_size=fitting)
        if "warmup_steps" in settings.fitted:
            steps = fitting // train.batch_size * train.epochs
            if train.warmup_steps > steps:
                train = replace(train, warmup_steps=steps // WARMUP_SHARE)
        return replace(settings, train=train)

    def _within_memory(self) -> AbstractContextManager[None]:
        """Report a lack of memory with what a step takes, and with the options that reduce it."""
        settings, (_, height, width) = self.settings, self.dataset.spec.image_shape
        smaller = [option for option in settings.choice.options if option.memory]
        widths = [setting(option.name) for option in smaller if option.table == "model"]
        sizes = [setting(option.name) for option in smaller if option.table == "data"]
        networks = f"smaller networks{' (' + ', '.join(widths) + ')' if widths else ''}"
        images = f" or smaller images ({', '.join(sizes)})" if sizes else ""
        size = setting("batch_size", settings.train.batch_size)
        return within_memory(
            f"training on images of {height}x{width} pixels with {size} on {self._device}",
            f"Train with a smaller {setting('batch_size')}, {networks}{images}",
        )

    @contextmanager
    def _disk_failure_with_remedy(self, run: Run) -> Iterator[None]:
        """Add to the error of a full disk the command that completes the run, if that stays."""
        try:
            yield
        except WorkFailed as error:
            named = "--resume" in str(error)  # by the error of a checkpoint
            stays = has_checkpoint(run.path) or (
                self.trainer.step and not is_run(waiting(run.path))
            )
            if named or not stays or disk_failure(error) is None:
                raise
            raise WorkFailed(
                f"{error}. Make room, and complete the run with: "
                f"gtk train --resume {command_reference(run)}"
            ) from error.__cause__

    def _restore(self, run: Run) -> None:
        """Restore the trainer and the metrics from the last checkpoint, if there is one."""
        step, metrics_bytes, sha256 = run.checkpoints.latest(), 0, None
        if step is not None:
            checkpoint = run.checkpoints.load(step)
            try:
                self.trainer.restore(checkpoint)
            except (InvalidValue, RuntimeError, LookupError) as error:
                raise misfit(run, f"{run.checkpoints.folder(step)} does", error) from error
            metrics_bytes = checkpoint.state["metrics_bytes"]
            sha256 = checkpoint.state.get("metrics_sha256")
            run.checkpoints.remove_after(step)
        run.replace_settings(self.settings, finished=False)  # before its test line is cut off
        lost = run.metrics_file.cut_back(metrics_bytes, step or 0, sha256)
        if lost:
            logger.warning("%s", visible(lost))
        run.checkpoints.prune(self.settings.train.keep_checkpoints)


def find_callbacks(chosen: Iterable[str | object]) -> list[object]:
    """Return the chosen callbacks, given as names or objects; each name once.

    Raises:
        UnknownName: a name that is not installed.
        PluginError: a callback cannot be made, or lacks a package that gtk itself does not need.
    """
    chosen = list(chosen)
    found = [find(CALLBACK, item) for item in chosen if isinstance(item, str)]
    plugins = {plugin.installed: plugin for plugin in found}
    objects = [item for item in chosen if not isinstance(item, str)]
    return [*(plugin.call() for plugin in plugins.values()), *objects]


def load_dataset(settings: Settings) -> Dataset:
    """Load the data set that the settings name, as `load_data` does."""
    return load_data(settings.choice.dataset, settings.configs["data"], settings.data_root)
