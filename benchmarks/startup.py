"""Measure how long the commands that list and help take, as whole processes.

python benchmarks/startup.py [--runs 21] [--packages DIR]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = (
    ["--help"],
    ["plugins"],
    ["runs"],
    ["train", "--plugin", "generative-toolkit/cvae", "--help"],
)


def main() -> None:
    """Print one JSON line for each command: milliseconds in the median and at the quartiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=21, help="how often each command is run")
    parser.add_argument(
        "--packages",
        type=Path,
        help="a folder of plugin packages, as tests/packages: measure with them installed, too",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sites = {"alone": ""}
        if arguments.packages is not None:
            packages = sorted(path.parent for path in arguments.packages.glob("*/pyproject.toml"))
            sites["with packages"] = install(packages, Path(folder))
        measure(sites, arguments.runs)


def install(packages: list[Path], folder: Path) -> str:
    """Install packages into a folder, from copies, and return where they can be imported from."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--target", str(folder / "site")]
    copies = shutil.copytree(packages[0].parent, folder / "sources")
    subprocess.run([*command, *(str(copies / path.name) for path in packages)], check=True)
    return str(folder / "site")


def measure(sites: dict[str, str], runs: int) -> None:
    """Run each command as often with each PYTHONPATH, in turn, and print what it took."""
    program = str(Path(sys.executable).parent / "gtk")
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(runs + 1):  # in turn; the first round warms the disk cache
        for command in COMMANDS:
            for name, site in sites.items():
                environment = {**os.environ, "PYTHONPATH": site}
                start = time.perf_counter()
                subprocess.run(
                    [program, *command], check=True, capture_output=True, env=environment
                )
                took = time.perf_counter() - start
                seconds.setdefault((" ".join(command), name), []).append(took)
    for (command, name), values in seconds.items():
        lower, median, upper = (1000 * value for value in statistics.quantiles(values[1:], n=4))
        print(
            json.dumps(
                {
                    "command": f"gtk {command}",
                    "plugins": name,
                    "median_ms": round(median),
                    "lower_quartile_ms": round(lower),
                    "upper_quartile_ms": round(upper),
                }
            )
        )


if __name__ == "__main__":
    main()
