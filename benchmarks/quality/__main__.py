"""Train every family on every data set for the same time, and write docs/quality.md.

    python -m benchmarks.quality --data-root DIR --work DIR

A training is a row of docs/quality.json as soon as it is done. A second call goes on with those
that are missing, and with the run of one that was interrupted; --page writes the page alone.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.quality.cell import FAMILIES, SEEDS, Cell, cells
from benchmarks.quality.page import DOCS, PAGE, ROWS, page, read_rows


def main() -> None:
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs"), help="where the runs are")
    parser.add_argument("--data", type=names, default=list(SEEDS))
    parser.add_argument("--families", type=names, default=list(FAMILIES))
    parser.add_argument("--seeds", type=lambda text: [int(item) for item in names(text)])
    parser.add_argument("--minutes", type=float, default=10, help="of the steps of a training")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--rows", type=Path, default=ROWS, help="the file of the rows")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    given = parser.parse_args()
    if not given.page:
        for cell in cells(given.data, given.families, given.seeds, given.minutes, given.threads):
            if not any(cell.is_of(row) for row in read_rows(given.rows)):
                add(given.rows, measure(cell, given))
    if given.rows == ROWS:
        PAGE.write_text(page(read_rows(ROWS)), encoding="utf-8")


def measure(cell: Cell, given: argparse.Namespace) -> dict[str, Any]:
    """Return the row of a cell, or one with the error that its process ended with."""
    print(f"{cell.name}: {cell.minutes:g} minutes, threads: {cell.threads}", flush=True)
    line = [sys.executable, "-m", "benchmarks.quality.work", json.dumps(asdict(cell))]
    line += ["--work", str(given.work.resolve()), "--samples", str(given.samples)]
    line += ["--data-root", str(given.data_root.resolve())] if given.data_root else []
    ended = subprocess.run(line, capture_output=True, text=True, check=False, cwd=DOCS.parent)
    if ended.returncode:
        error = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{cell.name}: {error}", flush=True)
        return {**asdict(cell), "error": error}
    row: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return row


def add(path: Path, row: dict[str, Any]) -> None:
    """Add a row to a file; one with an error is tried again by the next call, so not kept."""
    if "error" not in row:
        text = json.dumps([*read_rows(path), row], indent=1)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
