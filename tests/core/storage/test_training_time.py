"""timing.json: how long a run's steps took, over all processes that trained it."""

import json
from pathlib import Path

import pytest

import gtk
from gtk.core.storage.training_time import (
    TIMING,
    read_training_seconds,
    write_training_seconds,
)
from gtk.core.training.clock import Clock

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_seconds_are_written_and_read(tmp_path: Path) -> None:
    assert read_training_seconds(tmp_path) is None
    write_training_seconds(tmp_path, 12.34567)
    assert read_training_seconds(tmp_path) == 12.346
    assert [path.name for path in tmp_path.iterdir()] == [TIMING]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"training_seconds": -1}', b'{"training_seconds": "x"}']
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TIMING).write_bytes(content)
    with pytest.raises(gtk.InvalidValue, match="timing.json is damaged: .* Remove it"):
        read_training_seconds(tmp_path)


def test_a_link_is_neither_read_nor_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / TIMING).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(gtk.InvalidValue, match="timing.json cannot be read: it is a link"):
        read_training_seconds(tmp_path)
    with pytest.raises(gtk.UserError, match="is a link"):
        write_training_seconds(tmp_path, 1.0)
    assert (tmp_path / "elsewhere").read_text() == "mine"


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each stretch of steps take one second."""

    def stop(clock: Clock) -> None:
        clock._seconds += 1.0
        clock.total += 1.0

    monkeypatch.setattr(Clock, "stop", stop)


def trained(epochs: int) -> gtk.Run:
    return gtk.train("cvae", name="timed", epochs=epochs, log_every=1000, quiet=True)


def seconds(run: gtk.Run) -> float:
    found: float = json.loads((run.path / TIMING).read_text())["training_seconds"]
    return found


@pytest.mark.usefixtures("steady")
def test_the_time_of_a_resumed_training_is_that_of_all_its_steps() -> None:
    first = seconds(trained(2))
    assert first >= 2
    again = gtk.train(resume="timed", epochs=3, quiet=True)
    assert seconds(again) == first + 1


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("content", [None, "{"])
def test_time_that_is_lost_is_not_made_up(content: str | None) -> None:
    path = trained(1).path / TIMING
    path.unlink()
    if content is not None:
        path.write_text(content)
    gtk.train(resume="timed", epochs=2, quiet=True)
    assert path.exists() == (content is not None)
    assert content is None or path.read_text() == content


def test_equal_trainings_may_take_other_times_and_write_equal_metrics() -> None:
    one, two = (gtk.train("cvae", name=name, epochs=1, quiet=True) for name in ("first", "second"))
    assert seconds(one) > 0
    for name in ("metrics.jsonl", "checkpoints/000000022/training.safetensors"):
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()
    for run in (one, two):
        assert "seconds" not in (run.path / "metrics.jsonl").read_text()


def test_a_run_with_its_time_can_be_replaced() -> None:
    trained(1)
    run = gtk.train("cvae", name="timed", epochs=1, overwrite=True, quiet=True)
    assert (run.path / TIMING).exists()
