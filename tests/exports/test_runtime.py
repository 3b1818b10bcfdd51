"""The runtime: the run's own images without torch, and clear words for everything else."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import gtk
from gtk.exports.runtime import ExportFileError, RequestError, load


@pytest.fixture(scope="module")
def exported(small_run: gtk.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gtk.export(small_run, tmp_path_factory.mktemp("onnx") / "small.onnx").path


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_a_run_and_its_file_draw_the_same_images(
    small_run: gtk.Run, exported: Path, batch_size: int
) -> None:
    expected = small_run.sample(count=40, seed=9).astype(int)
    found = load(exported).sample(count=40, seed=9, batch_size=batch_size)
    assert found.dtype == np.uint8
    assert found.shape == (40, 8, 8)
    assert abs(found - expected).max() <= 1


def test_labels_are_numbers_or_names_and_checked(exported: Path) -> None:
    generator = load(exported)
    by_number, by_name = (
        generator.sample(labels=labels, seed=1) for labels in ([3, 4], ["3", "4"])
    )
    assert np.array_equal(by_number, by_name)
    assert generator.sample().shape == (10, 8, 8)
    for arguments, message in (
        ({"labels": [10]}, "label 10 is out of range"),
        ({"labels": [-1]}, "label -1 is out of range"),
        ({"labels": ["x"]}, "unknown label 'x'"),
        ({"labels": []}, "give one for each"),
        ({"labels": [1], "count": 2}, "1 labels for 2 images"),
        ({"count": 0}, "count must be a whole number of at least 1"),
    ):
        with pytest.raises(RequestError, match=message):
            generator.sample(**arguments)  # type: ignore[arg-type]


def test_drawn_noise_makes_the_images_of_its_seed(small_run: gtk.Run, exported: Path) -> None:
    generator = load(exported)
    labels, noise = [3, 1, 4], generator.draw_noise(3, seed=5)
    sampled = small_run.sample(labels=labels, seed=5)
    assert np.array_equal(small_run.generate(noise, labels), sampled)
    assert np.array_equal(small_run.generate(noise, labels, batch_size=2), sampled)
    found = generator.generate(noise, labels)
    assert np.array_equal(found, generator.sample(labels=labels, seed=5))
    assert abs(found.astype(int) - sampled).max() <= 1
    assert np.array_equal(generator.generate(noise[::-1], labels[::-1]), found[::-1])


@pytest.mark.parametrize("shape", [(3,), (2, 5), (0, 16), (2, 16, 1)], ids=str)
def test_noise_of_another_shape_is_refused_alike(
    small_run: gtk.Run, exported: Path, shape: tuple[int, ...]
) -> None:
    noise = np.zeros(shape, np.float32)
    messages = []
    for generate in (small_run.generate, load(exported).generate):
        with pytest.raises(ValueError, match="noise is|count must") as caught:
            generate(noise)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    with pytest.raises(RequestError, match="noise is finite numbers"):
        load(exported).generate(np.full((1, 16), np.nan, np.float32))
    with pytest.raises(gtk.UserError, match="noise is finite numbers"):
        small_run.generate(np.full((1, 16), np.inf, np.float32))


REQUESTS: list[dict[str, object]] = [
    {}, {"count": 3}, {"labels": [1, "2"]}, {"labels": ["10"]}, {"labels": [10]}, {"labels": [-1]},
    {"labels": ["---3"]}, {"labels": ["x"]}, {"labels": [3.7]}, {"labels": "12"}, {"labels": 3},
    {"labels": []}, {"labels": [1], "count": 2}, {"count": 0}, {"count": 2.5}, {"seed": -1},
    {"seed": None}, {"batch_size": 0}, {"labels": [True]},
]  # fmt: skip


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_a_run_and_its_file_answer_alike(
    small_run: gtk.Run, exported: Path, request_: dict[str, object]
) -> None:
    answers = []
    for sample in (small_run.sample, load(exported).sample):
        try:
            answers.append(sample(**request_).shape)  # type: ignore[arg-type]
        except ValueError as error:
            answers.append(str(error))
        except gtk.UserError as error:
            answers.append(str(error))
    assert answers[0] == answers[1]


def test_nothing_is_noted_for_onnxruntimes_makers(exported: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gtk", "sample", str(exported), "-n", "1", "--out", "a.png"]
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    (tmp_path / "home").mkdir()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    assert not list((tmp_path / "home").rglob("*"))


def test_files_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "empty.onnx").write_bytes(b"")
    axis = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([node], "other", [axis[0]], [axis[1]])
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(other, tmp_path / "other.onnx")
    helper.set_model_props(other, {"gtk": '{"schema": 3}'})
    onnx.save(other, tmp_path / "future.onnx")
    for name, message in (
        ("none.onnx", "cannot be read: No such file"),
        ("text.onnx", "is not an ONNX file"),
        ("empty.onnx", "is not an ONNX file"),
        ("other.onnx", "gtk did not export it"),
        ("future.onnx", "has schema 3, this gtk reads 2: update gtk"),
    ):
        with pytest.raises(ExportFileError, match=message):
            load(tmp_path / name)


BLOCKED = """
import sys
for name in ("torch", "torchvision", "sklearn", "scipy", "onnx", "onnxscript", "pluggy",
             "safetensors", "platformdirs"):
    sys.modules[name] = None  # importing it now fails
from gtk.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def test_sampling_from_a_file_needs_no_torch(exported: Path, tmp_path: Path) -> None:
    arguments = ["sample", str(exported), "--label", "7", "-n", "16", "--out", "seven.png"]
    command = [sys.executable, "-c", BLOCKED, *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout == "seven.png: 16 images, seed 0\n"
    assert (tmp_path / "seven.png").stat().st_size > 500


@pytest.mark.parametrize(
    "command",
    ["interpolate FILE --label 3 --out a.png", "traverse FILE --out a.png",
     "animate FILE --walk --frames 3 --out a.gif"],
)  # fmt: skip
def test_pictures_of_a_file_need_no_torch(exported: Path, tmp_path: Path, command: str) -> None:
    *arguments, name = command.replace("FILE", str(exported)).split()
    blocked = BLOCKED.replace('"torch", ', '"torch", "matplotlib", ')
    blocked = "import importlib.util as u; u.find_spec = lambda name: None\n" + blocked
    subprocess.run([sys.executable, "-c", blocked, *arguments, name], check=True)
    assert (tmp_path / name).stat().st_size > 500


@pytest.mark.parametrize("command", ["train --plugin cvae", "sample RUN --out a.png", "export RUN"])
def test_what_needs_torch_says_so_in_one_line(small_run: gtk.Run, command: str) -> None:
    arguments = command.replace("RUN", str(small_run.path)).split()
    code = BLOCKED.replace(' "pluggy",', "")
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "which is not installed here" in result.stderr
