"""Parts with discrete codes: what goes in and out, and what of them can be compared."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import gtk
from gtk.exports.runtime import RequestError, load, load_part

FORMS: list[dict[str, Any]] = [
    {},
    {"image": "uint8", "layout": "nhwc", "batch_size": 3, "precision": "fp16"},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run and its files are, once they are made."""
    return tmp_path_factory.mktemp("tiled")


@pytest.fixture
def tiled(outside: Path, place: Path) -> gtk.Run:
    """A run of a model whose codes are discrete; not to be written to."""
    if not (place / "tiled").exists():
        gtk.train(plugin="tiles", runs=place, name="tiled", epochs=2, quiet=True)
    return gtk.Run(place / "tiled")


@pytest.fixture
def tiles(tiled: gtk.Run) -> ModuleType:
    """The module of the model."""
    return importlib.import_module("gtk_plugin_tiles")


@pytest.fixture(params=range(len(FORMS)), ids=["plain", "another form"])
def files(tiled: gtk.Run, place: Path, request: pytest.FixtureRequest) -> dict[str, Path]:
    """All parts of the run as files in one form, and its options."""
    folder = place / str(request.param)
    if not folder.exists():
        gtk.export_all(tiled, folder, **FORMS[request.param])
    return {name: folder / f"tiled-{name}.onnx" for name in ("sampler", "decoder", "encoder")}


def contract_of(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return document


def pixels(images: Any) -> Any:
    return np.rint(np.asarray(images) * 255).astype(int)


def test_codes_go_in_and_out(files: dict[str, Path], tiled: gtk.Run, tiles: ModuleType) -> None:
    model = tiled.load_model()
    codes = np.random.default_rng(0).integers(0, 8, (7, 2, 2))
    decoder, encoder = (load_part(files[name]) for name in ("decoder", "encoder"))
    port = {"kind": "codes", "dtype": "int64", "shape": [2, 2], "count": 8, "name": "codes"}
    assert decoder.contract["inputs"] == encoder.contract["outputs"] == [port]
    assert decoder.contract["latent"] is None
    found = decoder.run({"codes": codes})["image"]
    with torch.no_grad():
        expected = pixels(model.decode(torch.from_numpy(codes)))
    if found.dtype == np.uint8:
        found, images = found.transpose(0, 3, 1, 2), found
    else:
        images, found = found, pixels(found)
    assert abs(found.astype(int) - expected).max() <= 1
    assert encoder.run({"image": images})["codes"].dtype == np.int64
    assert (encoder.run({"image": images})["codes"] == codes).all(), "each tile is nearest itself"


def test_a_sampler_chooses_what_the_run_chooses(
    files: dict[str, Path], tiled: gtk.Run, tiles: ModuleType
) -> None:
    generator, model = load(files["sampler"]), tiled.load_model()
    noise = generator.draw_noise(2000, 5)
    labels = np.arange(2000) % 10
    given = torch.from_numpy(noise), torch.from_numpy(labels)
    margin = contract_of(files["sampler"])["parity"]["margin"]
    with torch.no_grad():
        clear = (tiles.sampled_margin(model, *given) >= margin).numpy()
    found = generator.generate(noise, list(labels)).astype(int)
    expected = tiled.sample(labels=list(labels), seed=5).astype(int)
    assert 1500 < clear.sum() < 2000
    assert abs(found - expected)[clear].max() <= 1


@pytest.mark.parametrize("wrong", [-1, 8, -9, 2**40])
def test_a_code_out_of_range_is_an_error_in_any_runtime(files: dict[str, Path], wrong: int) -> None:
    part = load_part(files["decoder"])
    codes = np.zeros((3, 2, 2), np.int64)
    part.session.run(None, {"codes": codes})
    codes[2, 1, 0] = wrong
    with pytest.raises(Exception, match="indices element out of data bounds"):
        part.session.run(None, {"codes": codes})
    with pytest.raises(RequestError, match=r"codes has values in 0\.\.7, not "):
        part.run({"codes": codes})
