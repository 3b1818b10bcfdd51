"""An exported part of a model, ready to run."""

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.exports.runtime.errors import DeviceError, ExportFileError, RequestError
from gtk.exports.runtime.graph_file import read, walk
from gtk.exports.runtime.manifest import DAMAGE, check_graph, damaged, read_manifest
from gtk.exports.runtime.session import check_device, first_line, gpu, open_session

#: The most digits of a label that are read.
LONGEST_NUMBER = 20
#: The most images at once.
MOST_IMAGES = 1 << 31


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
        check_device(device)
        content = read(self.path)
        self.size = len(content)
        found = walk(content, str(self.path))
        self.facts = found.facts()
        self.contract = read_manifest(found.metadata, self.path)
        session = open_session(content, device)
        if session is None:
            raise ExportFileError(
                f"{self.path} is not an ONNX file that onnxruntime can read. Make one: "
                "gtk export RUN"
            )
        self.session = session
        try:
            check_graph(self.contract, session)
        except DAMAGE as error:
            raise damaged(self.path, error) from error
        runs_on_cuda = session.get_providers()[0] == "CUDAExecutionProvider"
        self.device = f"cuda:{gpu(device)}" if runs_on_cuda else "cpu"
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
        check_at_least("batch_size", batch_size, 1)
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
            raise kind(f"{where}: {first_line(error)}") from error
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
            check_at_least("count", count, 1)
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


def check_at_least(name: str, value: int, least: int) -> None:
    """Refuse what is not a whole number, or is too small.

    Raises:
        RequestError: it names the argument and its least value.
    """
    try:
        fits = not isinstance(value, bool) and operator.index(value) >= least
    except TypeError:
        fits = False
    if not fits:
        raise RequestError(f"{name} must be a whole number of at least {least}, not {value!r}")
