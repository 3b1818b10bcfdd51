"""A part's two files: the graph, and beside it what the graph says about itself."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gtk.core.values.errors import UserError
from gtk.core.values.output import check_output_file, check_writable_folder, write_files
from gtk.core.values.setting import setting


def contract_path(path: Path) -> Path:
    """Return where the contract of an exported file lies: beside it, with another ending."""
    return path.with_suffix(".json")


def check_files(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot or must not be written, or whose contract cannot.

    Raises:
        UserError: see `check_output_file`; or there is other JSON where the contract belongs, which
            is not replaced at all.
    """
    beside = contract_path(path)
    check_output_file(path, ".onnx", overwrite=overwrite)
    if beside.is_file() and not _is_contract(beside):
        raise UserError(
            f"{beside} is something other than the manifest of {path}, which belongs there: choose "
            f"another {setting('out')}"
        )
    check_output_file(beside, ".json", overwrite=overwrite)


def check_folder(folder: Path) -> None:
    """Refuse a folder that files cannot be written to and that cannot be made.

    Raises:
        UserError: it says why.
    """
    if folder.suffix == ".onnx":
        raise UserError(f"{folder} would hold several files: give a folder as {setting('out')}")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder: choose another {setting('out')}")
    check_writable_folder(folder, folder if folder.exists() else folder.absolute().parent)


def write_exports(exports: Mapping[Path, tuple[bytes, dict[str, Any]]]) -> None:
    """Write files and their contracts, all or none; make their folder if it is not there.

    Args:
        exports: by path: the content of the file, and its contract.

    Raises:
        UserError: one cannot be written.
        WorkFailed: there is no room for one.
    """
    contents = {}
    for path, (content, contract) in exports.items():
        contents[path] = content
        contents[contract_path(path)] = _sidecar(path, content, contract)
    made = [folder for folder in {path.parent for path in contents} if not folder.exists()]
    try:
        for folder in made:
            folder.mkdir()
        write_files(contents)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be made: {error.strerror}") from error
    finally:
        for folder in made:
            with suppress(OSError):  # it is not empty where all went well
                folder.rmdir()


def sha256(content: bytes) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _sidecar(path: Path, content: bytes, contract: dict[str, Any]) -> bytes:
    file = {"name": path.name, "size": len(content), "sha256": sha256(content)}
    document = {**contract, "file": file}
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()


def _is_contract(path: Path) -> bool:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and {"schema", "part", "file"} <= document.keys()
