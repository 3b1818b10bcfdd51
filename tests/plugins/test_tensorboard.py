"""Event files are read back with TensorBoard's own reader: no point is lost, none comes twice."""

import errno
import io
import itertools
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data
from tensorboard.summary.writer import event_file_writer
from torch.utils.tensorboard import SummaryWriter

import gtk
from gtk import defaults
from gtk.cli.main import run as run_gtk

OPTIONS: dict[str, Any] = {
    "plugin": "cvae", "epochs": 5, "batch_size": 140, "validation": 40, "log_every": 4,
    "checkpoint_every": 20, "sample_every": 1, "quiet": True,
}  # fmt: skip
ALL = {"scalars": 0, "images": 0, "tensors": 0}
#: The names have whole ones, and these trainings are faster than that.
SECONDS = itertools.count(1_000_000_000)
SPEED = "training/images_per_second"


def patch(patching: pytest.MonkeyPatch) -> None:
    """Leave out what takes long here, and have event files' names sort by their making."""
    patching.setattr(defaults, "PICTURES", ("samples",))
    patching.setattr(event_file_writer, "time", SimpleNamespace(time=lambda: next(SECONDS)))


@pytest.fixture(autouse=True)
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """A run that was watched all the time; not to be written to."""
    with pytest.MonkeyPatch.context() as patching:
        patch(patching)
        runs = tmp_path_factory.mktemp("watched")
        return gtk.train(callbacks=["tensorboard"], runs=runs, **OPTIONS)


