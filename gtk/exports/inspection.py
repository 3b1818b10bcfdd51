"""What exported files, and the parts that a run can export, are made of. Files need no torch."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.values.errors import UserError, WorkFailed
from gtk.core.values.ordinary_file import read_ordinary
from gtk.exports.files import LARGEST_MANIFEST, digest_of, find_manifest
from gtk.exports.runtime import ExportFileError, GraphFacts, Part, scan

if TYPE_CHECKING:
    from gtk.exports.loaded_part import LoadedModel


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
    """
    found = _inspect_file(path)
    # An export may have replaced both between two looks.
    return _inspect_file(path) if found[1].problem else found


def _inspect_file(path: Path) -> tuple[InspectedPart, Sidecar]:
    try:
        part = Part(path, device="cpu")
        sha256 = digest_of(path)
    except ExportFileError as error:
        raise UserError(str(error)) from error
    except OSError as error:  # it vanished after it was opened
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    inspected = InspectedPart(part.contract, part.size, sha256, part.facts, part.proven)
    return inspected, _compare(path, inspected)


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
