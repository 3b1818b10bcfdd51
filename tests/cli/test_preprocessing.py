"""What a training did to its images is done to new files, too, and the data may move."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import gtk
from gtk.cli.inputs import read_files
from gtk.core.storage.cache import CACHE_VARIABLE
from gtk.core.storage.run_source import RunSource
from gtk.core.values.preprocessing import Preprocessing
from gtk.exports.runtime import ExportFileError, load_part
from gtk.exports.snippet import javascript_snippet, python_snippet
from gtk.plugins.datasets.decoding import decode_image

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scans of 12 bits, twice as wide as high, in stacks; and a run trained on it."""
    folder = tmp_path_factory.mktemp("preprocessing")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        for name in ("a", "b"):
            (folder / "scans" / name).mkdir(parents=True)
            for number in range(4):
                values = np.zeros((8, 16), np.uint16)
                values[:, :2], values[2:6, 6:10] = 4095, 400 * number
                page = Image.fromarray(values)
                page.save(f"scans/{name}/{number}.tif", save_all=True, append_images=[page])
        gtk.train(
            "cvae", "folder:scans", runs=folder / "runs", name="scans", epochs=1, quiet=True,
            image_size=8, fit="pad", range="0,4095", pages="all", latent_dim=2, hidden_dims=(8,),
            device="cpu",
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def encoder(place: Path) -> Path:
    run = gtk.load(place / "runs" / "scans")
    return gtk.export(run, place / "encoder.onnx", part="encoder").path


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv(CACHE_VARIABLE, str(place / "cache"))


def test_files_are_read_as_the_data_were(
    gtk_command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    run = gtk.load("scans")
    file = Path("scans/a/3.tif")
    expected = decode_image(file, run.data_spec, "pad", (0, 4095))
    assert (expected[0, :, 0] > 200).tolist() == [False] * 2 + [True] * 4 + [False] * 2, "bars"
    source = RunSource("scans", run, None, None)
    inputs = read_files(source, [file], "a", ())
    assert inputs.names == ("3.tif 1", "3.tif 2")
    assert np.array_equal(inputs.images, np.stack([expected] * 2))
    single = read_files(source, [file], "a", (), single=True)
    assert np.array_equal(single.images, expected[None])
    done = gtk_command(
        "interpolate", "scans", "--images", file, "scans/b/1.tif", "--label", "a",
        "--out", "between.png", "--overwrite",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "scans/a/3.tif: the first of 2 pages is used" in caplog.text


def test_files_that_become_black_are_noted(
    gtk_command: Command, small_run: gtk.Run, caplog: pytest.LogCaptureFixture
) -> None:
    dark, deep, dim = Path("dark.png"), Path("deep.png"), Path("dim.png")
    Image.fromarray(np.full((8, 8), 4095, np.uint16)).save(dark)
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(deep)
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(dim)
    small = str(small_run.path)
    for command in (
        ("reconstruct", small, dark, deep, "--label", 1),
        ("interpolate", small, "--images", deep, dark, "--label", 1),
    ):
        caplog.clear()
        assert gtk_command(*command, "--out", "dark-out.png", "--overwrite").code == 0
        assert (
            "so are nearly black: 1, with values up to 4095: scale them as the run's data were; "
            "in a training on such images, --range 0,4095 makes that white"
        ) in caplog.text
    caplog.clear()
    read_files(RunSource("small", small_run, None, None), [deep], "1", ())
    assert not caplog.text
    read_files(RunSource("small", small_run, None, None), [dim], "1", ())
    assert "nearly black: their largest value is 15 of 255: scale them" in caplog.text
    read_files(RunSource("scans", gtk.load("scans"), None, None), [deep], "a", ())
    assert "images with values beyond range='0,4095', which became black or white: 1" in caplog.text


def test_data_that_were_moved_are_named(gtk_command: Command, place: Path) -> None:
    (place / "scans").rename(place / "elsewhere")
    try:
        for command in (("reconstruct", "scans"), ("interpolate", "scans", "--images", 0, 1)):
            wanted = (*command, "--out", "moved.png", "--overwrite")
            missing = gtk_command(*wanted)
            assert missing.code == 2
            assert missing.err == (
                f"gtk: error: the data of runs/scans are not in {place}/scans any more: if they "
                "were moved, name their place with --data-root\n"
            )
            assert gtk_command(*wanted, "--data-root", "elsewhere").code == 0
        resumed = gtk_command("train", "--resume", "scans", "--epochs", 9)
        assert (resumed.code, resumed.err) == (2, missing.err)
    finally:
        (place / "elsewhere").rename(place / "scans")


def test_a_place_is_for_test_images(gtk_command: Command) -> None:
    for command in (
        ("reconstruct", "scans", "scans/a/0.tif"),
        ("interpolate", "scans", "--images", "scans/a/0.tif", "scans/a/1.tif"),
        ("interpolate", "scans"),
    ):
        refused = gtk_command(*command, "--out", "x.png", "--data-root", "scans")
        assert refused.code == 2
        assert "--data-root" in refused.err


def test_an_exported_file_says_how_files_were_read(gtk_command: Command, encoder: Path) -> None:
    manifest = json.loads(onnx.load(encoder).metadata_props[0].value)
    assert manifest["preprocessing"] == {"fit": "pad", "range": [0, 4095]}
    assert load_part(encoder, "cpu").preprocessing == Preprocessing("pad", (0, 4095))
    lines = gtk_command("inspect", encoder).out
    assert "files       were read with fit pad, 0 black and 4095 white" in lines
    for snippet in (python_snippet, javascript_snippet):
        assert "yours, 0..1, NCHW; files with fit pad, range 0..4095" in snippet(manifest, "x.onnx")


@pytest.mark.parametrize(
    "change", [{"fit": "cut"}, {"range": [1]}, {"range": [2, 1]}, {"range": ["a", 1]}, {"fit": []}]
)
def test_damaged_preprocessing_is_one_line(encoder: Path, change: dict[str, Any]) -> None:
    proto = onnx.load(encoder)
    manifest = json.loads(proto.metadata_props[0].value)
    manifest["preprocessing"] |= change
    onnx.helper.set_model_props(proto, {"gtk": json.dumps(manifest)})
    onnx.save(proto, "damaged.onnx")
    with pytest.raises(ExportFileError, match="the manifest in damaged.onnx is damaged"):
        load_part("damaged.onnx", "cpu")


def test_other_data_say_nothing(small_run: gtk.Run) -> None:
    assert Preprocessing.of(small_run.settings.configs["data"]) is None
