"""`gtk.evaluate` and `gtk evaluate` share one list of arguments, and give the same figures."""

import inspect
import json
import logging
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judge_files import nearest_means, write

import gtk
from gtk import evaluate_function
from gtk.cli.evaluate import evaluate as command
from gtk.cli.main import run as run_gtk
from gtk.core.storage.evaluations import read_evaluations
from gtk.evaluate_request import ARGUMENTS, EvaluateRequest
from gtk.pictures.grid import write_png
from gtk.plugins.datasets.digits import load

pytestmark = pytest.mark.usefixtures("no_pictures", "quick_judges")
DATA = load(gtk.NoConfig(), None)
IMAGES = DATA.test.images[:, 0]
#: Metrics that need no judge.
PLAIN = ["diversity", "nearest"]


@pytest.fixture
def run(small_copy: gtk.Run) -> gtk.Run:
    return small_copy


@pytest.fixture
def judge(workplace: Path) -> Path:
    """A judge of the digits in a file."""
    return write(workplace / "own.onnx", ("logits", *nearest_means()))


def by_command(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    """Return the lines that `gtk evaluate ... --json` prints, without their times."""
    capsys.readouterr()
    assert run_gtk(["evaluate", *map(str, words), "--json"]) == 0
    return timeless(json.loads(capsys.readouterr().out)["evaluations"])


def timeless(lines: Any) -> list[dict[str, Any]]:
    """Return lines without the time when each was computed."""
    return [{key: value for key, value in line.items() if key != "created"} for line in lines]


def test_python_takes_what_a_request_has() -> None:
    parameters = inspect.signature(gtk.evaluate).parameters
    items = {item.name: item for item in fields(EvaluateRequest)}
    assert set(parameters) == set(items)
    for name in items.keys() - {"source", "options"}:
        assert parameters[name].default == items[name].default, name


def test_the_command_line_has_an_option_for_each() -> None:
    assert {it.name for it in command.params} == {*ARGUMENTS, "metrics", "as_json"}
    for parameter in command.params:
        if parameter.name in ("samples", "seed", "batch_size"):
            assert inspect.signature(gtk.evaluate).parameters[parameter.name].default == (
                parameter.default
            )


def test_python_gives_the_figures_of_the_command(
    run: gtk.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    found = gtk.evaluate(run, samples=300)
    assert timeless(found.lines) == by_command(capsys, "small", "--samples", 300)
    lines = read_evaluations(run.path)
    assert lines[: len(found.lines)] == found.lines, "the run keeps them"
    assert len(lines) == 2 * len(found.lines)
    assert found.left_out == {}


def test_a_result_is_read_by_names_or_as_a_table(run: gtk.Run, judge: Path) -> None:
    found = gtk.evaluate("small", metrics=["class-accuracy", "diversity"], samples=50, judge=judge)
    accuracy = found.figures["class-accuracy"]["accuracy"]
    assert isinstance(accuracy, gtk.Figure)
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low <= accuracy.value <= accuracy.high
    table = found.lines[1]["figures"]["diversity"]
    assert found.figures["diversity"]["diversity"].low == table.get("low")
    assert found.protocols["class-accuracy"]["images"] == 50
    assert found.hashes == {line["metric"]: line["hash"] for line in found.lines}
    assert (found.source, found.data) == ("small", "digits")
    assert found.judge_accuracy == found.protocols["class-accuracy"]["judge"]["accuracy"]
    head, first, *_ = str(found).splitlines()
    assert head.split() == ["metric", "figure", "value", "95%", "interval", "better", "protocol"]
    assert first.split()[:3] == ["class-accuracy", "accuracy", f"{accuracy.value:.2%}"]


def test_options_reach_metrics_sampler_and_data(
    run: gtk.Run, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["likelihood", "diversity"]
    found = gtk.evaluate(
        run, metrics=names, samples=50, likelihood_samples=3, likelihood_images=20, temperature=0
    )
    assert found.figures["diversity"]["diversity"].value == 0
    assert timeless(found.lines) == by_command(
        capsys, "small", "--metrics", ",".join(names), "--samples", 50, "--likelihood-samples", 3,
        "--likelihood-images", 20, "--temperature", 0,
    )  # fmt: skip
    other = gtk.evaluate(run, metrics=PLAIN, samples=50, sampler_temperature=0)
    assert other.lines[0]["made"]["sampler"]["temperature"] == 0  # type: ignore[typeddict-item]
    for row, image in enumerate(DATA.train.images[:30]):
        (workplace / "photos").mkdir(exist_ok=True)
        write_png(np.kron(image[0], np.ones((2, 2), np.uint8)), workplace / "photos" / f"{row}.png")
    with pytest.raises(gtk.InvalidValue, match="those of photos 16x16 pixels in grey"):
        gtk.evaluate(run, "folder:photos", metrics=PLAIN, samples=50)
    half = gtk.evaluate(run, "folder:photos", metrics=PLAIN, samples=50, against_image_size=8)
    assert timeless(half.lines) == by_command(
        capsys, "small", "--against", "folder:photos", "--against-image-size", 8, "--metrics",
        ",".join(PLAIN), "--samples", 50,
    )  # fmt: skip


def test_an_array_is_judged_like_the_file_that_holds_it(workplace: Path, judge: Path) -> None:
    np.savez("drawn.npz", images=IMAGES, labels=DATA.test.labels, names=[*"0123456789"])
    of_file = gtk.evaluate("drawn.npz", "digits", judge=judge)
    for images, labels in (
        (IMAGES, DATA.test.labels),
        (IMAGES[..., None], [str(label) for label in DATA.test.labels]),
    ):
        of_array = gtk.evaluate(images, "digits", labels=labels, judge=judge)
        assert of_array.hashes == of_file.hashes
        for metric, figures in of_file.figures.items():
            for name, figure in figures.items():
                value = of_array.figures[metric][name].value
                assert value == pytest.approx(figure.value, rel=1e-6, abs=1e-6), (metric, name)
        assert of_array.source == "an array"
    fewer = gtk.evaluate(IMAGES, "digits", metrics=["nearest"], samples=30)
    assert fewer.protocols["nearest"]["images"] == 30


def test_an_array_without_labels_is_made_for_no_class(judge: Path) -> None:
    found = gtk.evaluate(IMAGES, "digits", judge=judge)
    assert "were made for classes, and these were not" in found.left_out["class-accuracy"]
    assert "class-accuracy" not in found.figures


def test_colour_images_are_judged_in_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 8)).astype(np.uint8)
    labels = np.zeros(60, np.int64)
    data = gtk.Dataset(
        gtk.DataSpec("colours", 3, 8, 8, None),
        gtk.Split(pixels, labels),
        gtk.Split(255 - pixels, labels),
    )
    found = gtk.evaluate(pixels.transpose(0, 2, 3, 1), data, metrics=["nearest"])
    assert found.figures["nearest"]["median"].value == 0, "they are training images"
    assert found.data == "colours"


def test_a_dataset_is_compared_with_as_by_its_name(run: gtk.Run) -> None:
    by_name = gtk.evaluate(run, "digits", metrics=PLAIN, samples=50)
    assert timeless(gtk.evaluate(run, DATA, metrics=PLAIN, samples=50).lines) == timeless(
        by_name.lines
    )


def test_an_exported_file_gives_the_figures_of_the_command(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = gtk.evaluate(exported, "digits", metrics=PLAIN, samples=60, seed=3)
    words = exported, "--against", "digits", "--metrics", ",".join(PLAIN), "--samples", 60
    assert timeless(found.lines) == by_command(capsys, *words, "--seed", 3)
    other = gtk.evaluate(exported, "digits", metrics=PLAIN, samples=60)
    assert other.figures != found.figures, "the seed decides the noise"


def test_an_exported_file_needs_no_torch(exported: Path, judge: Path, workplace: Path) -> None:
    np.savez("digits.npz", images=IMAGES, labels=DATA.test.labels, names=[*"0123456789"])
    code = (
        "import sys, gtk\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'torchvision', 'onnx', 'safetensors'):\n"
        "            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"found = gtk.evaluate({str(exported)!r}, 'npz:digits.npz', samples=60,\n"
        f"    metrics=['diversity', 'class-accuracy'], judge={str(judge)!r})\n"
        "assert set(found.figures) == {'diversity', 'class-accuracy'}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_the_user_should_know_is_logged(
    run: gtk.Run,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise gtk.UserError("no space left")

    monkeypatch.setattr(evaluate_function, "add_evaluations", full)
    capsys.readouterr()
    found = gtk.evaluate(run, metrics=["class-accuracy"], samples=50)
    assert set(found.figures) == {"class-accuracy"}
    assert [(it.name, it.levelno, it.message) for it in caplog.records] == [
        ("gtk", logging.WARNING,
         "a judge of digits is trained once on its 1440 training images, and kept"),
        ("gtk", logging.WARNING, "not kept: no space left"),
    ]  # fmt: skip
    assert capsys.readouterr() == ("", "")


WRONG: list[tuple[object, dict[str, Any], str]] = [
    (3, {}, "source must be a Run, a string, a path or an array of images, not 3"),
    ("missing", {}, "unknown run 'missing'"),
    ("no.onnx", {"against": "digits"}, "no.onnx cannot be read: No such file"),
    ("no.onnx", {}, "name the data to compare with: against=NAME"),
    ("no.onnx", {"against": DATA, "checkpoint": 1}, "which holds one checkpoint. Leave checkpoint"),
    (IMAGES, {}, "name the data to compare with: against=NAME"),
    (IMAGES, {"against": 3}, "against must be a string or a Dataset or None, not 3"),
    (IMAGES, {"against": DATA, "data_root": "x"}, "data_root is for data by name: leave it out"),
    (IMAGES / 255, {"against": DATA}, "an array of images must be uint8, not float64: give lev"),
    (IMAGES[0], {"against": DATA}, "must be (N, H, W) or (N, H, W, C), where C is 1 or 3, not (8"),
    (DATA.test.images[:, [0, 0, 0]], {"against": DATA}, "where C is 1 or 3, not (357, 3, 8, 8)"),
    (IMAGES[:0], {"against": DATA}, "an array of images must hold some, not (0, 8, 8)"),
    (IMAGES[:, :7], {"against": DATA}, "the images of an array have 7x8 pixels in grey, and th"),
    (IMAGES, {"against": DATA, "labels": [3] * 9}, "9 labels for 357 images: give one for each"),
    (IMAGES, {"against": DATA, "labels": 3}, "labels must be a list with a label for each image"),
    (IMAGES, {"against": DATA, "labels": [10] * 357}, "label 10 is out of range"),
    (IMAGES, {"against": DATA, "labels": [None] * 357}, "labels has None: give a label for each"),
    (IMAGES, {"against": DATA, "metrics": ["likelihood"]}, "and only its images are known"),
    (IMAGES, {"against": DATA, "metrics": ["class-accuracy"]}, "and these were not: leave it out"),
    (IMAGES, {"against": DATA, "sampler": "heun"}, "sampler is for runs, and an array holds ima"),
    (IMAGES, {"against": DATA, "temperature": 0}, "unknown option 'temperature'"),
    ("small", {"labels": [3]}, "labels are for an array of images: leave them out, since small h"),
    ("small", {"metrics": "fid"}, "metrics must be a list or None, not 'fid'"),
    ("small", {"metrics": ["fid"]}, "unknown metric 'fid'"),
    ("small", {"metrics": [3]}, "metrics must be names of metrics, not 3"),
    ("small", {"metrics": []}, "metrics names no metric. List them: gtk plugins"),
    ("small", {"samples": 0}, "samples must be a whole number of at least 1, not 0"),
    ("small", {"samples": 10**7}, "samples must be at most 1000000"),
    ("small", {"seed": -1}, "seed must be a whole number of at least 0, not -1"),
    ("small", {"judge": "no.onnx", "metrics": PLAIN}, "judge is for metrics that need one, and n"),
    ("small", {"judge": "no.onnx", "metrics": ["class-accuracy"]}, "no.onnx cannot be read"),
    ("small", {"likelihod_samples": 3}, "Did you mean 'likelihood_samples'?"),
    ("small", {"likelihood_samples": 0}, "samples must be within 1..100,000, not 0"),
    ("small", {"against": "folder:x", "against_fit": "x"}, "fit must be one of"),
    ("small", {"against_fit": "crop"}, "unknown option 'against_fit'"),
    ("small", {"checkpoint": 7, "metrics": PLAIN}, "has no checkpoint '7'"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "arguments", "message"), WRONG, ids=[it[2] for it in WRONG])
def test_mistakes_are_one_line(
    run: gtk.Run, source: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(gtk.GtkError) as error:
        gtk.evaluate(source, **arguments)
    assert message in str(error.value)
    assert str(error.value).isprintable()
    assert read_evaluations(run.path) == []


def test_labels_of_data_without_any_are_refused() -> None:
    labels = np.zeros(40, np.int64)
    split = gtk.Split(DATA.train.images[:40], labels)
    data = gtk.Dataset(gtk.DataSpec("plain", 1, 8, 8, None), split, split)
    with pytest.raises(gtk.InvalidValue, match="labels are given, and plain has none: leave"):
        gtk.evaluate(IMAGES[:3], data, labels=[1, 2, 3])
