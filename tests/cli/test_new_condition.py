"""A kind of condition from outside, whole: a value class, and a conditioner that wants it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gtk
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.exports.runtime import load

PACKAGE = '''
from dataclasses import dataclass

import gtk
import numpy as np
import torch
from torch import nn

POINTS = {"north": 0.0, "east": 90.0, "south": 180.0, "west": 270.0}


@dataclass(frozen=True)
class Angle(gtk.ConditionSpec):
    """A direction in degrees, clockwise from the top."""

    kind: str = "angle"
    nouns = ("direction", "directions")

    @property
    def limits(self):
        return 0.0, 360.0

    def row(self, given):
        return super().row([POINTS.get(given, given)])

    def examples(self):
        return np.array([[degrees] for degrees in POINTS.values()], np.float32)


class Direction(nn.Module):
    """Sine and cosine, so that 0 and 360 are the same; zeros where there is none."""

    def forward(self, degrees):
        turn = torch.deg2rad(degrees)
        return torch.cat([turn.sin(), turn.cos()], dim=1).nan_to_num(0.0)


class Beside(gtk.ConditioningLayer):
    def __init__(self, features):
        super().__init__()
        self.direction = Direction()
        self.out_features = features + 2

    def forward(self, hidden, condition):
        return torch.cat([hidden, self.direction(condition)], dim=1)


class Compass(gtk.Conditioner):
    def input(self, site, features):
        return Beside(features)


def needles(config, root):
    generator = np.random.default_rng(0)
    down, right = np.mgrid[:8, :8] - 3.5

    def split(count):
        labels = generator.uniform(0, 360, (count, 1)).astype(np.float32)
        turn = np.deg2rad(labels[:, :, None])
        light = (np.sin(turn) * right - np.cos(turn) * down) > 0
        return gtk.Split((light[:, None] * 255).astype(np.uint8), labels)

    spec = gtk.DataSpec("needles", 1, 8, 8, Angle(("direction",)))
    return gtk.Dataset(spec, split(256), split(16))


@gtk.hookimpl
def gtk_datasets():
    return [gtk.DatasetSpec(name="needles", summary="Which half is light.", target=needles)]


@gtk.hookimpl
def gtk_conditioners():
    return [gtk.ConditionerSpec(name="compass", summary="Sine and cosine.", target=Compass)]
'''
ENTRIES = """
[gtk.datasets]
needles = gtk_plugin_needles
[gtk.conditioners]
compass = gtk_plugin_needles
"""


@pytest.fixture
def needles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_plugins: None) -> None:
    """Install the package."""
    (tmp_path / "gtk_plugin_needles.py").write_text(PACKAGE)
    facts = tmp_path / "gtk_plugin_needles-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gtk-plugin-needles\nVersion: 0.1\n"
    )
    (facts / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def light_at(images: Any) -> list[str]:
    """Say at which side each image is lightest."""
    sides = [images[:, 0], images[:, :, -1], images[:, -1], images[:, :, 0]]
    names = np.array(["north", "east", "south", "west"])
    return list(names[np.argmax([side.mean(axis=1) for side in sides], axis=0)])


@pytest.mark.usefixtures("needles")
def test_a_kind_of_its_own_trains_samples_exports_and_runs(
    tmp_path: Path, gtk_command: Any
) -> None:
    run = gtk.train(
        "cvae", "needles", conditioner="compass", runs=tmp_path / "runs", quiet=True, epochs=30,
        hidden_dims=(32,), latent_dim=2, batch_size=32, learning_rate=0.01, condition_dropout=0.2,
    )  # fmt: skip
    condition = run.condition
    assert condition is not None
    assert condition.kind == run.document["data_spec"]["condition"]["kind"] == "angle"
    points = ["north", "east", "south", "west"]
    images = run.sample(labels=[*points, 90, None], seed=1)
    assert light_at(images[:5]) == [*points, "east"]
    assert light_at(run.sample(seed=1)) == points
    with pytest.raises(InvalidValue, match=r"angle must be in 0.0..360.0, not 400..400"):
        run.sample(labels=[400])

    exported = gtk.export(run, tmp_path / "it.onnx")
    table = exported.contract["condition"]
    assert table == {
        "input": "angle", "kind": "angle", "count": 1, "names": ["direction"], "ranges": None,
        "range": [0.0, 360.0], "absent": "NaN",
    }  # fmt: skip
    generator = load(exported.path, "cpu")
    found = generator.sample(labels=[[0], [90], [180], [270], [90], None], seed=1)
    assert np.abs(found.astype(int) - images).max() <= 1
    for wrong in ([400], "north", [0, 1]):
        with pytest.raises(ValueError, match="angle"):
            generator.sample(labels=[wrong])

    done = gtk_command("sample", run.path, "--condition", "west", "-n", 2, "--out", "west.png")
    assert done.code == 0, done.err


def test_a_run_s_kind_is_a_name_among_what_is_installed_and_never_code() -> None:
    table = {"names": ["direction"], "kind": "os:system", "ranges": []}
    with pytest.raises(
        InvalidValue,
        match="unknown kind of condition 'os:system'. Use attributes, classes, continuous",
    ):
        ConditionSpec.from_json(table)
