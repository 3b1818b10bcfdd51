"""The manifest of an exported file as lines for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from gtk.core.values.condition import condition_from_manifest
from gtk.core.values.errors import UserError

#: Names beyond this number are counted, not listed.
MOST_NAMES = 100

#: The keys of a manifest's "sampler" that are not its options.
SAMPLER_KEYS = ("package", "version", "name")


def manifest_lines(manifest: Mapping[str, Any], origin: str) -> list[tuple[str, str]]:
    """Describe a manifest in lines of a title and a text each, which may hold any character.

    Args:
        manifest: as docs/apps.md describes it.
        origin: the file or run that it comes from, for messages.

    Raises:
        UserError: the manifest is damaged.
    """
    try:
        inputs, outputs, batch = manifest["inputs"], manifest["outputs"], manifest.get("batch_size")
        return [
            ("part", f"{manifest['part']}: {_names(inputs)} -> {_names(outputs)}"),
            ("model", _model(manifest)),
            ("options", _options(manifest["model"])),
            ("data", str(manifest["data"])),
            ("run", f"{manifest['run']}, step {manifest['step']}{_average(manifest)}"),
            *_sampler(manifest),
            ("latent", _latent(manifest["latent"])),
            ("condition", _condition(manifest)),
            ("image", _image(manifest["image"])),
            *_preprocessing(manifest),
            *(("input", _port(port, batch)) for port in inputs),
            *(("output", _port(port, batch)) for port in outputs),
            ("form", _form(manifest)),
            *(("parity", line) for line in _parity(manifest["parity"])),
        ]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"the manifest in {origin} is damaged: {type(error).__name__} {error}"
        ) from error


def _average(manifest: Mapping[str, Any]) -> str:
    return f", average {manifest['average']:g}" if "average" in manifest else ""


def _sampler(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a line on how a file draws, where that is not the model's own `sample`."""
    if "sampler" not in manifest:
        return []
    options = {key: value for key, value in manifest["sampler"].items() if key not in SAMPLER_KEYS}
    return [("sampler", f"{manifest['sampler']['name']}, {_options(options)}")]


def _names(ports: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(str(port["name"]) for port in ports)


def _model(manifest: Mapping[str, Any]) -> str:
    plugin, conditioner = manifest["plugin"], dict(manifest["conditioner"])
    acting = f"conditioner {conditioner.pop('name')}"
    if conditioner:
        acting += f" ({_options(conditioner)})"
    return f"{plugin['name']} of {plugin['package']} {plugin['version']}, {acting}"


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in options.items()) or "none"


def _value(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    return (",".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _latent(latent: Mapping[str, Any] | None) -> str:
    if latent is None:
        return "none"
    prior = {"normal": "standard normal", "learned": "its prior is learned: the sampler draws it"}
    size = " x ".join(str(side) for side in latent["shape"])
    return f"{latent['input']}, {size} numbers, {prior.get(latent['prior'], latent['prior'])}"


def _condition(manifest: Mapping[str, Any]) -> str:
    table = manifest["condition"]
    if table is None:
        return "none"
    port = next(port for port in manifest["inputs"] if port["name"] == table["input"])
    spec = condition_from_manifest(table, port["dtype"], tuple(port["shape"]))
    shown = spec.described_names()
    if spec.count > MOST_NAMES:
        shown[MOST_NAMES:] = [f"and {spec.count - MOST_NAMES:,} more"]
    absent = "; or none" if spec.nullable else ""
    return f"{port['name']}, {spec.summary}: {', '.join(shown)}{absent}"


def _image(image: Mapping[str, Any] | None) -> str:
    if image is None:
        return "none"
    channels, (low, high) = image["channels"], image["range"]
    colour = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    return (
        f"{image['width']}x{image['height']} pixels, {colour}, {image['layout']}, "
        f"{image['dtype']} in {low}..{high}"
    )


def _preprocessing(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    table = manifest.get("preprocessing")
    if table is None:
        return []
    limits = (
        table["range"] and f", {table['range'][0]:.15g} black and {table['range'][1]:.15g} white"
    )
    centre = ", {2}x{2} cut out of {0}x{1}".format(*table["centre"]) if "centre" in table else ""
    return [("files", f"were read with fit {table['fit']}{limits or ''}{centre}")]


def _port(port: Mapping[str, Any], batch_size: int | None) -> str:
    rows = "batch" if batch_size is None else batch_size
    more = f", codes 0..{port['count'] - 1}" if "count" in port else ""
    more += f", drawn from (seed, {port['seed']})" if "seed" in port else ""
    return f"{port['name']}, {port['dtype']} ({', '.join(map(str, (rows, *port['shape'])))}){more}"


def _form(manifest: Mapping[str, Any]) -> str:
    size = manifest.get("batch_size")
    batch = "any batch size" if size is None else f"batch size {size} and no other"
    precision = manifest.get("precision", "fp32")
    return f"opset {manifest['opset']}, {precision}, {batch}, gtk {manifest['gtk']}"


def _parity(parity: Mapping[str, Any]) -> list[str]:
    """Describe for each output how far it was from PyTorch's."""
    lines = []
    for name, sizes in parity["differences"].items():
        found: Sequence[Mapping[str, Any]] = list(sizes.values())
        largest = max(item["largest"] for item in found)
        pixels, share = "", ""
        if name in parity.get("spreads", {}):
            share = f" of their spread, {parity['spreads'][name]:.2g}"
        if all("pixels" in item for item in found):
            values = sum(item["values"] for item in found)
            differing = sum(item["pixels"] for item in found)
            pixels = f", {differing:,} of {values:,} 8-bit values differ"
        lines.append(
            f"{name} is at most {largest:.2g} from PyTorch's (batches of {', '.join(sizes)}; "
            f"tolerance {parity['tolerance']:.2g}{share}){pixels}"
        )
    lines += float16_lines(parity)
    if parity.get("margin") is not None:
        lines.append(undecided_rows(parity))
    return lines


def float16_lines(parity: Mapping[str, Any]) -> list[str]:
    """Say how far each output is from PyTorch's in float16 arithmetic, where the file has it."""
    if "float16" not in parity:
        return []
    rows, differences = parity["float16"]["rows"], parity["float16"]["differences"]
    return [
        f"in float16 arithmetic {name} is at most {found['largest']:.2g} from PyTorch's "
        f"({rows:,} rows)"
        for name, found in differences.items()
    ]


def undecided_rows(parity: Mapping[str, Any]) -> str:
    """Say how many rows a proof left out because a choice was undecided."""
    rows = parity["compared"] + parity["undecided"]
    return (
        f"{parity['undecided']:,} of {rows:,} rows undecided, and not compared: the two best "
        f"candidates of a choice are less than {parity['margin']:g} apart"
    )
