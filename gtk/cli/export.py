"""`gtk export`: parts of a model as ONNX files, proven equal to PyTorch."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from click.core import ParameterSource

from gtk.cli.console import make_console, print_json, print_text
from gtk.cli.manifest_lines import float16_lines, undecided_rows
from gtk.cli.options import (
    Decorator,
    average_option,
    checkpoint_option,
    json_option,
    out_option,
    run_argument,
    runs_option,
)
from gtk.cli.progress_bar import work_shown
from gtk.cli.sampler_options import PREFIX, DrawingCommand, sampler_option, sampler_values
from gtk.core.storage.command import sample_condition
from gtk.core.storage.run import Run
from gtk.core.values.errors import InvalidValue
from gtk.exports.options import OPSETS, TOLERANCES, Layout, Pixels, Precision
from gtk.exports.snippet import javascript_snippet, python_snippet

if TYPE_CHECKING:  # these import torch
    from rich.console import Console

    from gtk.exports.onnx import Exported
    from gtk.exports.parity import Difference


def batch_size(text: str) -> int | None:
    """Read a whole number, or "dynamic" for any, which is None."""
    try:
        return None if text == "dynamic" else int(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} must be 'dynamic' or a whole number such as 16"
        ) from error


def _choice(flag: str, choices: Any, text: str) -> Decorator:  # noqa: ANN401 - a Literal
    """Add an option whose default is the first of its choices."""
    known = get_args(choices)
    return click.option(
        flag, type=click.Choice(known), default=known[0], show_default=True, help=text
    )


@click.command(cls=DrawingCommand)
@run_argument()
@click.option(
    "--part",
    metavar="PART",
    help="decoder, sampler, denoiser, encoder, generator, discriminator, or another that the "
    "model's plugin has; 'all' for every one. By default the one that makes images.",
)
@out_option(
    "FILE",
    "The file to write, for 'all' a folder; by default NAME-PART.onnx in the run's folder. A .json "
    "beside it holds the file's manifest.",
)
@checkpoint_option
@average_option
@sampler_option
@click.option(
    "--opset",
    default=OPSETS[0],
    show_default=True,
    metavar="N",
    help=f"The version of ONNX's operators: {OPSETS[0]} to {OPSETS[-1]}; some models also work "
    "with older ones.",
)
@_choice(
    "--precision",
    Precision,
    "fp16 halves the file, for GPUs and downloads; a CPU gains nothing by it. Inputs and outputs "
    "stay float32.",
)
@_choice(
    "--image", Pixels, "What images are, in and out: float32 in 0..1, or whole levels in 0..255."
)
@_choice(
    "--layout",
    Layout,
    "The order of an image's axes: channels first, or last as in most picture files.",
)
@click.option(
    "--batch-size",
    type=batch_size,
    default="dynamic",
    show_default=True,
    metavar="dynamic|N",
    help="Images that the file makes at once: any number, or always N.",
)
@click.option(
    "--tolerance",
    "--atol",
    "tolerance",
    type=float,
    metavar="X",
    help="The largest difference allowed from PyTorch.  [default: "
    + ", ".join(f"{value:g} for {name}" for name, value in TOLERANCES.items())
    + "]",
)
@click.option(
    "--prove",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Prove this file, which the run was exported to and another tool has changed, a quantizer "
    "for instance, and write it to --out with a manifest of its own.",
)
@click.option("--dry-run", is_flag=True, help="Do everything, proof included, but write no file.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@json_option("Print one JSON object a file, for programs.")
@runs_option
def export(
    *,
    run: str,
    part: str | None,
    out: Path | None,
    as_json: bool,
    runs: Path,
    **options: Any,  # noqa: ANN401 - as gtk.exports.onnx.export has them
) -> None:
    """Write parts of a run's model as ONNX files, proven equal to PyTorch.

    gtk export latest --out digits.onnx

    gtk export latest --part encoder

    gtk export latest --part all --out exported --precision fp16

    gtk export latest --prove quantized.onnx --out small.onnx
    """
    from gtk.core.storage.runs import find_run

    typed = click.get_current_context().get_parameter_source
    defaults = {name for name in options if typed(name) is ParameterSource.DEFAULT}
    given = {name: value for name, value in options.items() if name not in defaults}
    values = sampler_values(given)
    given = {name: value for name, value in given.items() if not name.startswith(PREFIX)}
    given |= {"sampler_options": values} if values else {}
    found = find_run(run, runs)
    from gtk.exports.onnx import export as export_one, export_all

    with work_shown():
        if part == "all":
            if "prove" in given:
                raise InvalidValue("--prove takes one file: name its part, or leave --part out")
            exported = export_all(found, out, **given)
        else:
            exported = [export_one(found, out, part=part, **given)]
    if as_json:
        for item in exported:
            print_json(_document(item))
        return
    console = make_console()
    for item in exported:
        _print(console, item)
    if exported[0].written:
        _print_next(console, found, exported[0])


def _document(item: "Exported") -> dict[str, Any]:
    """Describe a file for programs."""
    return {
        "file": str(item.path),
        "part": item.part,
        "size": item.size,
        "sha256": item.sha256,
        "seconds": round(item.seconds, 3),
        "parity": {"largest": item.parity.largest, **item.contract["parity"]},
        "contract": str(item.contract_path),
        "written": item.written,
    }


def _print(console: "Console", item: "Exported") -> None:
    """Print what was written, and how near to PyTorch it is."""
    manifest = item.contract
    batch = manifest["batch_size"] or "of any size"
    what = f"{item.size:,} bytes, {manifest['precision']}, opset {manifest['opset']}, batch {batch}"
    console.print(f"{item.part}: {item.path}, {what}")
    for name, found in item.parity.outputs.items():
        console.print(f"  {name} {_difference(found)}")
    sizes = list(dict.fromkeys(size for by in item.parity.differences.values() for size in by))
    listed = ", ".join(map(str, sizes[:-1])) + " and " if len(sizes) > 1 else ""
    tolerance = f"{item.parity.tolerance:.2g}"
    if item.parity.spreads:
        tolerance += " of the spread"
    elif any(port["kind"] == "values" for port in manifest["outputs"]):
        tolerance += f" + {tolerance} of each value"
    console.print(
        f"  tolerance {tolerance}, compared at batch {listed}{sizes[-1]}, in {item.seconds:.1f} s"
    )
    for line in float16_lines(manifest["parity"]):
        console.print(f"  {line}")
    if item.parity.margin is not None:
        console.print(f"  {undecided_rows(manifest['parity'])}")
    if not item.written:
        console.print("  not written, this is a dry run")


def _difference(found: "Difference") -> str:
    """Return how an output differs, in words."""
    if found.largest == 0:
        text = "is what PyTorch gives"
    else:
        text = f"differs from PyTorch by at most {found.largest:.2g}, on average {found.mean:.2g}"
    if found.levels is None:
        return text
    if not found.pixels:
        return f"{text}; none of {found.values:,} 8-bit pixels differs"
    levels = "1 level" if found.levels == 1 else f"{found.levels} levels"
    return f"{text}; {found.pixels:,} of {found.values:,} 8-bit pixels differ, by {levels} at most"


def _print_next(console: "Console", run: Run, item: "Exported") -> None:
    """Show what to do with a file."""
    file = str(item.path)
    for language, snippet in (("Python", python_snippet), ("JavaScript", javascript_snippet)):
        print_text(f"\n{language}:\n\n{snippet(item.contract, file).rstrip()}\n")
    latent, outputs = item.contract["latent"], item.contract["outputs"]
    draws = "denoiser" in item.contract or [output["name"] for output in outputs] == ["image"]
    if draws and latent is not None and latent["prior"] == "normal":
        print_text("\ngo on with\n")
        console.print(
            f"  gtk sample {shlex.quote(file)}{sample_condition(run)} -n 16 --out samples.png"
        )
