"""`gtk export`: one ONNX file, proven equal to PyTorch."""

import shlex
from pathlib import Path

import click

from gtk.cli.console import make_console
from gtk.cli.options import RunReference, checkpoint_option, runs_option
from gtk.core.command import sample_condition


@click.command()
@click.argument("run", metavar="RUN", type=RunReference())
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write; by default NAME-PART.onnx in the run's folder.",
)
@checkpoint_option
@click.option(
    "--atol", "tolerance", default=1e-5, show_default=True, help="The largest difference allowed."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@runs_option
def export(
    *,
    run: str,
    out: Path | None,
    checkpoint: str | None,
    tolerance: float,
    overwrite: bool,
    runs: Path,
) -> None:
    """Write a run's decoder as one ONNX file, proven equal to PyTorch.

    gtk export latest --out digits.onnx
    """
    from gtk.core.runs import find_run

    found = find_run(run, runs)
    from gtk.exports.onnx import export as export_run

    exported = export_run(
        found, out, checkpoint=checkpoint, tolerance=tolerance, overwrite=overwrite
    )
    console = make_console()
    for name, sizes in exported.parity.differences.items():
        for size, difference in sizes.items():
            console.print(
                f"batch {size:<3} {name} differs from PyTorch by at most {difference.largest:.2g}"
            )
    console.print(f"largest difference {exported.parity.largest:.2g}, tolerance {tolerance:.2g}")
    console.print(f"{exported.path}: {exported.size:,} bytes, one file")
    console.print("go on with")
    file = shlex.quote(str(exported.path))
    console.print(f"  gtk sample {file}{sample_condition(found)} -n 16 --out samples.png")
