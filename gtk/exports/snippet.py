"""A few lines that use an exported file, ready to paste into a program."""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec
from gtk.exports.runtime.manifest_checks import makes_images, read_condition

Manifest = dict[str, Any]

#: How many rows a snippet asks for where a file takes any number.
ROWS = 3


def python_snippet(manifest: Manifest, file: str) -> str:
    """Return a Python program that runs an exported file through `gtk.exports.runtime`.

    Args:
        manifest: of the file.
        file: its path, as a program will give it.
    """
    if "denoiser" not in manifest and not makes_images(manifest):
        return _python_part(manifest, file)
    imports = ["from gtk.exports.runtime import load"]
    opened = (
        f"generator = load({_python_literal(file)})  # gtk, or what gtk.exports.single_file wrote"
    )
    conditions = [
        _python_condition(port, manifest)
        for port in manifest["inputs"]
        if port["kind"] == "condition"
    ]
    labels = "".join(f"labels={condition}" for condition in conditions)
    if manifest["latent"]["prior"] == "normal":
        lines = [opened, f"images = generator.sample({labels or f'count={ROWS}'}, seed=7)"]
    else:
        shape = (ROWS, *manifest["latent"]["shape"])
        imports.insert(0, "import numpy as np")
        lines = [
            opened,
            f"codes = np.zeros({shape}, np.float32)  # yours: means from the encoder, for example",
            f"images = generator.generate(codes{labels and f', {labels}'})",
        ]
    image = manifest["image"]
    colours = [] if image["channels"] == 1 else [image["channels"]]
    shape = (ROWS, image["height"], image["width"], *colours)
    return _program([*imports, "", *lines, f"print(images.dtype, images.shape)  # uint8 {shape}"])


def javascript_snippet(manifest: Manifest, file: str) -> str:
    """Return a JavaScript module that runs an exported file in a browser or in Node.

    Args:
        manifest: of the file.
        file: its path, as a program will give it.
    """
    rows = manifest.get("batch_size") or ROWS
    fixed = " // the file takes this many at once" if manifest.get("batch_size") else ""
    lines = [
        'import * as ort from "onnxruntime-web"; // npm install onnxruntime-web; save as .mjs',
        "",
        "ort.env.wasm.numThreads = 1;",
        f"const n = {rows};{fixed}",
    ]
    if any(port["kind"] == "latent" for port in manifest["inputs"]):
        lines += [
            "const { sqrt, log, cos, PI, random } = Math;",
            "const normal = () => sqrt(-2 * log(1 - random())) * cos(2 * PI * random());",
        ]
    lines += [
        f"const session = await ort.InferenceSession.create({_javascript_text(file)});",
        "const outputs = await session.run({",
        *(f"  {_javascript_input(port, manifest, rows)}" for port in manifest["inputs"]),
        "});",
    ]
    for port in manifest["outputs"]:
        name, image = port["name"], manifest["image"]
        found = f"outputs.{name}" if _is_plain(name) else f"outputs[{_javascript_text(name)}]"
        meaning = f", {_range(image)}" if port["kind"] == "image" else ""
        lines.append(f"console.log({found}.dims); // {found}.data: {port['dtype']}{meaning}")
    return _program(lines)


def _python_part(manifest: Manifest, file: str) -> str:
    """Return a program that runs any part."""
    opened = (
        f"part = load_part({_python_literal(file)})  # gtk, or what gtk.exports.single_file wrote"
    )
    return _program([
        "import numpy as np",
        "from gtk.exports.runtime import load_part",
        "",
        opened,
        "outputs = part.run({",
        *(f"    {_python_input(port, manifest)}" for port in manifest["inputs"]),
        "})",
        "for name, values in outputs.items():",
        "    print(name, values.dtype, values.shape)",
    ])  # fmt: skip


