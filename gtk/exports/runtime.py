"""Draw images from an exported file, with numpy and onnxruntime alone.

This module imports nothing else of gtk and no torch, so that a program which only draws images
needs neither, and may copy this one file. A file is not trusted: its bytes are walked through and
its contract is checked before onnxruntime sees either.

CUDA has not been measured yet: there the refusals are tried out, the pictures are not.
"""

import ctypes
import io
import json
import math
import operator
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The key of the contract in the file's metadata, and the version of the contract.
METADATA_KEY, SCHEMA = "gtk", 2
#: The largest file that is read, in bytes.
LARGEST_FILE = 1 << 30
#: The longest contract, in bytes.
LONGEST_CONTRACT = 1 << 22
#: The most values that one image, code or other row may have.
MOST_VALUES = 1 << 24
#: The most dimensions of a tensor.
MOST_DIMENSIONS = 16
#: The largest batch that a file may be fixed to.
LARGEST_BATCH = 1 << 16
#: The most digits of a label that are read.
LONGEST_NUMBER = 20
#: The most nodes in a graph: onnxruntime's own look at a graph takes the square of their number.
MOST_NODES = 5_000
#: The most images at once.
MOST_IMAGES = 1 << 31
#: The most protobuf fields in a file: hundreds of times what gtk writes, still read in a moment.
MOST_FIELDS = 100_000


class ExportFileError(ValueError):
    """A file that cannot be read, is no ONNX file, or holds what gtk's own files never hold."""


class RequestError(ValueError):
    """A request that does not fit the file's model: a label out of range, a count below 1."""


class DeviceError(RuntimeError):
    """A device that was asked for and does not run."""


# Opening a file -----------------------------------------------------------------------------------


def load(path: str | Path, device: str = "auto") -> "Generator":
    """Open an exported file that makes images of noise.

    Args:
        path: the .onnx file.
        device: "cpu"; "cuda" or "cuda:1", which is an error where CUDA is not what runs; "auto" for
            CUDA where it runs and the CPU elsewhere.

    Raises:
        ExportFileError: it cannot be read, was not exported by gtk, is damaged, or is a part that
            makes no images of noise.
        DeviceError: CUDA was asked for and does not run.
        RequestError: there is no such kind of device.
    """
    return Generator(path, device)


def load_part(path: str | Path, device: str = "auto") -> "Part":
    """Open any exported file: an encoder, a discriminator, a plugin's own part.

    Args:
        path: the .onnx file.
        device: as in `load`.

    Raises:
        ExportFileError: it cannot be read, was not exported by gtk, or is damaged.
        DeviceError: CUDA was asked for and does not run.
        RequestError: there is no such kind of device.
    """
    return Part(path, device)


