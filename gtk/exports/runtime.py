"""Draw images from an exported file, with numpy and onnxruntime alone.

This module imports nothing else of gtk and no torch, so that a program which only draws images
needs neither.
"""

import json
import operator
import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The key of the contract in the file's metadata, and the version of the contract.
METADATA_KEY, SCHEMA = "gtk", 1


class ExportFileError(ValueError):
    """A file that cannot be read, is no ONNX file, or was not exported by gtk."""


class RequestError(ValueError):
    """A request that does not fit the file's model: a label out of range, a count below 1."""


class Generator:
    """An exported decoder or generator.

    Attributes:
        contract: what the file says about itself: schema, plugin, noise shape, classes, image.

    Args:
        path: the .onnx file.
    """

    def __init__(self, path: str | Path) -> None:
        self.contract, self._session = _open(Path(path))
        self.noise_shape: tuple[int, ...] = tuple(self.contract["noise"]["shape"])
        classes = self.contract["classes"]
        self.classes: tuple[str, ...] | None = None if classes is None else tuple(classes)

    def sample(
        self,
        labels: Sequence[int | str] | None = None,
        count: int | None = None,
        *,
        seed: int = 0,
        batch_size: int = 256,
    ) -> NDArray[np.uint8]:
        """Draw images: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        The noise is drawn as `gtk.core.noise.NoiseSpec.draw` does: a run and its exported file
        give the same images for the same seed, to one level in 255.

        Args:
            labels: class numbers or names, an image each; None cycles through the classes.
            count: how many images; by default one a label, else one a class.
            seed: decides the noise.
            batch_size: images in one pass; changes no image.

        Raises:
            RequestError: a label, count, seed or batch size out of range, or labels for a model
                that takes none.
        """
        chosen, total = self._labels(labels, count)
        _check_at_least("batch_size", batch_size, 1)
        _check_at_least("seed", seed, 0)
        generator = np.random.default_rng(seed)
        noise = generator.standard_normal((total, *self.noise_shape), dtype=np.float32)
        batches = []
        for start in range(0, total, batch_size):
            rows = slice(start, start + batch_size)
            feeds: dict[str, NDArray[Any]] = {"z": noise[rows]}
            if chosen is not None:
                feeds["label"] = chosen[rows]
            batches.append(self._session.run(["image"], feeds)[0])
        images: NDArray[np.float32] = np.concatenate(batches)
        pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
        return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)

    def _labels(
        self, labels: Sequence[int | str] | None, count: int | None
    ) -> tuple[NDArray[np.int64] | None, int]:
        if count is not None:
            _check_at_least("count", count, 1)
        if isinstance(labels, str | int):
            raise RequestError(f"labels is a list with a label for each image, not {labels!r}")
        if self.classes is None:
            if labels is not None:
                raise RequestError("this model takes no label: it was trained without a condition")
            return None, 1 if count is None else count
        if labels is None:
            chosen = [row % len(self.classes) for row in range(count or len(self.classes))]
        else:
            chosen = [self._label(label) for label in labels]
        if not chosen or count not in (None, len(chosen)):
            raise RequestError(
                f"{len(chosen)} labels for {count or 'no'} images: give one for each"
            )
        return np.array(chosen, dtype=np.int64), len(chosen)

    def _label(self, value: int | str) -> int:
        classes = self.classes or ()
        if isinstance(value, str):
            if value in classes:
                return classes.index(value)
            if not value.removeprefix("-").isdecimal():
                near = get_close_matches(value, classes, n=1)
                hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(classes)}."
                raise RequestError(f"unknown label '{value}'. {hint}")
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
    classes, shape = contract["classes"], contract["noise"]["shape"]
    if classes is not None and not (classes and all(isinstance(name, str) for name in classes)):
        raise ValueError("classes are names")
    expected = {"z": ["tensor(float)", *shape]}
    if classes is not None:
        expected["label"] = ["tensor(int64)"]
    found = {item.name: [item.type, *item.shape[1:]] for item in session.get_inputs()}
    if found != expected or [item.name for item in session.get_outputs()] != ["image"]:
        raise ValueError(f"it promises inputs {expected}, the graph has {found}")
