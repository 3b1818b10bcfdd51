"""Processes that die at any of their file operations."""

import itertools
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

from processes import FORKS

#: What Python reports before it opens, makes, renames or removes a file or folder.
OPERATIONS = {"open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}


def killed_everywhere(
    folder: Path,
    prepare: Callable[[Path], None],
    work: Callable[[Path], None],
    error: BaseException | None = None,
) -> list[Path]:
    """Do some work in many folders, killed before another file operation in each.

    Args:
        folder: where the folders are made; it is empty.
        prepare: called with each folder, which does not exist yet.
        work: called with each folder, in a process of its own. It and `prepare` are functions of
            one file.
        error: what the operation raises, for a failure instead of a kill.

    Returns:
        The folders where the work was killed, and last the one where it was done.
    """
    # By name, since the other process knows no module of pytest's.
    file, names = prepare.__code__.co_filename, (prepare.__name__, work.__name__)
    given = (folder, file, names, error, list(sys.path))
    process = FORKS.Process(target=_in_turn, args=given)
    process.start()
    process.join()
    assert process.exitcode == 0
    return sorted(folder.iterdir())


def _in_turn(
    folder: Path,
    file: str,
    names: tuple[str, str],
    error: BaseException | None,
    path: list[str],
) -> None:
    sys.path[:] = path
    functions = runpy.run_path(file)
    prepare, work = (functions[name] for name in names)
    for point in itertools.count(1):
        place = folder / f"{point:03d}"
        prepare(place)
        child = os.fork()
        if not child:
            _work(place, work, point, error)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            return
        assert code == 9


def _work(
    place: Path, work: Callable[[Path], None], point: int, error: BaseException | None
) -> None:
    """Be that process."""
    left = point

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in OPERATIONS and str(arguments[0]).startswith(str(place)):
            met = event != "open" or not _reads(arguments)
            left -= met
            if met and left == 0:
                if error is None:
                    os._exit(9)
                raise error

    sys.addaudithook(count)
    try:
        work(place)
    except BaseException:  # noqa: BLE001 - an interrupt, too
        if left <= 0:
            os._exit(9)
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        os._exit(1)
    os._exit(0)


def _reads(arguments: tuple[object, ...]) -> bool:
    """Return whether a file is only read."""
    flags = arguments[2]
    return isinstance(flags, int) and not flags & (os.O_WRONLY | os.O_RDWR)