class Part:
    """An exported part of a model.

    Attributes:
        path: of the file.
        size: of the file, in bytes.
        contract: what the file says about itself: part, inputs, outputs, condition, image, ...
        facts: what its graph consists of.
        session: onnxruntime's, for what is not covered here; it checks no range.
        device: where it runs: "cpu", "cuda:0".
        classes: the classes' names, None where the condition is none or something else.
        ranges: lowest and highest value of each attribute or number, None where there is none.
        condition_input: the name of the condition among the inputs, None where there is none.

    Args:
        path: the .onnx file.
        device: as in `load`.
    """

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        self.path = Path(path)
        _check_device(device)
        content = _read(self.path)
        self.size = len(content)
        found = _walk(content, str(self.path))
        self.facts = found.facts()
        self.contract = _contract(found.metadata, self.path)
        session = open_session(content, device)
        if session is None:
            raise ExportFileError(
                f"{self.path} is not an ONNX file that onnxruntime can read. Make one: "
                "gtk export RUN"
            )
        self.session = session
        try:
            _check_graph(self.contract, session)
        except _DAMAGE as error:
            raise _damaged(self.path, error) from error
        runs_on_cuda = session.get_providers()[0] == "CUDAExecutionProvider"
        self.device = f"cuda:{_gpu(device)}" if runs_on_cuda else "cpu"
        condition = self.contract["condition"]
        self.condition_input: str | None = None if condition is None else condition["input"]
        self.classes: tuple[str, ...] | None = None
        self.ranges: dict[str, tuple[float, float]] | None = None
        if condition is not None and condition["kind"] == "classes":
            self.classes = tuple(condition["names"])
        elif condition is not None:
            pairs = zip(condition["names"], condition["ranges"], strict=True)
            self.ranges = {name: (low, high) for name, (low, high) in pairs}

    def __repr__(self) -> str:
        """Show the file, what it takes and gives, and where it runs."""
        takes, gives = (
            ", ".join(port["name"] for port in self.contract[side])
            for side in ("inputs", "outputs")
        )
        kind, part = type(self).__name__, self.contract["part"]
        return f"{kind}({self.path.name}: {part}, {takes} -> {gives}, on {self.device})"

    def run(self, inputs: Mapping[str, Any], *, batch_size: int = 256) -> dict[str, NDArray[Any]]:
        """Compute the outputs as the graph has them, for any number of rows.

        Args:
            inputs: rows of each input by its name: images and codes as arrays of the contract's
                shapes, conditions as arrays or as in `Generator.sample`.
            batch_size: rows in one pass; changes no value. A file may have a fixed one.

        Returns:
            The rows of each output, by its name.

        Raises:
            RequestError: inputs that are missing, unknown, of another shape, not finite or out of
                range, or a batch size below 1.
            ExportFileError: the graph cannot be run, or gives what its contract does not say.
        """
        feeds = self._feeds(inputs)
        chunks = [outputs for _, outputs in self._chunks(feeds, batch_size)]
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}

    def _feeds(self, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return inputs as the graph takes them, checked."""
        ports = {port["name"]: port for port in self.contract["inputs"]}
        for name in inputs:
            if name not in ports:
                raise RequestError(f"unknown input '{name}'. {_hint(name, ports)}")
        missing = [name for name in ports if inputs.get(name) is None]
        if missing:
            raise RequestError(
                f"the input {', '.join(missing)} is missing: {self.path.name} takes "
                f"{', '.join(ports)}"
            )
        feeds = {}
        for name, port in ports.items():
            if port["kind"] == "condition":
                values, _ = self._labels(inputs[name], None)
                assert values is not None  # noqa: S101 - None only where there is no condition
                feeds[name] = values
            else:
                feeds[name] = _rows(port, inputs[name], self.contract["image"])
        sizes = {name: len(values) for name, values in feeds.items()}
        if len(set(sizes.values())) > 1:
            raise RequestError(f"the inputs have different numbers of rows: {sizes}")
        return feeds

    def _chunks(
        self, feeds: Mapping[str, NDArray[Any]], batch_size: int
    ) -> Iterator[tuple[slice, dict[str, NDArray[Any]]]]:
        """Yield the outputs of some rows after the others."""
        _check_at_least("batch_size", batch_size, 1)
        fixed = self.contract.get("batch_size")
        step, total = fixed or batch_size, len(next(iter(feeds.values())))
        for start in range(0, total, step):
            rows = slice(start, min(start + step, total))
            batch = {name: values[rows] for name, values in feeds.items()}
            count = rows.stop - start
            if fixed is not None and count < fixed:
                last = np.minimum(np.arange(fixed), count - 1)
                batch = {name: values[last] for name, values in batch.items()}
            found = self._call(batch, fixed or count)
            yield rows, {name: values[:count] for name, values in found.items()}

    def _call(self, batch: dict[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
        """Return the outputs of one pass, of the shapes that the contract says."""
        ports = self.contract["outputs"]
        try:
            found = self.session.run([port["name"] for port in ports], batch)
        except Exception as error:
            where = f"onnxruntime cannot run {self.path} on {self.device} at batch {count}"
            kind = ExportFileError if self.device == "cpu" else DeviceError
            raise kind(f"{where}: {_reason(error)}") from error
        for port, values in zip(ports, found, strict=True):
            if values.shape != (count, *port["shape"]) or values.dtype != port["dtype"]:
                raise ExportFileError(
                    f"{self.path} is damaged: {port['name']} is {values.dtype} {values.shape}, its "
                    f"contract says {port['dtype']} {(count, *port['shape'])}"
                )
            if port["kind"] == "codes" and not 0 <= values.min() <= values.max() < port["count"]:
                raise ExportFileError(
                    f"{self.path} is damaged: {port['name']} is {values.min()}..{values.max()}, "
                    f"its contract says 0..{port['count'] - 1}"
                )
        return {port["name"]: values for port, values in zip(ports, found, strict=True)}

    def _labels(
        self, labels: Sequence[Any] | None, count: int | None
    ) -> tuple[NDArray[Any] | None, int]:
        """Return a condition for every image as the graph takes it, and how many there are."""
        if count is not None:
            _check_at_least("count", count, 1)
            if count > MOST_IMAGES:
                raise RequestError(f"count must be at most {MOST_IMAGES}")
        if labels is not None and not _is_list(labels):
            raise RequestError(f"labels is a list with a label for each image, not {labels!r}")
        if self.condition_input is None:
            if labels is not None:
                raise RequestError("this model takes no label: it was trained without a condition")
            return None, 1 if count is None else count
        if labels is None:
            examples = self._examples()
            total = count or len(examples)
            return examples[np.arange(total) % len(examples)], total
        if not len(labels) or count not in (None, len(labels)):
            raise RequestError(
                f"{len(labels)} labels for {count or 'no'} images: give one for each"
            )
        if self.classes is not None:
            return np.array([self._label(label) for label in labels], np.int64), len(labels)
        return np.stack([self._vector(label) for label in labels]), len(labels)

    def _examples(self) -> NDArray[Any]:
        """Return every class, every attribute alone, or both ends of every number."""
        if self.classes is not None:
            return np.arange(len(self.classes), dtype=np.int64)
        ranges = self.ranges or {}
        if self._attributes:
            return np.eye(len(ranges), dtype=np.float32)
        rows = [{name: end} for name, ends in ranges.items() for end in ends]
        return np.stack([self._vector(row) for row in rows])

    @property
    def _attributes(self) -> bool:
        """Whether what is left out of a condition is 0; else it is the middle of its range."""
        return bool(self.contract["condition"]["kind"] == "attributes")

    def _vector(self, value: Any) -> NDArray[np.float32]:  # noqa: ANN401 - users write it in many ways
        """Return attributes or numbers: (n,)."""
        ranges = self.ranges or {}
        if not isinstance(value, Mapping):
            if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
                raise RequestError(f"give {', '.join(ranges)} by name, not {value!r}")
            if len(value) != len(ranges):
                raise RequestError(f"{len(value)} numbers for {', '.join(ranges)}: give all")
            value = dict(zip(ranges, value, strict=True))
        numbers = {
            name: 0.0 if self._attributes else (low + high) / 2
            for name, (low, high) in ranges.items()
        }
        for name, number in value.items():
            if name not in numbers:
                raise RequestError(f"unknown condition '{name}'. {_hint(name, ranges)}")
            low, high = ranges[name]
            try:
                fits = low <= float(number) <= high
            except (TypeError, ValueError):
                fits = False
            if not fits:
                raise RequestError(f"{name} is a number in {low:g}..{high:g}, not {number!r}")
            numbers[name] = float(number)
        return np.array(list(numbers.values()), dtype=np.float32)

    def _label(self, value: int | str) -> int:
        """Return the number of a class."""
        classes = self.classes or ()
        if isinstance(value, str):
            if value in classes:
                return classes.index(value)
            if not value.removeprefix("-").isdecimal():
                raise RequestError(f"unknown label '{value}'. {_hint(value, classes)}")
            value = int(value[:LONGEST_NUMBER])
        try:
            number = operator.index(value)
        except TypeError as error:
            raise RequestError(f"a label is a whole number or a name, not {value!r}") from error
        if isinstance(value, bool):
            raise RequestError(f"a label is a whole number or a name, not {value!r}")
        if not 0 <= number < len(classes):
            raise RequestError(
                f"label {number} is out of range: the {len(classes)} classes are "
                f"0..{len(classes) - 1}"
            )
        return number


class Generator(Part):
    """An exported part that makes images of noise, or of codes.

    Attributes:
        noise_input: the name of the noise among the inputs.
        noise_shape: of one image's noise.
    """

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        super().__init__(path, device)
        takes, gives = (
            [port["kind"] for port in self.contract[side]] for side in ("inputs", "outputs")
        )
        if takes.count("latent") != 1 or {*takes} - {"latent", "condition"} or gives != ["image"]:
            raise ExportFileError(
                f"{self.path} is the {self.contract['part']} of a model, which makes no images of "
                "noise: open it with gtk.exports.runtime.load_part"
            )
        latent = self.contract["latent"]
        self.noise_shape: tuple[int, ...] = tuple(latent["shape"])
        self.noise_input: str = latent["input"]

    def sample(
        self,
        labels: Sequence[Any] | None = None,
        count: int | None = None,
        *,
        seed: int = 0,
        batch_size: int = 256,
    ) -> NDArray[np.uint8]:
        """Draw images: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        The noise is drawn as `gtk.NoiseSpec.draw` does: a run and its exported file give the same
        images for the same seed, to one level in 255; but a model that chooses codes
        may choose another one where two are next to equally good.

        Args:
            labels: an image's condition each: class numbers or names, or a mapping from names of
                attributes or numbers to values; None cycles through the classes, or through
                examples of the others.
            count: how many images; by default one a label.
            seed: decides the noise.
            batch_size: images in one pass; changes no image.

        Raises:
            RequestError: a label, count, seed or batch size out of range, or labels for a model
                that takes none; or the file takes codes of a learned distribution.
        """
        chosen, total = self._labels(labels, count)
        _check_at_least("batch_size", batch_size, 1)
        return self._draw(self.draw_noise(total, seed), chosen, batch_size)

    def generate(
        self,
        noise: NDArray[np.float32],
        labels: Sequence[Any] | None = None,
        *,
        batch_size: int = 256,
    ) -> NDArray[np.uint8]:
        """Make images of given noise: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        Args:
            noise: (N, *noise_shape), standard normal where images shall be like those that the
                model was trained on.
            labels: as in `sample`, one for each row of noise.
            batch_size: images in one pass; changes no image.

        Raises:
            RequestError: noise of another shape or not finite, or as in `sample`.
        """
        values = self._noise(noise)
        chosen, _ = self._labels(labels, len(values))
        _check_at_least("batch_size", batch_size, 1)
        return self._draw(values, chosen, batch_size)

    def _noise(self, noise: Any) -> NDArray[np.float32]:  # noqa: ANN401 - an array or lists
        """Return noise as the graph takes it."""
        wanted = f"noise is numbers of the shape (images, {', '.join(map(str, self.noise_shape))})"
        try:
            given = np.asarray(noise)
        except ValueError as error:
            raise RequestError(f"{wanted}, not lists of different lengths") from error
        if given.dtype.kind not in "biuf":
            raise RequestError(f"{wanted}, not {given.dtype}")
        if given.ndim == 0 or given.shape[1:] != self.noise_shape:
            raise RequestError(f"{wanted}, not {given.shape}")
        with np.errstate(over="ignore"):
            values: NDArray[np.float32] = given.astype(np.float32)
        if not np.isfinite(values).all():
            raise RequestError("noise is finite numbers: some of these are not")
        return values

    def draw_noise(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw standard normal noise for `count` images: (count, *noise_shape).

        Raises:
            RequestError: a seed below 0, or the file takes codes of a learned distribution.
        """
        if self.contract["latent"]["prior"] == "learned":
            raise RequestError(
                f"{self.path.name} takes codes {self.noise_input} of a distribution that the model "
                "has learned, which noise is not: draw with the part 'sampler' (gtk export RUN "
                "--part sampler), or give codes to generate"
            )
        _check_at_least("seed", seed, 0)
        generator = np.random.default_rng(seed)
        return generator.standard_normal((count, *self.noise_shape), dtype=np.float32)

    def _draw(
        self, noise: NDArray[np.float32], chosen: NDArray[Any] | None, batch_size: int
    ) -> NDArray[np.uint8]:
        """Return the images of noise and conditions; never holds all of them as floats."""
        feeds: dict[str, NDArray[Any]] = {self.noise_input: noise}
        if chosen is not None and self.condition_input is not None:
            feeds[self.condition_input] = chosen
        image = self.contract["image"]
        colours = () if image["channels"] == 1 else (image["channels"],)
        pixels = np.empty((len(noise), image["height"], image["width"], *colours), np.uint8)
        name = self.contract["outputs"][0]["name"]
        for rows, outputs in self._chunks(feeds, batch_size):
            pixels[rows] = self._pixels(outputs[name])
        return pixels

    def _pixels(self, images: NDArray[Any]) -> NDArray[np.uint8]:
        """Return what the graph gives as (N, H, W) or (N, H, W, C), uint8."""
        if images.dtype != np.uint8:
            if not np.isfinite(images).all():
                raise ExportFileError(
                    f"{self.path} is damaged: it makes values that are no numbers"
                )
            images = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
        if self.contract["image"]["layout"] == "NCHW":
            images = images.transpose(0, 2, 3, 1)
        return images[..., 0] if images.shape[3] == 1 else images


# Requests -----------------------------------------------------------------------------------------


def _rows(port: dict[str, Any], values: Any, image: dict[str, Any] | None) -> NDArray[Any]:  # noqa: ANN401 - an array or lists
    """Return latents, codes or images as the graph takes them: (N, *shape)."""
    name, shape, dtype = port["name"], tuple(port["shape"]), port["dtype"]
    whole = dtype in ("uint8", "int64")
    wanted = f"{name} is {dtype} numbers of the shape ({', '.join(map(str, ('rows', *shape)))})"
    try:
        given = np.asarray(values)
    except ValueError as error:
        raise RequestError(f"{wanted}, not lists of different lengths") from error
    if given.dtype.kind not in ("biu" if whole else "biuf"):
        raise RequestError(f"{wanted}, not {given.dtype}")
    if given.ndim == 0 or given.shape[1:] != shape or not len(given):
        raise RequestError(f"{wanted}, not {given.shape}")
    ends = [0, port["count"] - 1] if port["kind"] == "codes" else None
    if port["kind"] == "image" and image is not None:
        ends = image["range"]
    if ends is not None:
        low, high = ends
        if not (low <= given.min() and given.max() <= high):  # so that NaN is refused, too
            raise RequestError(
                f"{name} has values in {low}..{high}, not {given.min():g}..{given.max():g}"
            )
    with np.errstate(over="ignore"):
        rows: NDArray[Any] = given.astype(dtype)
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        raise RequestError(f"{name} is finite numbers: some of these are not")
    return rows


def _is_list(value: object) -> bool:
    """Say whether a value has rows: a list or an array, but no text, mapping or number."""
    scalar = getattr(value, "shape", None) == ()
    other = isinstance(value, str | bytes | bytearray | Mapping | Set)
    return hasattr(value, "__len__") and not other and not scalar


def _hint(name: object, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(str(name), names, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(names)}."


def _check_at_least(name: str, value: int, least: int) -> None:
    try:
        fits = not isinstance(value, bool) and operator.index(value) >= least
    except TypeError:
        fits = False
    if not fits:
        raise RequestError(f"{name} must be a whole number of at least {least}, not {value!r}")


def _reason(error: BaseException) -> str:
    """Return the first line of an error of onnxruntime's, which may quote names from the file."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    found = re.search(r"CUDA failure \d+: [^;]+", line)
    text = (found[0] if found else line).strip()
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])


# The file's bytes ---------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    """Return a file's bytes, if it is a file and not too large."""
    try:
        kind = path.stat()
        refusal = _refusal(path, kind)
        if not refusal:
            with path.open("rb") as file:
                return file.read(LARGEST_FILE)
    except OSError as error:
        raise ExportFileError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have
        raise ExportFileError(f"{str(path)!r} cannot be read: {error}") from error
    raise ExportFileError(refusal)


def _refusal(path: Path, kind: os.stat_result) -> str:
    """Return why something is not read, empty where nothing is against it."""
    if not stat.S_ISREG(kind.st_mode):
        return f"{path} is no file but a folder, a pipe or a device. Make one: gtk export RUN"
    if kind.st_size > LARGEST_FILE:
        return f"{path} has {kind.st_size} bytes: files of more than {LARGEST_FILE} are not read"
    return ""


@dataclass(frozen=True)
class GraphFacts:
    """What a graph consists of.

    Attributes:
        operators: how many nodes there are of each type.
        opsets: the version of each domain's operators; "" is ONNX's own domain.
        parameter_bytes: of all constant tensors.
    """

    operators: dict[str, int]
    opsets: dict[str, int]
    parameter_bytes: int


def scan(content: bytes) -> GraphFacts:
    """Walk through the bytes of an ONNX file and refuse what no file of gtk's holds.

    onnxruntime would read other files that a graph names, even where it is given bytes; so that is
    found out before. Nothing is executed, and no package for ONNX is needed.

    Raises:
        ExportFileError: it is no ONNX file, or it holds external data, subgraphs, functions,
            operators of other domains or random ones, or tensors that are not what they promise.
    """
    return _walk(content, "the file").facts()


#: What is done with the fields of protobuf messages, by their numbers in onnx.proto: None passes
#: over a field, the name of a message walks into it, a text with a blank says why there is none.
_EXTERNAL = "data outside of the file"
_SPARSE = "sparse tensors"
_SUBGRAPH = "graphs within its graph"
_TYPES = "types as attributes"
_MESSAGES: dict[str, dict[int, str | None]] = {
    "model": {
        1: None, 2: None, 3: None, 4: None, 5: None, 6: None, 7: "graph", 8: "opset", 14: "entry",
        20: "training information", 25: "functions of its own", 26: "a device configuration",
    },
    "graph": {
        1: "node", 2: None, 5: "tensor", 10: None, 11: None, 12: None, 13: None,
        14: "quantization annotations", 15: _SPARSE, 16: None,
    },
    "node": {
        1: None, 2: None, 3: None, 4: None, 5: "attribute", 6: None, 7: None,
        8: "overloaded functions", 9: None, 10: "a device configuration",
    },
    "attribute": {
        1: None, 2: None, 3: None, 4: None, 5: "tensor", 6: _SUBGRAPH, 7: None, 8: None, 9: None,
        10: "tensor", 11: _SUBGRAPH, 13: None, 14: _TYPES, 15: _TYPES, 20: None,
        21: "attributes of functions", 22: _SPARSE, 23: _SPARSE,
    },
    "tensor": {
        1: None, 2: None, 3: "segments of tensors", 4: None, 5: None, 6: "tensors of text", 7: None,
        8: None, 9: None, 10: None, 11: None, 12: None, 13: _EXTERNAL, 14: None, 16: None,
    },
    "opset": {1: None, 2: None},
    "entry": {1: None, 2: None},
}  # fmt: skip
#: The fields that may be there more than once; the others protobuf would merge.
_REPEATED = {
    "model": {8, 14}, "graph": {1, 5, 11, 12, 13, 16}, "node": {1, 2, 5, 9},
    "attribute": {7, 8, 9, 10}, "tensor": {1, 4, 5, 7, 10, 11, 16}, "opset": set(), "entry": set(),
}  # fmt: skip
#: The number of bits of a tensor's element, by its data type, and the field that may hold it other
#: than field 9, which holds the bytes as they are.
_ELEMENTS = {
    1: (32, 4), 2: (8, 5), 3: (8, 5), 4: (16, 5), 5: (16, 5), 6: (32, 5), 7: (64, 7), 9: (8, 5),
    10: (16, 5), 11: (64, 10), 12: (32, 11), 13: (64, 11),
}  # fmt: skip
_RANDOM = {
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
    "Bernoulli",
}  # fmt: skip

#: The fields of a message, by number: numbers where they are varints, else bytes.
_Fields = dict[int, list[Any]]


class _Malformed(Exception):
    """Bytes that are no protobuf messages of ONNX."""


class _Refused(Exception):
    """What no file of gtk's holds."""


@dataclass
class _Walk:
    """What was found on the way through a file."""

    operators: Counter[str] = field(default_factory=Counter)
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    parameter_bytes: int = 0
    fields: int = 0
    graphs: int = 0

    def facts(self) -> GraphFacts:
        """Return what users are told."""
        return GraphFacts(dict(self.operators), self.opsets, self.parameter_bytes)

    def message(self, kind: str, data: memoryview) -> None:
        """Walk through a message and all within it."""
        fields: _Fields = {}
        for number, value in self._fields(data):
            if number not in _MESSAGES[kind]:
                raise _Malformed(f"an unknown field {number} of a {kind}")
            if number in fields and number not in _REPEATED[kind]:
                raise _Malformed(f"two fields {number} of a {kind}")
            rule = _MESSAGES[kind][number]
            if rule is not None and rule not in _MESSAGES:
                raise _Refused(rule)
            if rule is not None:
                self.message(rule, _expect(memoryview, value))
            fields.setdefault(number, []).append(value)
        finish = {
            "graph": self._graph, "node": self._node, "opset": self._opset, "entry": self._entry,
            "tensor": self._tensor,
        }.get(kind)  # fmt: skip
        if finish is not None:
            finish(fields)

    def _fields(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Yield number and value of each field: a number of a varint, else bytes."""
        position = 0
        while position < len(data):
            self.fields += 1
            if self.fields > MOST_FIELDS:
                raise _Malformed(f"more than {MOST_FIELDS} fields")
            key, position = _varint(data, position)
            number, kind = key >> 3, key & 7
            if kind == 0:
                value, position = _varint(data, position)
                yield number, value
                continue
            if kind == 2:
                size, position = _varint(data, position)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise _Malformed("its bytes are no fields of ONNX")
            if size > len(data) - position:
                raise _Malformed("it ends too early")
            yield number, data[position : position + size]
            position += size

    def _graph(self, fields: _Fields) -> None:
        self.graphs += 1

    def _node(self, fields: _Fields) -> None:
        name, domain = _text(fields, 4), _text(fields, 7)
        if domain not in ("", "ai.onnx"):
            raise _Refused(f"operators of the domain {domain[:100]!r}")
        if name in _RANDOM:
            raise _Refused(f"the random operator {name}")
        self.operators[name] += 1
        if self.operators.total() > MOST_NODES:
            raise _Refused(f"more than {MOST_NODES} nodes")

    def _opset(self, fields: _Fields) -> None:
        domain, version = _text(fields, 1), _number(fields, 2)
        if domain not in ("", "ai.onnx"):
            raise _Refused(f"operators of the domain {domain[:100]!r}")
        if self.opsets:
            raise _Malformed("two versions of the operators")
        self.opsets[""] = version

    def _entry(self, fields: _Fields) -> None:
        key = _text(fields, 1)
        if key in self.metadata:
            raise _Malformed(f"two entries {key[:100]!r}")
        self.metadata[key] = _text(fields, 2)

    def _tensor(self, fields: _Fields) -> None:
        if _number(fields, 14) != 0:
            raise _Refused(_EXTERNAL)
        count = math.prod(_dimensions(fields.get(1, [])))
        bits, typed = _ELEMENTS.get(_number(fields, 2), (0, 0))
        if not bits:
            raise _Refused(f"tensors of data type {_number(fields, 2)}")
        size = count * bits // 8
        raw = sum(len(_expect(memoryview, value)) for value in fields.get(9, []))
        if raw != size and _count(fields.get(typed, []), typed) != count:
            raise _Refused("a tensor with less or more data than its shape promises")
        self.parameter_bytes += size


def _walk(content: bytes, path: str) -> _Walk:
    """Return what was found in a file."""
    found = _Walk()
    try:
        found.message("model", memoryview(content))
    except _Malformed as error:
        raise ExportFileError(
            f"{path} is not an ONNX file, or is damaged: {error}. Make one: gtk export RUN"
        ) from error
    except _Refused as error:
        raise ExportFileError(
            f"{path} is refused: it holds {error}, which no file of gtk's does. Make one: "
            "gtk export RUN"
        ) from error
    if not (found.graphs and found.opsets):
        raise ExportFileError(
            f"{path} is not an ONNX file: it has no graph. Make one: gtk export RUN"
        )
    return found


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return an unsigned number of up to 64 bits, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _Malformed("it ends too early")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, position
    raise _Malformed("a number of more than 64 bits")


def _dimensions(values: list[Any]) -> list[int]:
    """Return a tensor's dimensions, one by one or packed."""
    numbers: list[int] = []
    for value in values:
        position, end = 0, 1 if isinstance(value, int) else len(value)
        while position < end:
            if len(numbers) == MOST_DIMENSIONS:
                raise _Malformed("a tensor of too many dimensions")
            number, position = (value, 1) if isinstance(value, int) else _varint(value, position)
            numbers.append(number)
    return numbers


def _count(values: list[Any], field_number: int) -> int:
    """Return how many elements a field of numbers holds, one by one or packed."""
    if any(isinstance(value, int) for value in values):
        raise _Malformed("numbers that are not packed")
    if field_number in (4, 10):
        return sum(len(value) for value in values) // (4 if field_number == 4 else 8)
    return sum(int(np.count_nonzero(np.frombuffer(value, np.uint8) < 128)) for value in values)


def _expect(kind: type, value: Any) -> Any:  # noqa: ANN401 - returns what it is given
    if not isinstance(value, kind):
        raise _Malformed("a field of a wrong type")
    return value


def _number(fields: _Fields, number: int) -> int:
    """Return a field's number; 0 where there is none."""
    found: int = _expect(int, fields.get(number, [0])[0])
    return found


def _text(fields: _Fields, number: int) -> str:
    """Return a field's text; empty where there is none."""
    data: memoryview = _expect(memoryview, fields.get(number, [memoryview(b"")])[0])
    if len(data) > LONGEST_CONTRACT:
        raise _Malformed("a text that is too long")
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise _Malformed("a text that is none") from error


# The contract -------------------------------------------------------------------------------------

#: What reading a damaged contract raises.
_DAMAGE = (LookupError, TypeError, ValueError, OverflowError, AttributeError)
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


def _contract(metadata: dict[str, str], path: Path) -> dict[str, Any]:
    """Return what a file says about itself, checked as far as this module relies on it."""
    text = metadata.get(METADATA_KEY, "")
    try:
        contract = json.loads(text, parse_constant=_no_constant)
        schema = contract["schema"]
    except (*_DAMAGE, RecursionError) as error:
        raise ExportFileError(
            f"{path} is an ONNX file, but gtk did not export it. Make one: gtk export RUN"
        ) from error
    if schema != SCHEMA or type(schema) is not int:
        newer = isinstance(schema, int) and schema > SCHEMA
        mend = "update gtk" if newer else "export it again with gtk export RUN"
        raise ExportFileError(f"{path} has schema {schema!r:.20}, this gtk reads {SCHEMA}: {mend}")
    try:
        _check_contract(contract)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    found: dict[str, Any] = contract
    return found


def _damaged(path: Path, error: Exception) -> ExportFileError:
    """Return the error for a contract that cannot be read further than to this error."""
    reason = str(error) if isinstance(error, ValueError) else "an entry is of another type"
    if isinstance(error, KeyError):
        reason = f"it has no {error}"
    return ExportFileError(f"the contract in {path} is damaged: {reason}")


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


def _check_contract(contract: dict[str, Any]) -> None:
    """Raise one of `_DAMAGE` where a contract is not what this module relies on."""
    _demand(_is_identifier(contract["part"]), "a part has a name")
    _check_origin(contract)
    _check_parity(contract["parity"])
    batch = contract.get("batch_size")
    _demand(batch is None or _is_whole(batch, 1, LARGEST_BATCH), "a batch size is a whole number")
    image = contract["image"]
    if image is not None:
        _check_image(image)
    for side, kinds in (("inputs", _DTYPES), ("outputs", ("image", "codes", "values"))):
        names = [_check_port(port, kinds, image) for port in contract[side]]
        _demand(names and len(set(names)) == len(names), f"{side} have names that differ")
    _check_condition(contract)
    _check_latent(contract)


def _check_origin(contract: dict[str, Any]) -> None:
    """Check what is told of where a part comes from, and in which form it is."""
    plugin = contract["plugin"]
    texts = [contract["gtk"], contract["data"], contract["run"]]
    texts += [plugin[name] for name in ("package", "version", "name")]
    _demand(all(_is_name(text) for text in texts), "plugin, data and run have names")
    for name in ("model", "conditioner"):
        _demand(isinstance(contract[name], dict), f"{name} is a table of settings")
    for name in ("step", "opset"):
        _demand(_is_whole(contract[name], 0, 1 << 53), f"{name} is a whole number")
    _demand(contract["precision"] in ("fp32", "fp16"), "a precision is fp32 or fp16")


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


def _check_condition(contract: dict[str, Any]) -> None:
    condition = contract["condition"]
    ports = [port for port in contract["inputs"] if port["kind"] == "condition"]
    if condition is None:
        _demand(not ports, "there is no word on the condition")
        return
    names, ranges, kind = condition["names"], condition["ranges"], condition["kind"]
    _demand(kind in ("classes", "attributes", "continuous"), "a condition has a kind")
    _demand(
        isinstance(names, list) and names and all(_is_name(name) for name in names),
        "a condition has names",
    )
    _demand(
        _is_whole(condition["count"], 1, MOST_VALUES)
        and len(set(names)) == len(names) == condition["count"],
        "a condition has names that differ",
    )
    dtype, shape = ("int64", []) if kind == "classes" else ("float32", [len(names)])
    wanted = [{"name": condition["input"], "dtype": dtype, "shape": shape}]
    found = [{key: port[key] for key in ("name", "dtype", "shape")} for port in ports]
    _demand(found == wanted, f"a condition of {kind} is {wanted}, the inputs have {found}")
    _demand((kind == "classes") == (ranges is None), "all but classes have ranges")
    if ranges is not None:
        _demand(len(ranges) == len(names), "every name has a range")
        for low, high in ranges:
            _demand(math.isfinite(low) and math.isfinite(high) and low < high, "a range has ends")


def _check_latent(contract: dict[str, Any]) -> None:
    latent = contract["latent"]
    found = [
        {"input": port["name"], "shape": port["shape"]}
        for port in contract["inputs"]
        if port["kind"] == "latent"
    ]
    if latent is None:
        _demand(not found, "there is no word on the latent code")
        return
    _demand(latent["prior"] in ("normal", "learned"), "a latent code has a prior")
    wanted = [{"input": latent["input"], "shape": latent["shape"]}]
    _demand(found[:1] == wanted, f"the latent code is {wanted}, the inputs have {found}")


def _check_graph(contract: dict[str, Any], session: Any) -> None:  # noqa: ANN401 - onnxruntime publishes no types
    """Raise ValueError where contract and graph do not agree."""
    batch = contract.get("batch_size")
    for side, items in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        expected = {
            port["name"]: [_GRAPH_TYPES[port["dtype"]], *port["shape"]] for port in contract[side]
        }
        found = {item.name: [item.type, *item.shape[1:]] for item in items}
        _demand(found == expected, f"it promises {side} {expected}, the graph has {found}")
        for item in items:
            first = item.shape[0] if item.shape else 0
            fits = first == (batch if batch is not None else "batch")
            _demand(fits, f"it promises batches of {batch or 'any size'}, {item.name} has {first}")


# Devices ------------------------------------------------------------------------------------------

#: The most threads that a small model is spread over.
MOST_THREADS = 8
#: How long a thread waits awake for more work, in microseconds: long enough to be there for the
#: next operator and the next call, short enough to leave the cores to others between the images of
#: an app. onnxruntime's own way keeps a core busy in an app that draws 60 images a second.
SPINNING = 1000
#: The installation that holds all libraries which CUDA needs, and its driver's library.
_INSTALL = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def open_session(content: bytes, device: str = "cpu") -> Any | None:  # noqa: ANN401 - onnxruntime publishes no types
    """Return an onnxruntime session, None for what it cannot read.

    onnxruntime notes every start in a database in the user's home, to be sent to its makers,
    unless it is told not to before it is imported.

    Args:
        content: of an ONNX file that `scan` let pass.
        device: as in `load`.

    Raises:
        DeviceError: CUDA was asked for and does not run.
        RequestError: there is no such kind of device.
    """
    _check_device(device)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    reason = ""
    if device != "cpu" and (device != "auto" or not _trouble(onnxruntime, device)):
        missing = _preload(onnxruntime)
        reason = _trouble(onnxruntime, device)
        if not reason:
            session, reason = _open_on_cuda(onnxruntime, content, _gpu(device))
            if session is not None:
                return session
        absent = [f"{name} is missing" for name in missing if name not in reason]
        reason = "; ".join([*filter(None, [reason]), *absent])
    session = _open_on_cpu(onnxruntime, content)
    if session is not None and device not in ("auto", "cpu"):
        raise DeviceError(
            f"{device} was asked for, onnxruntime {onnxruntime.__version__} loaded "
            f"{', '.join(session.get_providers())}: {reason}. {_remedy(reason)}"
        )
    return session


def _check_device(device: str) -> None:
    if not (isinstance(device, str) and re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", device)):
        raise RequestError(f"unknown device {device!r}: say auto, cpu, cuda or cuda:1")


def _gpu(device: str) -> int:
    """Return which GPU a device means."""
    return int(device.partition(":")[2] or 0)


def _options(onnxruntime: Any) -> Any:  # noqa: ANN401 - as above
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what matters is raised
    options.intra_op_num_threads = _threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPINNING))
    return options


def _threads() -> int:
    """Return how many cores this process may use, up to `MOST_THREADS`."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:  # a container may have less time than cores
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass
    return max(1, min(cores, MOST_THREADS))


def _open_on_cpu(onnxruntime: Any, content: bytes) -> Any | None:  # noqa: ANN401 - as above
    try:
        return onnxruntime.InferenceSession(
            content, _options(onnxruntime), providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception:  # noqa: BLE001 - onnxruntime's errors have no common root
        return None


def _open_on_cuda(onnxruntime: Any, content: bytes, number: int) -> tuple[Any | None, str]:  # noqa: ANN401 - as above
    """Return a session whose networks run on a GPU, or else the reason why there is none.

    onnxruntime itself goes on without CUDA in many ways, so it is asked what it did. Nodes that
    compute shapes do belong on the CPU: `session.disable_cpu_ep_fallback` would refuse them.
    """
    options = _options(onnxruntime)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    settings = {
        "device_id": str(number),
        "cudnn_conv_algo_search": "HEURISTIC",  # the default tries all again for each batch size
        "use_tf32": "0",  # which would compute with 10 bits of each number
    }
    onnxruntime.set_default_logger_severity(4)  # it would print what is raised here
    try:
        session = onnxruntime.InferenceSession(
            content, options, providers=[("CUDAExecutionProvider", settings)], enable_fallback=0
        )
    except Exception as error:  # noqa: BLE001 - as above
        return None, _reason(error)
    finally:
        onnxruntime.set_default_logger_severity(2)  # its default
    if session.get_providers()[0] != "CUDAExecutionProvider":
        return None, _loading_error(onnxruntime)
    left = _networks_on_cpu(session)
    if left:
        return None, f"onnxruntime would compute {', '.join(left)} on the CPU"
    return session, ""


def _networks_on_cpu(session: Any) -> list[str]:  # noqa: ANN401 - as above
    """Return the types of the layers that a session on CUDA runs on the CPU all the same."""
    assigned = getattr(session, "get_provider_graph_assignment_info", None)
    if assigned is None:  # onnxruntime before 1.24
        return []
    return sorted(
        {
            node.op_type
            for graph in assigned()
            if graph.ep_name == "CPUExecutionProvider"
            for node in graph.get_nodes()
        }
        & {"Conv", "ConvTranspose", "Gemm", "MatMul"}
    )


def _trouble(onnxruntime: Any, device: str) -> str:  # noqa: ANN401 - as above
    """Return why CUDA cannot run here, empty where nothing is known to stand against it."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "it is a build for CPUs alone"
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return f"there is no NVIDIA driver ({_DRIVER} is missing)"
    count = ctypes.c_int()
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        code = f" (CUDA error {status})" if status else ""
        return f"the NVIDIA driver finds no GPU{code}"
    if _gpu(device) >= count.value:
        return f"there is no such GPU, the last one is cuda:{count.value - 1}"
    return ""


def _preload(onnxruntime: Any) -> list[str]:  # noqa: ANN401 - as above
    """Load the libraries of CUDA from where pip puts them, and return which ones are missing."""
    said = io.StringIO()
    with redirect_stdout(said):  # it prints what it does not find
        onnxruntime.preload_dlls()
    paths = re.findall(r"Failed to load (\S+):", said.getvalue())
    return sorted({re.split(r"[/\\]", path)[-1] for path in paths})


def _loading_error(onnxruntime: Any) -> str:  # noqa: ANN401 - as above
    """Return why the part of onnxruntime that knows CUDA cannot be loaded, after it was tried."""
    name = (
        "onnxruntime_providers_cuda.dll"
        if sys.platform == "win32"
        else ("libonnxruntime_providers_cuda.so")
    )
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / name))
    except OSError as error:
        return _reason(error)
    return "it left CUDA out, although everything can be loaded"


def _remedy(reason: str) -> str:
    """Return what mends it."""
    if "for CPUs alone" in reason:
        return f"Install the other build: pip uninstall -y onnxruntime && {_INSTALL}"
    steps = []
    if "no NVIDIA driver" in reason:
        steps.append("install NVIDIA's driver")
    if "driver version" in reason:
        steps.append("install a newer driver of NVIDIA's")
    if "no GPU" in reason:
        steps.append("let the driver see a GPU (nvidia-smi, CUDA_VISIBLE_DEVICES)")
    if re.search(r"\.(so|dll)\S* (is missing(;|$)|cannot open)", reason):
        steps.append(_INSTALL)
    return f"To mend it: {', and '.join(steps)}" if steps else "The device cpu works"
