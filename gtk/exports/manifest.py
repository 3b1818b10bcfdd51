"""What an exported file says about itself, as JSON."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import onnx

from gtk.core.storage.run import Run
from gtk.exports.loaded_part import LoadedPart
from gtk.exports.options import ExportOptions
from gtk.exports.parity import Parity
from gtk.exports.runtime.manifest_checks import SCHEMA

DTYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.UINT8: "uint8",
}


def describe(
    run: Run,
    step: int,
    subject: LoadedPart,
    options: ExportOptions,
    parity: Parity,
    graph: onnx.GraphProto,
) -> dict[str, Any]:
    """Return the contract of a part: docs/apps.md says what its entries mean.

    Args:
        run: which model, settings and data.
        step: of the checkpoint.
        subject: the part, and its model's noise and condition.
        options: how it was written.
        parity: what the comparison found.
        graph: as it is in the file.
    """
    document, part, condition = run.document, subject.part, subject.model.condition
    conditioned = condition is not None and condition.port in part.inputs
    inputs = [_port(item, subject.value(item.name).role, subject) for item in graph.input]
    latents = [port for port in inputs if port["kind"] == "latent"]
    outputs = [_port(item, _kind_of_output(subject, item.name), subject) for item in graph.output]
    makes_or_takes_images = "image" in (*part.inputs, *part.outputs)
    return {
        "schema": SCHEMA,
        "gtk": version("generative-toolkit"),
        "part": subject.name,
        "plugin": {**document["packages"]["model"], "name": document["model"]["name"]},
        "model": {key: value for key, value in document["model"].items() if key != "name"},
        "conditioner": document["conditioner"],
        "data": run.data_spec.name,
        "run": run.name,
        "step": step,
        "opset": options.opset,
        "precision": options.precision,
        "batch_size": options.batch_size,
        "inputs": inputs,
        "outputs": outputs,
        "latent": {"input": latents[0]["name"], "shape": latents[0]["shape"], "prior": part.prior}
        if latents
        else None,
        "condition": condition.manifest() if condition is not None and conditioned else None,
        "image": _image(subject, options) if makes_or_takes_images else None,
        "parity": {
            "tolerance": parity.tolerance,
            "margin": parity.margin,
            "compared": parity.compared,
            "undecided": parity.undecided,
            "differences": {
                output: {str(size): _figures(asdict(found)) for size, found in sizes.items()}
                for output, sizes in parity.differences.items()
            },
        },
    }


def _port(item: onnx.ValueInfoProto, kind: str, subject: LoadedPart) -> dict[str, Any]:
    """Describe an input or output; its shape is without the batch."""
    tensor = item.type.tensor_type
    shape = [axis.dim_value for axis in tensor.shape.dim[1:]]
    dtype = DTYPES[tensor.elem_type]
    port = {"name": item.name, "kind": kind, "dtype": dtype, "shape": shape}
    codes = subject.codes(item.name)
    return port if codes is None else {**port, "count": codes.count}


def _kind_of_output(subject: LoadedPart, name: str) -> str:
    kind = subject.value(name).role
    return kind if kind in ("image", "codes") else "values"


def _image(subject: LoadedPart, options: ExportOptions) -> dict[str, Any]:
    channels, height, width = subject.image_shape
    levels = options.image == "uint8"
    return {
        "channels": channels,
        "height": height,
        "width": width,
        "layout": options.layout.upper(),
        "dtype": "uint8" if levels else "float32",
        "range": [0, 255] if levels else [0, 1],
    }


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}
