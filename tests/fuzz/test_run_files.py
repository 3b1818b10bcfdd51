"""A run from a stranger: its JSON files raise no error but gtk's own, hang, or fill the memory."""

from pathlib import Path

import pytest
from few import check
from run_readers import run_kinds

import gtk


@pytest.mark.parametrize("name", ["run.json", "metrics", "timing", "state", "latents"])
def test_run_files(workplace: Path, small_run: gtk.Run, name: str) -> None:
    check(run_kinds(small_run.path)[name])
