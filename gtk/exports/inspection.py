"""What exported files, and the parts that a run can export, are made of. Files need no torch."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.values.errors import UserError, WorkFailed
from gtk.core.values.ordinary_file import read_ordinary
from gtk.exports.files import LARGEST_MANIFEST, digest_of, find_manifest
from gtk.exports.runtime import ExportFileError, GraphFacts, scan
from gtk.exports.runtime.graph_digest import is_as_proven
from gtk.exports.runtime.graph_file import read, walk
from gtk.exports.runtime.manifest_checks import read_manifest

if TYPE_CHECKING:
    from gtk.exports.loaded_part import LoadedModel


#: What the process runs that opens a file, and its exit code where it cannot.
REFUSED = 3
OPENING = f"""
import sys
from gtk.exports.runtime import ExportFileError, load_part
try:
    load_part(sys.argv[1], device="cpu")
except ExportFileError as error:
    print(error)
    sys.exit({REFUSED})
"""


@dataclass(frozen=True)
class InspectedPart:
    """A part as an ONNX file: its manifest, bytes, SHA-256 in hexadecimal, and graph.

    `proven` says whether the graph is the one that was proven, as `Part.proven` does.
    """

    manifest: dict[str, Any]
    size: int
    sha256: str
    facts: GraphFacts
    proven: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON can hold it."""
        record = {"size": self.size, "sha256": self.sha256, "proven": self.proven}
        return {"contract": self.manifest, **record, **asdict(self.facts)}

    def as_it_is(self) -> dict[str, Any]:
        """Return the manifest with the graph's own opset and precision."""
        if self.proven:
            return self.manifest
        form = {"opset": self.facts.opsets[""], "precision": self.facts.precision}
        return {**self.manifest, **form}


@dataclass(frozen=True)
class Sidecar:
    """The JSON file beside an exported file.

    Attributes:
        path: where it is or would be.
        exists: whether it is there.
        problem: why it does not describe this file, empty where it does or does not exist.
    """

    path: Path
    exists: bool
    problem: str = ""


def inspect_file(path: Path) -> tuple[InspectedPart, Sidecar]:
    """Look at an exported file and the JSON file beside it.

    Raises:
        UserError: the file cannot be read, is not an ONNX file, or was not exported by gtk.
        WorkFailed: onnxruntime crashes, in a separate process.
    """
    found = _inspect_file(path)
    # An export may have replaced both between two looks.
    return _inspect_file(path) if found[1].problem else found


def _inspect_file(path: Path) -> tuple[InspectedPart, Sidecar]:
    try:
        content = read(path)
        found = walk(content, str(path))
        manifest = read_manifest(found.metadata, path)
        sha256 = digest_of(path)
    except ExportFileError as error:
        raise UserError(str(error)) from error
    except OSError as error:  # it vanished after it was opened
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    _open_apart(path)
    proven = is_as_proven(content, manifest)
    inspected = InspectedPart(manifest, len(content), sha256, found.facts(), proven)
    return inspected, _compare(path, inspected)


def _open_apart(path: Path) -> None:
    """Open a file in a separate process, which a malicious file may crash.

    Raises:
        UserError: onnxruntime cannot read the file, or its graph does not fit its manifest.
        WorkFailed: the process crashed.
    """
    # -P: a module in the current folder is not imported.
    result = subprocess.run(  # noqa: S603 - a file is an argument here, not a command
        [sys.executable, "-P", "-c", OPENING, path],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        env={**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"},
    )
    if result.returncode == REFUSED:
        raise UserError(result.stdout.strip())
    if result.returncode:
        said = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        code = -result.returncode
        cause = signal.Signals(code).name if code in [*signal.Signals] else said[-1]
        raise WorkFailed(
            f"onnxruntime crashed ({cause}) while it opened {path}, in a separate process: the "
            "file is damaged or malicious"
        )


def inspect_part(loaded: "LoadedModel", name: str) -> InspectedPart:
    """Look at the file that exporting a part with default options would write.

    Raises:
        WorkFailed: the part cannot be exported.
    """
    from gtk.exports.onnx import prepare
    from gtk.exports.options import ExportOptions

    prepared = prepare(loaded, loaded.part(name), ExportOptions())
    try:
        facts = scan(prepared.content)
    except ExportFileError as error:
        raise WorkFailed(str(error)) from error
    return InspectedPart(prepared.manifest, len(prepared.content), prepared.sha256, facts, True)


def _compare(path: Path, part: InspectedPart) -> Sidecar:
    """Return the sidecar of a file, and whether it describes the file."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return Sidecar(beside, exists=False)
    try:
        problem = _difference(path, beside, part)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        problem = f"{beside.name} does not describe an exported file"
    return Sidecar(beside, exists=True, problem=problem)


def _difference(path: Path, beside: Path, part: InspectedPart) -> str:
    """Return how a sidecar differs from the file, an empty string if it does not."""
    document = find_manifest(path, part.sha256)
    if document is None:
        document = json.loads(read_ordinary(beside, LARGEST_MANIFEST, follow=True))
    described = document["file"]
    del document["file"]
    if (described["size"], described["sha256"]) != (part.size, part.sha256):
        return f"{path.name} is not the file that {beside.name} describes"
    if document != part.manifest:
        return f"{beside.name} does not say what {path.name} says about itself"
    return ""
