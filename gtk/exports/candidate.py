"""A file in the making, as onnxruntime runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray

from gtk.core.values.errors import UserError, WorkFailed
from gtk.exports.float16_arithmetic import (
    REFERENCE_ROWS,
    OnnxReference,
    is_slow,
    rounded,
    rows_to_compare,
)
from gtk.exports.graph_nodes import nodes_of
from gtk.exports.image_format import ImageFormat
from gtk.exports.loaded_part import LoadedPart, one_line
from gtk.exports.options import OPSETS, USE_OPSETS, ExportOptions
from gtk.exports.runtime.session import open_session, reading_error


@dataclass(frozen=True)
class Candidate:
    """A file in the making, as onnxruntime runs it.

    Attributes:
        session: an onnxruntime session on the file's graph.
        unrounded: where the file gives 8-bit images, a session on the graph before they are
            rounded, which takes and gives float32 images (B, C, H, W); None where there is none.
        float16: the same file in float16 arithmetic, and how many rows of it to compare, in one
            way or in several; empty where the file has no such arithmetic.
    """

    session: Any
    unrounded: Any | None = None
    float16: "Sequence[tuple[Candidate, int]]" = ()

    def run(
        self, subject: LoadedPart, options: ExportOptions, inputs: Sequence[NDArray[Any]]
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return the outputs, and the same before images are rounded to 8 bits.

        Images go in and come out as (B, C, H, W), whatever the file's layout.

        Raises:
            WorkFailed: onnxruntime cannot run the file.
        """
        form, feeds = ImageFormat(options), dict(zip(subject.inputs, inputs, strict=True))
        given = {
            name: form.given(rows) if name == "image" else rows for name, rows in feeds.items()
        }
        outputs = zip(subject.outputs, _run(subject, self.session, given), strict=True)
        found = [form.seen(rows) if name == "image" else rows for name, rows in outputs]
        return found, found if self.unrounded is None else _run(subject, self.unrounded, feeds)


def open_candidate(
    subject: LoadedPart, options: ExportOptions, proto: onnx.ModelProto, inside: onnx.ModelProto
) -> Candidate:
    """Open the graph of a file in onnxruntime; `inside` has float32 images (B, C, H, W).

    Raises:
        UserError: onnxruntime cannot read this opset.
        WorkFailed: onnxruntime cannot read the graph.
    """
    gives_levels = options.image == "uint8" and "image" in subject.outputs
    sessions = []
    for graph in (proto, inside) if gives_levels else (proto,):
        content = graph.SerializeToString()
        session = open_session(content)
        if session is None and options.opset > OPSETS[0]:
            raise UserError(
                f"onnxruntime cannot read {subject} in opset {options.opset}, "
                f"{reading_error(content)}: {USE_OPSETS}"
            )
        if session is None:
            raise WorkFailed(
                f"onnxruntime cannot read the graph that torch.onnx wrote of {subject}: "
                f"{reading_error(content)}"
            )
        sessions.append(session)
    float16 = in_float16(proto) if options.precision == "fp16" else []
    return Candidate(sessions[0], sessions[1] if gives_levels else None, float16)


def in_float16(proto: onnx.ModelProto) -> list[tuple[Candidate, int]]:
    """Return a file in float16 arithmetic, and how many rows to compare.

    onnxruntime computes many rows, with rounding nodes; onnx's own implementation checks a few.
    """
    ways = [(Candidate(open_session(rounded(proto).SerializeToString())), rows_to_compare(proto))]
    if not (is_slow(proto) or any(node.domain for node in nodes_of(proto.graph))):
        ways.append((Candidate(OnnxReference(proto)), REFERENCE_ROWS))
    return ways


def _run(subject: LoadedPart, session: Any, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:  # noqa: ANN401 - onnxruntime publishes no types
    try:
        found: list[NDArray[Any]] = session.run(list(subject.outputs), feeds)
    except Exception as error:  # onnxruntime's errors have no common root
        size = len(next(iter(feeds.values())))
        raise WorkFailed(
            f"onnxruntime cannot run {subject} at batch {size}: {one_line(error)}; no file was "
            "written"
        ) from error
    return found
