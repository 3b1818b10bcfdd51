"""Trainings of six kinds, killed anywhere, come to the same files: a short run of the bench."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "kills.py"


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="the script needs Linux")
@pytest.mark.parametrize(
    "mode",
    [
        "--kills 12",
        "--operations --every 37",
        "--overwriting --every 53",
    ],
)
def test_killed_trainings_come_to_the_same_files(mode: str, workplace: Path) -> None:
    """It prints what differs; where it fell, and the runs, are in the folder."""
    command = [sys.executable, SCRIPT, "--out", workplace, *mode.split()]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
