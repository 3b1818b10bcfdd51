"""Ordinary files, of limited size where they are read; a pipe, device or link never stalls gtk."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotOrdinary(OSError):
    """A path that is a link, a pipe, a device or a folder, or a file that is too large."""


def open_ordinary(path: Path, *, follow: bool = False) -> BinaryIO:
    """Open an ordinary file to read it.

    Args:
        path: the file.
        follow: whether `path` may be a link; never at a name that gtk itself writes.

    Raises:
        NotOrdinary: it is not an ordinary file.
        OSError: it cannot be opened.
    """
    return os.fdopen(_open(path, os.O_RDONLY, follow=follow), "rb")


def read_ordinary(path: Path, limit: int, *, follow: bool = False) -> bytes:
    """Return the content of an ordinary file.

    Args:
        path: the file.
        limit: the largest size in bytes.
        follow: as in `open_ordinary`.

    Raises:
        NotOrdinary: it is not an ordinary file, or is larger than `limit`.
        OSError: it cannot be opened or read.
    """
    with open_ordinary(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(limit + 1) if size <= limit else b""
        if len(content) > limit or size > limit:
            raise NotOrdinary(None, f"it is larger than {limit:,} bytes")
    return content


def append_to(path: Path) -> BinaryIO:
    """Open an ordinary file to add lines or to cut it, and make it if it does not exist.

    Raises:
        NotOrdinary: it is not an ordinary file.
        OSError: it cannot be opened.
    """
    handle = _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, follow=False)
    return os.fdopen(handle, "ab")


def _open(path: Path, flags: int, *, follow: bool) -> int:
    """Open an ordinary file; a pipe, which would wait for its other end, is refused."""
    if not follow:
        if path.is_symlink():
            raise NotOrdinary(None, "it is a link")
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link made just now, a pipe without reader
            raise NotOrdinary(None, "it is not an ordinary file") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotOrdinary(None, "it is not an ordinary file")
    return handle
