"""Inputs that nobody means well: damaged, hostile and huge variants of what gtk reads.

Each function takes a source of choices, which hypothesis steers, or which a script makes from a
number to have the same input again.
"""

import io
import json
import struct
import zipfile
import zlib
from random import Random
from typing import Any

#: Texts that a terminal, a shell, a path, a number or an encoder may trip over.
TEXTS = [
    "", " ", "x", "cvae", "digits", "0", "-1", "1e400", "nan", "Infinity", "true", "None", "latest",
    "../..", "/dev/zero", "~", "~x", "\x1b[2J", "\n", "\r\n", "\0", "\u202e", "\ud800",
    "é猫👩‍🎨", "{}", "[red]", "'", '"', "%s", "$x", ",", "=", ".", "a" * 300, "9" * 5000,
    "a." * 200, "name", "loss", "=SUM(1)",
]  # fmt: skip
#: Numbers at the limits of types.
NUMBERS = [
    0, 1, -1, 2, 7, 255, 256, 1000, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30,
    10**400, 0.5, -0.0, 1e-300, 1e300, 3.5e38,
]  # fmt: skip
#: Literals of JSON that `json.dumps` does not write.
LITERALS = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000, "1E+2", "0.0", "-0", "01", "[",
    "{", "nul", "'x'", '"\\ud800"', '"\\u0000"', "[" * 3000 + "]" * 3000, "[" * 200_000,
    '{"a":' * 3000 + "1" + "}" * 3000, '{"x":1,"x":2}',
]  # fmt: skip


def value(random: Random, depth: int = 0) -> Any:
    """Return something that JSON can hold."""
    kind = random.randrange(8 if depth < 3 else 5)
    if kind < 2:
        return random.choice(TEXTS)
    if kind < 4:
        return random.choice(NUMBERS)
    if kind == 4:
        return random.choice([None, True, False])
    if kind == 5:
        return {random.choice(TEXTS): value(random, depth + 1) for _ in range(random.randrange(4))}
    return [value(random, depth + 1) for _ in range(random.randrange(4))]


def changed_document(random: Random, document: Any) -> bytes:
    """Return JSON like a document, with one to three entries changed, or its bytes damaged."""
    document, literals = json.loads(json.dumps(document)), dict[str, str]()
    for _ in range(random.randrange(1, 4)):
        holder, key = _place(random, document)
        if holder is None:
            document = value(random)
            break
        change = random.randrange(6)
        if change == 0:
            del holder[key]
        elif change == 1:
            holder[key] = {random.choice(TEXTS): holder[key]}
        elif change == 2:
            holder[key] = [holder[key]] * random.choice([0, 1, 2, 3000])
        elif change == 3:
            name = f"literal {len(literals)}"
            holder[key], literals[json.dumps(name)] = name, random.choice(LITERALS)
        else:
            holder[key] = value(random)
    text = json.dumps(document)
    for name, literal in literals.items():
        text = text.replace(name, literal)
    content = text.encode()[: 1 << 23]  # repeated repetitions would fill the fuzzer's own memory
    return damaged(random, content) if random.randrange(5) == 0 else content


def _place(random: Random, document: Any) -> tuple[Any, Any]:
    """Return a table or list of a document and a key in it; None where there is none."""
    holder, key, inner = None, None, document
    while isinstance(inner, dict | list) and inner and (holder is None or random.randrange(3)):
        holder = inner
        key = random.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        inner = holder[key]
    return holder, key


def damaged(random: Random, content: bytes) -> bytes:
    """Return bytes with one to four changes: bits, cuts, insertions, repetitions."""
    found = bytearray(content)
    for _ in range(random.randrange(1, 5)):
        start = random.randrange(len(found) + 1)
        end = min(len(found), start + random.choice([1, 1, 2, 4, 50, 5000]))
        change = random.randrange(6)
        if change == 0 and start < len(found):
            found[start] ^= 1 << random.randrange(8)
        elif change == 1:
            del found[start:end]
        elif change == 2:
            found[start:start] = random.choice(TEXTS).encode("utf-8", "surrogatepass")
        elif change == 3:
            found[start:start] = found[start:end] * random.choice([1, 2, 100])
        elif change == 4:
            del found[start:]
        else:
            found[start:end] = bytes(random.randrange(256) for _ in range(random.randrange(5)))
    return bytes(found[: 1 << 21])


#: A valid recipe, line by line.
RECIPE = [
    "summary = 'x'", "[model]", 'name = "cvae"', "latent_dim = 2", "hidden_dims = [8]", "[train]",
    "epochs = 1", "learning_rate = 1e-3", "[data]", 'name = "folder"', 'root = "x"',
    "image_size = [8]", "[loss]", "beta = 2",
]  # fmt: skip


