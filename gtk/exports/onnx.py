"""Write a run's decoder or generator to one ONNX file, proven equal to PyTorch."""

import json
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from gtk.core.errors import InvalidValue, WorkFailed
from gtk.core.model import ExportPart, Model
from gtk.core.output import check_output_file, write_file
from gtk.core.run import Run
from gtk.core.runs import find_run
from gtk.exports.proof import Parity, compare, example_inputs
from gtk.exports.runtime import METADATA_KEY, SCHEMA, open_session

OPSET = 18
#: Ten times what float32 rounding was measured to make.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Exported:
    """A file that was written, and what its comparison with PyTorch found."""

    path: Path
    size: int
    parity: Parity


def export(
    run: Run | str | Path,
    out: str | Path | None = None,
    *,
    checkpoint: str | int | None = None,
    tolerance: float = TOLERANCE,
    overwrite: bool = False,
) -> Exported:
    """Write the run's image-making part as ONNX: inputs z and, if conditioned, label.

    The file is one file, has a symbolic batch axis and no random nodes, and carries its contract
    as JSON in its metadata. It appears by rename, after it agreed with `Model.sample` of the run
    loaded again from disk, at batch sizes 1, 2, 3 and 16.

    Args:
        run: a run, its folder, its name or "latest".
        out: the file; by default NAME.onnx in the run's folder.
        checkpoint: as in `Run.load_model`.
        tolerance: the largest absolute difference allowed.
        overwrite: replace the file if it exists.

    Raises:
        UserError: the file exists, or cannot be written.
        ExportMismatch: the file does not compute what PyTorch computes; there is none then.
    """
    if not 0 <= tolerance < math.inf:
        raise InvalidValue(f"the tolerance must be a number of at least 0, not {tolerance}")
    run = run if isinstance(run, Run) else find_run(run)
    path = Path(out) if out is not None else run.path / f"{run.name}.onnx"
    check_output_file(path, ".onnx", overwrite=overwrite)
    step = run.checkpoints.choose(checkpoint)  # once: a run that trains on may choose another
    model = run.load_model(step)
    part = next(iter(model.exports().values()))
    proto = to_onnx(model, part)
    session = open_session(proto.SerializeToString())
    if session is None:
        raise WorkFailed("onnxruntime cannot read what torch.onnx has made of this model")
    parity = compare(run.load_model(step), session, part.inputs, tolerance)
    _describe(proto, run, model, step, parity)
    write_file(path, proto.SerializeToString())
    return Exported(path, path.stat().st_size, parity)


class CheckedLabels(nn.Module):
    """Hands labels on so that one below 0 is an error in any runtime.

    ONNX's Gather counts negative indices from the end; one past the end it refuses.
    """

    def __init__(self, module: nn.Module, classes: int) -> None:
        super().__init__()
        self.module = module
        self.classes = classes

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        """Map noise and labels (B,) to what the module gives."""
        images: Tensor = self.module(noise, torch.where(label < 0, self.classes, label))
        return images


def to_onnx(model: Model, part: ExportPart) -> onnx.ModelProto:
    """Translate a part; checked by onnx, with no trace of where its source lies.

    Raises:
        WorkFailed: the exporter cannot translate it, or what it made is not what was asked for.
    """
    example = tuple(torch.from_numpy(value) for value in example_inputs(model, 2))
    module = part.module
    if model.condition is not None and model.condition.kind == "classes":
        module = CheckedLabels(module, model.condition.count)
    with _quiet():
        try:
            program = torch.onnx.export(
                module.eval(),
                example,
                input_names=list(part.inputs),
                output_names=[part.output],
                dynamic_shapes=tuple({0: "batch"} for _ in part.inputs),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise WorkFailed(f"torch.onnx cannot export this model: {reason}") from error
    assert program is not None  # noqa: S101 - None only without dynamo
    proto: onnx.ModelProto = program.model_proto
    _strip(proto)
    _check_form(proto)
    return proto


def _strip(proto: onnx.ModelProto) -> None:
    """Remove what the exporter notes about sources: absolute paths and module names."""
    graph = proto.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del item.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    del graph.metadata_props[:], proto.metadata_props[:]
    del graph.value_info[:]


def _check_form(proto: onnx.ModelProto) -> None:
    onnx.checker.check_model(proto, full_check=True)
    opsets = {item.domain: item.version for item in proto.opset_import}
    axes = {
        item.name: item.type.tensor_type.shape.dim[0].dim_param
        for item in (*proto.graph.input, *proto.graph.output)
    }
    if opsets.get("") != OPSET or set(opsets) != {""} or set(axes.values()) != {"batch"}:
        raise WorkFailed(
            f"torch.onnx made a file with opsets {opsets} and batch axes {axes}, which is not what "
            "was asked for; another version of torch may do better"
        )


def _describe(proto: onnx.ModelProto, run: Run, model: Model, step: int, parity: Parity) -> None:
    """Put the contract into the file, as JSON."""
    document, condition = run.document, model.condition
    classes, vector = None, None
    if condition is not None and condition.kind == "classes":
        classes = list(condition.names)
    elif condition is not None:
        ranges = [list(ends) for ends in condition.ranges] or [[0, 1]] * condition.count
        vector = {"input": condition.input_name, "names": list(condition.names), "ranges": ranges}
    contract: dict[str, Any] = {
        "schema": SCHEMA,
        "gtk": version("generative-toolkit"),
        "plugin": {**document["packages"]["model"], "name": document["model"]["name"]},
        "data": run.data_spec.name,
        "step": step,
        "noise": {
            "input": proto.graph.input[0].name,
            "distribution": "normal",
            "shape": list(model.noise.shape),
        },
        "classes": classes,
        "vector": vector,
        "image": {"layout": "NCHW", "range": [0, 1], "shape": list(run.data_spec.image_shape)},
        "parity": {
            "tolerance": parity.tolerance,
            "largest_difference": {str(size): value for size, value in parity.differences.items()},
        },
    }
    onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps(contract, allow_nan=False)})
    proto.producer_name = "gtk"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own warnings away from the user, who can do nothing about them."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
