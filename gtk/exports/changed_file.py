"""An exported file that another tool has changed, to be proven anew."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import onnx
import onnx_ir

from gtk.core.settings.choice import SamplerChoice
from gtk.core.storage.run import Run
from gtk.core.values.codes import Codes
from gtk.core.values.errors import UserError
from gtk.core.values.setting import setting
from gtk.core.values.value import Value
from gtk.exports.loaded_part import LoadedPart, one_line
from gtk.exports.manifest import DTYPES
from gtk.exports.options import FileOptions, FilePrecision
from gtk.exports.runtime.errors import ExportFileError
from gtk.exports.runtime.graph_file import read, walk
from gtk.exports.runtime.manifest_checks import read_manifest
from gtk.exports.sampled_part import sampler_of


@dataclass(frozen=True)
class ChangedFile:
    """An ONNX file that was read, and holds nothing that the runtime refuses.

    Attributes:
        path: of the file.
        proto: what it holds.
        precision: of its arithmetic.
        manifest: of its last proof, empty where a tool has removed that.
    """

    path: Path
    proto: onnx.ModelProto
    precision: FilePrecision
    manifest: dict[str, Any]

    def step(self, run: Run) -> int | None:
        """Return the checkpoint that it was exported from, None where the run does not have it."""
        known = self.manifest.get("run") == run.name
        step: int | None = self.manifest.get("step") if known else None
        return step if step in run.checkpoints.steps() else None

    def average(self, run: Run) -> float | None:
        """Return the decay of the average that it was exported from; None without one."""
        known = self.manifest.get("run") == run.name
        return self.manifest.get("average") if known else None

    def sampler(self, run: Run) -> "SamplerChoice | None":
        """Return the sampler whose draw it is, None for the run's own."""
        table = self.manifest.get("sampler") if self.manifest.get("run") == run.name else None
        return None if table is None else sampler_of(table, run)

    def options(self, subject: LoadedPart, tolerance: float | None) -> FileOptions:
        """Return the form of the file, as one of a part.

        Raises:
            UserError: its inputs or outputs are not those of the part.
        """
        graph, opsets = self.proto.graph, self.proto.opset_import
        images = [item for item in (*graph.input, *graph.output) if item.name == "image"]
        sizes = [_shape(item)[0] for item in graph.input if _shape(item)]
        fixed = isinstance(sizes[0], int) if sizes else False
        options = FileOptions(
            opset=next(item.version for item in opsets if item.domain in ("", "ai.onnx")),
            precision=self.precision,
            image="uint8" if any(_type(item) == "uint8" for item in images) else "float",
            layout="nhwc" if any(self._is_last(item, subject) for item in images) else "nchw",
            batch_size=int(sizes[0]) if fixed else None,
            tolerance=tolerance,
        )
        self._check_ports(subject, options)
        return options

    def _is_last(self, image: onnx.ValueInfoProto, subject: LoadedPart) -> bool:
        """Return whether images have their channels last; where both fit, as the manifest says."""
        channels, *size = subject.image_shape
        said = (self.manifest.get("image") or {}).get("layout")
        both = [channels, *size] == [*size, channels]
        return _shape(image)[1:] == [*size, channels] and (not both or said == "NHWC")

    def _check_ports(self, subject: LoadedPart, options: FileOptions) -> None:
        """Refuse a file whose inputs or outputs are not those of the part."""
        graph = self.proto.graph
        for what, items, values in (
            ("takes", graph.input, subject.inputs),
            ("gives", graph.output, subject.outputs),
        ):
            has = ", ".join(_words(item.name, _type(item), _shape(item)) for item in items)
            shapes = {item.name: _shape(item)[1:] for item in items}
            wanted = ", ".join(
                _words(name, *_form(name, value, subject, options, shapes.get(name, [])))
                for name, value in values.items()
            )
            if has != wanted:
                way = (
                    "Convert it with keep_io_types=True"
                    if any(_type(item) == "float16" for item in items)
                    else "Name the run that it was exported from, and the part with "
                    + setting("part")
                )
                raise UserError(f"{self.path} {what} {has}; {subject} {what} {wanted}. {way}")


def _form(
    name: str, value: Value, subject: LoadedPart, options: FileOptions, found: list[int | str]
) -> tuple[str, list[int | str]]:
    """Return type and axes that an input or output should have.

    Those of other numbers than images and codes are known only when they are compared: `found`.
    """
    axes: list[int | str] = list(value.shape)
    if name == "image":
        channels, *size = subject.image_shape
        axes = [channels, *size] if options.layout == "nchw" else [*size, channels]
    elif name in subject.outputs and not isinstance(value, Codes):
        axes = found
    kind = "uint8" if name == "image" and options.image == "uint8" else str(value.dtype)
    return kind, [options.batch_axis, *axes]


def read_changed(path: Path) -> ChangedFile:
    """Read a file.

    Raises:
        UserError: it cannot be read, is not valid ONNX, or holds what the runtime refuses.
    """
    try:
        content = read(path)
        found = walk(content, str(path))
    except ExportFileError as error:
        raise UserError(str(error)) from error
    try:
        manifest = read_manifest(found.metadata, path)
    except ExportFileError:  # a tool has removed it
        manifest = {}
    proto = _sorted(onnx.ModelProto.FromString(content))
    for item in (*proto.graph.input, *proto.graph.output):
        for axis in item.type.tensor_type.shape.dim[:1]:
            if not axis.dim_value:  # a tool may have renamed it
                axis.dim_param = "batch"
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # the checker's errors and those of shape inference have no root
        raise UserError(f"{path} is not valid ONNX: {one_line(error)}") from error
    return ChangedFile(path, proto, cast("FilePrecision", found.facts().precision), manifest)


def _sorted(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with each node behind its inputs: onnxruntime's tools put casts last."""
    model = onnx_ir.from_proto(proto)
    model.graph.sort()
    return onnx_ir.to_proto(model)


def _type(item: onnx.ValueInfoProto) -> str:
    kind = item.type.tensor_type.elem_type
    return DTYPES.get(kind) or str(onnx.TensorProto.DataType.Name(kind)).lower()


def _shape(item: onnx.ValueInfoProto) -> list[int | str]:
    return [axis.dim_param or axis.dim_value for axis in item.type.tensor_type.shape.dim]


def _words(name: str, kind: str, axes: list[int | str]) -> str:
    return f"{name} {kind} ({', '.join(map(str, axes))})"