def recipe(random: Random) -> bytes:
    """Return a TOML text like a recipe, with some lines changed, or its bytes damaged."""
    tables = ["train", "data", "modle", "x.y", '"a\\nb"', "model.x", ""]
    keys = ["name", "epochs", "latent_dim", "hidden_dims", "beta", "root", "a.b", '"k"', "'x y'"]
    lines = list(RECIPE)
    for _ in range(random.randrange(3)):
        place = random.randrange(len(lines) + 1)
        name, _, _ = random.choice(RECIPE).partition(" = ")
        header = random.choice([f"[{random.choice(tables)}]", f"[[{random.choice(tables)}]]"])
        line = f"{random.choice([*keys, name])} = {toml_value(random)}"
        known = [number for number, text in enumerate(lines) if "=" in text]
        change = random.randrange(5)
        if change < 3 and known:
            place = random.choice(known)
            lines[place] = f"{lines[place].partition(' = ')[0]} = {toml_value(random)}"
        else:
            lines.insert(place, header if random.randrange(3) == 0 else line)
    if random.randrange(12) == 0:
        lines *= random.choice([2, 500])
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    return damaged(random, content) if random.randrange(5) == 0 else content


def toml_value(random: Random, depth: int = 0) -> str:
    """Return a TOML value, mostly valid."""
    kind = random.randrange(9 if depth < 3 else 6)
    if kind < 2:
        return json.dumps(random.choice(TEXTS))
    if kind == 2:
        return repr(random.choice(NUMBERS))
    if kind == 3:
        text = random.choice(TEXTS)
        return f'"""\n{text}\nname = 1\n"""' if random.randrange(2) else f"'''{text}'''"
    if kind < 6:
        return random.choice(
            ["true", "nan", "-inf", "1979-05-27", "07:32:00", "0xfff", f"0x{'f' * 9000}", "1_000",
             "9" * 5000, "[" * 2000, "{a.b.c = 1}", "''", "x", "0b2", ".5"]
        )  # fmt: skip
    if kind == 6:
        return f"{{{random.choice(['a', 'name', 'x.y'])} = {toml_value(random, depth + 1)}}}"
    return f"[{', '.join(toml_value(random, depth + 1) for _ in range(random.randrange(4)))}]"


def labels(random: Random) -> bytes:
    """Return a name, an end of line, and what may be this file of labels for 0.png to 3.png."""
    name = random.choice(["metadata.jsonl", "dataset.json"])
    values: list[Any] = [
        0,
        1,
        2.5,
        "cat",
        "dog",
        True,
        None,
        [1, 0],
        [],
        {"a": 1},
        10**30,
        -1e308,
        *TEXTS,
    ]
    few = random.sample(values, random.choice([1, 2, 2, 3, len(values)]))
    files: list[Any] = random.choice(
        [["0.png", "1.png", "2.png", "3.png"], ["0.png", "0.PNG"], values]
    )
    if name == "dataset.json":
        pairs: object = [[file, random.choice(few)] for file in files]
        document = {"labels": random.choice([pairs, pairs, pairs, few, None, {"0": 1}])}
        text = json.dumps(document)
    else:
        columns = random.sample(["file_name", "image", "label", "split", "", *TEXTS], 3)
        rows = [[file, random.choice(few), random.choice(few)] for file in files]
        text = "\n".join(json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
    content = bytearray(text.encode())
    while content and random.randrange(4) == 0:
        content[random.randrange(len(content))] = random.choice(b'[]{}",:\\\n\0\xff0e-')
    return f"{name}\n".encode() + content


def metadata(random: Random) -> bytes:
    """Return a text that may be a metadata.csv for 0.png to 3.png."""
    columns = random.randrange(4)
    header = ["file_name", *(random.choice(["a", "b", *TEXTS]) for _ in range(columns))]
    cells = [
        "0",
        "1",
        "0.5",
        "cat",
        "1" * 20_000,
        f"{'1' * 20_000}x",
        "1e39",
        "-1e-400",
        ".",
        "1_0",
        *TEXTS,
    ]
    lines = [header if random.randrange(8) else header[1:]]
    kind = random.choice([["0", "1"], ["1.5", "2", "3"], ["cat", "dog", "3"], cells])
    for name in ["0.png", "1.png", "2.png", "3.png"][: random.choice([4, 4, 4, 1])]:
        row = [name, *(random.choice(kind) for _ in range(columns))]
        if random.randrange(12) == 0:
            row = [random.choice(cells) for _ in range(random.randrange(6))]
        lines.append(row)
    if random.randrange(10) == 0:
        lines = [row * 300 for row in lines]
    ends, quoted = random.choice(["\n", "\r\n", "\r", "\n\n"]), random.randrange(3) == 0
    text = ends.join(
        ",".join('"' + cell.replace('"', '""') + '"' if quoted else cell for cell in row)
        for row in lines
    )
    content = text.encode("utf-8", "surrogatepass")
    return damaged(random, content) if random.randrange(4) == 0 else content


def npz(random: Random) -> bytes:
    """Return a zip file that may be an .npz file of images and labels."""
    file = io.BytesIO()
    with zipfile.ZipFile(
        file, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    ) as archive:
        names = {"images", *random.sample(["labels", "names", "test_images", "test_labels"], 2)}
        for name in sorted(names - ({"images"} if random.randrange(12) == 0 else set())):
            archive.writestr(f"{name}.npy", _npy(random, name))
    content = file.getvalue()
    return damaged(random, content) if random.randrange(4) == 0 else content


def _npy(random: Random, name: str) -> bytes:
    rows = random.choice([4] * 12 + [0, 1, 5])
    if name.endswith("images"):
        shapes, types = (
            [(rows, 8, 8), (rows, 8, 8, 3), (rows, 8, 8, 1), (rows, 8, 8)],
            ["|u1"] * 12 + ["<f4"],
        )
    else:
        shapes, types = (
            [(rows,), (rows,), (rows, 2), ()],
            ["<i8", "<f4", "|b1", "<U3", "|S3", "<f8", ">i2"],
        )
    shape: Any = random.choice(shapes)
    dtype: Any = random.choice(types)
    size = int(dtype[2:]) * (4 if dtype[1] == "U" else 1)
    for side in shape:
        size *= side
    letters = bytes([0, 1, 0, 1, 2, 255]) if random.randrange(2) else b"\0"
    data = bytes(random.choice(letters) for _ in range(size))
    if random.randrange(12) == 0:
        shape = random.choice(
            [
                (2**62, 4),
                (2**31,),
                (-1,),
                (10**30,),
                (0, 2**60),
                (4,) * 40,
                (4, "x"),
                4,
                (True, 8, 8),
            ]
        )
    if random.randrange(12) == 0:
        dtype = random.choice(
            ["|O", "<M8[s]", "|V3", [("a", "<i4")], "|S0", "<c16", "x", "<U1000000000"]
        )
    header = repr({"descr": dtype, "fortran_order": random.randrange(20) == 0, "shape": shape})
    if random.randrange(20) == 0:
        header = random.choice(
            ["(" * 5000, "{}", "x" * 20_000, "__import__('os')", header * 3, "\ud800"]
        )
    text = header.encode("utf-8", "surrogatepass")
    version = random.choice([(1, 0)] * 20 + [(2, 0), (3, 0), (9, 9)])
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text) % 65_536)
    return b"\x93NUMPY" + bytes(version) + length + text + data