@pytest.fixture
def own(watched: gtk.Run, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(watched.path, tmp_path / "own")


def read(run: gtk.Run, split: str = "") -> Any:
    events = EventAccumulator(str(run.path / "tensorboard" / split), size_guidance=ALL)
    return events.Reload()


def points(run: gtk.Run) -> dict[str, list[tuple[int, float]]]:
    """Return every point but those of speed, which is another each time, by split and tag."""
    return {
        f"{split}/{tag}": [(point.step, point.value) for point in events.Scalars(tag)]
        for split in ("train", "validation", "test")
        if (run.path / "tensorboard" / split).exists()
        for events in [read(run, split)]
        for tag in events.Tags()["scalars"]
        if tag != SPEED
    }


def expected(run: gtk.Run) -> dict[str, list[tuple[int, float]]]:
    """Return the points that metrics.jsonl has, as event files hold them, in single precision."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in run.metrics():
        figures = dict(line["terms"])
        if line["split"] == "train":
            figures["training/learning_rate"] = line["learning_rate"]
        for tag, value in figures.items():
            single = float(np.float32(value))
            found.setdefault(f"{line['split']}/{tag}", []).append((line["step"], single))
    return found


def pictures(run: gtk.Run) -> list[tuple[int, bytes]]:
    return [(image.step, image.encoded_image_string) for image in read(run).Images("samples")]


def test_figures_samples_and_settings_are_read_back(watched: gtk.Run) -> None:
    assert points(watched) == expected(watched)
    assert [len(points(watched)[f"{split}/loss"]) for split in ("train", "validation", "test")] == [
        13, 3, 1,
    ]  # fmt: skip
    speeds = read(watched, "train").Scalars(SPEED)
    assert [point.step for point in speeds] == [*range(4, 49, 4), 50]
    assert all(point.value > 0 for point in speeds)
    for (step, content), epoch in zip(pictures(watched), range(1, 6), strict=True):
        assert step == 10 * epoch
        drawn = Image.open(watched.pictures / f"samples-{epoch:04d}.png").convert("RGB")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), drawn)
    (text,) = read(watched).Tensors("settings/text_summary")
    assert "| loss.name | elbo |" in text.tensor_proto.string_val[0].decode()
    content = read(watched).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    settings = parse_session_start_info_plugin_data(content).hparams
    assert settings["train.batch_size"].number_value == 140
    assert settings["model.name"].string_value == "cvae"


def test_watching_changes_no_bit(watched: gtk.Run) -> None:
    alone = gtk.train(**OPTIONS)
    files = [run.checkpoints.folder(50) / "model.safetensors" for run in (watched, alone)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert watched.metrics() == alone.metrics()


@pytest.mark.parametrize("epoch", [1, 3, 4])  # before the first checkpoint; after the first; on one
def test_a_killed_training_goes_on_without_a_gap_or_a_double(watched: gtk.Run, epoch: int) -> None:
    killed = Path("runs/killed")

    class Kill:
        """Keeps what the disk has at this moment, which is what a kill would leave."""

        @gtk.hookimpl
        def gtk_epoch_end(self, run: gtk.Run, progress: gtk.Progress) -> None:
            if progress.epoch == epoch:
                shutil.copytree(run.path, killed)

    gtk.train(callbacks=["tensorboard", Kill()], **OPTIONS)
    run = gtk.train(resume=killed, callbacks=["tensorboard"], quiet=True)
    assert points(run) == expected(run) == points(watched)
    assert pictures(run) == pictures(watched)


def test_an_interrupted_training_has_all_points_up_to_its_last_step(watched: gtk.Run) -> None:
    class Interrupt:
        @gtk.hookimpl
        def gtk_epoch_end(self, progress: gtk.Progress) -> None:
            if progress.step == 30:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        gtk.train(callbacks=["tensorboard", Interrupt()], name="stopped", **OPTIONS)
    run = gtk.load("stopped")
    assert max(step for step, _ in points(run)["train/loss"]) >= 28
    assert points(run) == expected(run)
    run = gtk.train(resume="stopped", callbacks=["tensorboard"], quiet=True)
    assert points(run) == expected(run)
    assert pictures(run) == pictures(watched)


def test_a_longer_training_has_its_test_figures_once(own: Path) -> None:
    run = gtk.train(resume=own, epochs=6, callbacks=["tensorboard"], quiet=True)
    assert points(run) == expected(run)
    assert len(points(run)["test/loss"]) == 1


def test_what_nobody_watched_is_taken_from_the_metrics(own: Path) -> None:
    gtk.train(resume=own, epochs=6, quiet=True)
    run = gtk.train(resume=own, epochs=7, callbacks=["tensorboard"], quiet=True)
    assert points(run) == expected(run)
    late = gtk.train(**{**OPTIONS, "epochs": 2})
    run = gtk.train(resume=late.path, epochs=3, callbacks=["tensorboard"], quiet=True)
    assert points(run) == expected(run)


def test_its_run_can_be_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--plugin", "vae", "--epochs", "1", "--name", "mine", "--quiet"]
    assert run_gtk([*command, "--callback", "tensorboard"]) == 0
    assert run_gtk([*command, "--overwrite"]) == 0
    assert not Path("runs/mine/tensorboard").exists()


@pytest.fixture
def no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)


@pytest.mark.usefixtures("no_tensorboard")
def test_without_the_package_it_says_how_to_get_it_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_gtk(["train", "--plugin", "vae", "--callback", "tensorboard"]) == 2
    assert capsys.readouterr().err == (
        "gtk: error: callback 'tensorboard' needs the package tensorboard, which is not "
        "installed: pip install tensorboard\n"
    )
    assert not list(tmp_path.iterdir())


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # TensorBoard's names no file


def test_a_thread_that_finds_the_disk_full_prints_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracebacks: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", tracebacks.append)
    monkeypatch.setattr(event_file_writer.RecordWriter, "write", full)
    with pytest.raises(gtk.WorkFailed, match=r"full/tensorboard cannot be written: No space"):
        gtk.train(**{**OPTIONS, "epochs": 1}, name="full", callbacks=["tensorboard"])
    for thread in threading.enumerate():
        if isinstance(thread, event_file_writer._AsyncWriterThread):
            thread.join(60)
    assert not tracebacks
    other = threading.Thread(target=full)
    other.start()
    other.join()
    assert [found.thread for found in tracebacks] == [other]


def test_a_full_disk_leaves_the_run_unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patching:
        patching.setattr(SummaryWriter, "close", full)
        with pytest.raises(gtk.WorkFailed, match=r"full/tensorboard cannot be written: No space"):
            gtk.train(**{**OPTIONS, "epochs": 2}, name="full", callbacks=["tensorboard"])
    assert not gtk.load("full").document["finished"]
