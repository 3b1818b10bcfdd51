"""A run folder: the only state there is. Only asking for its weights imports torch."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from glob import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from gtk.core.settings.choice import Settings
from gtk.core.settings.recipe import FORMAT
from gtk.core.storage.metrics_file import MetricsFile
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.output import write_file
from gtk.core.values.request import choose_labels
from gtk.core.values.setting import setting
from gtk.core.values.user_path import user_path

if TYPE_CHECKING:  # reading a run's description must not import torch
    import numpy as np
    from numpy.typing import NDArray

    from gtk.core.contracts.model import Model
    from gtk.core.storage.checkpoint import CheckpointFolder

#: What gtk puts into a run folder, beside exported files and folders of callbacks.
LOCK = ".lock"
REPORT = "report.html"
ENTRIES = frozenset({"run.json", "metrics.jsonl", "checkpoints", "pictures", REPORT, LOCK})


class Run:
    """A training in a folder: its description, metrics, checkpoints and pictures.

    Args:
        path: the folder; it must hold a run.json.

    Raises:
        UserError: it is not a run folder, or one of a newer gtk.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = user_path(path)
        file = self.path / "run.json"
        try:
            self.document: dict[str, Any] = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.path} is not a run: {file} "
                f"{'cannot be read' if file.exists() else 'does not exist'}. "
                "List runs with: gtk runs"
            ) from error
        self._check()

    def _check(self) -> None:
        """Refuse a run.json that is not whole."""
        file, document = self.path / "run.json", self.document
        if not isinstance(document, dict) or "format" not in document:
            raise UserError(f"{self.path} is not a run: {file} is something else")
        if document["format"] != FORMAT:
            raise UserError(
                f"{file} has format {document['format']}, this gtk reads {FORMAT}: use the gtk "
                "that made it, or a newer one"
            )
        try:
            for table in ("model", "data", "conditioner", "loss"):
                _ = document[table]["name"], document["packages"][table]["package"]
            _ = document["train"]["epochs"], document["data"]["root"]
            _ = str(document["device"]), int(document["threads"])
            _ = self.data_spec, "".join(document.get("folders", ()))
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(f"{file} is damaged: {type(error).__name__} {error}") from error

    def __repr__(self) -> str:
        """Show how to open it again."""
        return f"Run({str(self.path)!r})"

    @classmethod
    def create(
        cls, path: Path, settings: Settings, dataset: Dataset, *, device: str, threads: int
    ) -> "Run":
        """Make the folder and describe the run in it.

        Args:
            path: the folder; its parents are made, too.
            settings: what decides the training.
            dataset: what is trained on.
            device: where it trains; going on there gives the same bits.
            threads: of torch on the CPU; their number changes the bits of sums.

        Raises:
            FileExistsError: the folder exists, also if another process has just made it.
            UserError: the folder cannot be written.
        """
        document = {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **settings.as_document(),
            "device": device,
            "threads": threads,
            "data_spec": dataset.spec.as_json(),
            "images": image_counts(dataset),
            "content": dataset.content,
            "notes": list(dataset.notes),
            "versions": {name: version(name) for name in ("generative-toolkit", "torch", "numpy")},
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            write_json(path / "run.json", document)
        except FileExistsError:
            raise
        except OSError as error:
            raise UserError(f"{path} cannot be made: {error.strerror}") from error
        return cls(path)

    def check_removable(self) -> None:
        """Refuse to remove a folder with more in it than gtk put there.

        Raises:
            UserError: it names the first such thing, or the folder is a link.
        """
        exported = {
            path
            for end in ("onnx", "json")
            for path in self.path.glob(f"{escape(self.name)}-*.{end}")
        }
        ours = {self.path / name for name in (*ENTRIES, *self._folders)} | exported
        strangers = sorted(item.name for item in self.path.iterdir() if item not in ours)
        if strangers or self.path.is_symlink():
            what = f"holds {strangers[0]}, which is not gtk's" if strangers else "is a link"
            raise UserError(
                f"{self.path} {what}, so it is not replaced: use another {setting('name')}"
            )

    def remove(self) -> None:
        """Remove the run.

        Raises:
            UserError: see `check_removable`; or another process trains it.
        """
        self.check_removable()
        aside = self.path.with_name(f".{self.path.name}.removed")
        with self.locked():
            self.path.rename(aside)  # gone at once, also if the rest is interrupted
        shutil.rmtree(aside)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training this run.

        Raises:
            UserError: another one is at it.
        """
        try:
            with FileLock(self.path / LOCK, blocking=False):
                yield
        except Timeout as error:
            raise UserError(
                f"{self.path} is being trained by another process: wait for it, or stop it"
            ) from error
        except PermissionError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}") from error

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def pictures(self) -> Path:
        """The folder for pictures; made when the first is drawn."""
        return self.path / "pictures"

    @property
    def report(self) -> Path:
        """The report, a page that opens anywhere; written at the end of a training."""
        return self.path / REPORT

    def folder(self, name: str) -> Path:
        """Return a folder in the run for a callback's own files, made when first asked for.

        It is noted in run.json, and so belongs to the run: `--overwrite` replaces it, too.

        Args:
            name: the folder's, best the callback's.

        Raises:
            InvalidValue: it could not be a folder's name, or is gtk's own.
            UserError: there is such a folder, and it is somebody else's.
        """
        if name in ENTRIES or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise InvalidValue(
                f"'{name}' cannot be a callback's folder in a run: use letters, digits, '_' and "
                f"'-', and none of {', '.join(sorted(ENTRIES))}"
            )
        path = self.path / name
        if name not in self._folders:
            if path.exists() or path.is_symlink():
                raise UserError(f"{path} is in the way: it is not gtk's, so move it elsewhere")
            self.document["folders"] = [*self._folders, name]
            write_json(self.path / "run.json", self.document)
        path.mkdir(exist_ok=True)
        return path

    @property
    def _folders(self) -> list[str]:
        """The names of callbacks' folders."""
        names: list[str] = self.document.get("folders", [])
        return names

    @cached_property
    def metrics_file(self) -> MetricsFile:
        """The file that figures are written to."""
        return MetricsFile(self.path / "metrics.jsonl")

    @cached_property
    def settings(self) -> Settings:
        """What decided the training; finds the plugins, without importing torch."""
        try:
            return Settings.from_document(self.document)
        except InvalidValue as error:
            raise InvalidValue(f"{self.path / 'run.json'} is damaged: {error}") from error

    @cached_property
    def data_spec(self) -> DataSpec:
        """What the model has to know of the data."""
        table = self.document["data_spec"]
        try:
            return DataSpec.from_json(table)
        except InvalidValue:  # a kind of condition that the data set's plugin may define
            self.settings.choice.dataset.resolve()
            return DataSpec.from_json(table)

    @cached_property
    def checkpoints(self) -> "CheckpointFolder":
        """The checkpoints."""
        from gtk.core.storage.checkpoint import CheckpointFolder

        return CheckpointFolder(self.path / "checkpoints")

    def replace_settings(self, settings: Settings) -> None:
        """Note new settings, as a longer training has them."""
        self.document.update(settings.as_document())
        write_json(self.path / "run.json", self.document)
        self.__dict__.pop("settings", None)

    def metrics(self) -> list[dict[str, Any]]:
        """Return every report: step, epoch, split, images, unit, terms.

        Raises:
            UserError: a line of metrics.jsonl is damaged.
        """
        return self.metrics_file.lines()

    def load_model(self, checkpoint: str | int | None = None) -> "Model":
        """Rebuild the model from this folder alone, in eval mode on the CPU.

        Args:
            checkpoint: a step, "latest" or "best"; by default the best one if one was selected,
                else the latest. Where weights were averaged, these are the averaged ones.

        Raises:
            UnknownName: there is no such checkpoint, or a plugin is not installed.
            UserError: the weights do not fit the model that run.json describes.
        """
        from gtk.core.models.build import build

        step = self.checkpoints.choose(checkpoint)
        model, _ = build(self.settings, self.data_spec)
        try:
            model.load_state_dict(self.checkpoints.load_model(step))
        except RuntimeError as error:
            weights = f"the weights in {self.checkpoints.folder(step)} do"
            raise UserError(f"{weights} not {fitting(self)}") from error
        return model.eval()

    def sample(
        self,
        labels: Sequence[Any] | None = None,
        count: int | None = None,
        *,
        seed: int = 0,
        checkpoint: str | int | None = None,
        batch_size: int = 256,
        device: str = "cpu",
    ) -> "NDArray[np.uint8]":
        """Draw images: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        Args:
            labels: an image's condition each: class numbers or names, or a mapping from names of
                attributes or numbers to values; None for an image without one, where the model
                was trained with `condition_dropout`. By default they cycle through the classes,
                or through examples of the others.
            count: how many images; by default one a label.
            seed: decides the noise; the same seed gives the same images.
            checkpoint: as in `load_model`.
            batch_size: images in one pass through the network; changes no image.
            device: "auto" or a torch device.

        Raises:
            InvalidValue: a label out of range, or labels for a model without a condition.
        """
        from gtk.core.models.device import resolve_device
        from gtk.core.models.sampling import sample

        chosen, total = choose_labels(self.condition, labels, count)
        place = resolve_device(device)
        return sample(
            self.load_model(checkpoint).to(place),
            labels=chosen,
            count=total,
            seed=seed,
            batch_size=batch_size,
            device=place,
        )

    def generate(
        self,
        noise: "NDArray[np.float32]",
        labels: Sequence[Any] | None = None,
        *,
        checkpoint: str | int | None = None,
        batch_size: int = 256,
        device: str = "cpu",
    ) -> "NDArray[np.uint8]":
        """Make images of given noise: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        `sample` is this with noise that it draws itself.

        Args:
            noise: (N, *shape) as the model's `noise` says, standard normal where images shall be
                like those it was trained on.
            labels: as in `sample`, one for each row of noise.
            checkpoint: as in `load_model`.
            batch_size: images in one pass through the network; changes no image.
            device: "auto" or a torch device.

        Raises:
            InvalidValue: noise of another shape, or labels as in `sample`.
        """
        from gtk.core.models.device import resolve_device
        from gtk.core.models.sampling import generate

        chosen, _ = choose_labels(self.condition, labels, len(noise))
        place = resolve_device(device)
        return generate(
            self.load_model(checkpoint).to(place),
            noise,
            labels=chosen,
            batch_size=batch_size,
            device=place,
        )

    @property
    def condition(self) -> ConditionSpec | None:
        """What a sample is conditioned on: the data's labels, None where nothing acts on them."""
        conditioner: Any = self.settings.choice.conditioner.resolve()
        if not conditioner.conditional:
            return None
        nullable = self.settings.train.condition_dropout > 0
        return (self.data_spec.with_absent() if nullable else self.data_spec).condition


def fitting(run: Run) -> str:
    """Return the end of the message that something does not fit a run's model, and why."""
    package = run.document["packages"]["model"]
    author = f"{package['package']} {package.get('version', '')}".rstrip()
    return (
        f"fit the model that {run.path / 'run.json'} describes: the code of {author}, or that "
        "file, has changed since the training, so train anew"
    )


def image_counts(dataset: Dataset) -> dict[str, int]:
    """Return how many images each split has, as run.json says it."""
    return {"train": len(dataset.train), "test": len(dataset.test)}


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON file by rename, so that it is whole or absent."""
    write_file(path, (json.dumps(document, indent=2) + "\n").encode())