def arguments(random: Random) -> list[str]:
    """Return a command line. It names a run, an exported file, or nothing that exists.

    A training gets data that do not exist, since training is not what is tried.
    """
    commands = [
        "train", "data", "sample", "reconstruct", "interpolate", "traverse", "animate", "export",
        "inspect", "bench", "report", "compare", "runs", "plugins", "recipes", "nothing",
    ]  # fmt: skip
    options = [
        "--label", "--labels", "--condition", "-n", "--rows", "--seed", "--scale", "--dims",
        "--range", "--steps", "--part", "--checkpoint", "--batch-size", "--out", "--runs",
        "--device", "--json", "--no-labels", "--help", "--data", "--plugin", "--epochs",
        "--latent-dim", "--hidden-dims", "--learning-rate", "--image-size", "--nothing",
        "--precision", "--opset", "--frames", "--walk", "--between", "--images", "--data-root",
        "--name", "--kind", "--overwrite", "--", "-",
    ]  # fmt: skip
    values = [
        "run", "run.onnx", "absent", "3", "1,2", "all", "none", "1..10", "0..1000000000",
        "9" * 5000, "9" * 300, "1e400", "a=1", "a=", "=", "out.png", "out.html", "runs", "0", "-1",
        "1.5", "1" * 40, "cuda:99999",
        *(text for text in TEXTS if "\0" not in text and "\ud800" not in text),
    ]  # fmt: skip
    chosen = [random.choice(commands)]
    chosen += [
        random.choice(values if random.randrange(2) else options)
        for _ in range(random.randrange(7))
    ]
    heavy = {"plugins", "export", "bench", "reconstruct"} & {*chosen}
    if chosen[0] == "train":
        chosen += ["--data", "folder:absent"]
    elif heavy and "--help" not in chosen:
        chosen = [chosen[0], "absent", *chosen[1:3]]
    return chosen


def with_manifest(content: bytes, manifest: bytes) -> bytes:
    """Return an ONNX file with a further entry of metadata, by protobuf's rules."""

    def field(number: int, data: bytes) -> bytes:
        return _varint(number << 3 | 2) + _varint(len(data)) + data

    return content + field(14, field(1, b"gtk") + field(2, manifest))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def png(random: Random) -> bytes:
    """Return a file that may be a picture of a run."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    sides = [random.choice([0, 1, 8, 64, 9000, 2**31 - 1, 2**32 - 1]) for _ in range(2)]
    depth, colour = random.choice([1, 8, 16, 3]), random.choice([0, 2, 3, 4, 6, 9])
    header = struct.pack(">IIBBBBB", *sides, depth, colour, 0, 0, random.choice([0, 0, 1]))
    pixels = zlib.compress(bytes(random.choice([0, 72, 520, 100_000])))
    parts = [
        chunk(b"IHDR", header[: random.choice([13, 13, 13, 5])]),
        *[chunk(random.choice([b"tEXt", b"zTXt", b"iCCP", b"eXIf"]), b"x\0\0" + pixels)]
        * random.randrange(2),
        *[chunk(b"IDAT", pixels)] * random.choice([1, 1, 0, 3000]),
        chunk(b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(parts)
    return damaged(random, content) if random.randrange(4) == 0 else content
