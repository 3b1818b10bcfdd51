"""The manifest of an exported file, checked as far as the runtime relies on it."""

import json
import math
import sys
from pathlib import Path
from typing import Any

from gtk.core.values.codes import Codes
from gtk.core.values.condition import ConditionSpec, condition_from_manifest
from gtk.core.values.noise import NoiseSpec, purpose
from gtk.core.values.preprocessing import Preprocessing
from gtk.core.values.time_value import Time
from gtk.core.values.value import Array, Value
from gtk.exports.runtime.denoiser import check_denoiser
from gtk.exports.runtime.errors import ExportFileError

#: The key of the manifest in the file's metadata, and the version of the manifest.
METADATA_KEY, SCHEMA = "gtk", 2
#: The manifest's entry with the digest of the graph that was proven.
DIGEST_KEY = "graph_sha256"
#: The most values of one image, code or other row.
MOST_VALUES = 1 << 24
#: The most inputs of a draw that take noise.
MOST_PORTS = 16
#: The largest fixed batch size.
LARGEST_BATCH = 1 << 16
#: The largest number; a whole number in JSON may be larger, which no float can hold.
MOST = sys.float_info.max
#: What reading a damaged manifest raises.
DAMAGE = (LookupError, TypeError, ValueError, OverflowError, AttributeError)
_DTYPES = {
    "latent": ("float32",),
    "time": ("float32",),
    "condition": ("int64", "float32"),
    "codes": ("int64",),
    "image": ("float32", "uint8"),
    "values": ("float32",),
}
_GRAPH_TYPES = {
    "float32": "tensor(float)",
    "int64": "tensor(int64)",
    "uint8": "tensor(uint8)",
}


def read_manifest(metadata: dict[str, str], path: Path) -> dict[str, Any]:
    """Return a file's manifest, checked as far as the runtime relies on it."""
    try:
        manifest = json.loads(metadata.get(METADATA_KEY, ""), parse_constant=_no_constant)
        schema = manifest["schema"]
    except (*DAMAGE, RecursionError) as error:
        raise ExportFileError(
            f"{path} is an ONNX file, but gtk did not export it. Make one: gtk export RUN"
        ) from error
    if schema != SCHEMA or type(schema) is not int:
        newer = isinstance(schema, int) and schema > SCHEMA
        remedy = "update gtk" if newer else "export it again with gtk export RUN"
        raise ExportFileError(
            f"{path} has schema {schema!r:.20}, this gtk reads {SCHEMA}: {remedy}"
        )
    try:
        _check_manifest(manifest)
    except DAMAGE as error:
        raise damaged(path, error) from error
    found: dict[str, Any] = manifest
    return found


def damaged(path: Path, error: Exception) -> ExportFileError:
    """Return the error for a manifest whose reading raised another error."""
    reason = str(error) if isinstance(error, ValueError) else "an entry has the wrong type"
    if isinstance(error, KeyError):
        reason = f"it has no {error}"
    return ExportFileError(f"the manifest in {path} is damaged: {reason}")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _demand(fits: object, fault: str) -> None:
    if not fits:
        raise ValueError(fault)


def _is_whole(value: Any, least: int, most: int) -> bool:  # noqa: ANN401 - anything in JSON
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_name(value: Any) -> bool:  # noqa: ANN401 - anything in JSON
    return isinstance(value, str) and 0 < len(value) <= 1000


def _is_identifier(value: Any) -> bool:  # noqa: ANN401 - anything in JSON
    return _is_name(value) and len(value) <= 100 and value.isprintable()


def _check_manifest(manifest: dict[str, Any]) -> None:
    """Raise one of `DAMAGE` where the runtime cannot rely on a manifest."""
    _check_origin(manifest)
    _check_parity(manifest["parity"])
    batch, image = manifest.get("batch_size"), manifest["image"]
    _demand(batch is None or _is_whole(batch, 1, LARGEST_BATCH), "the batch size is out of range")
    if image is not None:
        _check_image(image, denoises="denoiser" in manifest)
    for side, kinds in (("inputs", _DTYPES), ("outputs", ("image", "codes", "values"))):
        names = [_check_port(port, kinds, image) for port in manifest[side]]
        _demand(names and len(set(names)) == len(names), f"the {side} need names that differ")
    _check_condition(manifest)
    _check_latent(manifest)
    check_denoiser(manifest)
    read_preprocessing(manifest)