def _python_input(port: dict[str, Any], manifest: Manifest) -> str:
    name, shape = _python_literal(port["name"]), (ROWS, *port["shape"])
    if port["kind"] == "condition":
        return f"{name}: {_python_condition(port, manifest)},"
    if port["kind"] == "image":
        yours = f"# yours, {_range(manifest['image'])}{_reading(manifest)}"
        return f"{name}: np.zeros({shape}, np.{port['dtype']}),  {yours}"
    if port["kind"] == "codes":
        return f"{name}: np.zeros({shape}, np.int64),  # yours, 0..{port['count'] - 1}"
    if port["kind"] == "latent":
        return f"{name}: np.random.default_rng(7).standard_normal({shape}, np.float32),"
    return f"{name}: np.zeros({shape}, np.{port['dtype']}),  # yours"


def _python_condition(port: dict[str, Any], manifest: Manifest) -> str:
    """Return a list of conditions, one for each image."""
    return f"[{', '.join(map(_python_literal, read_condition(port, manifest).written(ROWS)))}]"


def _python_literal(written: Any) -> str:  # noqa: ANN401 - as a user writes conditions
    """Return Python for a condition: strings in double quotes, unless they hold one."""
    if isinstance(written, dict):
        items = (f"{_python_literal(name)}: {value!r}" for name, value in written.items())
        return f"{{{', '.join(items)}}}"
    quoted = repr(written)
    return quoted if '"' in quoted or not isinstance(written, str) else f'"{quoted[1:-1]}"'


def _javascript_input(port: dict[str, Any], manifest: Manifest, rows: int) -> str:
    """Return an entry of the object that a session is run with."""
    name = port["name"] if _is_plain(port["name"]) else _javascript_text(port["name"])
    axes = ", ".join(["n", *map(str, port["shape"])])
    size = " * ".join(["n", *map(str, port["shape"])])
    comment = ""
    if port["kind"] == "latent":
        data = f"Float32Array.from({{ length: {size} }}, normal)"
    elif port["kind"] == "image":
        data = f"new {'Uint8' if port['dtype'] == 'uint8' else 'Float32'}Array({size})"
        comment = f" // yours, {_range(manifest['image'])}{_reading(manifest)}"
    elif port["kind"] == "codes":
        data, comment = f"new BigInt64Array({size})", f" // yours, 0..{port['count'] - 1}"
    elif port["kind"] == "condition":
        condition = read_condition(port, manifest)
        data, comment = _javascript_condition(condition, rows), f" // {condition.domain}"
    elif port["kind"] == "time":
        data, comment = f"new Float32Array({size})", " // 0 is noise, 1 the image"
    else:
        data, comment = f"new Float32Array({size})", " // yours"
    return f'{name}: new ort.Tensor("{port["dtype"]}", {data}, [{axes}]),{comment}'


def _javascript_condition(condition: ConditionSpec, rows: int) -> str:
    """Return an array of conditions for as many images as there are rows."""
    kind, suffix = ("BigInt64Array", "n") if condition.dtype.kind == "i" else ("Float32Array", "")

    def listed(row: NDArray[Any]) -> str:
        texts = (np.format_float_positional(number, trim="-") for number in row.ravel())
        return ", ".join(f"{text}{suffix}" for text in texts)

    if condition.shape != ():
        row = condition.encode(condition.written(2)[1])
        return f"{kind}.from(Array(n).fill([{listed(row)}]).flat())"
    if rows > ROWS:
        return f"{kind}.from(Array(n).fill({listed(condition.examples()[-1])}))"
    return f"{kind}.from([{listed(condition.cycle(rows))}])"


def _range(image: Mapping[str, Any]) -> str:
    return "{:g}..{:g}, {}".format(*image["range"], image["layout"])


def _reading(manifest: Manifest) -> str:
    """Return how image files have to be read, "" where the manifest does not say."""
    table = manifest.get("preprocessing")
    if table is None:
        return ""
    limits = f", range {table['range'][0]:g}..{table['range'][1]:g}" if table["range"] else ""
    centre = ", {2}x{2} cut out of {0}x{1}".format(*table["centre"]) if "centre" in table else ""
    return f"; files with fit {table['fit']}{limits}{centre}"


def _is_plain(name: str) -> bool:
    """Return whether JavaScript takes the name of a property without quotes."""
    return re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", name) is not None


def _javascript_text(text: str) -> str:
    """Return a literal; unprintable characters are escaped."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _program(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
