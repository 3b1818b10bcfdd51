"""The manifest of an exported file: what it says about itself, as JSON in its metadata."""

import json
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import onnx

from gtk.core.settings.choice import sampler_document
from gtk.core.storage.run import Run
from gtk.core.values.codes import Codes
from gtk.core.values.errors import PluginError
from gtk.core.values.noise import purpose
from gtk.core.values.preprocessing import Preprocessing
from gtk.core.values.value import Value
from gtk.exports.loaded_part import LoadedModel, LoadedPart
from gtk.exports.options import ExportOptions
from gtk.exports.parity import Difference, Float16Parity, Parity
from gtk.exports.runtime.graph_digest import graph_digest
from gtk.exports.runtime.manifest_checks import DIGEST_KEY, METADATA_KEY, SCHEMA

DTYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.UINT8: "uint8",
}


def describe(
    loaded: LoadedModel,
    subject: LoadedPart,
    options: ExportOptions,
    parity: Parity,
    proto: onnx.ModelProto,
) -> dict[str, Any]:
    """Return the manifest of a file with this graph; docs/apps.md explains its entries."""
    run, condition, graph = loaded.run, subject.condition, proto.graph
    document = run.document
    inputs = [
        _port(item, value, value.role)
        | ({"seed": purpose(item.name)} if item.name in subject.noise else {})
        for item, value in zip(graph.input, subject.inputs.values(), strict=True)
    ]
    outputs = [
        _port(item, value, value.role if value.role in ("image", "codes") else "values")
        for item, value in zip(graph.output, subject.outputs.values(), strict=True)
    ]
    latent = next((port for port in inputs if port["kind"] == "latent"), None)
    return {
        "schema": SCHEMA,
        "gtk": version("generative-toolkit"),
        "part": subject.name,
        "plugin": {**document["packages"]["model"], "name": document["model"]["name"]},
        "model": {key: value for key, value in document["model"].items() if key != "name"},
        "conditioner": document["conditioner"],
        "data": run.data_spec.name,
        "run": run.name,
        "step": loaded.step,
        **({} if loaded.average is None else {"average": loaded.average}),
        **_drawing(loaded, subject),
        "opset": options.opset,
        "precision": options.precision,
        "batch_size": options.batch_size,
        DIGEST_KEY: graph_digest(proto.SerializeToString(deterministic=True)),
        "inputs": inputs,
        "outputs": outputs,
        "latent": None
        if latent is None
        else {"input": latent["name"], "shape": latent["shape"], "prior": subject.part.prior},
        "condition": None if condition is None else condition.manifest(),
        "image": _image(subject, options),
        **_preprocessing(run),
        "parity": {
            "tolerance": parity.tolerance,
            **({"spreads": dict(parity.spreads)} if parity.spreads else {}),
            "margin": parity.margin,
            "compared": parity.compared,
            "undecided": parity.undecided,
            "differences": {
                output: {str(size): _figures(found) for size, found in sizes.items()}
                for output, sizes in parity.differences.items()
            },
            **_float16(parity.float16),
        },
    }


def _drawing(loaded: LoadedModel, subject: LoadedPart) -> dict[str, Any]:
    """Describe the path of one evaluation of a flow, and how the run draws, if a sampler does."""
    path = subject.part.path
    denoiser = {} if path is None else {"denoiser": {"path": path}}
    if loaded.sampler is None or not (subject.sampled or denoiser):
        return denoiser
    return {**denoiser, "sampler": sampler_document(loaded.sampler)}


def attach(manifest: dict[str, Any], proto: onnx.ModelProto, subject: LoadedPart) -> bytes:
    """Return the bytes of a file whose metadata hold the manifest.

    Raises:
        PluginError: the settings of the part's plugin cannot be written as JSON.
    """
    try:
        text = json.dumps(manifest, allow_nan=False)
    except ValueError as error:
        raise PluginError(
            f"the settings of plugin {subject.plugin!r} hold a number that JSON cannot represent: "
            f"{error}"
        ) from error
    onnx.helper.set_model_props(proto, {METADATA_KEY: text})
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _port(item: onnx.ValueInfoProto, value: Value, kind: str) -> dict[str, Any]:
    """Describe an input or output; its shape is without the batch."""
    tensor = item.type.tensor_type
    shape = [axis.dim_value for axis in tensor.shape.dim[1:]]
    port = {"name": item.name, "kind": kind, "dtype": DTYPES[tensor.elem_type], "shape": shape}
    return {**port, "count": value.count} if isinstance(value, Codes) else port


def _image(subject: LoadedPart, options: ExportOptions) -> dict[str, Any] | None:
    """Describe the images that the part takes or gives, None where it has none."""
    channels, height, width = subject.image_shape
    size = {"channels": channels, "height": height, "width": width}
    if subject.part.path is not None:  # its x at time 1
        return {**size, "layout": "NCHW", "dtype": "float32", "range": [-1, 1]}
    if "image" not in (*subject.inputs, *subject.outputs):
        return None
    levels = options.image == "uint8"
    return {
        **size,
        "layout": options.layout.upper(),
        "dtype": "uint8" if levels else "float32",
        "range": [0, 255] if levels else [0, 1],
    }


def _preprocessing(run: Run) -> dict[str, Any]:
    """Describe how the data set made images of files, where it says so."""
    found = Preprocessing.of(run.settings.configs["data"])
    return {} if found is None else {"preprocessing": found.manifest()}


def _float16(parity: Float16Parity | None) -> dict[str, Any]:
    """Return the entry of a proof in float16 arithmetic, none where the file has none."""
    if parity is None:
        return {}
    differences = {output: _figures(found) for output, found in parity.differences.items()}
    rows = {"rows": parity.rows, "reference_rows": parity.reference_rows}
    return {"float16": {**rows, "differences": differences}}


def _figures(found: Difference) -> dict[str, Any]:
    figures = {key: value for key, value in asdict(found).items() if value is not None}
    del figures["needed"]
    return figures
