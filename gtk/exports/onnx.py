"""Write parts of a run's model as ONNX files, proven equal to PyTorch."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from gtk.core.errors import WorkFailed, unknown_name
from gtk.core.output import check_output_file, write_file
from gtk.core.run import Run
from gtk.core.runs import find_run
from gtk.exports.contract import describe
from gtk.exports.options import ExportOptions
from gtk.exports.proof import Parity, compare
from gtk.exports.runtime import METADATA_KEY, open_session
from gtk.exports.translate import translate


@dataclass(frozen=True)
class Prepared:
    """A part as ONNX, proven, and not yet a file.

    Attributes:
        part: its name.
        content: of the file.
        contract: what the file says about itself.
        parity: what its comparison with PyTorch found.
        seconds: that translation and comparison took.
    """

    part: str
    content: bytes
    contract: dict[str, Any]
    parity: Parity
    seconds: float


@dataclass(frozen=True)
class Exported:
    """A file that was written, and what its comparison with PyTorch found."""

    path: Path
    size: int
    parity: Parity


def export(
    run: Run | str | Path,
    out: str | Path | None = None,
    *,
    part: str | None = None,
    checkpoint: str | int | None = None,
    tolerance: float | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a part of the run's model as ONNX, by default the one that makes images.

    The file is one file, has a symbolic batch axis and no random nodes, and carries its contract
    as JSON in its metadata. It appears by rename, after it agreed with the run loaded again from
    disk, at batch sizes 1, 2, 3 and 16.

    Args:
        run: a run, its folder, its name or "latest".
        out: the file; by default NAME-PART.onnx in the run's folder.
        part: as `Model.exports` names it: "decoder", "encoder", "generator", ...
        checkpoint: as in `Run.load_model`.
        tolerance: see `ExportOptions`.
        overwrite: replace the file if it exists.

    Raises:
        UserError: the file exists, or cannot be written, or there is no such part.
        ExportMismatch: the file does not compute what PyTorch computes; there is none then.
    """
    options = ExportOptions(tolerance=tolerance)
    run = run if isinstance(run, Run) else find_run(run)
    step = run.checkpoints.choose(checkpoint)  # once: a run that trains on may choose another
    name = choose_part(run, part, step)
    path = Path(out) if out is not None else run.path / f"{run.name}-{name}.onnx"
    check_output_file(path, ".onnx", overwrite=overwrite)
    prepared = prepare(run, name, options, step)
    write_file(path, prepared.content)
    return Exported(path, len(prepared.content), prepared.parity)


def choose_part(run: Run, part: str | None, step: int) -> str:
    """Return the name of a part, by default of the one that makes images.

    Raises:
        UnknownName: the model has no such part.
    """
    parts = run.load_model(step).exports()
    if part is not None and part not in parts:
        raise unknown_name("part", part, parts)
    return part or next(iter(parts))


def prepare(run: Run, name: str, options: ExportOptions, step: int) -> Prepared:
    """Translate a part and prove it.

    Raises:
        WorkFailed: it cannot be translated.
        ExportMismatch: the result does not compute what PyTorch computes.
    """
    start = time.perf_counter()
    model, image_shape = run.load_model(step), run.data_spec.image_shape
    part = model.exports()[name]
    proto = translate(model, part, image_shape, options)
    session = open_session(proto.SerializeToString())
    if session is None:
        raise WorkFailed("onnxruntime cannot read what torch.onnx has made of this model")
    parity = compare(run.load_model(step), session, part, image_shape, options.allowed)
    contract = describe(run, step, model, name, part, options, parity, proto.graph)
    onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps(contract, allow_nan=False)})
    proto.producer_name = "gtk"
    content = proto.SerializeToString()
    return Prepared(name, content, contract, parity, time.perf_counter() - start)
