"""Trainings and draws keep the memory that their steps free."""

import platform
import subprocess
import sys

import pytest

#: Prints page faults of blocks of 48 MB before and inside, and bytes that are given back at the
#: end. In a process of its own, whose heap nothing else has grown around.
MEASURE = """
import os, resource
from pathlib import Path
import numpy as np
from gtk.core.models.freed_memory import kept_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        np.ones(6_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

outside = faults()
with kept_freed_memory():
    with kept_freed_memory():
        faults()
    inside = faults()
    np.ones(50_000_000)
    held = resident()
print(outside, inside, held - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to")
def test_freed_blocks_are_used_again_inside_and_given_back_at_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True
    )
    outside, inside, given_back = map(int, done.stdout.split())
    assert inside * 3 < outside
    assert given_back > 300_000_000
