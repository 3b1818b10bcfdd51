"""Output files: checked before any work is done, and written whole or not at all."""

import errno
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

from gtk.core.values.errors import GtkError, UserError, WorkFailed
from gtk.core.values.setting import setting

#: Failures of the disk, as opposed to mistakes in a request.
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def check_output_file(path: Path, suffix: str, *, overwrite: bool) -> None:
    """Refuse a file that cannot or must not be written.

    Raises:
        UserError: its name does not end in `suffix`, it exists, it is not an ordinary file, or its
            folder does not exist or cannot be written.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: give the name of a file in it")
        if path.suffix.lower() != suffix:
            raise UserError(f"{path} has another ending: give a name that ends in {suffix}")
        if (path.exists() or path.is_symlink()) and not path.is_file():
            raise UserError(f"{path} is not an ordinary file: choose another {setting('out')}")
        if path.exists() and not overwrite:
            raise UserError(
                f"{path} exists. Add {setting('overwrite', True)} to replace it, or choose another "
                f"{setting('out')}"
            )
        check_writable_folder(path, path.absolute().parent)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error


def check_writable_folder(path: Path, folder: Path) -> None:
    """Raise UserError for a `path` in a folder that does not exist or cannot be written."""
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise UserError(f"{path} cannot be written: {folder} is not a folder you can write to")


def write_file(path: Path, content: bytes) -> None:
    """Write a file by rename, so that it is whole or absent; links are followed.

    Raises:
        UserError: it cannot be written.
        WorkFailed: the disk is full or fails.
    """
    path = path.resolve()
    partial = _beside(path, "partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write all files or, after a failure, none; it raises what `write_file` does."""
    files = {path.resolve(): content for path, content in contents.items()}
    if len(files) < len(contents):
        raise UserError(f"{', '.join(map(str, contents))}: two of these are the same file")
    begun: list[Path] = []
    try:
        for path, content in files.items():
            _beside(path, "partial").write_bytes(content)
        replaced = {path for path in files if path.exists()}
        for path in files:
            begun.append(path)
            if path in replaced:
                path.rename(_beside(path, "previous"))
            _beside(path, "partial").replace(path)
    except BaseException as error:  # an interrupt between two renames, too
        for path in begun:
            if _beside(path, "previous").exists():
                _beside(path, "previous").replace(path)
            elif path not in replaced:
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise
    finally:
        for path in files:
            _beside(path, "partial").unlink(missing_ok=True)
            _beside(path, "previous").unlink(missing_ok=True)


def _beside(path: Path, what: str) -> Path:
    """Return the name of a temporary file beside `path`."""
    # File names have a maximal length: long ones are cut, and a checksum keeps them distinct.
    number = zlib.crc32(path.name.encode(errors="surrogateescape"))
    return path.with_name(f".{path.name[:50]}.{number:08x}.{os.getpid()}.{what}")


def unwritable(path: Path, error: OSError) -> GtkError:
    """Return the error for a path that cannot be written, a mistake or a failing disk."""
    kind = WorkFailed if error.errno in DISK else UserError
    return kind(f"{path} cannot be written: {error.strerror}")
