"""A few lines that use an exported file, ready to paste into a program."""

import json
import re
from collections.abc import Mapping
from typing import Any

Contract = Mapping[str, Any]

#: How many rows a snippet asks for where a file takes any number.
ROWS = 3


def python_snippet(contract: Contract, file: str) -> str:
    """Return a Python program that runs an exported file through `gtk.exports.runtime`.

    Args:
        contract: what the file says about itself.
        file: its path, as a program will give it.
    """
    if not _makes_images(contract):
        return _python_part(contract, file)
    opened = f"generator = load({_python_text(file)})  # gtk, or what gtk.exports.single_file wrote"
    condition = contract["condition"]
    if contract["latent"]["prior"] == "normal":
        given = f"labels={_python_condition(condition)}" if condition else f"count={ROWS}"
        lines = [opened, f"images = generator.sample({given}, seed=7)"]
        imports = ["from gtk.exports.runtime import load"]
    else:
        shape = _tuple([ROWS, *contract["latent"]["shape"]])
        labels = f", labels={_python_condition(condition)}" if condition else ""
        lines = [
            opened,
            f"codes = np.zeros({shape}, np.float32)  # yours: means from the encoder, for example",
            f"images = generator.generate(codes{labels})",
        ]
        imports = ["import numpy as np", "from gtk.exports.runtime import load"]
    image = contract["image"]
    colours = [] if image["channels"] == 1 else [image["channels"]]
    shape = _tuple([ROWS, image["height"], image["width"], *colours])
    return _program([*imports, "", *lines, f"print(images.dtype, images.shape)  # uint8 {shape}"])


def javascript_snippet(contract: Contract, file: str) -> str:
    """Return a JavaScript module that runs an exported file in a browser or in Node.

    Args:
        contract: what the file says about itself.
        file: its path, as a program will give it.
    """
    rows = contract.get("batch_size") or ROWS
    fixed = " // the file takes this many at once" if contract.get("batch_size") else ""
    lines = [
        'import * as ort from "onnxruntime-web"; // npm install onnxruntime-web; save as .mjs',
        "",
        "ort.env.wasm.numThreads = 1;",
        f"const n = {rows};{fixed}",
    ]
    if any(port["kind"] == "latent" for port in contract["inputs"]):
        lines += [
            "const { sqrt, log, cos, PI, random } = Math;",
            "const normal = () => sqrt(-2 * log(1 - random())) * cos(2 * PI * random());",
        ]
    lines += [
        f"const session = await ort.InferenceSession.create({_javascript_text(file)});",
        "const outputs = await session.run({",
        *(f"  {_javascript_input(port, contract, rows)}" for port in contract["inputs"]),
        "});",
    ]
    for port in contract["outputs"]:
        name, image = port["name"], contract["image"]
        found = f"outputs.{name}" if _is_plain(name) else f"outputs[{_javascript_text(name)}]"
        meaning = f", {_range(image)}" if port["kind"] == "image" else ""
        lines.append(f"console.log({found}.dims); // {found}.data: {port['dtype']}{meaning}")
    return _program(lines)


def _makes_images(contract: Contract) -> bool:
    """Say whether `gtk.exports.runtime.load` opens the file."""
    kinds = [port["kind"] for port in contract["inputs"]]
    outputs = [port["kind"] for port in contract["outputs"]]
    others = {*kinds} - {"latent", "condition"}
    return outputs == ["image"] and kinds.count("latent") == 1 and not others


def _python_part(contract: Contract, file: str) -> str:
    """Return a program that runs any part."""
    opened = f"part = load_part({_python_text(file)})  # gtk, or what gtk.exports.single_file wrote"
    return _program([
        "import numpy as np",
        "from gtk.exports.runtime import load_part",
        "",
        opened,
        "outputs = part.run({",
        *(f"    {_python_input(port, contract)}" for port in contract["inputs"]),
        "})",
        "for name, values in outputs.items():",
        "    print(name, values.dtype, values.shape)",
    ])  # fmt: skip


