"""What an exported file says about itself, as JSON."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import onnx

from gtk.core.condition import ConditionSpec
from gtk.core.model import ExportPart, Model
from gtk.core.run import Run
from gtk.exports.options import ExportOptions
from gtk.exports.proof import Parity
from gtk.exports.runtime import SCHEMA


def describe(
    run: Run,
    step: int,
    model: Model,
    name: str,
    part: ExportPart,
    options: ExportOptions,
    parity: Parity,
    graph: onnx.GraphProto,
) -> dict[str, Any]:
    """Return the contract of a part: docs/apps.md says what its entries mean.

    Args:
        run: which model, settings and data.
        step: of the checkpoint.
        model: its noise and condition.
        name: of the part.
        part: its inputs and outputs.
        options: how it was written.
        parity: what the comparison found.
        graph: with the shapes of the outputs.
    """
    document = run.document
    condition = model.condition
    conditioned = condition is not None and condition.input_name in part.inputs
    ports = [_port(run, model, item) for item in part.inputs]
    latents = [port for port in ports if port["kind"] == "latent"]
    makes_or_takes_images = "image" in (*part.inputs, *part.outputs)
    return {
        "schema": SCHEMA,
        "gtk": version("generative-toolkit"),
        "part": name,
        "plugin": {**document["packages"]["model"], "name": document["model"]["name"]},
        "model": {key: value for key, value in document["model"].items() if key != "name"},
        "conditioner": document["conditioner"],
        "data": run.data_spec.name,
        "run": run.name,
        "step": step,
        "opset": options.opset,
        "inputs": ports,
        "outputs": [_output(item) for item in graph.output],
        "latent": {"input": latents[0]["name"], "shape": latents[0]["shape"], "prior": part.prior}
        if latents
        else None,
        "condition": _condition(condition) if condition is not None and conditioned else None,
        "image": _image(run) if makes_or_takes_images else None,
        "parity": {
            "tolerance": parity.tolerance,
            "differences": {
                output: {str(size): _figures(asdict(found)) for size, found in sizes.items()}
                for output, sizes in parity.differences.items()
            },
        },
    }


def _port(run: Run, model: Model, name: str) -> dict[str, Any]:
    """Describe an input; its shape is without the batch."""
    condition = model.condition
    if condition is not None and name == condition.input_name:
        dtype, shape = (
            ("int64", []) if condition.kind == "classes" else ("float32", [condition.count])
        )
        return {"name": name, "kind": "condition", "dtype": dtype, "shape": shape}
    if name == "image":
        shape = list(run.data_spec.image_shape)
        return {"name": name, "kind": "image", "dtype": "float32", "shape": shape}
    return {"name": name, "kind": "latent", "dtype": "float32", "shape": list(model.noise.shape)}


def _output(output: onnx.ValueInfoProto) -> dict[str, Any]:
    """Describe an output; its shape is without the batch."""
    shape = [axis.dim_value for axis in output.type.tensor_type.shape.dim[1:]]
    kind = "image" if output.name == "image" else "values"
    return {"name": output.name, "kind": kind, "dtype": "float32", "shape": shape}


def _condition(condition: ConditionSpec) -> dict[str, Any]:
    ranges = {
        "classes": None,
        "attributes": [[0.0, 1.0]] * condition.count,
        "continuous": [list(ends) for ends in condition.ranges],
    }[condition.kind]
    return {
        "input": condition.input_name,
        "kind": condition.kind,
        "count": condition.count,
        "names": list(condition.names),
        "ranges": ranges,
    }


def _image(run: Run) -> dict[str, Any]:
    channels, height, width = run.data_spec.image_shape
    return {
        "channels": channels,
        "height": height,
        "width": width,
        "layout": "NCHW",
        "dtype": "float32",
        "range": [0, 1],
    }


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}
