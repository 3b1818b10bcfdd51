"""`gtk inspect`: what an exported file is, or what a run's parts would be."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import make_console, print_wrapped
from gtk.cli.manifest_lines import manifest_lines
from gtk.cli.options import RunReference, checkpoint_option, runs_option
from gtk.cli.source import is_exported
from gtk.core.values.errors import GtkError, InvalidValue, UserError, WorkFailed
from gtk.core.values.text import visible

if TYPE_CHECKING:
    from gtk.core.storage.run import Run
    from gtk.exports.inspection import InspectedPart, Sidecar


@click.command()
@click.argument("source", metavar="RUN|FILE.onnx", type=RunReference())
@click.option("--part", metavar="NAME", help="Of a run: this part alone, 'decoder' for instance.")
@checkpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@runs_option
def inspect(
    *, source: str, part: str | None, checkpoint: str | None, as_json: bool, runs: Path
) -> None:
    """Show what an exported file, or a run's part, takes, gives and is made of.

    Of a run it shows each part that gtk export can write, or the one that is named. Nothing is
    written.

    gtk inspect digits.onnx

    gtk inspect latest --part encoder
    """
    if is_exported(source):
        if part is not None or checkpoint is not None:
            raise InvalidValue(
                f"{source} is an exported file, of one part: --part and --checkpoint are for runs"
            )
        _show_file(Path(source), as_json=as_json)
        return
    from gtk.core.storage.runs import find_run

    _show_run(find_run(source, runs), part, checkpoint, as_json=as_json)


def _show_file(path: Path, *, as_json: bool) -> None:
    """Show a file.

    Raises:
        UserError: it is none that gtk exported.
        WorkFailed: the JSON file beside it is not about it; all is shown before.
    """
    from gtk.exports.inspection import inspect_file

    inspected, sidecar = inspect_file(path)
    name = inspected.contract["part"]
    if as_json:
        beside = {
            "path": str(sidecar.path),
            "exists": sidecar.exists,
            "problem": sidecar.problem or None,
        }
        parts = {name: inspected.as_json()}
        _print_json({"file": str(path), "sidecar": beside, "parts": parts})
    else:
        lines = _lines(inspected, str(path))
        _print([("file", str(path)), *lines, ("beside it", _beside(sidecar))])
    if sidecar.problem:
        raise WorkFailed(
            f"{sidecar.problem}: one of the two was changed or replaced. Fetch both again, or "
            "export again"
        )


def _show_run(run: "Run", part: str | None, checkpoint: str | None, *, as_json: bool) -> None:
    """Show a run's parts.

    Raises:
        GtkError: there is no such part or checkpoint, or the part that was asked for cannot be
            exported.
    """
    from gtk.exports.inspection import inspect_part
    from gtk.exports.loaded_part import LoadedModel

    loaded = LoadedModel(run, run.checkpoints.choose(checkpoint))
    names = list(loaded.parts) if part is None else [loaded.part(part).name]
    shown: dict[str, Any] = {}
    if not as_json:
        _print([("run", f"{run.path}, step {loaded.step}; what gtk export writes by default:")])
    for name in names:
        try:
            inspected = inspect_part(loaded, name)
        except GtkError as error:
            if part is not None:
                raise
            # What is wrong with one part is no reason to hide the others.
            shown[name] = {"error": str(error)}
            lines = [("part", f"{name} cannot be exported: {error}")]
        else:
            shown[name] = inspected.as_json()
            lines = _lines(inspected, str(run.path))
        if not as_json:
            click.echo()
            _print(lines)
    if as_json:
        _print_json({"run": str(run.path), "step": loaded.step, "parts": shown})


def _lines(part: "InspectedPart", origin: str) -> list[tuple[str, str]]:
    """Return everything there is to say of a part, line by line."""
    operators = sorted(part.facts.operators.items(), key=lambda item: (-item[1], item[0]))
    counts = ", ".join(f"{count} {name}" for name, count in operators)
    weights = f"of which {part.facts.parameter_bytes:,} are weights"
    return [
        *manifest_lines(part.contract, origin),
        ("operators", counts),
        ("size", f"{part.size:,} bytes, {weights}"),
        ("sha256", part.sha256),
    ]


def _beside(sidecar: "Sidecar") -> str:
    if not sidecar.exists:
        return f"no {sidecar.path.name}"
    return sidecar.problem or f"{sidecar.path.name} says the same, and has this sha256"


def _print(lines: list[tuple[str, str]]) -> None:
    """Print lines; a name in a file can be anything, which a terminal must not act on."""
    console = make_console()
    for title, text in lines:
        print_wrapped(console, visible(text), title)


def _print_json(document: dict[str, Any]) -> None:
    """Print one object.

    Raises:
        UserError: a file holds numbers that JSON has none for, 1e999 for instance.
    """
    try:
        click.echo(json.dumps(document, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise UserError(f"the manifest in {document.get('file')} is damaged: {error}") from error
