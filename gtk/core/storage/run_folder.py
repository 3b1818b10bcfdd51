"""What gtk puts into a run folder: nothing else is removed with it, and no link is followed."""

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from gtk.core.storage.evaluations import EVALUATIONS
from gtk.core.storage.run_document import read_run
from gtk.core.storage.training_time import TIMING
from gtk.core.values.errors import UserError
from gtk.core.values.output import refuse_link
from gtk.core.values.setting import setting
from gtk.core.values.temporary import CHECKPOINT, beside, is_temporary, left_overs, owner

#: What gtk writes into a run folder, apart from exported files and callbacks' folders.
DOCUMENT = "run.json"
LOCK = ".lock"
PICTURES = "pictures"
REPORT = "report.html"
#: What samplers have learned, a file each.
SAMPLERS = "samplers"
#: The judge of the samples of a training.
JUDGE = "judge.safetensors"
ENTRIES = frozenset(
    {
        DOCUMENT, "metrics.jsonl", EVALUATIONS, TIMING, "checkpoints", PICTURES, REPORT, SAMPLERS,
        JUDGE, LOCK,
    }
)  # fmt: skip
#: What gtk writes into the folder of pictures.
_PICTURE = re.compile(
    r"[a-z]+-[0-9]{4,}\.png|curves\.png|latents-(images|manifold)\.png|latents\.json"
)
_CHECKPOINT = re.compile(r"[0-9]{9}")


def is_run(path: Path) -> bool:
    """Return whether a folder holds a run; a link to one is none."""
    return not path.is_symlink() and (path / DOCUMENT).is_file()


def has_checkpoint(path: Path) -> bool:
    """Return whether a run has a checkpoint of a step that it took; this does not import torch."""
    found = (path / "checkpoints").glob("[0-9]" * 9 + "/state.json")
    return any(int(state.parent.name) for state in found)


def is_left_over(path: Path) -> bool:
    """Return whether a folder is what a killed process leaves before it has written a run.json."""
    if path.is_symlink() or not path.is_dir():
        return False
    names = [item.name for item in path.iterdir()]
    return all(name == LOCK or (is_temporary(name) and owner(name) is None) for name in names)


def check_own(path: Path, name: str, folders: Iterable[str]) -> None:
    """Check that gtk put everything into a run folder, so that it may be removed.

    What lies in pictures and in callbacks' folders belongs to callbacks, whatever its name.

    Args:
        path: the folder.
        name: of the run; the folder's own where it is not hidden.
        folders: the names of callbacks' folders.

    Raises:
        UserError: it holds another file or a link, is a link, or another process writes into it.
    """
    exported = re.compile(rf"{re.escape(name)}-.*\.(onnx|json)", re.DOTALL)
    ours = {*ENTRIES, *folders}
    strangers, writers = [], []
    for item in sorted(path.iterdir()):
        if is_temporary(item.name):
            writers += [process for process in [owner(item.name)] if process is not None]
        elif item.is_symlink() or not (item.name in ours or exported.fullmatch(item.name)):
            strangers.append(item.name)
    strangers += [
        f"checkpoints/{item.name}"
        for item in sorted(_inside(path / "checkpoints"))
        if not (CHECKPOINT.fullmatch(item.name) or _CHECKPOINT.fullmatch(item.name))
    ]
    if writers and not strangers:
        raise UserError(
            f"{path} is being written to by process {writers[0]}. Wait for it, or stop it."
        )
    if strangers or path.is_symlink():
        what = "is a link"
        if strangers:
            which = "a link" if (path / strangers[0]).is_symlink() else "not gtk's"
            what = f"holds {strangers[0]}, which is {which}"
        raise UserError(f"{path} {what}, so it is not replaced. Use another {setting('name')}.")


def refuse_links(path: Path, folders: Iterable[str]) -> None:
    """Check that none of gtk's own names in a run folder is a link, which may lead anywhere.

    Args:
        path: the folder; it may itself be a link.
        folders: the names of callbacks' folders.

    Raises:
        UserError: one is a link.
    """
    folders = list(folders)
    for name in (*sorted(ENTRIES), *folders):
        refuse_link(path / name)
    for item in chain(*(_inside(path / name) for name in folders)):
        refuse_link(item)
    for item in _inside(path / PICTURES):
        if _PICTURE.fullmatch(item.name):
            refuse_link(item)
    for item in _inside(path / "checkpoints"):
        if CHECKPOINT.fullmatch(item.name) or _CHECKPOINT.fullmatch(item.name):
            refuse_link(item)
            for file in _inside(item):
                refuse_link(file)


def remove(folder: Path, path: Path) -> None:
    """Remove a folder that `check_own` has checked: in one step, or not at all.

    Args:
        folder: of a run, perhaps a hidden one.
        path: the run's, beside it; what a kill leaves is found by this name.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = beside(path, "removed")
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def remove_left_overs(path: Path) -> None:
    """Remove what killed processes have left beside a run's folder, on its way in or out."""
    found = [item for item in left_overs(path, "partial", "removed") if not item.is_symlink()]
    before = path.with_name(f".{path.name}.removed")  # of an older gtk: its name proves little
    if before.is_dir():
        with suppress(OSError, UserError):
            folders: list[str] = []
            if (before / DOCUMENT).exists():
                folders = read_run(before / DOCUMENT).get("folders", [])
            check_own(before, path.name, folders)
            found.append(before)
    for item in found:
        shutil.rmtree(item, ignore_errors=True)


def remove_temporary_files(path: Path) -> None:
    """Remove what killed processes have left in a run folder, at the names of gtk's own files."""
    for name in (DOCUMENT, TIMING, REPORT, JUDGE):
        _unlink(left_overs(path / name, "partial", "previous"))
    for item in list(_inside(path / PICTURES)):
        if is_temporary(item.name) and owner(item.name) is None:
            _unlink([item])


def _unlink(items: Iterable[Path]) -> None:
    for item in items:
        with suppress(OSError):
            item.unlink()


def _inside(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder; nothing where there is none, or a link to one."""
    if folder.is_dir() and not folder.is_symlink():
        yield from folder.iterdir()