def _check_origin(manifest: dict[str, Any]) -> None:
    """Check the part's name, where it comes from, and its opset and precision."""
    _demand(_is_identifier(manifest["part"]), "the part has no valid name")
    names = [manifest["gtk"], manifest["data"], manifest["run"]]
    names += [manifest["plugin"][name] for name in ("package", "version", "name")]
    _demand(all(map(_is_name, names)), "a name of gtk, plugin, data or run is not valid")
    for name in ("model", "conditioner"):
        _demand(isinstance(manifest[name], dict), f"{name} is not a table of settings")
    for name in ("step", "opset"):
        _demand(_is_whole(manifest[name], 0, 1 << 53), f"{name} is not a whole number")
    average = manifest.get("average", 0.5)  # only of files of an average that was chosen
    _demand(isinstance(average, float) and 0 < average < 1, "the average is not a decay")
    sampler = manifest.get("sampler")  # only of files that hold a sampler's whole draw
    named = sampler is None or all(_is_name(sampler.get(key)) for key in ("package", "name"))
    _demand(named, "the sampler has no name")
    fits = _is_name(manifest.get(DIGEST_KEY, "none"))  # files of earlier versions have none
    _demand(fits, f"{DIGEST_KEY} is not valid")
    fits = manifest["precision"] in ("fp32", "fp16", "int8", "int4")
    _demand(fits, "the precision is neither fp32, fp16, int8 nor int4")


def _check_parity(parity: dict[str, Any]) -> None:
    # Files of earlier versions left nothing out.
    none = {"rows": 0, "reference_rows": 0, "differences": {}}
    float16 = parity.get("float16", none)  # of files in float16 only
    counts = [parity.get("compared", 0), parity.get("undecided", 0)]
    counts += [float16["rows"], float16["reference_rows"]]
    _demand(all(_is_whole(count, 0, 1 << 53) for count in counts), "a count of rows is not valid")
    numbers = [parity["tolerance"], 0 if parity.get("margin") is None else parity["margin"]]
    spreads = parity.get("spreads", {})  # of quantized files only
    numbers += spreads.values()
    _demand(0 not in spreads.values(), "a spread is 0")
    for sizes in (*parity["differences"].values(), float16["differences"]):
        for found in sizes.values():
            _demand({"largest", "mean", "values"} <= found.keys(), "a difference lacks figures")
            numbers += found.values()
    fits = all(
        isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= MOST
        for number in numbers
    )
    _demand(fits, "a figure of parity is not a finite number of at least 0")


def _check_image(image: dict[str, Any], *, denoises: bool) -> None:
    sizes = [image[name] for name in ("channels", "height", "width")]
    _demand(all(_is_whole(size, 1, MOST_VALUES) for size in sizes), "the image size is not valid")
    _demand(image["layout"] in ("NCHW", "NHWC"), "the layout is neither NCHW nor NHWC")
    ranges = {"float32": [0, 1], "uint8": [0, 255]}
    fits = image["range"] == ([-1, 1] if denoises else ranges[image["dtype"]])
    _demand(fits, "images are neither float32 in 0..1 nor uint8 in 0..255")


def _check_port(port: dict[str, Any], kinds: Any, image: dict[str, Any] | None) -> str:  # noqa: ANN401 - a container
    """Check an input or output and return its name."""
    name, kind, dtype, shape = (port[key] for key in ("name", "kind", "dtype", "shape"))
    _demand(_is_identifier(name), "an input or output has no valid name")
    _demand(kind in kinds and dtype in _DTYPES[kind], f"the kind or type of {name} is unknown")
    _demand(isinstance(shape, list) and len(shape) <= 8, f"the shape of {name} is not valid")
    _demand(
        all(_is_whole(size, 1, MOST_VALUES) for size in shape) and math.prod(shape) <= MOST_VALUES,
        f"the shape {str(shape)[:100]} of {name} is out of range",
    )
    _demand(kind != "time" or not shape, f"{name} is more than a time for each image")
    if kind == "codes":
        _demand(_is_whole(port["count"], 1, MOST_VALUES), f"the count of {name} is out of range")
    if "seed" in port:  # only of noise that a sampler draws besides the first
        fits = kind == "latent" and port["seed"] == purpose(name)
        _demand(fits, f"the seed of {name} is not one of its noise")
    if kind == "image":
        if image is None:
            raise ValueError(f'its "image" entry is null, but {name} holds images')
        channels, height, width = image["channels"], image["height"], image["width"]
        first = image["layout"] == "NCHW"
        wanted = [channels, height, width] if first else [height, width, channels]
        fits = (dtype, shape) == (image["dtype"], wanted)
        _demand(fits, f"{name} is {dtype} {shape}, images are {image['dtype']} {wanted}")
    return str(name)


