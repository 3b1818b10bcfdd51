"""A run that replaces an older one, which goes only when the new one has its first checkpoint.

Until then the older run waits beside it, hidden under `waiting`, with its lock held. After a kill
nobody holds it, and `settle` brings the older run back, or removes it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gtk.core.storage.run import Run
from gtk.core.storage.run_folder import check_own, has_checkpoint, is_run, remove
from gtk.core.values.errors import UserError
from gtk.core.values.temporary import REPLACED
from gtk.core.values.text import visible

logger = logging.getLogger("gtk")


def waiting(path: Path) -> Path:
    """Return where the older run waits while the run at `path` replaces it."""
    return path.with_name(f".{path.name}{REPLACED}")


@contextmanager
def put_aside(path: Path) -> Iterator[None]:
    """Hide a run while another takes its name, and keep other processes from both.

    Raises:
        UserError: gtk did not put everything into it, or another process trains it.
    """
    old, place = Run(path), waiting(path)
    old.check_removable()
    with old.locked():
        if place.exists() or place.is_symlink():
            raise UserError(f"{place} exists, so {path} is not replaced. Move it elsewhere.")
        path.rename(place)
        try:
            yield
        finally:
            if not path.exists():  # the new run could not be made, or was taken back
                place.rename(path)


def drop_replaced(path: Path) -> None:
    """Remove the run that the run at `path` replaces, now or, if that fails, later."""
    place = waiting(path)
    if is_run(place):
        with suppress(OSError, UserError):
            check_own(place, path.name, Run(place).document.get("folders", ()))
            remove(place, path)


def take_back(path: Path) -> bool:
    """Remove a new run that has no checkpoint, and bring back the run that it replaces.

    Returns:
        False where it could not be removed, which leaves both as they are.
    """
    try:
        run = Run(path)
        with run.locked():
            if has_checkpoint(path):
                return False
            run.check_removable()
            remove(path, path)
        if is_run(waiting(path)):
            _bring_back(path)
    except (OSError, UserError):
        return False
    return True


def _bring_back(path: Path) -> None:
    """Give the run that was to be replaced its name again, and say so.

    Raises:
        OSError: it cannot be renamed.
    """
    waiting(path).rename(path)
    logger.warning(
        "%s is the older run again: the one that was to replace it ended before its first "
        "checkpoint", visible(str(path)),
    )  # fmt: skip


def settle(runs: Path, *, undo: bool = True) -> None:
    """Finish or undo what killed processes have begun to replace in a folder of runs.

    Args:
        runs: the folder.
        undo: whether a new run without a checkpoint is removed; not where it is to go on.
    """
    for place in runs.glob(f".*{REPLACED}"):
        name = place.name[1 : -len(REPLACED)]
        if not name.strip("."):  # a stranger's: it would mean the folder itself, or one above
            continue
        path = place.with_name(name)
        # A living process holds the lock; a folder that cannot be written is left as it is.
        with suppress(OSError, UserError):
            if is_run(place):
                with Run(place).locked():
                    _settle(path, undo=undo)


def _settle(path: Path, *, undo: bool) -> None:
    if not is_run(path):
        _bring_back(path)
    elif undo and take_back(path):
        return
    elif has_checkpoint(path):
        with Run(path).locked():  # its own process would drop it
            drop_replaced(path)
