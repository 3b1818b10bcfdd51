"""A number as a label means one thing in the runtime and in the example in Python.

The example in JavaScript is held to the same cases in tests/browser/test_node.py.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

import gtk
from gtk.exports.runtime import RequestError, load

CASES = json.loads((Path(__file__).parents[1] / "labels.json").read_text())
DRAW = Path(__file__).parents[2] / "examples" / "python" / "draw.py"


@pytest.fixture(scope="module")
def named(small_run: gtk.Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives an exported file's first classes other names."""
    folder = tmp_path_factory.mktemp("named")
    proto = onnx.load(gtk.export(small_run, folder / "digits.onnx").path)
    manifest = json.loads(proto.metadata_props[0].value)

    def write(names: list[str]) -> Path:
        path = folder / f"{'_'.join(names)}.onnx"
        if not path.exists():
            manifest["condition"].update(names=names, count=len(names))
            manifest["condition"].pop("numbers", None)  # as in files of before
            onnx.helper.set_model_props(proto, {"gtk": json.dumps(manifest)})
            onnx.save(proto, path)
        return path

    return write


@pytest.mark.usefixtures("each_form")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_runtime_reads_labels(named: Callable[..., Path], case: dict[str, Any]) -> None:
    generator, given = load(named(case["names"])), [case["given"]]
    plain = case["given"].removeprefix("-").isdecimal() and case["given"] not in case["names"]
    for labels in (given, [int(case["given"])]) if plain else (given,):
        if case["index"] is None:
            with pytest.raises(RequestError, match="label"):
                generator.sample(labels=labels)
        else:
            noise = generator.draw_noise(1, 0)
            feeds = {"z": noise, "label": np.array([case["index"]])}
            image = generator.session.run(None, feeds)[0][0, 0]
            found = generator.generate(noise, labels)[0]
            assert np.array_equal(found, np.rint(image * 255))


def saying(path: Path, **change: Any) -> Path:
    """Write an exported file whose manifest says something else of its condition."""
    proto = onnx.load(path)
    manifest = json.loads(proto.metadata_props[0].value)
    manifest["condition"].update(change)
    onnx.helper.set_model_props(proto, {"gtk": json.dumps(manifest)})
    onnx.save(proto, "changed.onnx")
    return Path("changed.onnx")


@pytest.mark.usefixtures("each_form")
def test_a_kind_of_condition_that_nobody_knows_is_its_type_shape_and_range(
    named: Callable[..., Path],
) -> None:
    digits = named(list("0123456789"))
    other = load(saying(digits, kind="angle", range=[0, 8]))
    expected = load(digits).sample(labels=[3, 8], seed=1)
    assert np.array_equal(other.sample(labels=[3, np.int64(8)], seed=1), expected)
    assert other.classes is None
    for wrong in (9, "3", 3.5, [3], None):
        with pytest.raises(RequestError):
            other.sample(labels=[wrong])


@pytest.mark.usefixtures("each_form")
def test_rows_without_a_condition_are_for_files_that_take_them(
    named: Callable[..., Path],
) -> None:
    digits = named(list("0123456789"))
    for none in (None, "none"):
        with pytest.raises(RequestError, match="condition_dropout"):
            load(digits).sample(labels=[3, none])
    generator, given = load(saying(digits, absent=10)), []

    def run(_names: list[str], feeds: dict[str, Any]) -> list[Any]:
        given.append(feeds["label"].tolist())
        return [np.zeros((len(feeds["z"]), 1, 8, 8), np.float32)]

    generator.session = SimpleNamespace(run=run)
    generator.sample(labels=[3, None, "none", "7"])
    generator.run({"z": np.zeros((2, 16)), "label": [None, 9]})
    assert given == [[3, 10, 10, 7], [10, 9]]


@pytest.fixture(scope="module")
def nullable(tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """A run whose images may have no condition; not to be written to."""
    return gtk.train(
        "cvae", "digits", runs=tmp_path_factory.mktemp("nullable"), quiet=True, epochs=1,
        hidden_dims=(16,), latent_dim=2, condition_dropout=0.3, learning_rate=0.01,
    )  # fmt: skip


@pytest.mark.usefixtures("each_form")
def test_rows_without_a_condition_are_drawn_as_the_run_draws_them(
    nullable: gtk.Run, tmp_path: Path
) -> None:
    generator = load(gtk.export(nullable, tmp_path / "nullable.onnx").path)
    for labels in ([3, None], [None, "none", "3"]):
        drawn = generator.sample(labels=labels, seed=1).astype(int)
        assert np.abs(drawn - nullable.sample(labels=labels, seed=1)).max() <= 1
    same = np.zeros((2, 2), np.float32)
    images = generator.generate(same, [3, None])
    assert not np.array_equal(images[0], images[1])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_example_reads_labels(case: dict[str, Any]) -> None:
    spec = importlib.util.spec_from_file_location("draw", DRAW)
    assert spec is not None
    assert spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    if case["index"] is None:
        with pytest.raises(SystemExit, match="label"):
            draw.class_index(case["given"], case["names"])
    else:
        assert draw.class_index(case["given"], case["names"]) == case["index"]
