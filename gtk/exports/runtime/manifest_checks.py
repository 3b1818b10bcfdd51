"""What an exported file says about itself, checked as far as the runtime relies on it."""

import json
import math
from pathlib import Path
from typing import Any

from gtk.core.values.codes import Codes
from gtk.core.values.condition import condition_from_manifest
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.value import Array, Value
from gtk.exports.runtime.errors import ExportFileError

#: The key of the manifest in the file's metadata, and the version of the manifest.
METADATA_KEY, SCHEMA = "gtk", 2
#: The most values that one image, code or other row may have.
MOST_VALUES = 1 << 24
#: The largest batch that a file may be fixed to.
LARGEST_BATCH = 1 << 16
#: What reading a damaged manifest raises.
DAMAGE = (LookupError, TypeError, ValueError, OverflowError, AttributeError)
_DTYPES = {
    "latent": ("float32",),
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
    """Return what a file says about itself, checked as far as this module relies on it."""
    text = metadata.get(METADATA_KEY, "")
    try:
        manifest = json.loads(text, parse_constant=_no_constant)
        schema = manifest["schema"]
    except (*DAMAGE, RecursionError) as error:
        raise ExportFileError(
            f"{path} is an ONNX file, but gtk did not export it. Make one: gtk export RUN"
        ) from error
    if schema != SCHEMA or type(schema) is not int:
        newer = isinstance(schema, int) and schema > SCHEMA
        mend = "update gtk" if newer else "export it again with gtk export RUN"
        raise ExportFileError(f"{path} has schema {schema!r:.20}, this gtk reads {SCHEMA}: {mend}")
    try:
        _check_manifest(manifest)
    except DAMAGE as error:
        raise damaged(path, error) from error
    found: dict[str, Any] = manifest
    return found


def damaged(path: Path, error: Exception) -> ExportFileError:
    """Return the error for a manifest that cannot be read further than to this error."""
    reason = str(error) if isinstance(error, ValueError) else "an entry is of another type"
    if isinstance(error, KeyError):
        reason = f"it has no {error}"
    return ExportFileError(f"the manifest in {path} is damaged: {reason}")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _demand(fits: object, what: str) -> None:
    if not fits:
        raise ValueError(what)


def _is_whole(value: Any, least: int, most: int) -> bool:  # noqa: ANN401 - anything in JSON
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_name(value: Any) -> bool:  # noqa: ANN401 - anything in JSON
    return isinstance(value, str) and 0 < len(value) <= 1000


def _is_identifier(value: Any) -> bool:  # noqa: ANN401 - anything in JSON
    return _is_name(value) and len(value) <= 100 and value.isprintable()


def _check_manifest(manifest: dict[str, Any]) -> None:
    """Raise one of `DAMAGE` where a manifest is not what this module relies on."""
    _demand(_is_identifier(manifest["part"]), "a part has a name")
    _check_origin(manifest)
    _check_parity(manifest["parity"])
    batch = manifest.get("batch_size")
    _demand(batch is None or _is_whole(batch, 1, LARGEST_BATCH), "a batch size is a whole number")
    image = manifest["image"]
    if image is not None:
        _check_image(image)
    for side, kinds in (("inputs", _DTYPES), ("outputs", ("image", "codes", "values"))):
        names = [_check_port(port, kinds, image) for port in manifest[side]]
        _demand(names and len(set(names)) == len(names), f"{side} have names that differ")
    _check_condition(manifest)
    _check_latent(manifest)


def _check_origin(manifest: dict[str, Any]) -> None:
    """Check what is told of where a part comes from, and in which form it is."""
    plugin = manifest["plugin"]
    texts = [manifest["gtk"], manifest["data"], manifest["run"]]
    texts += [plugin[name] for name in ("package", "version", "name")]
    _demand(all(_is_name(text) for text in texts), "plugin, data and run have names")
    for name in ("model", "conditioner"):
        _demand(isinstance(manifest[name], dict), f"{name} is a table of settings")
    for name in ("step", "opset"):
        _demand(_is_whole(manifest[name], 0, 1 << 53), f"{name} is a whole number")
    _demand(manifest["precision"] in ("fp32", "fp16"), "a precision is fp32 or fp16")


def _check_parity(parity: dict[str, Any]) -> None:
    # Files of earlier versions left nothing out.
    counts = [parity.get("compared", 0), parity.get("undecided", 0)]
    _demand(all(_is_whole(count, 0, 1 << 53) for count in counts), "rows are counted")
    numbers = [parity["tolerance"], 0 if parity.get("margin") is None else parity["margin"]]
    for sizes in parity["differences"].values():
        for found in sizes.values():
            _demand({"largest", "mean", "values"} <= found.keys(), "a difference has figures")
            numbers += found.values()
    fits = all(
        isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < math.inf
        for number in numbers
    )
    _demand(fits, "figures of parity are numbers from 0 on")


def _check_image(image: dict[str, Any]) -> None:
    sizes = [image[name] for name in ("channels", "height", "width")]
    _demand(all(_is_whole(size, 1, MOST_VALUES) for size in sizes), "an image has a size")
    _demand(image["layout"] in ("NCHW", "NHWC"), "the layout is NCHW or NHWC")
    ranges = {"float32": [0, 1], "uint8": [0, 255]}
    _demand(
        image["range"] == ranges[image["dtype"]], "an image is float32 in 0..1 or uint8 in 0..255"
    )


def _check_port(port: dict[str, Any], kinds: Any, image: dict[str, Any] | None) -> str:  # noqa: ANN401 - a container
    """Check an input or output and return its name."""
    name, kind, shape = port["name"], port["kind"], port["shape"]
    _demand(_is_identifier(name), "an input or output has a name")
    _demand(kind in kinds and port["dtype"] in _DTYPES[kind], f"{name} is of an unknown kind")
    _demand(isinstance(shape, list) and len(shape) <= 8, f"{name} has a shape")
    _demand(
        all(_is_whole(size, 1, MOST_VALUES) for size in shape) and math.prod(shape) <= MOST_VALUES,
        f"the shape {str(shape)[:100]} of {name} is absurd",
    )
    if kind == "codes":
        _demand(_is_whole(port["count"], 1, MOST_VALUES), f"{name} has a number of entries")
    if kind == "image":
        _demand(image is not None, "there is no word on images")
        channels, *sizes = (
            (image or {})["channels"],
            (image or {})["height"],
            (image or {})["width"],
        )
        wanted = [channels, *sizes] if (image or {})["layout"] == "NCHW" else [*sizes, channels]
        _demand(shape == wanted, f"{name} has the shape {shape}, images have {wanted}")
        _demand(port["dtype"] == (image or {})["dtype"], f"{name} has another type than images")
    return str(name)


def _check_condition(manifest: dict[str, Any]) -> None:
    condition = manifest["condition"]
    ports = [port for port in manifest["inputs"] if port["kind"] == "condition"]
    if condition is None:
        _demand(not ports, "there is no word on the condition")
        return
    names, kind = condition["names"], condition["kind"]
    _demand(_is_identifier(kind), "a condition has a kind")
    _demand(
        isinstance(names, list) and names and all(_is_name(name) for name in names),
        "a condition has names",
    )
    _demand(
        _is_whole(condition["count"], 1, MOST_VALUES)
        and len(set(names)) == len(names) == condition["count"],
        "a condition has names that differ",
    )
    found = [port["name"] for port in ports]
    _demand(found == [condition["input"]], f"the inputs for its condition are {str(found)[:100]}")
    _check_ends(condition)
    port = ports[0]
    value = condition_from_manifest(condition, port["dtype"], tuple(port["shape"]))
    fits = (port["dtype"], port["shape"]) == (str(value.dtype), list(value.shape))
    _demand(fits, f"a condition of {kind} is {value.dtype} of shape {value.shape}")
    given = {"ranges": condition["ranges"], **condition, "input": value.port}
    for name, said in value.manifest().items():
        _demand(given.get(name, said) == said, f"its {name} is not what a condition of {kind} has")


def _check_ends(condition: dict[str, Any]) -> None:
    """Check what a file says of a condition whose kind may be known to its plugin alone."""
    for ends in [*(condition["ranges"] or ()), condition.get("range", (0, 1))]:
        low, high = ends
        _demand(math.isfinite(low) and math.isfinite(high) and low < high, "a range has ends")
    absent = condition.get("absent", 0)
    _demand(absent == "NaN" or _is_whole(absent, -(1 << 53), 1 << 53), "absent rows have a number")


def _check_latent(manifest: dict[str, Any]) -> None:
    latent = manifest["latent"]
    found = [
        {"input": port["name"], "shape": port["shape"]}
        for port in manifest["inputs"]
        if port["kind"] == "latent"
    ]
    if latent is None:
        _demand(not found, "there is no word on the latent code")
        return
    _demand(latent["prior"] in ("normal", "learned"), "a latent code has a prior")
    wanted = [{"input": latent["input"], "shape": latent["shape"]}]
    _demand(found[:1] == wanted, f"the latent code is {wanted}, the inputs have {found}")


def read_value(port: dict[str, Any], manifest: dict[str, Any]) -> Value:
    """Return what an input takes, as far as a checked manifest says."""
    shape = tuple(port["shape"])
    if port["kind"] == "condition":
        return condition_from_manifest(manifest["condition"], port["dtype"], shape)
    if port["kind"] == "codes":
        return Codes(shape, port["count"])
    if port["kind"] == "latent":
        return NoiseSpec(shape)
    return Array(shape, port["dtype"], tuple(manifest["image"]["range"]))


def check_ports(manifest: dict[str, Any], session: Any) -> None:  # noqa: ANN401 - onnxruntime publishes no types
    """Raise ValueError where manifest and graph do not agree."""
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
