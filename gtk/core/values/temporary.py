"""Temporary names: what gtk makes on the way, and what a killed process leaves behind.

All begin with a dot, and no run, checkpoint or picture has such a name.
"""

import os
import re
import zlib
from pathlib import Path

#: A file or folder beside the one it becomes or was: the start of that name, its checksum, and the
#: process that made it, with the time when that started, since another may get its number. File
#: names have a maximal length: long ones are cut.
_BESIDE = re.compile(
    r"\.(.{1,50})\.([0-9a-f]{8})\.([0-9]{1,10})(?:-([0-9]{1,20}))?\.(partial|previous|removed)",
    re.DOTALL,
)
_START = 50
#: A checkpoint on its way into or out of the folder of checkpoints.
CHECKPOINT = re.compile(r"\.[0-9]{9}\.(partial|removed)")
#: The end of the name of a run that another replaces; the run's name is between a dot and it.
REPLACED = ".replaced"


def beside(path: Path, kind: str) -> Path:
    """Return this process's temporary name beside `path`: a "partial", "previous" or "removed"."""
    start = path.name[:_START]
    process, begun = os.getpid(), _begun(os.getpid())
    maker = f"{process}-{begun}" if begun else str(process)
    return path.with_name(f".{start}.{_checksum(path.name)}.{maker}.{kind}")


def left_overs(path: Path, *kinds: str) -> list[Path]:
    """Return what killed processes have left beside `path` under temporary names of these kinds."""
    return [item for item in temporaries(path, *kinds) if owner(item.name) is None]


def temporaries(path: Path, *kinds: str) -> list[Path]:
    """Return what lies beside `path` under temporary names of these kinds."""
    sign = (path.name[:_START], _checksum(path.name))
    try:
        matches = [_BESIDE.fullmatch(item.name) for item in path.parent.iterdir()]
    except OSError:  # it may be written to, and not be listed
        return []
    return [
        path.with_name(match[0])
        for match in matches
        if match and match.groups()[:2] == sign and match[5] in kinds
    ]


def is_temporary(name: str) -> bool:
    """Return whether gtk gives a name to files and folders on the way; a cut name is believed."""
    match = _BESIDE.fullmatch(name)
    return match is not None and (len(match[1]) == _START or _checksum(match[1]) == match[2])


def owner(name: str) -> int | None:
    """Return the living process that uses a temporary name, None where there is none."""
    match = _BESIDE.fullmatch(name)
    if match is None or not _lives(int(match[3])):
        return None
    process, begun = int(match[3]), _begun(int(match[3]))
    # Older versions, and systems that do not tell, leave the time out.
    return process if begun is None or match[4] in (None, begun) else None


def _checksum(name: str) -> str:
    return f"{zlib.crc32(name.encode(errors='surrogateescape')):08x}"


def _lives(process: int) -> bool:
    """Return whether another process has this number.

    What has the number of this process was left by an earlier one: in a container, each begins
    with the same number.
    """
    # Signal 0 asks on POSIX, and 0 means the own group there. On Windows it would interrupt, and a
    # file in use cannot be removed.
    if process in (0, os.getpid()) or os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _begun(process: int) -> str | None:
    """Return when a process started, in ticks of the system; None where only Linux would tell."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123 - often, and Path is slow
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return None
