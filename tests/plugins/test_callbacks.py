"""What watches a training: the progress display and the sample pictures."""

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import gtk
from gtk.plugins.callbacks.progress import ProgressDisplay


def shown(*, terminal: bool, steps: int = 440) -> str:
    """Return what the display writes during a training of 20 epochs."""
    file = io.StringIO()
    display = ProgressDisplay(Console(file=file, force_terminal=terminal, width=200))

    class FakeRun:
        path = "runs/x"

    def progress(step: int) -> gtk.Progress:
        terms = {"loss": 22.5, "kl": 0.5} if step else {}
        return gtk.Progress(step, 440, -(-step // 22), 20, terms, 12_345.0 if step else 0.0)

    display.gtk_train_start(FakeRun(), progress(0))  # type: ignore[arg-type]
    for step in range(10, steps + 1, 10):
        display.gtk_step_end(progress(step))
    display.gtk_train_end(progress(steps))
    return file.getvalue()


def test_a_terminal_shows_everything_that_was_asked_for() -> None:
    text = shown(terminal=True)
    for part in (
        "epoch 20/20",
        "step 440/440",
        "12,345 images/s",
        "loss 22.50",
        "kl 0.50",
        "0:00:0",
    ):
        assert part in text


def test_elsewhere_there_are_ten_plain_lines() -> None:
    lines = shown(terminal=False).splitlines()
    assert lines[0] == "Training: runs/x"
    assert len(lines) == 11
    assert lines[-1] == "epoch 20/20  step 440/440  12,345 images/s  loss 22.50  kl 0.50"
    assert "\x1b" not in "".join(lines)


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    gtk.train(plugin="cvae", epochs=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "step 22/22" in captured.err


def test_pictures_show_a_column_for_each_class(small_run: gtk.Run) -> None:
    picture = np.asarray(Image.open(small_run.pictures / "samples-0020.png"))
    assert picture.shape == ((5 * 9 - 1) * 8, (10 * 9 - 1) * 8)
    images = small_run.sample(count=50, seed=0)
    for index in (0, 3, 17, 49):
        row, column = divmod(index, 10)
        cell = picture[row * 72 : row * 72 + 64 : 8, column * 72 : column * 72 + 64 : 8]
        assert np.array_equal(cell, images[index])


def test_pictures_come_as_often_as_asked() -> None:
    run = gtk.train(plugin="vae", epochs=5, sample_every=2, quiet=True)
    assert sorted(path.name for path in run.pictures.iterdir()) == [
        "samples-0002.png", "samples-0004.png", "samples-0005.png",
    ]  # fmt: skip
