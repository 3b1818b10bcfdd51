"""Exported files in WebAssembly, through Node: the example, and the lines that are printed."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toy_draw import Heun, draw_by_steps
from toy_noise import draw_with_noise

import gtk
from gtk.core.values.noise import draw_ports
from gtk.exports.runtime import load
from gtk.exports.snippet import javascript_snippet

Node = Callable[..., Any]
EXAMPLES = Path(__file__).parents[2] / "examples"
DRAW, WEB = EXAMPLES / "node" / "draw.mjs", EXAMPLES / "web"
SMALL: dict[str, Any] = {"epochs": 1, "quiet": True, "latent_dim": 4}
OURS = "generative-toolkit/cvae"


def exported(run: gtk.Run, name: str = "model.onnx", part: str | None = None) -> dict[str, Any]:
    """Export a part into the working folder and return what the file beside it says."""
    path = gtk.export(run, name, part=part).path
    sidecar = path.with_suffix(".json")
    contract: dict[str, Any] = json.loads(sidecar.read_text())
    return contract


@pytest.fixture(scope="module")
def small_files(small_run: gtk.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a decoder, the file beside it, and an encoder."""
    folder = tmp_path_factory.mktemp("files")
    for name, part in (("model", "decoder"), ("encoder", "encoder")):
        exported(small_run, str(folder / f"{name}.onnx"), part)
    return folder


@pytest.fixture
def in_small_files(small_files: Path, workplace: Path) -> None:
    """Work beside them."""
    for path in small_files.iterdir():
        (workplace / path.name).symlink_to(path)


@pytest.fixture
def colourful(outside: Path) -> gtk.Run:
    """A run with numbers for a condition, in colour."""
    return gtk.train(plugin=OURS, data="ramps", conditioner="embedding", **SMALL)


@pytest.mark.parametrize(
    ("options", "part", "shown"),
    [
        ({"plugin": "vae"}, "decoder", ["[ 3, 1, 8, 8 ]"]),
        ({"plugin": OURS, "prior": "learned"}, "sampler", ["[ 3, 1, 8, 8 ]"]),
        ({"plugin": OURS, "prior": "learned"}, "decoder", ["[ 3, 1, 8, 8 ]"]),
        ({"plugin": OURS, "data": "marks"}, "encoder", ["[ 3, 4 ]", "[ 3, 4 ]"]),
        ({"plugin": OURS, "data": "marks"}, "decoder", ["[ 3, 1, 8, 8 ]"]),
        ({"plugin": "cgan", "channels": (4, 6)}, "discriminator", ["[ 3 ]"]),
        ({"plugin": "cgan", "channels": (4, 6)}, "generator", ["[ 3, 1, 8, 8 ]"]),
    ],
    ids=str,
)
def test_the_printed_javascript_runs(
    options: dict[str, Any], part: str, shown: list[str], node: Node, outside: Path, workplace: Path
) -> None:
    contract = exported(gtk.train(**{**SMALL, **options}), part=part)
    result = node(javascript_snippet(contract, str(workplace / "model.onnx")))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == shown


def test_the_printed_javascript_opens_a_file_of_an_odd_name(
    small_run: gtk.Run, node: Node, workplace: Path
) -> None:
    path = workplace / 'it\'s "odd" \\n 100% Zoë #1?.onnx'
    contract = exported(small_run, str(path))
    result = node(javascript_snippet(contract, str(path)))
    assert (result.stdout, result.stderr) == ("[ 3, 1, 8, 8 ]\n", "")


def test_the_printed_javascript_takes_numbers_and_odd_names(
    colourful: gtk.Run, node: Node, workplace: Path
) -> None:
    contract = exported(colourful)
    result = node(javascript_snippet(contract, str(workplace / "model.onnx")))
    assert (result.stdout, result.stderr) == ("[ 3, 3, 9, 9 ]\n", "")


