"""The files of a run: its description, metrics, checkpoints and pictures, without torch."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

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
from gtk.core.values.argument import typed
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import GtkError, InvalidValue, UserError
from gtk.core.values.output import failure, refuse_link, sync, unwritable
from gtk.core.values.temporary import beside
from gtk.core.values.user_path import user_path

if TYPE_CHECKING:  # reading a run's description must not import torch
    from gtk.core.storage.checkpoint import Checkpoint, CheckpointFolder


class StoredRun:
    """The files of a training in a folder: its description, metrics, checkpoints and pictures."""

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
    def create(
        cls, path: Path, document: Mapping[str, Any], first: "Checkpoint | None" = None
    ) -> Self:
        """Make the folder, with its parents, and write its run.json, a `new_document`.

        A training that does not begin with new weights has a `first` checkpoint, which is there as
        soon as the folder is.

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
            if first is not None:
                from gtk.core.storage.checkpoint import CheckpointFolder

                CheckpointFolder(partial / "checkpoints").save(first)
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
