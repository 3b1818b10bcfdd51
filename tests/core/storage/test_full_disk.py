"""A full disk is one line and exit code 1 wherever it strikes, and the training goes on later."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import processes
import pytest
from filelock import FileLock

import gtk
from gtk.cli import main
from gtk.core.storage.run import Run
from gtk.core.values import output
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
    remedy = "Make room, and complete the run with: gtk train --resume full"
    assert failure == f"gtk: error: runs/full/{file} cannot be written: File too large. {remedy}"
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


OPTIONS: dict[str, Any] = {
    "plugin": "vae", "name": "full", "epochs": 2, "checkpoint_every": 11, "log_every": 5,
    "quiet": True,
}  # fmt: skip
NO_ROOM = (
    "runs/full/{} cannot be written: No space left on device. "
    "Make room, and complete the run with: gtk train --resume full"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that never lacked room, with all that gtk writes; not to be written to."""
    with pytest.MonkeyPatch.context() as patching:
        patching.chdir(tmp_path_factory.mktemp("whole"))  # its report names its runs
        return Run(gtk.train(**OPTIONS).path.resolve())


def contents(run: Run) -> dict[str, bytes]:
    """Return the files of a run, but for the time when it was made, and what its steps took."""
    files = {path.relative_to(run.path): path for path in run.path.rglob("*") if path.is_file()}
    del files[Path("timing.json")]
    made = Run(run.path).document["created"]
    told = rf"{re.escape(made)}|{made.partition('T')[0]}|trained in [\d:]+".encode()
    return {str(name): re.sub(told, b"", path.read_bytes()) for name, path in files.items()}


@contextmanager
def no_room_for(word: str) -> Iterator[None]:
    """Refuse files and folders whose names begin with a word, as a full disk does."""
    create, mkdir = output._create, Path.mkdir

    def check(path: Path) -> None:
        if path.name.lstrip(".").startswith(word):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def create_or_fail(path: Path, content: bytes) -> None:
        check(path)
        create(path, content)

    def mkdir_or_fail(path: Path, *given: Any, **named: Any) -> None:
        check(path)
        mkdir(path, *given, **named)

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(output, "_create", create_or_fail)
        patching.setattr(Path, "mkdir", mkdir_or_fail)
        yield


@pytest.mark.parametrize(
    ("word", "file"),
    [
        ("latents.json", "pictures/latents.json"),
        ("curves", "pictures/curves.png"),
        ("pictures", "pictures"),
        ("report", "report.html"),
        ("run.json", "run.json"),
    ],
)
def test_a_run_is_not_finished_before_all_is_written_that_follows_its_last_step(
    whole: Run, workplace: Path, capsys: pytest.CaptureFixture[str], word: str, file: str
) -> None:
    """It goes on from its last checkpoint, as after a kill there."""
    run = Run(shutil.copytree(whole.path, workplace / "runs" / "full"))
    run.replace_settings(run.settings, finished=False)
    later = [item for item in run.pictures.iterdir() if not item.match("*-0001.png")]
    for path in (run.report, *later):
        path.unlink()
    with no_room_for(word):
        assert main.run(["train", "--resume", "full", "--quiet"]) == 1
    assert capsys.readouterr() == ("", f"gtk: error: {NO_ROOM.format(file)}\n")
    assert Run(run.path).document["finished"] is False
    assert main.run(["train", "--resume", "full", "--quiet"]) == 0
    assert contents(run) == contents(whole)


@pytest.mark.parametrize("word", ["samples-0001", "curves"])
def test_a_picture_that_finds_no_room_in_a_training_is_drawn_when_that_goes_on(
    whole: Run, word: str
) -> None:
    with no_room_for(word), pytest.raises(WorkFailed) as failure:
        gtk.train(**OPTIONS)
    assert str(failure.value) == NO_ROOM.format(f"pictures/{word}.png")
    assert gtk.load("full").checkpoints.steps() == [11]
    run = gtk.train(resume="full", quiet=True)
    assert contents(run) == contents(whole)


class Painter:
    """A callback that fails for reasons of its own, or meets a full disk."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.ended = False

    @gtk.hookimpl
    def gtk_epoch_end(self) -> None:
        raise self.error

    @gtk.hookimpl
    def gtk_train_end(self) -> None:
        self.ended = True


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("error", "fails"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/full/mine/1.png"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),  # of standard output
        (OSError(errno.ENOENT, "No such file or directory", "ink"), False),
        (WorkFailed("no more ink"), False),
    ],
)
def test_only_a_full_disk_in_a_callback_ends_a_training(
    caplog: pytest.LogCaptureFixture, error: Exception, fails: bool
) -> None:
    painter = Painter(error)
    given = {**OPTIONS, "epochs": 1, "callbacks": [painter]}
    if fails:
        with pytest.raises(WorkFailed, match=NO_ROOM.format("mine/1.png")):
            gtk.train(**given)
    else:
        gtk.train(**given)
        assert "callback Painter failed in gtk_epoch_end and is left out" in caplog.text
    assert painter.ended is fails, "it hears the end, unless it was left out"
    assert gtk.load("full").document["finished"] is not fails
