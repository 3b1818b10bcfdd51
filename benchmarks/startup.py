"""Measure how long the commands that list and help take, as whole processes.

python benchmarks/startup.py [--runs 21]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = (
    ["--help"],
    ["plugins"],
    ["runs"],
    ["train", "--plugin", "cvae", "--help"],
)


def main() -> None:
    """Print one JSON line for each command: milliseconds in the median and at the quartiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=21, help="how often each command is run")
    program = str(Path(sys.executable).parent / "gtk")
    seconds: dict[str, list[float]] = {" ".join(command): [] for command in COMMANDS}
    for _ in range(parser.parse_args().runs + 1):  # in turn; the first round warms the disk cache
        for command in COMMANDS:
            start = time.perf_counter()
            subprocess.run([program, *command], check=True, capture_output=True)
            seconds[" ".join(command)].append(time.perf_counter() - start)
    for name, values in seconds.items():
        lower, median, upper = (1000 * value for value in statistics.quantiles(values[1:], n=4))
        print(
            json.dumps(
                {
                    "command": f"gtk {name}",
                    "median_ms": round(median),
                    "lower_quartile_ms": round(lower),
                    "upper_quartile_ms": round(upper),
                }
            )
        )


if __name__ == "__main__":
    main()