@pytest.mark.parametrize("label", [10, -1, 2**40])
@pytest.mark.parametrize("plugin", ["cvae", "cgan"])
def test_a_label_out_of_range_is_an_error_in_webassembly(
    plugin: str, label: int, node: Node, workplace: Path
) -> None:
    contract = exported(gtk.train(plugin=plugin, **SMALL))
    snippet = javascript_snippet(contract, str(workplace / "model.onnx"))
    wrong = snippet.replace("[0n, 1n, 2n]", f"[0n, {label}n, 2n]")
    assert wrong != snippet
    assert node(snippet).returncode == 0
    result = node(wrong)
    assert result.returncode == 1
    assert "indices element out of data bounds" in result.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_example_reads_labels() -> None:
    cases = json.loads((Path(__file__).parents[1] / "labels.json").read_text())
    _, function, rest = DRAW.read_text().partition("function classIndex(")
    assert function
    body = rest[: rest.index("\n}\n") + 3]
    script = f"""class Mistake extends Error {{}}
        {function}{body}
        const found = {json.dumps(cases)}.map(({{ given, names }}) => {{
          try {{ return classIndex(given, names); }} catch (error) {{
            if (!(error instanceof Mistake)) throw error;
            return null;
          }}
        }});
        console.log(JSON.stringify(found));"""
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [case["index"] for case in cases]


