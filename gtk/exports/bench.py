"""How fast a part is in onnxruntime, beside eager PyTorch with the same weights."""

import os
import platform
import re
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue, UserError, WorkFailed
from gtk.exports.files import check_pair
from gtk.exports.runtime import (
    DeviceError,
    ExportFileError,
    RequestError,
    load_part,
    open_session,
)
from gtk.exports.runtime.manifest_checks import read_value
from gtk.exports.timing import BLOCK, PAUSE, WARM_UP, Call, Timing, measure

if TYPE_CHECKING:  # without torch a file is still measured
    from gtk.core.storage.run import Run
    from gtk.exports.pytorch_baseline import Eager

#: The batch sizes that are measured by default.
BATCH_SIZES = (1, 16, 256)
#: The largest batch: an app has no larger one, and it may not fit into memory.
MOST_ROWS = 8192
#: The number of rows that show whether a run has a file's weights, even if some are undecided.
COMPARED = 16
#: Seconds for each batch size.
SECONDS = 2.0


@dataclass(frozen=True)
class Measurable:
    """An exported part to measure, and the same in PyTorch.

    Attributes:
        manifest: of the exported part.
        session: an onnxruntime session on it.
        device: where both compute, "cpu" or "cuda:0".
        eager: the same in PyTorch, None where that is not available.
        why: the reason where `eager` is None, else empty.
    """

    manifest: dict[str, Any]
    session: Any
    device: str
    eager: "Eager | None"
    why: str = ""

    @property
    def threads(self) -> int:
        """The number of threads of the session on the CPU."""
        chosen: int = self.session.get_session_options().intra_op_num_threads
        return chosen or os.cpu_count() or 1

    def sizes(self, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
        """Return the batch sizes to measure, each once; None is for the default.

        Raises:
            InvalidValue: a size that this file does not take.
        """
        fixed = self.manifest.get("batch_size")
        if wanted is None:
            return BATCH_SIZES if fixed is None else (fixed,)
        if fixed is not None and set(wanted) != {fixed}:
            raise InvalidValue(f"the file takes only batches of {fixed}: use --batch-size {fixed}")
        return tuple(dict.fromkeys(wanted))

    def measure(self, size: int, seconds: float) -> list[Timing]:
        """Return how long a batch takes: in onnxruntime, then in PyTorch where that is available.

        Raises:
            WorkFailed: the batch cannot be computed.
        """
        rows = example_rows(self.manifest, size)
        names = [port["name"] for port in self.manifest["outputs"]]
        calls: list[Call] = [lambda: self.session.run(names, rows)]
        if self.eager is not None:
            calls.append(self.eager.call(rows, self.manifest["image"]))
        try:
            with self.eager.working(self.threads) if self.eager else nullcontext():
                return measure(calls, seconds)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise WorkFailed(f"a batch of {size} cannot be computed: {reason}") from error

    def protocol(self, seconds: float) -> str:
        """Describe the measurement, for reports."""
        turns = "of onnxruntime and PyTorch in turns, " if self.eager is not None else ""
        return (
            f"for each batch size {seconds:g} s of blocks of {BLOCK:g} s, {turns}each after a "
            f"pause of {PAUSE:g} s and uncounted calls for {WARM_UP:g} s; a call is from arrays in "
            "main memory to arrays in main memory; medians and quartiles of all calls"
        )

    def versions(self) -> dict[str, str]:
        """Return the versions of the measured packages."""
        import onnxruntime

        found = {"onnxruntime": str(onnxruntime.__version__)}
        if self.eager is not None:
            import torch

            found["torch"] = torch.__version__
        return found

    def machine(self) -> str:
        """Return the name of the processor or GPU that computes."""
        if self.device == "cpu":
            return processor()
        if self.eager is None:
            return self.device
        import torch

        return f"{self.device}, {torch.cuda.get_device_name(self.device)}"


def check_sizes(wanted: tuple[int, ...] | None) -> None:
    """Refuse batch sizes out of range, with InvalidValue, before any work is done."""
    for size in () if wanted is None else wanted or (0,):
        if not 1 <= size <= MOST_ROWS:
            raise InvalidValue(f"a batch size is a whole number in 1..{MOST_ROWS}, not {size}")


def open_file(path: Path, device: str, runs: Path) -> Measurable:
    """Return the part in an exported file, and the same in PyTorch from a run with its weights.

    Args:
        path: the file.
        device: "auto", "cpu" or "cuda".
        runs: the folder of runs that is searched where the file does not lie in its run.

    Raises:
        UserError: the file cannot be read or was not exported by gtk, or the device cannot be used.
    """
    try:
        part = load_part(path, device)
        rows = example_rows(part.contract, COMPARED)
        found = part.run_encoded(rows)
    except (ExportFileError, RequestError, DeviceError) as error:
        raise UserError(str(error)) from error
    check_pair(path)
    name = str(part.contract.get("run"))
    # The name comes from the file: it must not lead out of the folder of runs.
    inside = Path(name).name == name and name not in ("", "..")
    places = [path.absolute().parent, *([runs / name] if inside else [])]
    eager, why = None, ""
    try:
        from gtk.exports.pytorch_baseline import find_eager

        eager = find_eager(part.contract, rows, found, places, part.device)
    except ImportError as error:
        why = f"{(error.name or 'torch').partition('.')[0]} is not installed here"
    except UserError as error:
        why = str(error)
    form = {} if part.proven else {"precision": part.facts.precision}
    return Measurable({**part.contract, **form}, part.session, part.device, eager, why)


def open_run(run: "Run", part: str | None, device: str) -> Measurable:
    """Return a part of a run, exported in memory, and the same in PyTorch.

    Args:
        run: the run; its best or last checkpoint is taken.
        part: the name of the part; by default the one that makes images.
        device: "auto", "cpu" or "cuda".

    Raises:
        GtkError: an unknown part or device, or the part cannot be exported.
    """
    from gtk.exports.loaded_part import LoadedModel
    from gtk.exports.onnx import prepare
    from gtk.exports.options import ExportOptions
    from gtk.exports.pytorch_baseline import Eager

    loaded = LoadedModel(run, run.checkpoints.choose(None))
    subject = loaded.part(part)
    prepared = prepare(loaded, subject, ExportOptions())
    try:
        session = open_session(prepared.content, device)
    except (RequestError, DeviceError) as error:
        raise UserError(str(error)) from error
    place = device_of(session)
    try:
        eager = Eager(replace(subject, model=loaded.untouched), place)
    except InvalidValue as error:  # torch lacks a device that onnxruntime has
        return Measurable(prepared.manifest, session, place, None, str(error))
    return Measurable(prepared.manifest, session, place, eager)


def example_rows(manifest: dict[str, Any], count: int) -> dict[str, NDArray[Any]]:
    """Return a batch of a file's inputs: latents, images, codes, and conditions in turn."""
    return {port["name"]: read_value(port, manifest).typical(count) for port in manifest["inputs"]}


def device_of(session: Any) -> str:  # noqa: ANN401 - onnxruntime publishes no types
    """Return the device of an onnxruntime session: "cpu", "cuda:0"."""
    if session.get_providers()[0] != "CUDAExecutionProvider":
        return "cpu"
    options = session.get_provider_options()["CUDAExecutionProvider"]
    return f"cuda:{options.get('device_id', 0)}"


def load_average() -> float | None:
    """Return the load of the last minute, None where the system does not count it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        named = re.search(r"^model name.*?:(.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        named = None
    return named[1].strip() if named else platform.processor() or platform.machine()
