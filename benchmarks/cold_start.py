"""Measure processes that draw one image: from an exported file, and from its run through torch.

    python benchmarks/cold_start.py RUN [--rounds 11]

RUN is a folder. In turns, after a round that warms the disk cache:

- `gtk sample FILE.onnx -n 1 --out x.png`, in onnxruntime, without torch;
- `gtk sample RUN -n 1 --out y.png`, in torch;
- `python -c "from gtk.exports.runtime import load"`, what an app pays for the import alone.

Seconds are from start to end of the process, memory is its highest resident set as the kernel tells
when it ends (ru_maxrss). A child begins as a copy of this process and is counted as one, so nothing
large is imported here.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

GTK = str(Path(sys.executable).parent / "gtk")


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "model.onnx"
        run_command([GTK, "export", str(given.run), "--out", str(file)])
        picture = ["-n", "1", "--overwrite", "--out", str(Path(work) / "picture.png")]
        commands = {
            "file": [GTK, "sample", str(file), *picture],
            "run": [GTK, "sample", str(given.run), *picture],
            "import": [sys.executable, "-c", "from gtk.exports.runtime import load"],
        }
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(given.rounds + 1):
            for name, command in commands.items():
                figures[name].append(run_command(command))
    seconds, memory = (
        {name: [item[which] for item in values[1:]] for name, values in figures.items()}
        for which in (0, 1)
    )
    document = {
        "run": given.run.name,
        "rounds": given.rounds,
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "mib": {name: spread(values) for name, values in memory.items()},
        "file_share_of_run": {
            "seconds": share(seconds["file"], seconds["run"]),
            "mib": share(memory["file"], memory["run"]),
        },
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    print(json.dumps(document, indent=2))


def run_command(command: list[str]) -> tuple[float, float]:
    """Run a process; return its seconds, and its highest resident set in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)  # for Popen, which did not wait itself
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, usage.ru_maxrss / unit


def spread(values: list[float]) -> dict[str, Any]:
    """Return the median and the quartiles."""
    lower, median, upper = (round(value, 4) for value in statistics.quantiles(values, n=4))
    return {"median": median, "lower_quartile": lower, "upper_quartile": upper}


def share(mine: list[float], theirs: list[float]) -> float:
    """Return what share one median is of another."""
    return round(statistics.median(mine) / statistics.median(theirs), 4)


if __name__ == "__main__":
    main()
