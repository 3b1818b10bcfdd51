"""A run: a training in a folder. Only its weights need torch."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from gtk.core.settings.choice import Settings
from gtk.core.settings.json_file import damaged
from gtk.core.storage.metrics_file import MetricsFile
from gtk.core.storage.run_document import check_image_size, read_run, write_json
from gtk.core.storage.run_folder import (
    DOCUMENT,
    ENTRIES,
    LOCK,
    PICTURES,
    REPORT,
    check_own,
    is_left_over,
    refuse_links,
    remove_left_overs,
)
from gtk.core.values.argument import shown, typed
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import GtkError, InvalidValue, UserError
from gtk.core.values.memory import within_memory
from gtk.core.values.output import failure, refuse_link, sync, unwritable
from gtk.core.values.request import check_at_least, choose_labels, is_list
from gtk.core.values.setting import setting
from gtk.core.values.temporary import beside
from gtk.core.values.user_path import user_path

if TYPE_CHECKING:  # reading a run's description must not import torch
    import numpy as np
    from numpy.typing import NDArray

    from gtk.core.contracts.model import Model
    from gtk.core.storage.checkpoint import CheckpointFolder


class Run:
    """A training in a folder: its description, metrics, checkpoints and pictures.

    Args:
        path: the folder; it must hold a run.json.

    Raises:
        UserError: it is not a run folder, or one of a newer gtk.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = user_path(path)
        self.document = read_run(self._document_file)
        try:
            check_image_size(self.data_spec)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise damaged(self._document_file, error) from error

    def __repr__(self) -> str:
        """Show how to open it again."""
        return f"Run({str(self.path)!r})"

    @classmethod
    def create(cls, path: Path, document: Mapping[str, Any]) -> "Run":
        """Make the folder, with its parents, and write its run.json, a `new_document`.

        Raises:
            FileExistsError: the folder exists, perhaps since a moment ago.
            UserError: the folder cannot be written.
            WorkFailed: the disk is full or fails.
        """
        partial = beside(path, "partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_left_overs(path)
            partial.mkdir()
            write_json(partial / DOCUMENT, document)
            if is_left_over(path):  # an older gtk made the folder first
                for item in path.iterdir():
                    item.unlink()
            partial.rename(path)  # an empty folder is replaced
            sync(path.parent)
        except OSError as error:
            if path.is_symlink() or path.exists():
                raise FileExistsError(f"{path} exists") from error
            raise failure(f"{path} cannot be made: {error.strerror}", error) from error
        except GtkError as error:  # it names the folder that nobody will see
            raise type(error)(str(error).replace(str(partial), str(path))) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return cls(path)

    def check_removable(self) -> None:
        """Check that gtk put everything into the folder, so that it may be removed.

        Raises:
            UserError: the folder holds another file, or is a link.
        """
        check_own(self.path, self.name, self._folders)

    def check_links(self) -> None:
        """Check that none of gtk's own names in the folder is a link.

        Raises:
            UserError: one is.
        """
        refuse_links(self.path, self._folders)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training this run.

        Raises:
            UserError: another process trains it or has replaced it, or the folder cannot be
                written.
            WorkFailed: the disk is full or fails.
        """
        refuse_link(self.path / LOCK)
        try:
            lock = FileLock(self.path / LOCK, blocking=False).acquire()
        except Timeout as error:
            raise UserError(
                f"{self.path} is being trained by another process. Wait for it, or stop it."
            ) from error
        except OSError as error:
            raise unwritable(self.path, error) from error
        with lock:
            found = read_run(self._document_file)
            if json.dumps(found) != json.dumps(self.document):
                raise UserError(
                    f"{self.path} was changed by another process a moment ago. Try again."
                )
            yield

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def pictures(self) -> Path:
        """The folder for pictures; made with the first one.

        Raises:
            UserError: it is a link.
        """
        refuse_link(self.path / PICTURES)
        return self.path / PICTURES

    @property
    def report(self) -> Path:
        """The report, one HTML file; written at the end of a training."""
        return self.path / REPORT

    @typed
    def folder(self, name: str) -> Path:
        """Return a folder in the run for a callback's own files, made on the first call.

        It is listed in run.json as a part of the run, so that `--overwrite` replaces it, too.

        Args:
            name: the folder's, best the callback's.

        Raises:
            InvalidValue: the name is not valid, or is that of one of gtk's own files.
            UserError: such a folder exists, and gtk did not make it.
        """
        if name in ENTRIES or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name):
            raise InvalidValue(
                f"{name!r} cannot be a callback's folder in a run. Use up to 100 letters, digits, "
                f"'_' and '-', and none of {', '.join(sorted(ENTRIES))}."
            )
        path = self.path / name
        refuse_link(path)
        if name not in self._folders:
            if path.exists():
                raise UserError(f"{path} exists and is not gtk's. Move it elsewhere.")
            self._write_document(folders=[*self._folders, name])
        path.mkdir(exist_ok=True)
        return path

    @property
    def _folders(self) -> list[str]:
        """The names of callbacks' folders."""
        names: list[str] = self.document.get("folders", [])
        return names

    @property
    def _document_file(self) -> Path:
        return self.path / DOCUMENT

    def _write_document(self, **entries: Any) -> None:  # noqa: ANN401 - as JSON can hold it
        self.document.update(entries)
        write_json(self._document_file, self.document)

    @cached_property
    def metrics_file(self) -> MetricsFile:
        """The file of metrics."""
        return MetricsFile(self.path / "metrics.jsonl")

    @cached_property
    def settings(self) -> Settings:
        """What decided the training; finding the plugins does not import torch."""
        try:
            return Settings.from_document(self.document)
        except InvalidValue as error:
            raise damaged(self._document_file, error) from error

    @cached_property
    def data_spec(self) -> DataSpec:
        """The description of the data that the model is built for."""
        table = self.document["data_spec"]
        try:
            return DataSpec.from_json(table)
        except InvalidValue:  # the data set's plugin may define this kind of condition
            self.settings.choice.dataset.resolve()
            return DataSpec.from_json(table)

    @cached_property
    def checkpoints(self) -> "CheckpointFolder":
        """The checkpoints."""
        from gtk.core.storage.checkpoint import CheckpointFolder

        return CheckpointFolder(self.path / "checkpoints")

    def replace_settings(self, settings: Settings, *, finished: bool) -> None:
        """Write to run.json the settings of its training, and whether that has finished.

        It has when everything is written that follows its last step: test line, pictures, report.
        """
        self._write_document(**settings.as_document(), finished=finished)
        self.__dict__.pop("settings", None)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl: step, epoch, split, images, unit, terms.

        Of a file larger than 16 MiB they are evenly chosen lines, and the last of each split.

        Raises:
            UserError: a line of metrics.jsonl is damaged.
        """
        return self.metrics_file.overview()

    @typed
    @within_memory("loading the model", "Use a machine or a GPU with more memory")
    def load_model(self, checkpoint: str | int | None = None) -> "Model":
        """Rebuild the model from this folder alone, in eval mode on the CPU.

        Args:
            checkpoint: a step, "latest" or "best"; by default the best one if one was selected,
                else the latest; a damaged one is passed over with a warning. If weights were
                averaged, it has the averaged ones.

        Raises:
            UnknownName: there is no such checkpoint, or a plugin is not installed.
            InvalidValue: the checkpoint that was named, or every one, is damaged.
            UserError: the weights do not fit the model that run.json describes.
        """
        from gtk.core.models.build import build
        from gtk.core.storage.tensor_file import check_tensors

        self.check_links()
        step = self.checkpoints.choose(checkpoint)
        model, _ = build(self.settings, self.data_spec)
        weights = self.checkpoints.load_model(step)
        try:
            check_tensors(weights, model.state_dict())
            model.load_state_dict(weights)
        except (InvalidValue, RuntimeError) as error:
            what = f"the weights in {self.checkpoints.folder(step)} do"
            raise misfit(self, what, error) from error
        return model.eval()

    @typed
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

        rows, total = choose_labels(self.condition, labels, count)
        with self.drawing(batch_size):
            place = resolve_device(device)
            model = self.load_model(checkpoint).to(place)
            return sample(
                model, labels=rows, count=total, seed=seed, batch_size=batch_size, device=place
            )

    @typed
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

        The noise is (N, *shape) as the model's `noise` says; standard normal noise gives images
        like those that it was trained on. The other arguments are those of `sample`.

        Raises:
            InvalidValue: noise of another shape, or labels as in `sample`.
        """
        from gtk.core.models.device import resolve_device
        from gtk.core.models.sampling import generate

        if not is_list(noise):
            raise InvalidValue(
                f"noise must be an array with a row for each image, not {shown(noise)}"
            )
        rows, _ = choose_labels(self.condition, labels, len(noise))
        with self.drawing(batch_size):
            place = resolve_device(device)
            model = self.load_model(checkpoint).to(place)
            return generate(model, noise, labels=rows, batch_size=batch_size, device=place)

    def drawing(self, batch_size: int, remedy: str = "") -> AbstractContextManager[None]:
        """Report a lack of memory inside as one of drawing so many images at a time."""
        check_at_least("batch_size", batch_size, 1)
        _, height, width = self.data_spec.image_shape
        return within_memory(
            f"drawing {batch_size} images of {height}x{width} pixels at a time",
            remedy or f"Use a smaller {setting('batch_size')}, or draw fewer images",
        )

    @property
    def condition(self) -> ConditionSpec | None:
        """What a sample is conditioned on: the data's labels, None without conditioning."""
        conditioner: Any = self.settings.choice.conditioner.resolve()
        if not conditioner.conditional:
            return None
        nullable = self.settings.train.condition_dropout > 0
        return (self.data_spec.with_absent() if nullable else self.data_spec).condition


def misfit(run: Run, what: str, error: Exception) -> UserError:
    """Return the error for weights or a checkpoint, "X does", that do not fit the run's model.

    An `error` that names the tensor, as `check_tensors` raises it, is quoted.
    """
    tensor = f" (tensor {error})" if isinstance(error, InvalidValue) else ""
    package = run.document["packages"]["model"]
    author = f"{package['package']} {package.get('version', '')}".rstrip()
    return UserError(
        f"{what} not fit the model that {run.path / 'run.json'} describes: the code of {author}, "
        f"or that file, has changed since the training, so train anew{tensor}"
    )
