"""Output files: checked before any work is done, and written whole or not at all."""

import errno
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gtk.core.values.errors import GtkError, UserError, WorkFailed
from gtk.core.values.setting import setting
from gtk.core.values.temporary import beside, left_overs

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
        absent = "" if folder.exists() else ", since it does not exist. Make it first"
        raise UserError(
            f"{path} cannot be written: {folder} is not a folder you can write to{absent}"
        )


def write_file(path: Path, content: bytes, *, follow: bool = True, synced: bool = False) -> None:
    """Write a file by rename, so that it is whole or absent.

    Args:
        path: the file.
        content: all of it.
        follow: whether `path` may be a link; never at a name that gtk itself chose.
        synced: whether to wait until it is on the disk, so that a power cut cannot lose it.

    Raises:
        UserError: it cannot be written, or is a link that must not be followed.
        WorkFailed: the disk is full or fails.
    """
    if follow:
        path = path.resolve()
    else:
        refuse_link(path)
    partial = beside(path, "partial")
    try:
        _create(partial, content)
        if synced:
            sync(partial)
        partial.replace(path)
        _remove_left_overs(path)
        if synced:
            sync(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the operating system write a file, or the names in a folder, to the disk now.

    Raises:
        OSError: the disk is full or fails.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot do it for a folder
            raise
    finally:
        os.close(handle)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write all files, in this order, or, after a failure, none.

    No name is ever empty, and until the last file is there, the new or the old content of each is
    also beside it under a temporary name. It raises what `write_file` does.
    """
    files = {path.resolve(): content for path, content in contents.items()}
    if len(files) < len(contents):
        raise UserError(f"{', '.join(map(str, contents))}: two of these are the same file")
    begun: list[Path] = []
    try:
        for path, content in files.items():
            _create(beside(path, "partial"), content)
        replaced = {path for path in files if path.exists()}
        for path in replaced:
            _keep(path, beside(path, "previous"))
        for path in files:
            begun.append(path)
            beside(path, "partial").replace(path)
    except BaseException as error:  # an interrupt between two renames, too
        for path in begun:
            if path in replaced:
                beside(path, "previous").replace(path)
            else:
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise
    else:  # only now, since what a killed process left may describe what was here
        for path in files:
            _remove_left_overs(path)
    finally:
        for path in files:
            beside(path, "partial").unlink(missing_ok=True)
            beside(path, "previous").unlink(missing_ok=True)


def refuse_link(path: Path) -> None:
    """Refuse a link at a name that gtk itself chose, since it may lead anywhere.

    Raises:
        UserError: it is a link.
    """
    if path.is_symlink():
        raise UserError(
            f"{path} is a link, and gtk does not follow links there. Replace it with what it "
            "points to, or remove it"
        )


def _create(path: Path, content: bytes) -> None:
    """Write a file of this process, new even where the name is taken: nothing is followed."""
    path.unlink(missing_ok=True)
    path.touch(exist_ok=False)
    path.write_bytes(content)


def _keep(path: Path, name: Path) -> None:
    """Give a file one more name, or a copy on a file system without hard links."""
    name.unlink(missing_ok=True)
    try:
        name.hardlink_to(path)
    except OSError as error:
        if error.errno in DISK:
            raise
        shutil.copy2(path, name)


def _remove_left_overs(path: Path) -> None:
    for item in left_overs(path, "partial", "previous"):
        with suppress(OSError):  # another process may do the same
            item.unlink()


def unwritable(path: Path, error: OSError) -> GtkError:
    """Return the error for a path that cannot be written, a mistake or a failing disk."""
    return failure(f"{path} cannot be written: {error.strerror or error}", error)


def disk_failure(error: BaseException) -> WorkFailed | None:
    """Return the error of a file that a full or failing disk refuses, None for any other error.

    An OSError without a file's name is another one: standard output may have raised it.
    """
    if isinstance(error, WorkFailed) and isinstance(error.__cause__, OSError):
        return error if error.__cause__.errno in DISK else None
    if isinstance(error, OSError) and error.errno in DISK and isinstance(error.filename, str):
        failed = WorkFailed(f"{error.filename} cannot be written: {error.strerror}")
        failed.__cause__ = error
        return failed
    return None


def failure(message: str, error: OSError) -> GtkError:
    """Return WorkFailed where the disk is full or fails, else UserError."""
    return (WorkFailed if error.errno in DISK else UserError)(message)
