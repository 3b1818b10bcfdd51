"""Out of memory is one line that says what to try, at every stage and in every command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gtk
from gtk.cli.main import gtk as group
from gtk.cli.memory_advice import LESS
from gtk.core.training import training
from gtk.core.training.learner import Learner
from gtk.core.values.errors import OutOfMemory

Command = Callable[..., Any]
#: As on a GPU.
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"
CONFIG: dict[str, Any] = {"network": "mlp", "hidden_dims": (8,), "quiet": True, "epochs": 1}


def fail(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError(FULL)


STAGES = {
    "the model is built": (torch.nn.Linear, "__init__"),
    "it moves to the device": (torch.nn.Module, "to"),
    "a step is taken": (Learner, "learn"),
    "a layer is computed": (torch.nn.Linear, "forward"),
    "the images are loaded": (training, "load_dataset"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_training_says_what_to_try(
    gtk_command: Command, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    place, name = STAGES[stage]
    monkeypatch.setattr(place, name, fail)
    with pytest.raises(OutOfMemory, match="asked for 2.0 GiB more"):
        gtk.train("cvae", **CONFIG)
    result = gtk_command(
        *["train", "--plugin", "cvae", "--network", "mlp", "--quiet", "--epochs", "1"]
    )
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "gtk: error: out of memory (asked for 2.0 GiB more) while " in result.err
    if "images" not in stage:
        assert "training on images of 8x8 pixels with --batch-size 64" in result.err
        assert "Train with a smaller --batch-size, smaller networks (--hidden-dims," in result.err


LINES = [
    ("sample small --out a.png", "drawing 256 images of 8x8 pixels at a time. Use a smaller --b"),
    ("reconstruct small --out a.png", "running gtk reconstruct. Use a smaller -n or --scale, or a"),
    ("interpolate small --out a.png", "drawing 256 images of 8x8 pixels at a time"),
    ("traverse small --out a.png", "drawing 256 images of 8x8 pixels at a time. Use a smaller --s"),
    ("export small --out a.onnx", "exporting the model. Use a machine with more memory"),
    ("bench small", "running gtk bench. Use a smaller --batch-size, or a machine with more"),
]


@pytest.mark.parametrize(("line", "message"), LINES)
def test_a_command_says_what_to_try(
    gtk_command: Command,
    small_run: gtk.Run,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    message: str,
) -> None:
    monkeypatch.setattr(torch.nn.Linear, "forward", fail)
    place = small_run.path.parent
    result = gtk_command(*line.split(), "--runs", place)
    assert (result.code, result.err.count("\n")) == (1, 1), result.err
    assert f"out of memory (asked for 2.0 GiB more) while {message}" in result.err
    assert not list(Path().iterdir()), "no file is left"


def test_python_draws_within_memory(small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.Linear, "forward", fail)
    with pytest.raises(OutOfMemory, match="Use a smaller batch_size, or draw fewer images"):
        small_run.sample([3])


def test_what_is_to_try_exists() -> None:
    for name, text in LESS.items():
        command = group.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        flags = {flag for item in command.params for flag in item.opts} | {"--batch-size"}
        words = text.replace(",", "").split()
        assert {word for word in words if word.startswith("-")} <= flags
