"""An exported part of a model, ready to run."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.argument import check_type
from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.errors import unknown_name
from gtk.core.values.noise import NoiseRows
from gtk.core.values.request import check_at_least, choose_labels
from gtk.core.values.text import visible
from gtk.exports.runtime.errors import DeviceError, ExportFileError, RequestError, requested
from gtk.exports.runtime.graph_digest import is_as_proven
from gtk.exports.runtime.graph_file import read, walk
from gtk.exports.runtime.manifest_checks import (
    DAMAGE,
    check_ports,
    damaged,
    read_manifest,
    read_preprocessing,
    read_value,
    refuse_halved,
)
from gtk.exports.runtime.session import check_device, first_line, gpu, open_session, reading_error

logger = logging.getLogger("gtk")


def load_part(path: str | Path, device: str = "auto") -> "Part":
    """Open any exported file: an encoder, a discriminator, a plugin's own part.

    A file whose graph was changed since it was proven is opened, with a warning in the log "gtk".

    Args:
        path: the .onnx file.
        device: as in `load`.

    Raises:
        ExportFileError: the file cannot be read, was not exported by gtk, or is damaged.
        DeviceError: CUDA was asked for and does not run.
        RequestError: an unknown kind of device.
    """
    part = Part(path, device)
    warn_if_changed(part)
    return part


def warn_if_changed(part: "Part") -> None:
    """Log a warning where the file's graph is not the one that was proven."""
    if part.proven is False:
        logger.warning("%s", changed(part.path))


def changed(path: Path | str) -> str:
    """Return what to tell users of a file whose graph is not the one that was proven."""
    name = visible(path)
    return (
        f"{name} was changed since it was proven equal to PyTorch, so the figures in its manifest "
        f"are not its own. Prove it again: gtk export RUN --prove {name} --out NEW.onnx"
    )


