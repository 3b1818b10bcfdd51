"""How fast a part is in onnxruntime, with eager PyTorch on the same weights beside it."""

import os
import platform
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue, UserError, WorkFailed
from gtk.exports.runtime import (
    DeviceError,
    ExportFileError,
    RequestError,
    load_part,
    open_session,
)
from gtk.exports.timing import BLOCK, PAUSE, WARM_UP, Call, Timing, measure

if TYPE_CHECKING:  # a file is measured without torch where there is none
    from gtk.core.storage.run import Run
    from gtk.exports.pytorch_baseline import Eager

#: What is measured by default.
BATCH_SIZES = (1, 16, 256)
#: More rows than this are no batch of an app, and may not fit into memory.
MOST_ROWS = 8192
#: So many rows show whether a run has a file's weights, also where some are undecided.
COMPARED = 16
#: Seconds for each batch size.
SECONDS = 2.0


@dataclass(frozen=True)
class Measurable:
    """What is measured.

    Attributes:
        contract: of the exported part.
        session: an onnxruntime session on it.
        device: where both work, "cpu" or "cuda:0".
        eager: the same in PyTorch, None where that is not to be had.
        why: there is no PyTorch; empty where there is.
    """

    contract: dict[str, Any]
    session: Any
    device: str
    eager: "Eager | None"
    why: str = ""

    @property
    def threads(self) -> int:
        """How many threads the session works with on the CPU."""
        chosen: int = self.session.get_session_options().intra_op_num_threads
        return chosen or os.cpu_count() or 1

    def sizes(self, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
        """Return the batch sizes to measure, each once.

        Args:
            wanted: as `check_sizes` lets them pass; None for the default.

        Raises:
            InvalidValue: a size that this file does not take.
        """
        fixed = self.contract.get("batch_size")
        if wanted is None:
            return BATCH_SIZES if fixed is None else (fixed,)
        if fixed is not None and set(wanted) != {fixed}:
            raise InvalidValue(f"the file takes batches of {fixed} alone: --batch-size {fixed}")
        return tuple(dict.fromkeys(wanted))

    def measure(self, size: int, seconds: float) -> list[Timing]:
        """Return how long a batch takes: in onnxruntime, then in PyTorch if it is there.

        Args:
            size: rows in a batch.
            seconds: for both.

        Raises:
            WorkFailed: the batch cannot be computed.
        """
        rows = example_rows(self.contract, size)
        names = [port["name"] for port in self.contract["outputs"]]
        calls: list[Call] = [lambda: self.session.run(names, rows)]
        if self.eager is not None:
            calls.append(self.eager.call(rows, self.contract["image"]))
        try:
            with self.eager.working(self.threads) if self.eager else nullcontext():
                return measure(calls, seconds)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise WorkFailed(f"a batch of {size} cannot be computed: {reason}") from error

    def protocol(self, seconds: float) -> str:
        """Say how it is measured, so many seconds for each batch size."""
        turns = "of onnxruntime and PyTorch in turns, " if self.eager is not None else ""
        return (
            f"for each batch size {seconds:g} s of blocks of {BLOCK:g} s, {turns}each after a "
            f"pause of {PAUSE:g} s and uncounted calls for {WARM_UP:g} s; a call is from arrays in "
            "main memory to arrays in main memory; medians and quartiles of all calls"
        )

    def versions(self) -> dict[str, str]:
        """Return the versions of what is measured."""
        import onnxruntime

        found = {"onnxruntime": str(onnxruntime.__version__)}
        if self.eager is not None:
            import torch

            found["torch"] = torch.__version__
        return found

    def machine(self) -> str:
        """Return the name of what does the work."""
        if self.device == "cpu":
            return processor()
        if self.eager is None:
            return self.device
        import torch

        return f"{self.device}, {torch.cuda.get_device_name(self.device)}"


def check_sizes(wanted: tuple[int, ...] | None) -> None:
    """Refuse batch sizes that cannot be, before any work is done.

    Raises:
        InvalidValue: it says what can be.
    """
    for size in () if wanted is None else wanted or (0,):
        if not 1 <= size <= MOST_ROWS:
            raise InvalidValue(f"a batch size is a whole number in 1..{MOST_ROWS}, not {size}")


def open_file(path: Path, device: str, runs: Path) -> Measurable:
    """Return what an exported file holds, and its run's part if its weights are the file's.

    Args:
        path: the file.
        device: "auto", "cpu" or "cuda".
        runs: where its run may be, if the file does not lie in it.

    Raises:
        UserError: it cannot be read, was not exported by gtk, or the device is not there.
    """
    try:
        part = load_part(path, device)
        rows = example_rows(part.contract, COMPARED)
        found = part.run(rows)
    except (ExportFileError, RequestError, DeviceError) as error:
        raise UserError(str(error)) from error
    session = part.session
    name = str(part.contract.get("run"))
    # The name comes from the file: it must not lead out of the folder of runs.
    inside = Path(name).name == name and name not in ("", "..")
    places = [path.absolute().parent, *([runs / name] if inside else [])]
    try:
        from gtk.exports.pytorch_baseline import find_eager
    except ImportError as error:
        why = f"{(error.name or 'torch').partition('.')[0]} is not installed here"
        return Measurable(part.contract, session, part.device, None, why)
    try:
        eager = find_eager(part.contract, rows, found, places, part.device)
    except UserError as error:
        return Measurable(part.contract, session, part.device, None, str(error))
    return Measurable(part.contract, session, part.device, eager)


def open_run(run: "Run", part: str | None, device: str) -> Measurable:
    """Return a part of a run, exported in memory, and the same in PyTorch.

    Args:
        run: the run; its best or last checkpoint is taken.
        part: its name; by default that of the part that makes images.
        device: "auto", "cpu" or "cuda".

    Raises:
        GtkError: there is no such part or device, or the part cannot be exported.
    """
    from gtk.exports.loaded_part import LoadedModel
    from gtk.exports.onnx import prepare
    from gtk.exports.options import ExportOptions
    from gtk.exports.pytorch_baseline import Eager

    loaded = LoadedModel(run, run.checkpoints.choose(None))
    prepared = prepare(loaded, loaded.part(part), ExportOptions())
    try:
        session = open_session(prepared.content, device)
    except (RequestError, DeviceError) as error:
        raise UserError(str(error)) from error
    place = device_of(session)
    try:
        eager = Eager(loaded.untouched, loaded.plugin, prepared.part, place)
    except InvalidValue as error:  # torch lacks a device that onnxruntime has
        return Measurable(prepared.contract, session, place, None, str(error))
    return Measurable(prepared.contract, session, place, eager)


def example_rows(contract: Mapping[str, Any], count: int) -> dict[str, NDArray[Any]]:
    """Return a batch of what a part takes: latents, images, codes, and conditions in turn."""
    generator = np.random.default_rng(0)
    rows: dict[str, NDArray[Any]] = {}
    for port in contract["inputs"]:
        shape = (count, *port["shape"])
        if port["kind"] == "condition":
            rows[port["name"]] = _conditions(contract["condition"], count)
        elif port["dtype"] == "uint8":
            rows[port["name"]] = generator.integers(0, 256, shape, np.uint8)
        elif port["kind"] == "image":
            rows[port["name"]] = generator.random(shape, np.float32)
        elif port["kind"] == "codes":
            rows[port["name"]] = generator.integers(port["count"], size=shape)
        else:
            rows[port["name"]] = generator.standard_normal(shape, np.float32)
    return rows


def _conditions(condition: Mapping[str, Any], count: int) -> NDArray[Any]:
    """Return classes in turn, attributes all absent and all there in turn, or numbers in range."""
    turn = np.arange(count, dtype=np.int64)
    if condition["kind"] == "classes":
        labels: NDArray[np.int64] = turn % condition["count"]
        return labels
    low, high = np.array(condition["ranges"]).T
    # At its ends a number may be out of its range when it is rounded to float32.
    shares = np.array([0, 1] if condition["kind"] == "attributes" else [0.25, 0.75])
    rows: NDArray[Any] = low + (high - low) * shares[turn % 2, None]
    return rows.astype(np.float32)


def device_of(session: Any) -> str:  # noqa: ANN401 - onnxruntime publishes no types
    """Return where an onnxruntime session works: "cpu", "cuda:0"."""
    if session.get_providers()[0] != "CUDAExecutionProvider":
        return "cpu"
    options = session.get_provider_options()["CUDAExecutionProvider"]
    return f"cuda:{options.get('device_id', 0)}"


def load_average() -> float | None:
    """Return how many programs wanted a core in the last minute; None where nobody counts them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    names = [
        line.partition(":")[2].strip()
        for line in text.splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor() or platform.machine()
