"""A full disk is one line and exit code 1 wherever it strikes, and the training goes on later."""

import errno
import os
from pathlib import Path

import processes
import pytest
from filelock import FileLock

import gtk
from gtk.core.storage.run import Run
from gtk.core.values.errors import WorkFailed

ARGUMENTS = ("--plugin", "vae", "--epochs", "2", "--log-every", "1")
#: Files that grow beyond a size are refused, as they are on a full disk, but for the error's name.
LIMITED = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"


def train(size: int, *arguments: str) -> str:
    """Train where no file can be larger than `size` bytes, and return the error."""
    line = processes.command("train", "--quiet", "--name", "full", *ARGUMENTS, *arguments)
    result = processes.python(LIMITED.format(size=size) + line)
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


def test_a_run_that_cannot_be_described_is_not_left() -> None:
    assert "runs/full/run.json cannot be written: File too large" in train(900)
    assert not Path("runs/full").exists()


@pytest.mark.parametrize(
    ("size", "every", "file"), [(3_000, 44, "metrics.jsonl"), (30_000, 11, "checkpoints/000000011")]
)
def test_a_training_goes_on_once_there_is_room(size: int, every: int, file: str) -> None:
    failure = train(size, "--checkpoint-every", str(every))
    assert failure == f"gtk: error: runs/full/{file} cannot be written: File too large"
    run = gtk.train(resume="full", quiet=True)
    assert run.checkpoints.latest() == 44
    assert [line["step"] for line in run.metrics() if line["split"] == "train"] == [*range(1, 45)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_no_room_for_a_lock_or_a_folder_is_no_mistake(
    small_run: Run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", fail)
    with pytest.raises(WorkFailed, match="small cannot be written: "), small_run.locked():
        pass
    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(WorkFailed, match="runs/vae-digits-0001 cannot be made: "):
        gtk.train(plugin="vae", epochs=1, quiet=True)


def test_an_error_inside_the_lock_is_not_taken_for_one_of_the_lock(small_run: Run) -> None:
    with pytest.raises(PermissionError, match="mine"), small_run.locked():
        raise PermissionError("mine")
