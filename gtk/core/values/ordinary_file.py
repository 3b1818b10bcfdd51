"""Reading an ordinary file of limited size; a pipe, a device or a link never stalls gtk."""

import os
import stat
from pathlib import Path


class NotOrdinary(OSError):
    """A path that is a link, a pipe, a device or a folder, or a file that is too large."""


def read_ordinary(path: Path, limit: int, *, follow: bool = False) -> bytes:
    """Return the content of an ordinary file.

    Args:
        path: the file.
        limit: the largest size in bytes.
        follow: whether `path` may be a link; never at a name that gtk itself writes.

    Raises:
        NotOrdinary: it is not an ordinary file, or is larger than `limit`.
        OSError: it cannot be opened or read.
    """
    if not follow and path.is_symlink():
        raise NotOrdinary(None, "it is a link")
    # Opening a pipe for reading waits for its writer, unless it must not block.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags if follow else flags | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise NotOrdinary(None, "it is not an ordinary file")
        content = file.read(limit + 1) if status.st_size <= limit else b""
        if len(content) > limit or status.st_size > limit:
            raise NotOrdinary(None, f"it is larger than {limit:,} bytes")
    return content
