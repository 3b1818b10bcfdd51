"""Draw images from a file that `gtk export` wrote, with numpy and onnxruntime alone.

python draw.py digits.onnx --label 3,8 --count 16 --seed 7 --out images.png
"""

import argparse
import json
import math
import re
import struct
import zlib
from hashlib import blake2b
from pathlib import Path

import numpy as np
import onnxruntime

ROWS = 256  # in one pass, where the file takes any number


def open_file(path):
    """Return an onnxruntime session and the contract: what the file says about itself."""
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common root
        raise SystemExit(f"{path} cannot be opened: {str(error).splitlines()[0]}") from error
    text = session.get_modelmeta().custom_metadata_map.get("gtk")
    contract = json.loads(text) if text else {}
    if contract.get("schema") != 2:
        raise SystemExit(f"{path} was not written by gtk export, or by another version of it")
    kinds = [port["kind"] for port in contract["inputs"]]
    draws = contract["latent"] is not None and not {"image", "codes"} & set(kinds)
    if not draws or contract["outputs"][0]["kind"] != "image":
        part = contract["part"]
        raise SystemExit(f"{path} is the {part} of a model: it does not make images from noise")
    return session, contract


def conditions(contract, labels, settings, count):
    """Return a condition for each image: (count,) int64 or (count, n) float32."""
    condition = contract["condition"]
    classes = condition is not None and condition["kind"] == "classes"
    if labels and not classes:
        raise SystemExit("--label is for models of classes, which this is not")
    if settings and (condition is None or classes):
        raise SystemExit("--condition is for models of attributes or numbers, which this is not")
    if condition is None:
        return None
    if classes:
        numbers = [class_index(label, condition["names"]) for label in labels]
        numbers = np.array(numbers or range(condition["count"]), np.int64)
        return numbers[np.arange(count) % len(numbers)]
    # What is not said is an attribute that is not there, or the middle of a number's range.
    share = 0.0 if condition["kind"] == "attributes" else 0.5
    ranges = dict(zip(condition["names"], condition["ranges"], strict=True))
    row = {name: low + (high - low) * share for name, (low, high) in ranges.items()}
    for text in settings:
        name, _, value = text.partition("=")
        if name not in ranges:
            raise SystemExit(f"unknown condition '{name}'. Known: {', '.join(ranges)}")
        low, high = ranges[name]
        try:
            row[name] = float(value)
        except ValueError:
            row[name] = math.nan
        if not low <= row[name] <= high:
            raise SystemExit(f"{name} is a number in {low:g}..{high:g}, not '{value}'")
    return np.tile(np.array(list(row.values()), np.float32), (count, 1))


def class_index(label, names):
    """Return the index of a class that is given by its name, or by a number.

    A number is an index, except where all names are whole numbers that differ: then it is one of
    these, however it is written.
    """
    if label in names:
        return names.index(label)
    whole = re.compile(r"-?[0-9]{1,1000}")
    if not whole.fullmatch(label):
        raise SystemExit(f"unknown label '{label}'. Known: {', '.join(names)}")
    numbers = [int(name) for name in names if whole.fullmatch(name)]
    counted = numbers == list(range(len(names)))  # then a number is both
    if len(set(numbers)) == len(names) and not counted:
        if int(label) not in numbers:
            raise SystemExit(f"unknown label '{label}'. Known: {', '.join(names)}")
        return numbers.index(int(label))
    if not 0 <= int(label) < len(names):
        raise SystemExit(f"label {label} is out of range: there are 0..{len(names) - 1}")
    return int(label)


def draw_noise(contract, count, seed):
    """Return the noise of each input that takes some, by name: (count, ...) float32.

    This is how gtk draws, so that its seeds give the same images here.
    """
    drawn = {}
    for port in contract["inputs"]:
        if port["kind"] == "latent":
            own = seed
            if "seed" in port:  # of noise besides the first
                digest = blake2b(f"{seed}/{port['seed']}".encode(), digest_size=4).digest()
                own = int.from_bytes(digest, "little")
            shape = (count, *port["shape"])
            generator = np.random.default_rng(own)
            drawn[port["name"]] = generator.standard_normal(shape, dtype=np.float32)
    return drawn


def draw(session, contract, noise, condition):
    """Return images (N, H, W, C) in 8 bits."""
    fixed = contract.get("batch_size")
    step, batches = fixed or ROWS, []
    count = len(noise[contract["latent"]["input"]])
    for start in range(0, count, step):
        rows = np.arange(start, min(start + step, count))
        # A file of a fixed batch size is given the last row again until there are enough.
        taken = np.pad(rows, (0, step - len(rows) if fixed else 0), mode="edge")
        feeds = {name: values[taken] for name, values in noise.items()}
        if condition is not None:
            feeds[contract["condition"]["input"]] = condition[taken]
        batches.append(session.run(None, feeds)[0][: len(rows)])
    images = np.concatenate(batches)
    if contract["image"]["layout"] == "NCHW":
        images = images.transpose(0, 2, 3, 1)
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def grid(images, columns):
    """Put images (N, H, W, C) into rows: one picture (H, W, C); what is left over is black."""
    rows = -(-len(images) // columns)
    height, width, colours = images.shape[1:]
    cells = np.zeros((rows * columns, height, width, colours), np.uint8)
    cells[: len(images)] = images
    cells = cells.reshape(rows, columns, height, width, colours).transpose(0, 2, 1, 3, 4)
    return cells.reshape(rows * height, columns * width, colours)


def png(picture):
    """Return a picture (H, W, C), grey or in colour, as the bytes of a PNG file."""
    height, width, colours = picture.shape
    if colours not in {1, 3}:
        raise SystemExit(f"a PNG has 1 or 3 channels, these images have {colours}")

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    lines = np.pad(picture.reshape(height, -1), ((0, 0), (1, 0)))  # a 0 first: unfiltered
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if colours == 1 else 2, 0, 0, 0)
    data = zlib.compress(lines.tobytes(), 9)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def main():
    """Read the command line, draw, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="the .onnx file")
    parser.add_argument("--label", default="", help="classes by name or number, with commas")
    parser.add_argument("--condition", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--count", type=int, default=16, help="images to draw")
    parser.add_argument("--seed", type=int, default=0, help="decides the noise")
    parser.add_argument("--out", default="images.png", help="the picture to write")
    arguments = parser.parse_args()
    if arguments.count < 1 or arguments.seed < 0:
        parser.error("--count is at least 1, --seed at least 0")

    session, contract = open_file(arguments.file)
    known = (contract["condition"] or {}).get("names", [])
    parts = [arguments.label] if arguments.label in known else arguments.label.split(",")
    labels = [label.strip() for label in parts if label.strip()]
    condition = conditions(contract, labels, arguments.condition, arguments.count)
    if contract["latent"]["prior"] != "normal":
        raise SystemExit("this decoder's prior was learned: export --part sampler")
    noise = draw_noise(contract, arguments.count, arguments.seed)
    images = draw(session, contract, noise, condition)
    columns = len(labels) if len(labels) > 1 else math.ceil(math.sqrt(len(images)))
    try:
        Path(arguments.out).write_bytes(png(grid(images, columns)))
    except OSError as error:
        raise SystemExit(f"{arguments.out} cannot be written: {error.strerror}") from error
    print(f"{arguments.out}: {len(images)} images, seed {arguments.seed}")


if __name__ == "__main__":
    main()