class Part:
    """An exported part of a model.

    Attributes:
        path: of the file.
        size: of the file, in bytes.
        contract: its manifest: part, inputs, outputs, condition, image, ...
        facts: what its graph consists of.
        proven: whether its graph is the one that was proven equal to PyTorch; None for a file of
            an earlier version of gtk, which does not say which one that was.
        session: onnxruntime's, for direct use; it does not check ranges.
        device: where it runs: "cpu", "cuda:0".
        values: the value of each input, by name.
        condition: the condition, None for a part without one.
        classes: the names of the classes, None for any other condition.
        ranges: lowest and highest value of each attribute or number, None for classes.
        condition_input: the name of the condition's input, None for a part without one.
        preprocessing: how image files were read for the training, `fit` and `range`; None where
            the manifest does not say.

    Args:
        path: the .onnx file.
        device: as in `load`.
    """

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        with requested():
            check_type("path", path, Path)
        self.path = Path(path)
        check_device(device)
        content = read(self.path)
        self.size = len(content)
        found = walk(content, str(self.path))
        self.facts = found.facts()
        self.contract = read_manifest(found.metadata, self.path)
        self.proven = is_as_proven(content, self.contract)
        session = open_session(content, device, found.most_folded)
        if session is None:
            reason = reading_error(content, found.most_folded)
            newer = " reads " in reason
            remedy = "Update onnxruntime, or export in a lower opset" if newer else "Make one"
            raise ExportFileError(
                f"{self.path} is not an ONNX file that onnxruntime can read: it has opset "
                f"{self.facts.opsets['']} and IR version {found.ir_version}, {reason}. {remedy}: "
                f"gtk export RUN{' --opset N' if newer else ''}"
            )
        self.session = session
        refuse_halved(self.path, session)
        try:
            check_ports(self.contract, session)
        except DAMAGE as error:
            raise damaged(self.path, error) from error
        runs_on_cuda = session.get_providers()[0] == "CUDAExecutionProvider"
        self.device = f"cuda:{gpu(device)}" if runs_on_cuda else "cpu"
        self.values = {
            port["name"]: read_value(port, self.contract) for port in self.contract["inputs"]
        }
        conditions = (item for item in self.values.values() if isinstance(item, ConditionSpec))
        self.condition: ConditionSpec | None = next(conditions, None)
        self.classes = self.condition.names if isinstance(self.condition, Classes) else None
        self.preprocessing = read_preprocessing(self.contract)
        entry = self.contract["condition"] or {"input": None, "ranges": None}
        self.condition_input: str | None = entry["input"]
        self.ranges: dict[str, tuple[float, float]] | None = None
        if entry["ranges"] is not None:
            pairs = zip(entry["names"], entry["ranges"], strict=True)
            self.ranges = {name: (low, high) for name, (low, high) in pairs}

    def __repr__(self) -> str:
        """Show the file, its inputs and outputs, and where it runs."""
        takes, gives = (
            ", ".join(port["name"] for port in self.contract[side])
            for side in ("inputs", "outputs")
        )
        kind, part = type(self).__name__, self.contract["part"]
        return f"{kind}({self.path.name}: {part}, {takes} -> {gives}, on {self.device})"

    def run(self, inputs: Mapping[str, Any], *, batch_size: int = 256) -> dict[str, NDArray[Any]]:
        """Compute the outputs as the graph has them, for any number of rows.

        Args:
            inputs: rows of each input by name: conditions as in `Generator.sample`, all others as
                arrays of the manifest's shapes.
            batch_size: rows in one pass; it does not change the outputs. A file may have a fixed
                one, which is then used.

        Returns:
            The rows of each output, by name.

        Raises:
            RequestError: inputs that are missing, unknown, of another shape, not finite or out of
                range, or a batch size below 1.
            ExportFileError: the graph cannot be run, or its outputs do not fit the manifest.
        """
        return self._outputs(self._feeds(inputs), batch_size)

    def run_encoded(
        self, feeds: Mapping[str, NDArray[Any]], *, batch_size: int = 256
    ) -> dict[str, NDArray[Any]]:
        """Compute the outputs of rows as the graph takes them; a label is an index in any case.

        Args:
            feeds: an array for each input, (B, ...), of the manifest's types and shapes. Values are
                not checked.
            batch_size: as in `run`.

        Raises:
            RequestError: inputs that are missing, unknown, of another type or shape.
            ExportFileError: as in `run`.
        """
        self._check_encoded(feeds)
        return self._outputs(feeds, batch_size)

    def _outputs(
        self, feeds: Mapping[str, NDArray[Any]], batch_size: int
    ) -> dict[str, NDArray[Any]]:
        """Return the rows of each output for rows that were checked."""
        chunks = [outputs for _, outputs in self._chunks(feeds, batch_size)]
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}

    def _check_encoded(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        """Refuse arrays that the graph does not take, in a few microseconds."""
        if type(feeds) is not dict or feeds.keys() != self.values.keys():
            with requested():
                check_type("feeds", feeds, Mapping)
            self._check_names(feeds)
        for port in self.contract["inputs"]:
            name, kind, shape = port["name"], port["dtype"], tuple(port["shape"])
            found = getattr(feeds[name], "dtype", None), getattr(feeds[name], "shape", ())
            if found[0] != kind or not found[1] or found[1][1:] != shape:
                axes = ", ".join(map(str, ("rows", *shape)))
                what = f"{found[0]} {found[1]}" if found[0] else type(feeds[name]).__name__
                raise RequestError(f"{name} must be an array of {kind} ({axes}), not {what}")
        self._check_rows(feeds)

    def _feeds(self, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return inputs as the graph takes them, checked."""
        with requested():
            check_type("inputs", inputs, Mapping)
        self._check_names(inputs)
        feeds = {name: self._rows(name, inputs[name]) for name in self.values}
        self._check_rows(feeds)
        return feeds

    def _check_names(self, inputs: Mapping[str, Any]) -> None:
        """Refuse unknown and missing inputs."""
        with requested():
            for name in inputs:
                if name not in self.values:
                    raise unknown_name("input", name, self.values)
        missing = [name for name in self.values if inputs.get(name) is None]
        if missing:
            raise RequestError(
                f"the input {', '.join(missing)} is missing: {self.path.name} takes "
                f"{', '.join(self.values)}"
            )

    def _check_rows(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        """Refuse inputs of different numbers of rows, or of none."""
        sizes = {len(rows) for rows in feeds.values()}
        if len(sizes) > 1 or 0 in sizes:
            counts = {name: len(rows) for name, rows in feeds.items()}
            fault = "no rows" if sizes == {0} else f"different numbers of rows: {counts}"
            raise RequestError(f"the inputs have {fault}")

    def _rows(self, name: str, given: Any) -> NDArray[Any]:  # noqa: ANN401 - an array or lists
        """Return the rows of an input as the graph takes them."""
        value = self.values[name]
        if isinstance(value, ConditionSpec):
            rows, _ = self._labels(given, None)
            assert rows is not None  # noqa: S101 - None only where there is no condition
            return rows
        with requested():
            return value.rows(given, name)

    def _chunks(
        self, feeds: Mapping[str, NDArray[Any] | NoiseRows], batch_size: int
    ) -> Iterator[tuple[slice, dict[str, NDArray[Any]]]]:
        """Yield the outputs of one batch of rows after another."""
        with requested():
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
        """Return the outputs of one pass, checked against the manifest."""
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
                    f"manifest says {port['dtype']} {(count, *port['shape'])}"
                )
            if port["kind"] == "codes" and not 0 <= values.min() <= values.max() < port["count"]:
                raise ExportFileError(
                    f"{self.path} is damaged: {port['name']} is {values.min()}..{values.max()}, "
                    f"its manifest says 0..{port['count'] - 1}"
                )
        return {port["name"]: values for port, values in zip(ports, found, strict=True)}

    def _labels(
        self, labels: Sequence[Any] | None, count: int | None
    ) -> tuple[NDArray[Any] | None, int]:
        """Return a condition for every image as the graph takes it, and the number of images."""
        with requested():
            return choose_labels(self.condition, labels, count)