def _check_condition(manifest: dict[str, Any]) -> None:
    condition = manifest["condition"]
    ports = [port for port in manifest["inputs"] if port["kind"] == "condition"]
    if condition is None:
        _demand(not ports, 'its "condition" entry is null, but an input takes conditions')
        return
    names, kind, count = condition["names"], condition["kind"], condition["count"]
    _demand(_is_identifier(kind), "the condition has no valid kind")
    fits = isinstance(names, list) and names and all(map(_is_name, names))
    _demand(fits, "the condition has no valid names")
    fits = _is_whole(count, 1, MOST_VALUES) and len(set(names)) == len(names) == count
    _demand(fits, f"the condition needs {str(count)[:100]} names that differ")
    found = [port["name"] for port in ports]
    _demand(found == [condition["input"]], f"the inputs for its condition are {str(found)[:100]}")
    for ends in [*(condition["ranges"] or ()), condition.get("range", (0, 1))]:
        low, high = ends
        _demand(math.isfinite(low) and math.isfinite(high) and low < high, "a range is not valid")
    absent = condition.get("absent", 0)
    fits = absent == "NaN" or _is_whole(absent, -(1 << 53), 1 << 53)
    _demand(fits, "the number of absent rows is not valid")
    value = read_condition(ports[0], manifest)
    fits = (ports[0]["dtype"], ports[0]["shape"]) == (str(value.dtype), list(value.shape))
    _demand(fits, f"a condition of kind {kind} is {value.dtype} of shape {value.shape}")
    given = {"ranges": condition["ranges"], **condition, "input": value.port}
    for name, said in value.manifest().items():
        _demand(
            given.get(name, said) == said, f"its {name} does not fit a condition of kind {kind}"
        )


def _check_latent(manifest: dict[str, Any]) -> None:
    latent = manifest["latent"]
    found = [
        {"input": port["name"], "shape": port["shape"]}
        for port in manifest["inputs"]
        if port["kind"] == "latent"
    ]
    if latent is None:
        _demand(not found, 'its "latent" entry is null, but an input takes a latent code')
        return
    _demand(latent["prior"] in ("normal", "learned"), "the prior is neither normal nor learned")
    wanted = [{"input": latent["input"], "shape": latent["shape"]}]
    _demand(found[:1] == wanted, f"the latent code is {wanted}, the inputs have {found[:2]}")
    sizes = [math.prod(item["shape"]) for item in found]
    fits = len(sizes) <= MOST_PORTS and sum(sizes) <= MOST_VALUES
    _demand(fits, f"{len(sizes)} inputs of {sum(sizes):,} numbers in all take noise")


def makes_images(manifest: dict[str, Any]) -> bool:
    """Return whether a part makes images from noise or a latent code, and a condition."""
    takes, gives = ([port["kind"] for port in manifest[side]] for side in ("inputs", "outputs"))
    others = {*takes} - {"latent", "condition"}
    given = [port for port in manifest["inputs"] if port["kind"] == "latent" and "seed" not in port]
    fits = manifest["latent"] is not None and not others and gives == ["image"]
    return fits and [port["name"] for port in given] == [manifest["latent"]["input"]]


def read_condition(port: dict[str, Any], manifest: dict[str, Any]) -> ConditionSpec:
    """Return the condition of an input that takes it."""
    return condition_from_manifest(manifest["condition"], port["dtype"], tuple(port["shape"]))


def read_value(port: dict[str, Any], manifest: dict[str, Any]) -> Value:
    """Return the value of an input, as far as a checked manifest describes it."""
    shape = tuple(port["shape"])
    if port["kind"] == "condition":
        return read_condition(port, manifest)
    if port["kind"] == "codes":
        return Codes(shape, port["count"])
    if port["kind"] == "latent":
        return NoiseSpec(shape)
    if port["kind"] == "time":
        return Time()
    limits = tuple(manifest["image"]["range"]) if port["kind"] == "image" else None
    return Array(shape, port["dtype"], limits)


def read_preprocessing(manifest: dict[str, Any]) -> Preprocessing | None:
    """Return how image files were read for the training, None where the manifest does not say."""
    table = manifest.get("preprocessing")
    return None if table is None else Preprocessing.from_manifest(table)


def refuse_halved(path: Path, session: Any) -> None:  # noqa: ANN401 - as below
    """Refuse inputs and outputs in float16, to which some tools convert them.

    Raises:
        ExportFileError: there are some.
    """
    ports = {"inputs": session.get_inputs(), "outputs": session.get_outputs()}
    halved = [
        side
        for side, items in ports.items()
        if any(item.type == "tensor(float16)" for item in items)
    ]
    if halved:
        raise ExportFileError(
            f"{path} has {' and '.join(halved)} in float16, which gtk reads in float32: convert "
            "the file with keep_io_types=True, or export it anew: gtk export RUN --precision fp16"
        )


def check_ports(manifest: dict[str, Any], session: Any) -> None:  # noqa: ANN401 - onnxruntime publishes no types
    """Raise ValueError where manifest and graph differ."""
    batch = manifest.get("batch_size")
    for side, items in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        expected = {
            port["name"]: [_GRAPH_TYPES[port["dtype"]], *port["shape"]] for port in manifest[side]
        }
        found = {item.name: [item.type, *item.shape[1:]] for item in items}
        _demand(found == expected, f"it promises {side} {expected}, the graph has {found}")
        for item in items:
            first = item.shape[0] if item.shape else 0
            fits = first == (batch if batch is not None else "batch")
            _demand(fits, f"it promises batches of {batch or 'any size'}, {item.name} has {first}")
