"""The two files of an exported part: the graph, and its manifest beside it."""

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
    """Return the path of an exported file's manifest: beside it, with another ending."""
    return path.with_suffix(".json")


def check_files(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot or must not be written, or whose manifest cannot.

    Raises:
        UserError: see `check_output_file`; or other JSON lies where the manifest belongs, which is
            never replaced.
    """
    beside = contract_path(path)
    check_output_file(path, ".onnx", overwrite=overwrite)
    if beside.is_file() and not _is_manifest(beside):
        raise UserError(
            f"{beside} exists and is not the manifest of {path}: choose another {setting('out')}"
        )
    check_output_file(beside, ".json", overwrite=overwrite)


def check_folder(folder: Path) -> None:
    """Refuse, with UserError, a folder that cannot be written to or made."""
    if folder.suffix == ".onnx":
        raise UserError(f"{folder} would hold several files: give a folder as {setting('out')}")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder: choose another {setting('out')}")
    check_writable_folder(folder, folder if folder.exists() else folder.absolute().parent)


def write_exports(exports: Mapping[Path, tuple[bytes, dict[str, Any]]]) -> None:
    """Write contents and manifests by path, all or none; make the folder if it does not exist.

    Raises:
        UserError: a folder cannot be made, or two files are the same.
        WorkFailed: a file cannot be written, or the disk is full.
    """
    contents: dict[Path, bytes] = {}
    for path, (content, manifest) in exports.items():
        file = {"name": path.name, "size": len(content), "sha256": sha256(content)}
        sidecar = json.dumps({**manifest, "file": file}, indent=2, allow_nan=False) + "\n"
        contents |= {path: content, contract_path(path): sidecar.encode()}
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


def _is_manifest(path: Path) -> bool:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and {"schema", "part", "file"} <= document.keys()