def drawn(node: Node, *arguments: str) -> np.ndarray[Any, Any]:
    """Run the example and return the picture that it draws."""
    result = node(DRAW, "model.onnx", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    with Image.open("images.png") as image:
        return np.asarray(image).astype(int)


@pytest.mark.usefixtures("in_small_files")
def test_the_example_draws_pytorch_s_images(small_run: gtk.Run, node: Node) -> None:
    noise = small_run.load_model().noise.draw(6, seed=5)
    Path("noise.json").write_text(json.dumps(noise.tolist()))
    grid = drawn(node, "--label", "3,8", "--noise", "noise.json")
    expected = small_run.generate(noise, [3, 8] * 3).reshape(3, 2, 8, 8).transpose(0, 2, 1, 3)
    assert abs(grid - expected.reshape(24, 16)).max() <= 1


def test_the_example_draws_in_colour_from_numbers(
    colourful: gtk.Run, node: Node, workplace: Path
) -> None:
    exported(colourful)
    noise = colourful.load_model().noise.draw(1, seed=5)
    Path("noise.json").write_text(json.dumps(noise.tolist()))
    wanted = ["--condition", "slope=-30", "--condition", "brightness=12.5"]
    found = drawn(node, *wanted, "--noise", "noise.json")
    assert found.shape == (9, 9, 3)
    expected = colourful.generate(noise, [{"slope": -30, "brightness": 12.5}])[0]
    assert abs(found - expected).max() <= 1


def test_the_example_draws_by_many_steps(
    small_run: gtk.Run, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_by_steps(monkeypatch)
    exported(small_run)
    noise = small_run.load_model().noise.draw(6, seed=5)
    Path("noise.json").write_text(json.dumps(noise.tolist()))
    grid = drawn(node, "--label", "3,8", "--noise", "noise.json")
    images = Heun()(torch.from_numpy(noise), condition=torch.tensor([3, 8] * 3)).detach().numpy()
    expected = (255 * images).round().reshape(3, 2, 8, 8).transpose(0, 2, 1, 3)
    assert abs(grid - expected.reshape(24, 16)).max() <= 1


@pytest.mark.usefixtures("in_small_files")
@pytest.mark.parametrize("seed", [7, 2**63 + 1])
def test_the_example_s_seed_draws_gtk_s_images(seed: int, small_run: gtk.Run, node: Node) -> None:
    grid = drawn(node, "--label", "3,8", "--count", "6", "--seed", str(seed))
    for drawer in (small_run, load("model.onnx")):
        images = drawer.sample(labels=[3, 8] * 3, seed=seed)
        expected = images.reshape(3, 2, 8, 8).transpose(0, 2, 1, 3).reshape(24, 16)
        assert abs(grid - expected).max() <= 1


#: Draws with the page's own code in a folder, and prints the pixels of two images.
PAGE = """
import { readFile } from "node:fs/promises";
const here = new URL(`file://${process.argv[2]}/`);
globalThis.fetch = async (name) => new Response(await readFile(new URL(name, here)));
globalThis.ImageData = class { constructor(data) { this.data = data; } };
const { openModel } = await import(new URL("model.js", here));
const model = await openModel("model");
const code = model.code("7");
const images = await model.draw([code, code.with(0, 0)], 3);
console.log(JSON.stringify(images.map(({ data }) => [...data])));
"""
#: What the page loads of onnxruntime-web, in Node, which finds its files itself.
LOADED = """import * as ort from "onnxruntime-web/wasm";
ort.env.wasm.numThreads = 1;
export const env = { wasm: {} };
export const { InferenceSession, Tensor } = ort;
"""


def test_further_noise_is_gtk_s_in_node_and_on_the_page(
    small_run: gtk.Run,
    node: Node,
    ort_web: Path,
    monkeypatch: pytest.MonkeyPatch,
    workplace: Path,
) -> None:
    draw_with_noise(monkeypatch)
    path = gtk.export(small_run, "model.onnx", sampler="direct").path
    grid = drawn(node, "--label", "3,8", "--count", "6", "--seed", "7")
    images = small_run.sample(labels=[3, 8] * 3, seed=7)
    assert abs(grid - _as_grid(images)).max() <= 1
    noise = small_run.load_model().noise.draw(6, seed=5)
    Path("noise.json").write_text(json.dumps(noise.tolist()))
    given = drawn(node, "--label", "3,8", "--noise", "noise.json", "--seed", "7")
    images = small_run.generate(noise, [3, 8] * 3, seed=7)
    assert abs(given - _as_grid(images)).max() <= 1
    for script in (*WEB.glob("*.js"), WEB / "package.json"):
        (workplace / script.name).write_text(script.read_text())
    (workplace / "onnxruntime").mkdir()
    (workplace / "onnxruntime" / "ort.wasm.bundle.min.mjs").write_text(LOADED)
    (workplace / "node_modules").symlink_to(ort_web.parents[1])
    result = node(PAGE, str(workplace))
    assert (result.returncode, result.stderr) == (0, "")
    shown = np.array(json.loads(result.stdout)).reshape(2, 8, 8, 4)[..., 0]
    with_code = draw_ports(load(path).noise, 1, 7)
    moved = with_code["z"].copy()
    moved[0, 0] = 0
    for image, z in zip(shown, (with_code["z"], moved), strict=True):
        rows = {name: np.asarray(own) for name, own in {**with_code, "z": z}.items()}
        expected = 255 * load(path).run({**rows, "label": [3]})["image"][0, 0]
        assert abs(image - expected).max() <= 1


def _as_grid(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return six images in two columns."""
    return images.reshape(3, 2, 8, 8).transpose(0, 2, 1, 3).reshape(24, 16).astype(int)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sampler": "heun", "steps": 5, "guidance": 2.0, "guidance_from": 0.3, "grid": "cosine"},
        {"sampler": "dpm++", "steps": 6, "guidance": 3.0, "grid": "rho"},
        {"sampler": "ancestral", "steps": 4},
    ],
)
def test_the_example_draws_from_a_denoiser(
    options: dict[str, Any], flow_files: Path, node: Node
) -> None:
    for suffix in (".onnx", ".json"):
        Path(f"model{suffix}").symlink_to(flow_files / f"denoiser{suffix}")
    written = [
        text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", value)
    ]
    grid = drawn(node, "--label", "3,8", "--count", "6", "--seed", "7", *map(str, written))
    images = load("model.onnx").sample(labels=[3, 8] * 3, seed=7, **options)
    assert abs(grid - _as_grid(images)).max() <= 1
    assert np.ptp(images) > 100


@pytest.mark.usefixtures("in_small_files")
def test_the_example_s_seed_decides_the_images(node: Node) -> None:
    first, again, other = (drawn(node, "--seed", seed) for seed in ("1", "1", "2"))
    assert first.shape == (32, 32)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.usefixtures("in_small_files")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "10"], "label 10 is out of range: there are 0..9"),
        (["--label=-1"], "label -1 is out of range"),
        (["--label", "x"], "unknown label 'x'"),
        (["--condition", "a=1"], "--condition is for models of attributes or numbers"),
        (["--count", "0"], "--count is a whole number of at least 1"),
        (["--seed", "x"], "--seed is a whole number"),
        (["--noise", "model.json"], "model.json should hold rows of 16 numbers"),
        (["--what"], "--what"),
        (["--steps", "4"], "--steps is for denoisers, and this is the decoder of a model"),
    ],
    ids=str,
)
def test_the_example_says_in_a_line_what_is_wrong(
    arguments: list[str], message: str, node: Node
) -> None:
    result = node(DRAW, "model.onnx", *arguments)
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("images.png").exists()


@pytest.mark.usefixtures("in_small_files")
def test_the_example_refuses_a_part_that_makes_no_images(node: Node) -> None:
    result = node(DRAW, "encoder.onnx")
    assert (
        result.stderr
        == "encoder.onnx is the encoder of a model: it does not make images from noise\n"
    )
