"""A training keeps the memory that its steps free."""

import platform

import pytest
import torch

from gtk.core.training.freed_memory import kept_freed_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to")


def page_faults() -> int:
    """Return how often the system provides memory for blocks of 48 MB, one after the other."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(12_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_freed_blocks_are_used_again_inside_alone() -> None:
    before = page_faults()
    with kept_freed_memory():
        page_faults()
        inside = page_faults()
    assert inside * 10 < before
    assert page_faults() * 2 > before
