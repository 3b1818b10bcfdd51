"""Files that a user asked for: never over another, and refused before any work is done."""

import os
from pathlib import Path

from gtk.core.errors import UserError


def check_output_file(path: Path, suffix: str, *, overwrite: bool) -> None:
    """Refuse a file that cannot or must not be written.

    Raises:
        UserError: its name does not end in `suffix`, it exists, is no ordinary file, or its
            folder does not exist or cannot be written.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: give the name of a file in it")
        if path.suffix.lower() != suffix:
            raise UserError(f"{path} would hold something else: give a name that ends in {suffix}")
        if (path.exists() or path.is_symlink()) and not path.is_file():
            raise UserError(f"{path} is not an ordinary file: choose another --out")
        if path.exists() and not overwrite:
            raise UserError(
                f"{path} exists. Add --overwrite to replace it, or choose another --out"
            )
        check_writable_folder(path, path.absolute().parent)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error


def check_writable_folder(path: Path, folder: Path) -> None:
    """Refuse to make `path` in a folder that is none or cannot be written.

    Raises:
        UserError: it names both.
    """
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise UserError(f"{path} cannot be written: {folder} is not a folder you can write to")


def write_file(path: Path, content: bytes) -> None:
    """Write a file by rename, so that it is whole or absent; a link stays and is followed.

    Raises:
        UserError: it cannot be written.
    """
    path = path.resolve()
    partial = path.with_name(f".{path.name[:100]}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
