"""Draw images from an exported file, with numpy and onnxruntime alone.

This module imports nothing else of gtk and no torch, so that a program which only draws images
needs neither.
"""

import json
import operator
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The key of the contract in the file's metadata, and the version of the contract.
METADATA_KEY, SCHEMA = "gtk", 2


class ExportFileError(ValueError):
    """A file that cannot be read, is no ONNX file, or was not exported by gtk."""


class RequestError(ValueError):
    """A request that does not fit the file's model: a label out of range, a count below 1."""


class Generator:
    """An exported decoder or generator.

    Attributes:
        contract: what the file says about itself: schema, plugin, noise shape, classes, image.
        classes: the classes' names, None where the condition is none or something else.
        ranges: lowest and highest value of each attribute or number, None where there is none.

    Args:
        path: the .onnx file.
    """

    def __init__(self, path: str | Path) -> None:
        self.contract, self._session = _open(Path(path))
        latent, condition = self.contract["latent"], self.contract["condition"]
        self.noise_shape: tuple[int, ...] = tuple(latent["shape"])
        self.noise_input: str = latent["input"]
        self.condition_input: str | None = None if condition is None else condition["input"]
        self.classes: tuple[str, ...] | None = None
        self.ranges: dict[str, tuple[float, float]] | None = None
        if condition is not None and condition["kind"] == "classes":
            self.classes = tuple(condition["names"])
        elif condition is not None:
            pairs = zip(condition["names"], condition["ranges"], strict=True)
            self.ranges = {name: (low, high) for name, (low, high) in pairs}

    def sample(
        self,
        labels: Sequence[Any] | None = None,
        count: int | None = None,
        *,
        seed: int = 0,
        batch_size: int = 256,
    ) -> NDArray[np.uint8]:
        """Draw images: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        The noise is drawn as `gtk.core.noise.NoiseSpec.draw` does: a run and its exported file
        give the same images for the same seed, to one level in 255.

        Args:
            labels: an image's condition each: class numbers or names, or a mapping from names of
                attributes or numbers to values; None cycles through the classes, or through
                examples of the others.
            count: how many images; by default one a label.
            seed: decides the noise.
            batch_size: images in one pass; changes no image.

        Raises:
            RequestError: a label, count, seed or batch size out of range, or labels for a model
                that takes none.
        """
        chosen, total = self._labels(labels, count)
        _check_at_least("batch_size", batch_size, 1)
        return self._run(self.draw_noise(total, seed), chosen, batch_size)

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
        chosen, _ = self._labels(labels, len(noise))
        _check_at_least("batch_size", batch_size, 1)
        values = np.asarray(noise, np.float32)
        if values.shape[1:] != self.noise_shape or not np.isfinite(values).all():
            shape = ", ".join(map(str, self.noise_shape))
            raise RequestError(
                f"noise is finite numbers of the shape (images, {shape}), not {values.shape}"
            )
        return self._run(values, chosen, batch_size)

    def draw_noise(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw standard normal noise for `count` images: (count, *noise_shape).

        Raises:
            RequestError: a seed below 0.
        """
        _check_at_least("seed", seed, 0)
        generator = np.random.default_rng(seed)
        return generator.standard_normal((count, *self.noise_shape), dtype=np.float32)

    def _run(
        self, noise: NDArray[np.float32], chosen: NDArray[Any] | None, batch_size: int
    ) -> NDArray[np.uint8]:
        """Return the images of noise and conditions as the graph takes them."""
        batches = []
        for start in range(0, len(noise), batch_size):
            rows = slice(start, start + batch_size)
            feeds: dict[str, NDArray[Any]] = {self.noise_input: noise[rows]}
            if chosen is not None and self.condition_input is not None:
                feeds[self.condition_input] = chosen[rows]
            batches.append(self._session.run(["image"], feeds)[0])
        images: NDArray[np.float32] = np.concatenate(batches)
        pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
        return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)

    def _labels(
        self, labels: Sequence[Any] | None, count: int | None
    ) -> tuple[NDArray[Any] | None, int]:
        if count is not None:
            _check_at_least("count", count, 1)
        if isinstance(labels, str | int | Mapping):
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
        if self.condition_input == "attributes":
            return np.eye(len(ranges), dtype=np.float32)
        rows = [{name: end} for name, ends in ranges.items() for end in ends]
        return np.stack([self._vector(row) for row in rows])

    def _vector(self, value: Any) -> NDArray[np.float32]:  # noqa: ANN401 - users write it in many ways
        """Return attributes or numbers: (n,)."""
        ranges = self.ranges or {}
        if not isinstance(value, Mapping):
            if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
                raise RequestError(f"give {', '.join(ranges)} by name, not {value!r}")
            if len(value) != len(ranges):
                raise RequestError(f"{len(value)} numbers for {', '.join(ranges)}: give all")
            value = dict(zip(ranges, value, strict=True))
        middle = 0.0 if self.condition_input == "attributes" else 0.5
        numbers = {name: low + (high - low) * middle for name, (low, high) in ranges.items()}
        for name, number in value.items():
            if name not in numbers:
                raise RequestError(f"unknown condition '{name}'. {_hint(name, tuple(ranges))}")
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
        classes = self.classes or ()
        if isinstance(value, str):
            if value in classes:
                return classes.index(value)
            if not value.removeprefix("-").isdecimal():
                raise RequestError(f"unknown label '{value}'. {_hint(value, classes)}")
            value = int(value)
        try:
            number = operator.index(value)
        except TypeError as error:
            raise RequestError(f"a label is a whole number or a name, not {value!r}") from error
        if not 0 <= number < len(classes):
            raise RequestError(
                f"label {number} is out of range: the {len(classes)} classes are "
                f"0..{len(classes) - 1}"
            )
        return number


def load(path: str | Path) -> Generator:
    """Open an exported file.

    Raises:
        ExportFileError: it cannot be read, is no ONNX file, or was not exported by gtk.
    """
    return Generator(path)


def _hint(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."


def _check_at_least(name: str, value: int, least: int) -> None:
    try:
        fits = operator.index(value) >= least
    except TypeError:
        fits = False
    if not fits:
        raise RequestError(f"{name} must be a whole number of at least {least}, not {value!r}")


def _open(path: Path) -> tuple[dict[str, Any], Any]:
    """Return the file's contract and an onnxruntime session on the CPU."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExportFileError(f"{path} cannot be read: {error.strerror}") from error
    session = open_session(content)
    if session is None:
        raise ExportFileError(
            f"{path} is not an ONNX file that onnxruntime can read. Make one: gtk export RUN"
        )
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    try:
        contract = json.loads(text or "")
        schema = contract["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise ExportFileError(
            f"{path} is an ONNX file, but gtk did not export it. Make one: gtk export RUN"
        ) from error
    if schema != SCHEMA:
        raise ExportFileError(f"{path} has schema {schema}, this gtk reads {SCHEMA}: update gtk")
    try:
        _check_contract(contract, session)
    except (LookupError, TypeError, ValueError) as error:
        raise ExportFileError(f"the contract in {path} is damaged: {error}") from error
    return contract, session


def open_session(content: bytes) -> Any | None:  # noqa: ANN401 - onnxruntime publishes no types
    """Return an onnxruntime session on the CPU, None for what it cannot read.

    onnxruntime notes every start in a database in the user's home, to be sent to its makers,
    unless it is told not to before it is imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: what matters is raised
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 - onnxruntime's errors have no common root
        return None


def _check_contract(contract: dict[str, Any], session: Any) -> None:  # noqa: ANN401 - see above
    """Raise LookupError, TypeError or ValueError where contract and graph do not agree."""
    condition, latent = contract["condition"], contract["latent"]
    if latent is None or [item["name"] for item in contract["outputs"]] != ["image"]:
        raise ValueError(f"the part {contract['part']} makes no images of noise")
    if condition is not None:
        names, ranges = condition["names"], condition["ranges"]
        if not (names and all(isinstance(name, str) for name in names)):
            raise ValueError("a condition has names")
        if ranges is not None and not all(low < high for low, high in ranges):
            raise ValueError("a range has two ends")
        if (condition["kind"] == "classes") != (ranges is None):
            raise ValueError("attributes and numbers have ranges, classes have none")
    types = {"float32": "tensor(float)", "int64": "tensor(int64)"}
    expected = {item["name"]: [types[item["dtype"]], *item["shape"]] for item in contract["inputs"]}
    found = {item.name: [item.type, *item.shape[1:]] for item in session.get_inputs()}
    if found != expected or [item.name for item in session.get_outputs()] != ["image"]:
        raise ValueError(f"it promises inputs {expected}, the graph has {found}")
