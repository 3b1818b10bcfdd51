"""The folder of runs: the place of a new run, and the run that a name means."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.settings.choice import Settings
from gtk.core.storage.replacement import put_aside, settle
from gtk.core.storage.run import Run
from gtk.core.storage.run_folder import DOCUMENT, is_left_over, is_run
from gtk.core.values.argument import typed
from gtk.core.values.errors import InvalidValue, UnknownName, UserError, did_you_mean, not_a_run
from gtk.core.values.output import check_writable_folder, failure
from gtk.core.values.setting import setting
from gtk.core.values.user_path import user_path

if TYPE_CHECKING:  # naming a run's place must not import torch
    from gtk.core.storage.checkpoint import Checkpoint


def check_run_folder(path: Path, *, overwrite: bool) -> None:
    """Check that a run folder can be made, before any work is done for it.

    Raises:
        UserError: it exists (and is not a run that may be replaced), or its nearest existing
            parent is not a folder that can be written.
    """
    try:
        exists = path.exists() or path.is_symlink()
    except OSError as error:
        raise failure(f"{path} cannot be made: {error.strerror}", error) from error
    if exists and not overwrite:
        begun = (path / DOCUMENT).is_file()  # else there is nothing to go on with
        raise UserError(
            f"{path} exists. Choose another {setting('name')}, add {setting('overwrite', True)} to "
            f"replace it{f', or go on with it: gtk train --resume {path}' if begun else ''}"
        )
    if exists and not (path / DOCUMENT).is_file() and not is_left_over(path):
        raise UserError(
            f"{path} exists and is not a run, so it is not overwritten. Use another "
            f"{setting('name')}."
        )
    if (path / DOCUMENT).is_file():
        Run(path).check_removable()
    check_writable_folder(path, next(item for item in path.absolute().parents if item.exists()))


def new_run_path(runs: Path, name: str | None, *words: str) -> Path:
    """Return the path of a new run: runs/NAME, or the next free runs/word-word-0001.

    Raises:
        InvalidValue: the name is not valid for a folder, or means something else.
    """
    if name is None:
        stem = "-".join(words)
        matches = (re.fullmatch(rf"{re.escape(stem)}-(\d+)", run) for run in _folders(runs))
        last = max((int(match[1]) for match in matches if match), default=0)
        return runs / f"{stem}-{last + 1:04d}"
    fits = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", str(name))
    if not fits or name == "latest" or str(name).endswith(".onnx"):
        raise InvalidValue(
            f"{str(name)!r} cannot name a run. Use up to 100 letters, digits, '.', '_' and '-', "
            "and neither 'latest' nor the name of an .onnx file."
        )
    return runs / name


@dataclass(frozen=True)
class RunPlace:
    """The place for a new run: the folder of runs, and a name, None for the next free number."""

    runs: Path
    name: str | None
    overwrite: bool

    def check(self, settings: Settings) -> None:
        """Check that the run folder can be made.

        Raises:
            UserError: the folder exists, or cannot be written.
        """
        check_run_folder(self._path(settings), overwrite=self.overwrite)

    @contextmanager
    def made(
        self, settings: Settings, document: Mapping[str, Any], first: "Checkpoint | None" = None
    ) -> Iterator[Run]:
        """Make the run's folder; if another process has just taken the number, take the next.

        A `first` checkpoint, if any, is there as soon as the folder is.

        A run of this name is put aside until the new one has its first checkpoint.

        Raises:
            UserError: the folder exists by now, or cannot be written.
        """
        with ExitStack() as replaced:
            yield self._make(replaced, settings, document, first)

    def _make(
        self,
        replaced: ExitStack,
        settings: Settings,
        document: Mapping[str, Any],
        first: "Checkpoint | None",
    ) -> Run:
        while True:
            path = self._path(settings)
            if self.overwrite and is_run(path):
                replaced.enter_context(put_aside(path))
            try:
                return Run.create(path, document, first)
            except FileExistsError:
                if self.name is not None:
                    check_run_folder(path, overwrite=False)

    def _path(self, settings: Settings) -> Path:
        settle(self.runs)
        recipe = settings.choice.recipe
        if recipe.built_in:
            return new_run_path(self.runs, self.name, str(recipe.name))
        model = settings.choice.model.spec.name
        return new_run_path(self.runs, self.name, model, settings.data_name)


def list_runs(runs: Path) -> list[Run]:
    """Return the runs in a folder, the one written to last first; skip what is not a run."""
    return open_runs(runs)[0]


def open_runs(runs: Path) -> tuple[list[Run], dict[str, str]]:
    """Return the runs as `list_runs` does, and why the others cannot be opened, by name."""
    found, faults = [], {}
    for name in _folders(runs):
        try:
            found.append(Run(runs / name))
        except UserError as error:
            if os.path.lexists(runs / name / "run.json"):
                faults[name] = str(error)
    return sorted(found, key=last_written, reverse=True), faults


def last_written(run: Run) -> float:
    """Return when a run was last written to, in seconds since 1970; 0 if it was removed."""
    times = [0.0]
    for name in ("metrics.jsonl", "run.json"):
        with suppress(OSError):
            times.append((run.path / name).stat().st_mtime)
    return max(times)


@typed
def find_run(reference: str | Path, runs: Path | str = "runs") -> Run:
    """Open a run, given as a folder, a run's name or "latest".

    Raises:
        UnknownName: there is no such run; the message has the nearest name.
        UserError: the folder is not a run.
        InvalidValue: an argument that cannot be a path.
    """
    return _find(reference, runs, undo=True)


def find_resumable(reference: str | Path, runs: Path | str = "runs") -> Run:
    """Open a run as `find_run` does, to train on, even if it has not replaced an older one yet."""
    return _find(reference, runs, undo=False)


def _find(reference: str | Path, runs: Path | str, *, undo: bool) -> Run:
    runs, path = user_path(runs, "runs"), user_path(reference, "reference")
    for folder in {runs, path.parent}:
        settle(folder, undo=undo)
    if os.path.lexists(runs / path / DOCUMENT):
        return Run(runs / path)
    if str(reference) == "latest":
        found = list_runs(runs)
        if not found:
            raise UnknownName(f"{runs} has no run yet. Make one with: gtk train")
        return found[0]
    if path.is_dir():
        return Run(path)
    if path.exists():
        if path.suffix.lower() == ".onnx":
            raise UserError(
                f"{path} is an exported file, and this takes a run. List runs with: gtk runs"
            )
        raise not_a_run(path)
    names = [run.name for run in list_runs(runs)]
    listing = f" Runs: {', '.join(names[:5])}." if names else f" {runs} has no runs."
    near = did_you_mean(str(reference), names)
    if (path.suffix and not near) or len(path.parts) > 1:
        raise UnknownName(
            f"{path} does not exist: give the folder or the name of a run, or the .onnx file that "
            f"gtk export wrote.{near or listing} List runs with: gtk runs"
        )
    raise UnknownName(f"unknown run '{reference}'.{near or listing} List them with: gtk runs")


def _folders(runs: Path) -> list[str]:
    """Return the names of all folders but hidden ones, which no run is."""
    if not runs.is_dir():
        return []
    return [item.name for item in runs.iterdir() if item.is_dir() and item.name[0] != "."]
