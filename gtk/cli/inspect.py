"""`gtk inspect`: what an exported file is, or what a run's parts would be once exported."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import make_console, print_json, print_line, print_titled
from gtk.cli.manifest_lines import manifest_lines
from gtk.cli.options import (
    average_option,
    checkpoint_option,
    json_option,
    runs_option,
    source_argument,
)
from gtk.core.values.errors import GtkError, UserError, WorkFailed
from gtk.exports.file_source import check_file_options, is_exported

if TYPE_CHECKING:
    from gtk.exports.inspection import InspectedPart, Sidecar
    from gtk.exports.loaded_part import LoadedModel


@click.command()
@source_argument
@click.option("--part", metavar="NAME", help="Of a run: this part alone, 'decoder' for instance.")
@checkpoint_option
@average_option
@json_option()
@runs_option
def inspect(
    *,
    source: str,
    part: str | None,
    checkpoint: str | None,
    average: float | None,
    as_json: bool,
    runs: Path,
) -> None:
    """Show the inputs, outputs and proof of an exported file or a run.

    For a run it shows each part that gtk export can write, or the one that --part names. It writes
    nothing.

    gtk inspect digits.onnx

    gtk inspect latest --part encoder
    """
    if is_exported(source):
        check_file_options(source, part=part, checkpoint=checkpoint, average=average)
        _show_file(Path(source), as_json=as_json)
        return
    from gtk.core.storage.runs import find_run
    from gtk.exports.loaded_part import LoadedModel

    run = find_run(source, runs)
    step = run.checkpoints.choose(checkpoint)
    _show_run(LoadedModel(run, step, average, fitting=False), part, as_json=as_json)


def _show_file(path: Path, *, as_json: bool) -> None:
    """Show a file.

    Raises:
        UserError: gtk did not export it.
        WorkFailed: the JSON file beside it describes another file; everything is shown before.
    """
    from gtk.exports.inspection import inspect_file

    inspected, sidecar = inspect_file(path)
    name = inspected.manifest["part"]
    if as_json:
        beside = {**vars(sidecar), "path": str(sidecar.path), "problem": sidecar.problem or None}
        parts = {name: inspected.as_json()}
        _print_json({"file": str(path), "sidecar": beside, "parts": parts})
    else:
        lines = [("file", str(path)), *_lines(inspected, str(path))]
        print_titled(make_console(), [*lines, ("beside it", _beside(sidecar))])
    if sidecar.problem:
        raise WorkFailed(
            f"{sidecar.problem}: one of the two was changed or replaced. Fetch both again, or "
            "export again"
        )


def _show_run(loaded: "LoadedModel", part: str | None, *, as_json: bool) -> None:
    """Show the parts of a run's model.

    Raises:
        GtkError: there is no such part, or the one part that is asked for cannot be exported.
    """
    from gtk.exports.inspection import inspect_part

    run = loaded.run
    names = list(loaded.parts) if part is None else [loaded.part(part).name]
    shown: dict[str, Any] = {}
    console = make_console()
    if not as_json:
        title = f"{run.path}, step {loaded.step}; what gtk export writes by default:"
        print_titled(console, [("run", title)])
    for name in names:
        try:
            inspected = inspect_part(loaded, name)
        except GtkError as error:
            if part is not None:
                raise
            # One part that fails must not hide the others.
            shown[name] = {"error": str(error)}
            lines = [("part", f"{name} cannot be exported: {error}")]
        else:
            shown[name] = inspected.as_json()
            lines = _lines(inspected, str(run.path))
        if not as_json:
            print_line()
            print_titled(console, lines)
    if as_json:
        _print_json({"run": str(run.path), "step": loaded.step, "parts": shown})


def _lines(part: "InspectedPart", origin: str) -> list[tuple[str, str]]:
    """Describe a part in lines of a title and a text each."""
    operators = sorted(part.facts.operators.items(), key=lambda item: (-item[1], item[0]))
    described = manifest_lines(part.as_it_is(), origin)
    if part.proven is False:
        from gtk.exports.runtime.part import changed

        # The figures are of another graph.
        described = [line for line in described if line[0] != "parity"]
        described.append(("parity", f"none: {changed(origin)}"))
    return [
        *described,
        ("operators", ", ".join(f"{count} {name}" for name, count in operators)),
        ("size", f"{part.size:,} bytes, {part.facts.parameter_bytes:,} of them weights"),
        ("sha256", part.sha256),
    ]


def _beside(sidecar: "Sidecar") -> str:
    if not sidecar.exists:
        return f"no {sidecar.path.name}"
    return sidecar.problem or f"{sidecar.path.name} says the same, and has this sha256"


def _print_json(document: dict[str, Any]) -> None:
    """Print one object.

    Raises:
        UserError: a file holds numbers that JSON cannot write, 1e999 for instance.
    """
    try:
        print_json(document)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the manifest in {document.get('file')} is damaged: {error}") from error
