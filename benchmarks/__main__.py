"""Print one table: how fast the tutorials' loop, pythae and gtk train the same networks, and costs.

    python -m benchmarks [--data-root DIR] [--pythae-python PATH] [--short] [--out FILE]

Each row is written to FILE as a line of JSON as soon as it is done, so that a run that is stopped
has the rows so far. docs/benchmarks.md has the protocol.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from benchmarks.blocks import ContenderFailedError, ask
from benchmarks.rows import LARGER, SYSTEMS, read_row
from benchmarks.table import Protocol, heading, line, measure_row, spread

#: What else is measured; each is a row of its own.
COSTS = ("start-up", "vae-mlp system", "vae-conv system", "folder")
ROWS = (*SYSTEMS, *LARGER, *COSTS)
#: How often a command is started, the images decoded, and the seconds of a repeated call.
RUNS, DECODED, REPEATED = 11, 5_000, 5.0
#: With --short.
FEW_RUNS, FEW_DECODED, SHORT_REPEATED = 3, 500, 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the rows that are wanted; return 1 if one of them failed."""
    given = parse(arguments)
    protocol = Protocol(
        given.seconds, given.rounds, given.threads, "cpu", given.pythae_python, not given.short
    )
    failed = False
    with given.out.open("w") as file, tempfile.TemporaryDirectory() as folder:
        write(file, machine(given))
        for row in measured(given, protocol, Path(folder)):
            failed |= "failed" in row
            write(file, row)
    print(f"\n{given.out}")
    return int(failed)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; errors end the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rows", default=None, help=f"with commas, of {', '.join(ROWS)}")
    parser.add_argument("--seconds", type=float, default=None, help="of a block; by default 1.5")
    parser.add_argument("--rounds", type=int, default=None, help="blocks that count; by default 9")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the CPU")
    parser.add_argument("--short", action="store_true", help="fewer rows, 3 rounds of 0.5 seconds")
    parser.add_argument("--out", type=Path, default=Path("benchmarks.json"), help="lines of JSON")
    parser.add_argument(
        "--data-root", type=Path, help="MNIST and CIFAR-10; without it, the images are noise"
    )
    parser.add_argument("--noise", type=int, default=50_000, help="images of noise")
    parser.add_argument("--pythae-python", help="Python of an environment with pythae 0.1.2")
    given = parser.parse_args(arguments)
    rows = (*SYSTEMS, *COSTS) if given.short else ROWS
    given.rows = rows if given.rows is None else [name.strip() for name in given.rows.split(",")]
    if given.seconds is None:
        given.seconds = 0.5 if given.short else 1.5
    if given.rounds is None:
        given.rounds = 3 if given.short else 9
    unknown = [name for name in given.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}: the rows are {', '.join(ROWS)}")
    for name in ("seconds", "rounds", "threads", "noise"):
        if not 0 < getattr(given, name) < float("inf"):
            parser.error(f"--{name} must be more than 0, not {getattr(given, name)}")
    if given.data_root is not None and not given.data_root.is_dir():
        parser.error(f"--data-root {given.data_root} is not a folder")
    if given.pythae_python is not None and shutil.which(given.pythae_python) is None:
        parser.error(f"--pythae-python {given.pythae_python} is not a program")
    if not given.out.absolute().parent.is_dir():
        parser.error(f"--out {given.out}: {given.out.absolute().parent} is not a folder")
    return given


def machine(given: argparse.Namespace) -> dict[str, Any]:
    """Return where and how it is measured."""
    return {
        "row": "machine",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": given.threads,
        "seconds": given.seconds,
        "rounds": given.rounds,
        "load": round(os.getloadavg()[0], 2),
        "data": "noise" if given.data_root is None else "MNIST and CIFAR-10",
        "python": platform.python_version(),
        "torch": version("torch"),
        "gtk": version("generative-toolkit"),
    }


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((item.partition(": ")[2] for item in lines if "model name" in item), "unknown")


def measured(given: argparse.Namespace, protocol: Protocol, folder: Path) -> Iterator[Any]:
    """Yield each row when it is done; one that fails says why."""
    headed = False
    images: dict[str, Path] = {}
    for name in given.rows:
        begun = time.perf_counter()
        try:
            if name in COSTS:
                row = measure_cost(name, given, protocol, folder, images)
                print(json.dumps(row), flush=True)
            else:
                row = measure_row(name, image_file(name, given, folder, images), folder, protocol)
                print(line(row) if headed else f"{heading()}\n{line(row)}", flush=True)
                headed = True
        except ContenderFailedError as error:
            row = {"row": name, "failed": str(error)}
            print(f"{name} failed: {error}", file=sys.stderr, flush=True)
        yield row | {"took_seconds": round(time.perf_counter() - begun, 1)}


def image_file(name: str, given: argparse.Namespace, folder: Path, images: dict[str, Path]) -> Path:
    """Return a file with the images of a row, written when it is first needed."""
    data = read_row(name)["data"]["name"]
    if data not in images:
        path = folder / f"{data}.npz"
        arguments = ["benchmarks.costs", "images", "--row", name, "--out", str(path)]
        arguments += ["--noise", str(given.noise)]
        if given.data_root is not None:
            arguments += ["--data-root", str(given.data_root.resolve())]
        ask(arguments, {})
        images[data] = path
    return images[data]


def measure_cost(
    name: str, given: argparse.Namespace, protocol: Protocol, folder: Path, images: dict[str, Path]
) -> dict[str, Any]:
    """Return a row of what else than training takes time."""
    kind, repeated = name.rpartition(" ")[2], SHORT_REPEATED if given.short else REPEATED
    place = folder / name.replace(" ", "-")
    place.mkdir()
    if kind == "start-up":
        return {"row": name, **start_up(FEW_RUNS if given.short else RUNS)}
    arguments = ["benchmarks.costs", kind, "--folder", str(place), "--seconds", str(repeated)]
    if kind == "system":
        row = name.partition(" ")[0]
        path = image_file(row, given, folder, images)
        arguments += ["--row", row, "--images", str(path)]
    else:
        arguments += ["--count", str(FEW_DECODED if given.short else DECODED)]
    return {"row": name, **ask(arguments, protocol.environment)}


def start_up(runs: int) -> dict[str, Any]:
    """Return seconds of `gtk --help`, `import gtk` and `import torch`, as whole processes."""
    program = str(Path(sys.executable).parent / "gtk")
    commands = {
        "gtk_help_seconds": [program, "--help"],
        "import_gtk_seconds": [sys.executable, "-c", "import gtk"],
        "import_torch_seconds": [sys.executable, "-c", "import torch"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):  # in turn; the first round warms the disk cache
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    return {name: spread(values[1:]) for name, values in seconds.items()}


def write(file: TextIO, row: dict[str, Any]) -> None:
    """Write a row at once."""
    print(json.dumps(row), file=file, flush=True)


if __name__ == "__main__":
    sys.exit(main())