def _python_input(port: Mapping[str, Any], contract: Contract) -> str:
    name, shape = _python_text(port["name"]), _tuple([ROWS, *port["shape"]])
    if port["kind"] == "condition":
        return f"{name}: {_python_condition(contract['condition'])},"
    if port["kind"] == "image":
        yours = f"# yours, {_range(contract['image'])}"
        return f"{name}: np.zeros({shape}, np.{port['dtype']}),  {yours}"
    if port["kind"] == "codes":
        return f"{name}: np.zeros({shape}, np.int64),  # yours, 0..{port['count'] - 1}"
    return f"{name}: np.random.default_rng(7).standard_normal({shape}, np.float32),"


def _python_condition(condition: Mapping[str, Any]) -> str:
    """Return conditions of as many images, by name."""
    names, first = condition["names"], _python_text(condition["names"][0])
    if condition["kind"] == "classes":
        # Names that are numbers read better as such, where both mean the same.
        numbers = names == [str(number) for number in range(len(names))]
        chosen = [row % len(names) for row in range(ROWS)]
        return f"[{', '.join(str(at) if numbers else _python_text(names[at]) for at in chosen)}]"
    low, high = condition["ranges"][0]
    values = (low, (low + high) / 2, high) if condition["kind"] == "continuous" else (0, 1, 1)
    return f"[{', '.join(f'{{{first}: {_number(value)}}}' for value in values)}]"


def _javascript_input(port: Mapping[str, Any], contract: Contract, rows: int) -> str:
    """Return an entry of what a session is run with."""
    name = port["name"] if _is_plain(port["name"]) else _javascript_text(port["name"])
    axes = ", ".join(["n", *map(str, port["shape"])])
    size = " * ".join(["n", *map(str, port["shape"])])
    comment = ""
    if port["kind"] == "latent":
        data = f"Float32Array.from({{ length: {size} }}, normal)"
    elif port["kind"] == "image":
        data = f"new {'Uint8' if port['dtype'] == 'uint8' else 'Float32'}Array({size})"
        comment = f" // yours, {_range(contract['image'])}"
    elif port["kind"] == "codes":
        data, comment = f"new BigInt64Array({size})", f" // yours, 0..{port['count'] - 1}"
    else:
        data, comment = _javascript_condition(contract["condition"], rows)
    return f'{name}: new ort.Tensor("{port["dtype"]}", {data}, [{axes}]),{comment}'


def _javascript_condition(condition: Mapping[str, Any], rows: int) -> tuple[str, str]:
    """Return conditions of as many images as there are rows, and what they mean."""
    count = condition["count"]
    if condition["kind"] == "classes":
        labels = ", ".join(f"{row % count}n" for row in range(rows))
        data = f"[{labels}]" if rows <= ROWS else f"Array(n).fill({count - 1}n)"
        return f"BigInt64Array.from({data})", f" // 0..{count - 1}"
    if condition["kind"] == "attributes":
        row = [1] + [0] * (count - 1)
        return f"Float32Array.from(Array(n).fill({row}).flat())", " // 0 or 1 each"
    middles = ", ".join(_number((low + high) / 2) for low, high in condition["ranges"])
    ranges = ", ".join(f"{_number(low)}..{_number(high)}" for low, high in condition["ranges"])
    return f"Float32Array.from(Array(n).fill([{middles}]).flat())", f" // {ranges}"


def _range(image: Mapping[str, Any]) -> str:
    return f"{_number(image['range'][0])}..{_number(image['range'][1])}, {image['layout']}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _tuple(shape: list[int]) -> str:
    return f"({', '.join(map(str, shape))})"


def _is_plain(name: str) -> bool:
    """Say whether JavaScript takes a name of a property without quotes."""
    return re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", name) is not None


def _python_text(text: str) -> str:
    """Return a literal; in double quotes, unless there is one in it."""
    quoted = repr(text)
    return quoted if '"' in quoted else f'"{quoted[1:-1]}"'


def _javascript_text(text: str) -> str:
    """Return a literal; what no screen shows is escaped."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _program(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
