"""A training's figures, samples and settings as event files of TensorBoard."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gtk.core.contracts.model import Model
from gtk.core.registry.hooks import hookimpl
from gtk.core.storage.fitted_sampler import run_sampler
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import unwritable
from gtk.plugins.callbacks.picture import ended, picture_due
from gtk.plugins.callbacks.samples import picture_choice, sample_grid

FOLDER = "tensorboard"
#: The folder of samples and settings. Each split has its own: TensorBoard puts them in one chart.
ROOT = "."
LEARNING_RATE = "training/learning_rate"


class TensorBoard:
    """Writes RUN/tensorboard: event files of settings and samples, and below it of each split.

    Points are flushed before the checkpoint of their step, so that a resumed training loses none;
    those after the checkpoint are purged and written again.

    Raises:
        InvalidValue: the package tensorboard is not installed.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InvalidValue(
                "callback 'tensorboard' needs the package tensorboard, which is not installed: "
                "pip install tensorboard"
            ) from error
        _silence_writer_threads()
        self._make_writer: Any = SummaryWriter
        self._writers: dict[str, Any] = {}
        self._next = 1

    @hookimpl
    def gtk_train_start(self, run: Run, progress: Progress) -> None:
        """Write the settings, and the metrics that the event files lack."""
        self._next = progress.step + 1
        folder = run.folder(FOLDER)
        if (folder / "test").is_dir():  # evaluated again at the end, maybe with the same weights
            self._open(run, "test", purge_step=0)
        for split in ("train", "validation", "generated"):
            self._complete(run, split)
        self._write_settings(run)

    @hookimpl
    def gtk_step_end(self, run: Run, progress: Progress) -> None:
        """Write the terms, the speed and the learning rate."""
        figures = {
            **progress.terms,
            "training/images_per_second": progress.images_per_second,
            **_learning_rate(progress.learning_rate),
        }
        self._write(run, "train", figures, progress.step)

    @hookimpl
    def gtk_evaluated(self, run: Run, split: str, terms: Mapping[str, float], step: int) -> None:
        """Write the figures of held-out images and of samples."""
        self._write(run, split, terms, step)

    @hookimpl
    def gtk_epoch_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Write samples if pictures are due."""
        if picture_due(run, progress):
            choice = picture_choice(run, hurried=not ended(progress))
            sampler = run_sampler(run, choice, model, data=dataset)
            picture = sample_grid(sampler, run.data_spec)
            layout = "HW" if picture.ndim == 2 else "HWC"
            with _writing(run):
                writer = self._writer(run, ROOT)
                writer.add_image("samples", picture, progress.step, dataformats=layout)
                writer.flush()

    @hookimpl
    def gtk_train_end(self, run: Run) -> None:
        """Close the files."""
        writers, self._writers = list(self._writers.values()), {}
        with _writing(run):
            for writer in writers:
                writer.close()

    def _complete(self, run: Run, split: str) -> None:
        """Write the metrics of steps that were trained without this callback, if any."""
        lines = [line for line in run.metrics() if line["split"] == split]
        known = _steps(run.folder(FOLDER) / split) if lines else set()
        first = min((line["step"] for line in lines if line["step"] not in known), default=None)
        if first is None and not known:
            return
        self._open(run, split, purge_step=self._next if first is None else first)
        for line in lines if first is not None else ():
            if line["step"] >= first:
                rate = _learning_rate(line["learning_rate"]) if split == "train" else {}
                self._write(run, split, {**line["terms"], **rate}, line["step"])

    def _write(self, run: Run, split: str, figures: Mapping[str, float], step: int) -> None:
        with _writing(run):
            writer = self._writer(run, split)
            for name, value in figures.items():
                writer.add_scalar(name, value, step)
            writer.flush()

    def _write_settings(self, run: Run) -> None:
        """Write the settings as text and as TensorBoard's hyperparameters."""
        document = run.settings.as_document()
        settings = {
            f"{table}.{name}": value
            for table in ("train", "data", "model", "conditioner", "loss", "sampler")
            for name, value in document[table].items()
        }
        for metric, options in document.get("metric", {}).items():
            settings |= {f"metric.{metric}.{name}": value for name, value in options.items()}
        rows = [f"| {name} | {_plain(value)} |" for name, value in settings.items()]
        text = "\n".join(["| setting | value |", "| --- | --- |", *rows])
        with _writing(run):
            self._add_settings(self._writer(run, ROOT), text, settings)

    def _add_settings(self, writer: Any, text: str, settings: Mapping[str, object]) -> None:  # noqa: ANN401 - as in _writer
        from torch.utils.tensorboard.summary import hparams

        # At the next step: an earlier one would survive the purge of a later resume.
        writer.add_text("settings", text, self._next)
        # Without an experiment's description TensorBoard itself finds the metrics of all folders.
        _, session, _ = hparams(  # type: ignore[no-untyped-call]
            {name: _plain(value) for name, value in settings.items()}, {}
        )
        writer.file_writer.add_summary(session)
        writer.flush()

    def _writer(self, run: Run, split: str) -> Any:  # noqa: ANN401 - torch's writer is not typed
        """Return the writer of a split."""
        if split not in self._writers:
            self._open(run, split, purge_step=self._next)
        return self._writers[split]

    def _open(self, run: Run, split: str, *, purge_step: int) -> None:
        """Start a file that hides points of older files from this step on."""
        folder = run.folder(FOLDER) / split
        with _writing(run):
            self._writers[split] = self._make_writer(str(folder), purge_step=purge_step)


def _learning_rate(rate: float | Mapping[str, float]) -> dict[str, float]:
    """Return the figure of the learning rate, or one for each part if they differ."""
    if not isinstance(rate, Mapping):
        return {LEARNING_RATE: rate}
    return {f"{LEARNING_RATE}/{part}": own for part, own in rate.items()}


@contextmanager
def _writing(run: Run) -> Iterator[None]:
    """Name the folder in the error of a full disk; TensorBoard's own names no file."""
    try:
        yield
    except OSError as error:
        raise unwritable(run.path / FOLDER, error) from error


def _silence_writer_threads() -> None:
    """Print no traceback of a thread of TensorBoard's: its writer raises the error when called.

    Other threads are reported as before.
    """
    if isinstance(threading.excepthook, _SilentWriters):
        return
    threading.excepthook = _SilentWriters(threading.excepthook)


class _SilentWriters:
    """A `threading.excepthook` that passes over TensorBoard's threads."""

    def __init__(self, others: Callable[[threading.ExceptHookArgs], Any]) -> None:
        self._others = others

    def __call__(self, failure: threading.ExceptHookArgs) -> None:
        if not type(failure.thread).__module__.startswith("tensorboard."):
            self._others(failure)


def _steps(folder: Path) -> set[int]:
    """Return the steps with figures in a folder's event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    logger = logging.getLogger("tensorboard")
    before, logger.disabled = logger.disabled, True  # it would warn of purged points
    if folder.is_dir():
        events.Reload()
    logger.disabled = before
    return {point.step for tag in events.Tags()["scalars"] for point in events.Scalars(tag)}


def _plain(value: object) -> bool | int | float | str:
    """Return a setting as TensorBoard holds it."""
    return value if isinstance(value, bool | int | float | str) else str(value)
