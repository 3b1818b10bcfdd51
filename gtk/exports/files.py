"""The two files of an exported part: the graph, and its manifest beside it."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gtk.core.values.errors import UserError
from gtk.core.values.ordinary_file import read_ordinary
from gtk.core.values.output import (
    check_output_file,
    check_writable_folder,
    failure,
    refuse_link,
    write_files,
)
from gtk.core.values.setting import setting
from gtk.core.values.temporary import beside as temporary_name, owner, temporaries

#: A manifest has a few kilobytes; a file much larger is something else, and is not read.
LARGEST_MANIFEST = 16 * 2**20


def contract_path(path: Path) -> Path:
    """Return the path of an exported file's manifest: beside it, with another ending."""
    return path.with_suffix(".json")


def check_files(path: Path, *, overwrite: bool, follow: bool = True) -> None:
    """Refuse a file that cannot or must not be written, or whose manifest cannot.

    Args:
        path: the exported file.
        overwrite: whether files may be replaced.
        follow: whether they may be links; not in a run, which may be a stranger's.

    Raises:
        UserError: see `check_output_file`; or other JSON lies where the manifest belongs, which is
            never replaced.
    """
    if not follow:
        refuse_link(path)
    check_output_file(path, ".onnx", overwrite=overwrite)
    beside = contract_path(path)
    if not follow:
        refuse_link(beside)
    if beside.is_file() and _read_manifest(beside) is None:
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
        raise failure(f"{error.filename} cannot be made: {error.strerror}", error) from error
    finally:
        for folder in made:
            with suppress(OSError):  # it is not empty where all went well
                folder.rmdir()


def check_pair(path: Path) -> None:
    """Check that an exported file is the one that the JSON beside it describes, if there is one.

    Raises:
        UserError: it is another file.
    """
    beside = contract_path(path)
    for _ in range(2):  # an export may have replaced both in the meantime
        if _read_manifest(beside) is None or find_manifest(path, digest_of(path)) is not None:
            return
    raise UserError(
        f"{path} is not the file that {beside.name} describes: one of the two was changed or "
        "replaced. Fetch both again, or export again"
    )


def find_manifest(path: Path, sha256: str) -> dict[str, Any] | None:
    """Return what the JSON beside an exported file says, None where it describes no such file.

    An export replaces the file first, so for a moment, or after a kill, the JSON that describes it
    still has a temporary name. After a kill it gets its own.
    """
    beside = contract_path(path)
    for item in (beside, *temporaries(beside, "partial", "previous")):
        document = _read_manifest(item)
        if document is not None and document["file"].get("sha256") == sha256:
            if item != beside:
                _finish(item, beside)
            return document
    return None


def _finish(item: Path, beside: Path) -> None:
    """Give a manifest its name, as a killed export would have done next."""
    ours = [temporary_name(beside, kind) for kind in ("partial", "previous")]
    if item in ours or owner(item.name) is not None:  # another thread or process is about to
        return
    if item.is_symlink() or beside.is_symlink() or _read_manifest(beside) is None:
        return
    with suppress(OSError):  # in a folder that only others may write to
        item.replace(beside)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file on disk, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256(content: bytes) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest of an exported file in a JSON file, None where it holds none."""
    try:
        document = json.loads(read_ordinary(path, LARGEST_MANIFEST, follow=True))
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(document, dict) and {"schema", "part", "file"} <= document.keys():
        return document if isinstance(document["file"], dict) else None
    return None
