"""A caller's default device changes nothing that gtk does, and stays the caller's."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gtk
from gtk.core.storage.tensor_file import decode_tensors
from gtk.core.values.default_device import on_cpu_by_default

pytestmark = pytest.mark.usefixtures("no_pictures", "quick_judges")
META = torch.device("meta")


@pytest.fixture
def meta() -> Iterator[None]:
    """Have torch make tensors without values, where no device is named."""
    torch.set_default_device(META)
    yield
    assert torch.get_default_device() == META
    torch.set_default_device(None)


def weights(run: gtk.Run) -> dict[str, list[float]]:
    """Return the weights in the last checkpoint of a run, flat."""
    (file,) = run.path.glob("checkpoints/*/model.safetensors")
    return {key: item.flatten().tolist() for key, item in decode_tensors(file.read_bytes()).items()}


@pytest.mark.parametrize(
    "options",
    [
        {"plugin": "cvae", "validation": 100, "balance": True, "flip": True, "shift": 1},
        {"plugin": "cgan", "metric": "class-accuracy", "condition_dropout": 0.1},
        {"plugin": "flow", "network": "transformer", "width": 16, "depth": 1},
        {"plugin": "flow", "network": "unet", "coupling": "ot", "optimizer": "muon", "width": 8},
    ],
)
def test_a_training_is_the_same(options: dict[str, Any]) -> None:
    fixed: dict[str, Any] = {"epochs": 1, "batch_size": 256, "quiet": True, **options}
    expected = weights(gtk.train(name="usual", **fixed))
    torch.set_default_device(META)
    try:
        found = gtk.train(name="meta", **fixed)
        assert torch.get_default_device() == META
    finally:
        torch.set_default_device(None)
    assert weights(found) == expected


def test_a_run_is_drawn_judged_and_exported_as_without_it(
    small_copy: gtk.Run, request: pytest.FixtureRequest
) -> None:
    images = small_copy.sample([3, 5])
    noise = np.zeros((2, *small_copy.load_model().noise.shape), np.float32)
    made = small_copy.generate(noise, [3, 5])
    figures = gtk.evaluate("small", samples=200, seed=1).lines
    request.getfixturevalue("meta")
    assert np.array_equal(small_copy.sample([3, 5]), images)
    assert np.array_equal(small_copy.generate(noise, [3, 5]), made)
    assert {item.device.type for item in small_copy.load_model().parameters()} == {"cpu"}
    again = gtk.evaluate("small", samples=200, seed=1).lines
    assert [line["figures"] for line in again] == [line["figures"] for line in figures]
    assert gtk.export("small", part="decoder").size > 1000
    assert len(gtk.export_all("small", "all")) > 1


def test_an_error_inside_leaves_it_the_caller_s(meta: None) -> None:
    @on_cpu_by_default()
    def fail() -> None:
        assert torch.zeros(1).device.type == "cpu"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_it_does_not_import_torch(workplace: Path) -> None:
    code = (
        "import sys; from gtk.core.values.default_device import on_cpu_by_default as f\n"
        "with f(): assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=workplace)
