"""Several averages of the weights, of which sampling and export choose one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gtk
from gtk.cli.main import run as run_gtk
from gtk.core.registry.train_config import TrainConfig
from gtk.core.values.errors import InvalidValue, UnknownName
from gtk.exports import bench, timing

SMALL: dict[str, Any] = {
    "hidden_dims": (8,), "latent_dim": 2, "batch_size": 480, "quiet": True, "checkpoint_every": 1,
    "learning_rate": 0.05,
}  # fmt: skip


def train(name: str, decay: Any, **options: Any) -> gtk.Run:
    return gtk.train("cvae", "digits", name=name, average_decay=decay, **{**SMALL, **options})


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[it], other[it]) for it in one)


@pytest.fixture
def two(no_pictures: None) -> gtk.Run:
    return train("two", (0.3, 0.6), epochs=5)


def test_each_is_the_average_of_a_training_that_has_it_alone(two: gtk.Run) -> None:
    steps = two.checkpoints.steps()
    assert steps[-1] == 15
    folder = two.checkpoints.folder(steps[-1])
    assert (folder / "average-0.6.safetensors").exists()
    assert not list(folder.glob("average-0.3.*"))
    last = two.checkpoints.load(steps[-1])
    for decay, weights in ((0.3, last.model), (0.6, last.averages["0.6"])):
        alone = train("alone", decay, epochs=5, overwrite=True).checkpoints.load(steps[-1])
        assert same(alone.model, weights)
        assert same(alone.training, last.training)
        assert not alone.averages
    assert not same(last.model, last.averages["0.6"])
    assert two.document["train"]["average_decay"] == [0.3, 0.6]


def test_one_is_chosen_when_one_samples_loads_or_exports(two: gtk.Run) -> None:
    first, other = two.load_model().state_dict(), two.load_model(average=0.6).state_dict()
    assert same(first, two.load_model(average=0.3).state_dict())
    assert same(other, two.checkpoints.load(15).averages["0.6"])
    images = [two.sample(count=4, average=average) for average in (None, 0.3, 0.6)]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    noise = np.zeros((1, 2), np.float32)
    drawn = [two.generate(noise, [3], average=average) for average in (0.3, 0.6)]
    assert not np.array_equal(*drawn)
    gtk.export(two, "first.onnx")
    gtk.export(two, "other.onnx", average=0.6)
    assert Path("first.onnx").read_bytes() != Path("other.onnx").read_bytes()
    assert run_gtk(["sample", "two", "--average", "0.6", "-n", "4", "--out", "a.png"]) == 0
    assert run_gtk(["sample", "two", "--average", "0.3", "-n", "4", "--out", "b.png"]) == 0
    assert run_gtk(["sample", "two", "-n", "4", "--out", "c.png"]) == 0
    a, b, c = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert b == c != a
    assert run_gtk(["export", "two", "--average", "0.6", "--out", "again.onnx"]) == 0
    assert Path("again.onnx").read_bytes() == Path("other.onnx").read_bytes()


def test_a_file_of_an_average_says_so_and_is_proven_and_timed_as_one(
    two: gtk.Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "average" not in gtk.export(two, "first.onnx").contract
    assert gtk.export(two, "other.onnx", average=0.6).contract["average"] == 0.6
    assert gtk.export(two, "proven.onnx", prove="other.onnx").contract["average"] == 0.6
    assert run_gtk(["inspect", "other.onnx"]) == 0
    assert "two, step 15, average 0.6" in capsys.readouterr().out
    assert run_gtk(["inspect", "two", "--average", "0.6"]) == 0
    assert "two, step 15, average 0.6" in capsys.readouterr().out
    assert run_gtk(["inspect", "other.onnx", "--average", "0.3"]) == 2
    monkeypatch.setattr(bench, "SECONDS", 0.002)
    for name in ("BLOCK", "PAUSE", "WARM_UP"):
        monkeypatch.setattr(timing, name, 0.0)
    capsys.readouterr()
    assert run_gtk(["bench", "other.onnx", "--batch-size", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["no_pytorch"] is None, "it has the same weights"


def test_a_resumed_training_has_the_same_averages(two: gtk.Run) -> None:
    train("again", "0.3,0.6", epochs=2)
    again = gtk.train(resume="again", epochs=5, quiet=True)
    one, other = two.checkpoints.load(15), again.checkpoints.load(15)
    assert same(one.model, other.model)
    assert same(one.training, other.training)
    assert same(one.averages["0.6"], other.averages["0.6"])


def test_a_damaged_average_is_passed_over(
    no_pictures: None, caplog: pytest.LogCaptureFixture
) -> None:
    run = train("hurt", (0.3, 0.6), epochs=1)
    file = run.checkpoints.folder(3) / "average-0.6.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InvalidValue, match=r"average-0\.6\.safetensors is damaged"):
        gtk.load("hurt").load_model("latest", average=0.6)
    assert gtk.load("hurt").load_model("latest") is not None
    resumed = gtk.train(resume="hurt", epochs=2, quiet=True)
    assert "average-0.6.safetensors is damaged: the checkpoint of step 2 is used" in caplog.text
    whole = train("whole", (0.3, 0.6), epochs=2)
    assert same(
        whole.checkpoints.load(6).averages["0.6"], resumed.checkpoints.load(6).averages["0.6"]
    )
    (resumed.checkpoints.folder(6) / "average-0.6.safetensors").unlink()
    assert gtk.load("hurt").checkpoints.steps()[-1] == 5


def test_an_average_that_is_not_there_is_refused(
    two: gtk.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    message = r"runs/two has no average 0\.5\. It has: 0\.3, the first, 0\.6\."
    with pytest.raises(UnknownName, match=message):
        two.load_model(average=0.5)
    none = train("none", 0.0, epochs=1)
    with pytest.raises(InvalidValue, match="runs/none has no average of its weights"):
        none.sample(count=1, average=0.3)
    assert run_gtk(["sample", "two", "--average", "0.5", "--out", "a.png"]) == 2
    assert "has no average 0.5" in capsys.readouterr().err
    gtk.export(two, "two.onnx")
    assert run_gtk(["sample", "two.onnx", "--average", "0.3", "--out", "a.png"]) == 2
    assert "which holds one average" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.3, 0.3), "average_decay must be one decay, or different ones above 0, not"),
        ((0.0, 0.3), "average_decay must be one decay, or different ones above 0, not"),
        ((), "average_decay must be one decay, or different ones above 0, not"),
        ((0.3, 1.0), "average_decay must be at least 0 and less than 1"),
        ("0.3,x", "average_decay takes a number, or several such as 0.999,0.9995, not '0.3,x'"),
        (None, "average_decay takes a number"),
    ],
)
def test_decays_that_are_none_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        gtk.train("cvae", average_decay=given)


def test_one_decay_stays_a_number() -> None:
    assert TrainConfig(average_decay=0.3).average_decay == 0.3
    assert run_gtk(["train", "--plugin", "cvae", "--average-decay", "0.3,x"]) == 2
    assert run_gtk(["train", "--plugin", "cvae", "--average-decay", "0.3,0.6", "--dry-run"]) == 0
