"""docs/quality.md, made from the rows in docs/quality.json."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.cell import CORE_MINUTES, FAMILIES, SEEDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROWS, PAGE = DOCS / "quality.json", DOCS / "quality.md"
#: A training that took more than this share of its budget is marked.
MOST = 1.1
HEAD = """\
# Quality for the same time

Which family draws best after the same time on the same cores? Each row is `gtk train --plugin
FAMILY --data DATA` with gtk's defaults and as many epochs as fit into the budget, and `gtk
evaluate` of 10,000 images drawn as the run says.

```text
python -m benchmarks.quality --data-root DIR --work DIR
python -m benchmarks.quality --data-root DIR --work DIR --minutes 60
```

makes what is missing of it, an hour or more for each data set, on a machine with nothing else to
do, and this page from docs/quality.json; interrupted, it goes on where it stopped. The budget is
of the training's steps: the time of an epoch is measured first, and validation, pictures and the
evaluation are not counted. It is in minutes of one core: 20 are 10 minutes of two, or 20 of one
(`--threads 1 --minutes 20`). *took* is what it came to, and ! marks more than a tenth beyond.
Where there are several seeds, figures are means with the standard deviation of the seeds, else
with the 95% interval of the images that were drawn.

*class* is how often the judge of the data set sees the class that was asked for, and *worst* that
of the worst class; models without a condition have neither. *distance* is the Frechet distance in
the judge's features to test images, and as a multiple of that of as many training images. *recall*
and *coverage* are shares of what training images reach. *copies* are images nearer to a training
image than 99% of test images are ([what these mean](evaluate.md)). *evaluations* are those of the
network for an image, and the file is the exported one.
"""
TITLES = (
    "family", "class", "worst", "distance", "times real", "recall", "coverage", "copies", "took",
    "epochs", "evaluations", "parameters", "memory", "file",
)  # fmt: skip


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file; none where it does not exist."""
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return rows


def page(rows: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    parts = [HEAD]
    for budget in CORE_MINUTES:
        parts.append(f"\n## {budget:g} minutes of a core\n")
        for data in SEEDS:
            found = [row for row in rows if row["data"] == data]
            found = [row for row in found if row["minutes"] * row["threads"] == budget]
            parts.append(f"\n### {data}, {budget:g} minutes\n\n{table(found)}")
    return "".join(parts)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of a data set and a budget, with how it was made."""
    lines = [f"| {' | '.join(TITLES)} |", "| --- " * len(TITLES) + "|"]
    for family in FAMILIES:
        seeds = [row for row in rows if row["family"] == family]
        cells = described(seeds) if seeds else ["not run", *[""] * (len(TITLES) - 2)]
        lines.append(f"| `{family}` | {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    if not rows:
        return text
    dates = sorted({row["date"] for row in rows})
    threads = sorted({row["threads"] for row in rows})
    judges = sorted({row["judge"] for row in rows})
    return (
        f"{text}\n{dates[0]} to {dates[-1]}; threads: {', '.join(map(str, threads))}; torch "
        f"{', '.join(sorted({row['torch'] for row in rows}))}; the judge is right about "
        f"{', '.join(f'{judge:.2%}' for judge in judges)} of the test images.\n"
    )


def described(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the cells of a family's rows, one row for each seed."""
    last = rows[-1]
    seconds = statistics.mean(row["seconds"] for row in rows)
    over = any(row["seconds"] > MOST * row["minutes"] * 60 for row in rows)
    return [
        figure(rows, "class-accuracy.accuracy", share=True),
        figure(rows, "class-accuracy.worst_class", share=True),
        figure(rows, "frechet-distance.distance"),
        figure(rows, "frechet-distance.times_real"),
        figure(rows, "neighbours.recall", share=True, of="neighbours.real_recall"),
        figure(rows, "neighbours.coverage", share=True, of="neighbours.real_coverage"),
        figure(rows, "nearest.copies", share=True),
        f"{seconds / 60:.1f} min{' !' if over else ''}",
        str(round(statistics.mean(row["epochs"] for row in rows))),
        str(last["evaluations"]),
        f"{last['parameters']:,}",
        f"{max(row['memory_mib'] for row in rows):,} MiB",
        f"{last['file_kib']:,} KiB",
    ]


def figure(
    rows: Sequence[dict[str, Any]], name: str, *, share: bool = False, of: str | None = None
) -> str:
    """Return a figure of all seeds, with its spread or its interval; relative to another's."""
    if name not in rows[0]["figures"]:
        return ""
    factor = 100.0 if share else 1.0
    found = [[part and part * factor for part in row["figures"][name]] for row in rows]
    if of is not None:
        real = [row["figures"][of][0] for row in rows]
        found = [
            [part and part / by for part in parts] for parts, by in zip(found, real, strict=True)
        ]
    unit = "%" if share else ""
    value = statistics.mean(parts[0] for parts in found)
    if len(rows) > 1:
        return f"{value:.3g}{unit} ± {statistics.stdev(parts[0] for parts in found):.2g}"
    low, high = found[0][1:]
    if low is None or high is None:
        return f"{value:.3g}{unit}"
    return f"{value:.3g}{unit} ({low:.3g} to {high:.3g})"
