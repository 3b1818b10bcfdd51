"""Write parts of a run's model as ONNX files, proven equal to PyTorch."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import onnx

from gtk.core.settings.choice import SamplerChoice
from gtk.core.storage.run import Run
from gtk.core.storage.runs import find_run
from gtk.core.values.argument import typed
from gtk.core.values.default_device import on_cpu_by_default
from gtk.core.values.errors import (
    ExportMismatch,
    GtkError,
    InvalidValue,
    PluginError,
    UserError,
    WorkFailed,
)
from gtk.core.values.memory import within_memory
from gtk.core.values.setting import setting
from gtk.core.values.tracking import track
from gtk.core.values.user_path import user_path
from gtk.exports.candidate import Candidate, in_float16, open_candidate
from gtk.exports.changed_file import ChangedFile, read_changed
from gtk.exports.files import check_files, check_folder, contract_path, sha256, write_exports
from gtk.exports.graph_checks import check_graph
from gtk.exports.image_format import ImageFormat
from gtk.exports.loaded_part import LoadedModel, LoadedPart
from gtk.exports.manifest import attach, describe
from gtk.exports.options import ExportOptions, OptionValues
from gtk.exports.parity import Parity
from gtk.exports.precision import halve, halve_inside
from gtk.exports.proof import compare, tolerance_needed
from gtk.exports.runtime.session import open_session
from gtk.exports.sampled_part import NAME
from gtk.exports.translate import translate

#: Why quantized files are often far off: signed weights of 8 bits, times unsigned values.
SATURATING = (
    "On processors without VNNI, sums of 8-bit products may saturate: quantize with "
    "reduce_range=True, or unsigned weights"
)


@dataclass(frozen=True)
class Prepared:
    """A part as ONNX, proven, and not yet written to a file; `part` is its name."""

    part: str
    content: bytes
    manifest: dict[str, Any]
    parity: Parity
    seconds: float

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        return sha256(self.content)


@dataclass(frozen=True)
class Exported:
    """A file that was written, or would have been without `dry_run`.

    Attributes:
        path: the file.
        contract_path: the JSON file with the manifest, beside it.
        part: the part's name.
        size: of the file, in bytes.
        sha256: of the file, in hexadecimal.
        contract: the file's manifest.
        parity: the result of the comparison with PyTorch.
        seconds: that translation and comparison took.
        written: False after a dry run.
    """

    path: Path
    contract_path: Path
    part: str
    size: int
    sha256: str
    contract: dict[str, Any]
    parity: Parity
    seconds: float
    written: bool


@typed
@on_cpu_by_default()
@within_memory("exporting the model", "Use a machine with more memory")
def export(
    run: Run | str | Path,
    out: str | Path | None = None,
    *,
    part: str | None = None,
    checkpoint: str | int | None = None,
    average: float | None = None,
    sampler: str | None = None,
    sampler_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    prove: str | Path | None = None,
    **options: Unpack[OptionValues],
) -> Exported:
    """Write a part of the run's model as ONNX, by default the one that makes images.

    The file is one file, has a symbolic batch axis and no random nodes, and carries its manifest
    as JSON in its metadata; the same JSON, with the file's SHA-256, is written beside it. Both
    appear by rename, after the file agreed with the run loaded again from disk, at batch sizes 1,
    2, 3 and 16.

    Args:
        run: a run, its folder, its name or "latest".
        out: the file; by default NAME-PART.onnx in the run's folder.
        part: as `Model.exports` names it: "decoder", "encoder", "generator", ...
        checkpoint: as in `Run.load_model`.
        average: likewise.
        sampler: how the file draws, by name, with its defaults; by default as the run says. Where
            that is not `Model.sample` alone, the part "sampler" is the whole draw, and the default.
        sampler_options: of the sampler, such as {"temperature": 0.7}.
        overwrite: replace the files if they exist.
        dry_run: do everything but write.
        prove: a file that this run was exported to and that another tool has changed since, such as
            a quantizer. It is compared instead of being made, and written to `out` with a manifest
            of its own.
        options: the fields of `ExportOptions`: opset, precision, image, layout, batch_size,
            tolerance. With `prove` only the tolerance: the file has the others.

    Raises:
        UserError: a file exists or cannot be written, the model has no such part, or an option is
            outside what is possible; or the file to prove cannot be one of the part.
        ExportMismatch: the file does not compute what PyTorch computes; it is not written.
        WorkFailed: the part cannot be written as ONNX, or the disk is full.
    """
    chosen = ExportOptions(**options)
    run = run if isinstance(run, Run) else find_run(user_path(run, "run"))
    choice = _sampler_choice(run, sampler, sampler_options)
    file = None if prove is None else _file_to_prove(prove, out, options)
    if file is not None:
        part = file.manifest.get("part") if part is None else part
        checkpoint = file.step(run) if checkpoint is None else checkpoint
        average = file.average(run) if average is None else average
        choice = choice or file.sampler(run)
    # The checkpoint is chosen once: a run that trains on may choose another later.
    step, fitting = run.checkpoints.choose(checkpoint), part in (None, NAME)
    loaded = LoadedModel(run, step, average, choice, fitting=fitting)
    subject = loaded.part(part)
    path = user_path(out, "out") if out is not None else default_path(run.path, run, subject.name)
    check_files(path, overwrite=overwrite, follow=out is not None)
    prepared = (
        prepare(loaded, subject, chosen)
        if file is None
        else prove_anew(loaded, subject, file, chosen.tolerance)
    )
    return _finish({path: prepared}, dry_run=dry_run)[0]


@typed
@on_cpu_by_default()
def export_all(
    run: Run | str | Path,
    folder: str | Path | None = None,
    *,
    checkpoint: str | int | None = None,
    average: float | None = None,
    sampler: str | None = None,
    sampler_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    **options: Unpack[OptionValues],
) -> list[Exported]:
    """Write every part of the run's model as `export` does; all of them, or none if one fails.

    Args:
        run: as in `export`.
        folder: where NAME-PART.onnx of each part goes, made if it does not exist; by default the
            run's own.
        checkpoint: as in `export`.
        average: as in `export`.
        sampler: as in `export`.
        sampler_options: as in `export`.
        overwrite: as in `export`.
        dry_run: as in `export`.
        options: as in `export`.

    Raises:
        UserError: as in `export`.
        ExportMismatch: as in `export`; the message names the parts that can be written.
        WorkFailed: likewise.
    """
    chosen = ExportOptions(**options)
    run = run if isinstance(run, Run) else find_run(user_path(run, "run"))
    place = run.path if folder is None else user_path(folder, "folder")
    check_folder(place)
    choice = _sampler_choice(run, sampler, sampler_options)
    loaded = LoadedModel(run, run.checkpoints.choose(checkpoint), average, choice)
    subjects = {default_path(place, run, name): part for name, part in loaded.parts.items()}
    for path in subjects:
        if place.exists():
            check_files(path, overwrite=overwrite, follow=folder is not None)
    prepared: dict[Path, Prepared] = {}
    failures: list[GtkError] = []
    for path, subject in track(subjects.items(), "exporting", len(subjects)):
        try:
            prepared[path] = prepare(loaded, subject, chosen)
        except (WorkFailed, PluginError) as error:  # of this part; the message names the others
            failures.append(error)
    if failures:
        if not prepared:
            raise failures[0]
        ways = " or ".join(setting("part", item.part) for item in prepared.values())
        message = f"{failures[0]}. What can be written: {ways}"
        raise type(failures[0])(message) from failures[0]
    return _finish(prepared, dry_run=dry_run)


def default_path(folder: Path, run: Run, part: str) -> Path:
    """Return the default file of a part."""
    return folder / f"{run.name}-{part}.onnx"


def prepare(loaded: LoadedModel, subject: LoadedPart, options: ExportOptions) -> Prepared:
    """Translate a part to ONNX and prove it equal to PyTorch, without writing it.

    Raises:
        InvalidValue: an opset that cannot be reached.
        PluginError: the plugin's own code fails, or does not do what its part promises.
        WorkFailed: the part cannot be translated.
        ExportMismatch: the graph does not compute what PyTorch computes.
    """
    start = time.perf_counter()
    graph = translate(subject, options)
    if options.precision == "fp16" and subject.part.path is not None:  # whose errors add up
        graph = halve_inside(graph)
    elif options.precision == "fp16" and not subject.repeats:  # of a draw, only its networks
        graph = halve(graph, subject.raw_inputs)
    proto = ImageFormat(options).add(graph)
    check_graph(proto, subject, options)
    candidate = open_candidate(subject, options, proto, graph)
    return _proven(loaded, subject, options, proto, candidate, start)


def prove_anew(
    loaded: LoadedModel, subject: LoadedPart, file: ChangedFile, tolerance: float | None
) -> Prepared:
    """Prove that a file computes what a part computes in PyTorch, without writing it.

    Raises:
        UserError: its inputs or outputs are not those of the part, or onnxruntime cannot read it.
        ExportMismatch: it does not compute what PyTorch computes; the message names the tolerance
            that would do, if any does.
    """
    start, options = time.perf_counter(), file.options(subject, tolerance)
    session = open_session(file.proto.SerializeToString())
    if session is None:
        raise UserError(f"{file.path} is not an ONNX file that onnxruntime can read")
    float16 = in_float16(file.proto) if options.precision == "fp16" else []
    candidate = Candidate(session, float16=float16)
    try:
        return _proven(loaded, subject, options, file.proto, candidate, start)
    except ExportMismatch as error:
        needed = tolerance_needed(replace(subject, model=loaded.untouched), candidate, options)
        advice = [SATURATING] if options.precision == "int8" else []
        if needed is not None:
            way = setting("tolerance", needed)
            advice.append(f"If this file is good enough for you, add {way}")
        raise ExportMismatch(". ".join([str(error), *advice])) from error


def _proven(
    loaded: LoadedModel,
    subject: LoadedPart,
    options: ExportOptions,
    proto: onnx.ModelProto,
    candidate: Candidate,
    start: float,
) -> Prepared:
    """Prove a graph, and give it a manifest."""
    parity = compare(replace(subject, model=loaded.untouched), candidate, options)
    manifest = describe(loaded, subject, options, parity, proto)
    content = attach(manifest, proto, subject)
    return Prepared(subject.name, content, manifest, parity, time.perf_counter() - start)


def _sampler_choice(
    run: Run, name: str | None, options: Mapping[str, Any] | None
) -> SamplerChoice | None:
    """Return the sampler that is asked for, None for the run's own or that of a file."""
    if name is None and not options:
        return None
    return run.settings.sampler_choice(name, options or {})


def _file_to_prove(path: str | Path, out: str | Path | None, options: OptionValues) -> ChangedFile:
    """Read a file to prove, and refuse options that it has itself."""
    for name in options.keys() - {"tolerance"}:
        raise InvalidValue(
            f"{setting(name)} is how gtk writes a file, {path} is proven as it is: leave it out"
        )
    if out is None:
        raise UserError(f"the proven copy of {path} needs a name: give one with {setting('out')}")
    return read_changed(user_path(path, "prove"))


def _finish(prepared: Mapping[Path, Prepared], *, dry_run: bool) -> list[Exported]:
    """Write all files or none, unless this is a dry run, and return what callers are told."""
    if not dry_run:
        write_exports({path: (item.content, item.manifest) for path, item in prepared.items()})
    return [
        Exported(
            path=path,
            contract_path=contract_path(path),
            part=item.part,
            size=len(item.content),
            sha256=item.sha256,
            contract=item.manifest,
            parity=item.parity,
            seconds=item.seconds,
            written=not dry_run,
        )
        for path, item in prepared.items()
    ]
