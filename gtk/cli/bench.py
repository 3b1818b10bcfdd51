"""`gtk bench`: how fast an exported file or a run is, with PyTorch beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import make_console, print_json, print_titled
from gtk.cli.options import json_option, runs_option, several, source_argument
from gtk.exports.file_source import check_file_options, is_exported

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from gtk.exports.bench import Measurable
    from gtk.exports.timing import Timing


@click.command()
@source_argument
@click.option("--part", metavar="NAME", help="Of a run; by default the part that makes images.")
@click.option(
    "--batch-size",
    "sizes",
    type=several(tuple[int, ...]),
    metavar="N,N,...",
    help="Images in a batch.  [default: 1,16,256]",
)
@click.option(
    "--device", default="auto", show_default=True, help="Where both work: auto, cpu or cuda."
)
@json_option()
@runs_option
def bench(
    *,
    source: str,
    part: str | None,
    sizes: tuple[int, ...] | None,
    device: str,
    as_json: bool,
    runs: Path,
) -> None:
    """Measure an exported file or a run, with eager PyTorch beside it.

    onnxruntime runs the file; a run is exported in memory for that. PyTorch is measured where torch
    is installed and the run exists, with the same weights as the file. Each batch size takes about
    two seconds.

    gtk bench digits.onnx

    gtk bench latest --part encoder --batch-size 1,64
    """
    from gtk.exports import bench as measuring

    measuring.check_sizes(sizes)
    load = measuring.load_average()  # before this command adds to it
    if is_exported(source):
        check_file_options(source, part=part)
        measurable = measuring.open_file(Path(source), device, runs)
    else:
        from gtk.core.storage.runs import find_run

        measurable = measuring.open_run(find_run(source, runs), part, device)
    chosen = measurable.sizes(sizes)
    if not as_json:
        _print_head(measurable, source, load)
    found = {size: measurable.measure(size, measuring.SECONDS) for size in chosen}
    if as_json:
        document = _document(measurable, source, found, load)
        print_json(document)
    else:
        make_console().print(make_table(found, with_torch=measurable.eager is not None))


def _print_head(measurable: "Measurable", source: str, load: float | None) -> None:
    """Print what is measured and how, before it takes its time."""
    from gtk.exports.bench import SECONDS

    manifest = measurable.manifest
    versions = ", ".join(f"{name} {version}" for name, version in measurable.versions().items())
    sides = " on both sides" if measurable.eager else ""
    lines = [
        ("part", f"{manifest['part']} of {source}, {manifest.get('precision', 'fp32')}"),
        ("device", f"{measurable.machine()}; {measurable.threads} CPU threads{sides}"),
        ("versions", versions),
        ("protocol", measurable.protocol(SECONDS)),
    ]
    if load is not None and load > measurable.threads / 2:
        busy = f"other programs use {load:.1f} cores: times and ratios are unreliable"
        lines.append(("busy", busy))
    if measurable.why:
        lines.append(("no PyTorch", measurable.why))
    print_titled(make_console(), lines)


def make_table(found: dict[int, "list[Timing]"], *, with_torch: bool) -> "Table":
    """Return a table with two lines for each batch size: medians, and their quartiles."""
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))  # so that it fits into 60 columns
    torch_titles = ("PyTorch\nms", "images/s", "ratio") if with_torch else ()
    for title in ("batch", "onnxruntime\nms", "images/s", *torch_titles):
        table.add_column(Group(*title.split("\n")), justify="right", overflow="fold")
    for size, timings in found.items():
        cells = [cell for timing in timings for cell in _cells(size, timing)]
        ratio = _ratio(timings)
        table.add_row(str(size), *cells, *([] if ratio is None else [f"{ratio:.2f}"]))
    return table


def _ratio(timings: "list[Timing]") -> float | None:
    """Return how many times as long PyTorch takes, None where it is not there."""
    return timings[1].median / timings[0].median if len(timings) > 1 else None


def _cells(size: int, timing: "Timing") -> "tuple[Group, str]":
    from rich.console import Group

    quartiles = f"{_milliseconds(timing.lower)}..{_milliseconds(timing.upper)}"
    return Group(_milliseconds(timing.median), quartiles), f"{size / timing.median:,.0f}"


def _milliseconds(seconds: float) -> str:
    value = 1000 * seconds
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _document(
    measurable: "Measurable", source: str, found: dict[int, "list[Timing]"], load: float | None
) -> dict[str, Any]:
    """Return everything as one object, for programs."""
    from gtk.exports.bench import SECONDS

    rows = []
    for size, timings in found.items():
        figures = [*(_timing(size, timing) for timing in timings), None]
        sides = dict(zip(("onnxruntime", "pytorch"), figures, strict=False))
        rows.append({"batch_size": size, **sides, "ratio": _ratio(timings)})
    return {
        "source": source,
        "part": measurable.manifest["part"],
        "device": measurable.device,
        "machine": measurable.machine(),
        "threads": measurable.threads,
        "load_average": load,
        "versions": measurable.versions(),
        "protocol": measurable.protocol(SECONDS),
        "no_pytorch": measurable.why or None,
        "batch_sizes": rows,
    }


def _timing(size: int, timing: "Timing") -> dict[str, float]:
    return {
        "median_ms": 1000 * timing.median,
        "lower_quartile_ms": 1000 * timing.lower,
        "upper_quartile_ms": 1000 * timing.upper,
        "images_per_second": size / timing.median,
        "calls": timing.calls,
    }
