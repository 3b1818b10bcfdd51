"""The runtime: the run's own images without torch, and clear words for everything else."""

import json
import os
import re
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import gtk
from gtk.exports.runtime import ExportFileError, RequestError, load, load_part

#: Everything here is promised of the package and of the single file.
pytestmark = pytest.mark.usefixtures("each_form")


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
        ({"labels": [1], "count": 2}, "1 label for 2 images"),
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
        with pytest.raises(
            ValueError, match="noise must be float32 numbers|count must be a whole number"
        ) as caught:
            generate(noise)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    with pytest.raises(RequestError, match="noise must be finite"):
        load(exported).generate(np.full((1, 16), np.nan, np.float32))
    with pytest.raises(gtk.UserError, match="noise must be finite"):
        small_run.generate(np.full((1, 16), np.inf, np.float32))


REQUESTS: list[dict[str, object]] = [
    {}, {"count": 3}, {"labels": [1, "2"]}, {"labels": ["10"]}, {"labels": [10]}, {"labels": [-1]},
    {"labels": ["---3"]}, {"labels": ["x"]}, {"labels": [3.7]}, {"labels": "12"}, {"labels": 3},
    {"labels": []}, {"labels": [1], "count": 2}, {"count": 0}, {"count": 2.5}, {"seed": -1},
    {"seed": None}, {"batch_size": 0}, {"labels": [True]}, {"count": True},
    {"labels": ["9" * 5000]},
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


# Parts --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(small_run: gtk.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gtk.export(small_run, tmp_path_factory.mktemp("onnx") / "e.onnx", part="encoder").path


@pytest.mark.parametrize("batch_size", [1, 4, 256])
def test_a_part_gives_what_its_graph_gives(encoder: Path, batch_size: int) -> None:
    part = load_part(encoder)
    images = np.random.default_rng(0).random((9, 1, 8, 8))  # float64 will do
    found = part.run({"image": images, "label": [*range(8), "9"]}, batch_size=batch_size)
    session = onnxruntime.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    feeds = {"image": images.astype(np.float32), "label": np.array([*range(8), 9])}
    expected = session.run(["mean", "log_variance"], feeds)
    assert list(found) == ["mean", "log_variance"]
    for name, values in zip(found, expected, strict=True):
        assert found[name].dtype == np.float32
        assert np.array_equal(found[name], values)
    assert (part.path, part.size, part.device) == (encoder, encoder.stat().st_size, "cpu")


def test_a_generator_is_a_part(exported: Path) -> None:
    generator, z = load(exported), np.zeros((3, 16), np.int64)  # whole numbers will do
    images = generator.run({"z": z, "label": ["7", 8, np.int64(9)]})["image"]
    assert images.shape == (3, 1, 8, 8)
    levels = np.rint(images[:, 0] * 255).astype(np.uint8)
    assert np.array_equal(levels, generator.generate(z.astype(np.float32), [7, 8, 9]))


GREY = np.full((2, 1, 8, 8), 0.5)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "the input image, label is missing: e.onnx takes image, label"),
        ({"image": GREY}, "the input label is missing: e.onnx takes image, label"),
        ({"image": GREY, "label": None}, "the input label is missing"),
        ({"image": GREY, "label": [1, 2], "z": GREY}, "unknown input 'z'. Known: image, label."),
        ({"images": GREY, "label": [1, 2]}, "unknown input 'images'. Did you mean 'image'?"),
        ({"image": GREY, "label": 3}, "labels must be a list with a label for each image, not 3"),
        (
            {"image": GREY, "label": np.array(3)},
            "labels must be a list with a label for each image",
        ),
        (
            {"image": GREY, "label": 3.0},
            "labels must be a list with a label for each image, not 3.0",
        ),
        ({"image": GREY, "label": "34"}, "labels must be a list with a label for each image"),
        ({"image": GREY, "label": [1]}, "different numbers of rows: {'image': 2, 'label': 1}"),
        ({"image": GREY, "label": [1, 10]}, "label 10 is out of range: the 10 classes are 0..9"),
        ({"image": GREY, "label": [1, -1]}, "label -1 is out of range: the 10 classes are 0..9"),
        ({"image": GREY, "label": [1, 2.0]}, "a label must be a whole number or a name, not 2.0"),
        ({"image": GREY, "label": [[1], [2]]}, "a label must be a whole number or a name, not [1]"),
        ({"image": GREY[0], "label": [1]}, "the shape (rows, 1, 8, 8), not (1, 8, 8)"),
        ({"image": GREY[:0], "label": [1]}, "the shape (rows, 1, 8, 8), not (0, 1, 8, 8)"),
        ({"image": 0.5, "label": [1]}, "the shape (rows, 1, 8, 8), not ()"),
        ({"image": [[1, 2], [3]], "label": [1]}, "not lists of different lengths"),
        (
            {"image": "grey", "label": [1]},
            "image must be float32 numbers of the shape (rows, 1, 8, 8)",
        ),
        ({"image": GREY.astype(object), "label": [1, 2]}, "not object"),
        ({"image": GREY * 1j, "label": [1, 2]}, "not complex128"),
        ({"image": GREY * 510, "label": [1, 2]}, "image must be in 0..1, not 255..255"),
        ({"image": GREY - 1, "label": [1, 2]}, "image must be in 0..1, not -0.5..-0.5"),
        ({"image": GREY * np.nan, "label": [1, 2]}, "image must be in 0..1, not nan..nan"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inputs_that_do_not_fit_are_refused(
    encoder: Path, inputs: dict[str, object], message: str
) -> None:
    part = load_part(encoder)
    with pytest.raises(RequestError, match=re.escape(message)):
        part.run(inputs)
    with pytest.raises(RequestError, match="batch_size must be a whole number of at least 1"):
        part.run({"image": GREY, "label": [1, 2]}, batch_size=0)


ENCODED = {"image": GREY.astype(np.float32), "label": np.array([1, 2])}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, "label must be an array of int64 (rows), not NoneType"),
        ({"z": GREY}, "unknown input 'z'. Known: image, label."),
        ({"image": GREY}, "image must be an array of float32 (rows, 1, 8, 8), not float64 (2, 1,"),
        ({"image": [[0.5]]}, "image must be an array of float32 (rows, 1, 8, 8), not list"),
        ({"image": ENCODED["image"][0]}, "not float32 (1, 8, 8)"),
        ({"image": np.float32(1)}, "not float32 ()"),
        ({"label": np.array([1.0, 2.0])}, "label must be an array of int64 (rows), not float64 (2"),
        ({"label": np.array([1])}, "different numbers of rows: {'image': 2, 'label': 1}"),
        ({name: rows[:0] for name, rows in ENCODED.items()}, "the inputs have no rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_encoded_inputs_that_do_not_fit_are_refused(
    encoder: Path, changes: dict[str, Any], message: str
) -> None:
    part = load_part(encoder)
    assert part.run_encoded(ENCODED)["mean"].shape == (2, 16)
    with pytest.raises(RequestError, match=re.escape(message)):
        part.run_encoded({**ENCODED, **changes})
    with pytest.raises(RequestError, match="the input label is missing"):
        part.run_encoded({"image": ENCODED["image"]})
    with pytest.raises(RequestError, match="feeds must be"):
        part.run_encoded([1])  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_codes_are_finite(exported: Path, value: float) -> None:
    with pytest.raises(RequestError, match="z must be finite"):
        load(exported).run({"z": np.full((1, 16), value), "label": [1]})
    with pytest.raises(RequestError, match="noise must be finite"):
        load(exported).generate(np.full((1, 16), value), [1])


def test_a_part_that_draws_nothing_is_no_generator(encoder: Path) -> None:
    message = (
        "e.onnx is the encoder of a model, which does not make images from noise: open it with"
    )
    with pytest.raises(ExportFileError, match=message):
        load(encoder)


@pytest.fixture(scope="module")
def decoder_of_codes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported decoder whose prior is learned."""
    folder = tmp_path_factory.mktemp("learned")
    run = gtk.train(
        plugin="cvae", prior="learned", quiet=True, hidden_dims=(12,), latent_dim=4, epochs=1,
        runs=folder,
    )  # fmt: skip
    return gtk.export(run, folder / "decoder.onnx", part="decoder").path


def test_a_decoder_of_a_learned_prior_takes_codes_alone(decoder_of_codes: Path) -> None:
    decoder = load(decoder_of_codes)
    for draw in (decoder.sample, lambda: decoder.draw_noise(1, 0)):
        with pytest.raises(RequestError, match=r"^decoder.onnx takes codes z .* --part sampler"):
            draw()
    codes = np.random.default_rng(0).standard_normal((3, 4), dtype=np.float32)
    assert decoder.generate(codes, [1, 2, 3]).shape == (3, 8, 8)


# Batches ------------------------------------------------------------------------------------------


@pytest.fixture(
    scope="module",
    params=[
        {"plugin": "cvae"},
        {"plugin": "cgan", "channels": (8, 16)},
        {"plugin": "vae", "network": "conv"},
    ],
    ids=["mlp", "generator", "conv"],
)
def any_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model of each kind of network."""
    folder = tmp_path_factory.mktemp("any")
    run = gtk.train(quiet=True, epochs=1, runs=folder, **request.param)
    return gtk.export(run, folder / "model.onnx").path


def test_batches_change_no_image(any_model: Path) -> None:
    generator = load(any_model, "cpu")
    expected = generator.sample(count=150, seed=5, batch_size=150)
    for batch_size in (1, 2, 3, 7, 16, 64, 149, 1000):
        found = generator.sample(count=150, seed=5, batch_size=batch_size)
        assert np.array_equal(found, expected)
    more = generator.sample(count=200, seed=5)
    assert np.array_equal(more[:150], expected)


def test_many_images_are_never_all_there_as_floats(exported: Path) -> None:
    generator, alive = load(exported), []
    run = generator.session.run

    def watched(*given: Any) -> Any:
        assert sum(reference() is not None for reference in alive) <= 1
        outputs = run(*given)
        alive.append(weakref.ref(outputs[0]))
        return outputs

    generator.session = SimpleNamespace(run=watched)
    images = generator.sample(count=1000, batch_size=10)
    assert images.shape == (1000, 8, 8)
    assert images.flags.c_contiguous
    assert len(alive) == 100


# Forms --------------------------------------------------------------------------------------------


def rewritten(source: Path, target: Path, edit: Callable[[Any, dict[str, Any]], None]) -> Path:
    """Copy an exported file with something done to its graph and its contract."""
    proto = onnx.load(source)
    contract = json.loads(proto.metadata_props[0].value)
    edit(proto.graph, contract)
    helper.set_model_props(proto, {"gtk": json.dumps(contract)})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, target)
    return target


def in_form(layout: str, dtype: str) -> Callable[[Any, dict[str, Any]], None]:
    """Return an edit that has a graph give its images in another layout or type."""

    def edit(graph: Any, contract: dict[str, Any]) -> None:
        last, name = graph.node[-1], "floats"
        last.output[0] = name
        steps = []
        if dtype == "uint8":
            graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "white"))
            steps += [("Mul", ["white"], {}), ("Round", [], {}), ("Cast", [], {"to": 2})]
        if layout == "NHWC":
            steps += [("Transpose", [], {"perm": [0, 2, 3, 1]})]
        for index, (kind, more, attributes) in enumerate(steps):
            following = "image" if index == len(steps) - 1 else f"step{index}"
            graph.node.append(helper.make_node(kind, [name, *more], [following], **attributes))
            name = following
        image, port = contract["image"], contract["outputs"][0]
        image.update(layout=layout, dtype=dtype, range=[0, 255 if dtype == "uint8" else 1])
        sizes = [image["height"], image["width"]]
        channels = [image["channels"]]
        port.update(
            dtype=dtype, shape=[*sizes, *channels] if layout == "NHWC" else channels + sizes
        )
        data_type = TensorProto.UINT8 if dtype == "uint8" else TensorProto.FLOAT
        del graph.output[:]
        shape = ["batch", *port["shape"]]
        graph.output.append(helper.make_tensor_value_info("image", data_type, shape))

    return edit


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported generator of images in colour."""
    folder = tmp_path_factory.mktemp("colour")
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(folder / "data.npz", images=images)
    run = gtk.train(
        plugin="gan", data=f"npz:{folder / 'data.npz'}", runs=folder, epochs=1, batch_size=20,
        quiet=True, network="mlp", hidden_dims=(12,),
    )  # fmt: skip
    return gtk.export(run, folder / "colour.onnx").path


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_images_are_the_same_in_every_form(
    exported: Path, coloured: Path, tmp_path: Path, *, layout: str, dtype: str, colour: bool
) -> None:
    source = coloured if colour else exported
    expected = load(source).sample(count=30, seed=4)
    assert expected.shape == ((30, 8, 8, 3) if colour else (30, 8, 8))
    if (layout, dtype) != ("NCHW", "float32"):
        source = rewritten(source, tmp_path / "form.onnx", in_form(layout, dtype))
    generator = load(source)
    found = generator.sample(count=30, seed=4, batch_size=7)
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)
    raw = generator.run({"z": np.zeros((2, *generator.noise_shape)), **({} if colour else LABELS)})
    assert raw["image"].dtype == dtype
    channels = 3 if colour else 1
    assert raw["image"].shape == ((2, 8, 8, channels) if layout == "NHWC" else (2, channels, 8, 8))


LABELS = {"label": [1, 2]}


def in_batches_of(size: int) -> Callable[[Any, dict[str, Any]], None]:
    """Return an edit that fixes the batch size of a file."""

    def edit(graph: Any, contract: dict[str, Any]) -> None:
        for item in (*graph.input, *graph.output):
            item.type.tensor_type.shape.dim[0].dim_value = size
        contract["batch_size"] = size

    return edit


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
def test_a_file_of_a_fixed_batch_size_draws_any_number(
    exported: Path, tmp_path: Path, count: int
) -> None:
    generator = load(rewritten(exported, tmp_path / "four.onnx", in_batches_of(4)))
    expected = load(exported).sample(count=count, seed=2)
    for batch_size in (1, 4, 256):
        found = generator.sample(count=count, seed=2, batch_size=batch_size)
        assert np.array_equal(found, expected)
    codes, labels = generator.draw_noise(count, 2), np.arange(count) % 10
    assert generator.run({"z": codes, "label": labels})["image"].shape == (count, 1, 8, 8)


def uint8_input(graph: Any, contract: dict[str, Any]) -> None:
    """Have an encoder take 8-bit images."""
    port = next(item for item in graph.input if item.name == "image")
    port.type.tensor_type.elem_type = TensorProto.UINT8
    for node in graph.node:
        node.input[:] = ["scaled" if name == "image" else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "white"))
    graph.node.insert(0, helper.make_node("Div", ["floats", "white"], ["scaled"]))
    graph.node.insert(0, helper.make_node("Cast", ["image"], ["floats"], to=1))
    contract["image"].update(dtype="uint8", range=[0, 255])
    next(item for item in contract["inputs"] if item["name"] == "image")["dtype"] = "uint8"


def test_a_part_may_take_8_bit_images(encoder: Path, tmp_path: Path) -> None:
    part = load_part(rewritten(encoder, tmp_path / "levels.onnx", uint8_input))
    levels = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8))
    labels = [1, 2, 3, 4, 5]
    found = part.run({"image": levels, "label": labels})
    expected = load_part(encoder).run({"image": levels / 255, "label": labels})
    assert np.allclose(found["mean"], expected["mean"], atol=1e-6)
    for wrong, message in (
        (levels / 255, "image must be uint8 numbers of the shape (rows, 1, 8, 8), not float64"),
        (levels + 256, "image must be in 0..255, not 256..511"),
        (levels - 256, "image must be in 0..255, not -256..-1"),
    ):
        with pytest.raises(RequestError, match=re.escape(message)):
            part.run({"image": wrong, "label": labels})


# Processes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("each_form", ["package"], indirect=True)  # it makes its own file
def test_the_single_file_draws_where_there_is_no_gtk(exported: Path) -> None:
    subprocess.run([sys.executable, "-m", "gtk.exports.single_file", "drawing.py"], check=True)
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'gtk'): sys.modules[name] = None\n"
        "from drawing import load\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "print(load(sys.argv[1]).sample(labels=['7'], seed=1).sum())\n"
    )
    command = [sys.executable, "-c", code, str(exported)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(found.stdout) == load(exported).sample(labels=[7], seed=1).sum()


@pytest.mark.parametrize("each_form", ["package"], indirect=True)  # uses neither form itself
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
for name in ("torch", "torchvision", "sklearn", "scipy", "jinja2", "onnx", "onnxscript", "pluggy",
             "safetensors", "platformdirs", "msgspec", "filelock"):
    sys.modules[name] = None  # importing it now fails
from gtk.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("each_form", ["package"], indirect=True)  # uses neither form itself
def test_sampling_from_a_file_needs_no_torch(exported: Path, tmp_path: Path) -> None:
    arguments = ["sample", str(exported), "--label", "7", "-n", "16", "--out", "seven.png"]
    command = [sys.executable, "-c", BLOCKED, *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout == "seven.png: 16 images, seed 0\n"
    assert (tmp_path / "seven.png").stat().st_size > 500


def test_listing_recipes_needs_no_torch() -> None:
    subprocess.run(
        [sys.executable, "-c", BLOCKED, "recipes"], check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize("each_form", ["package"], indirect=True)  # uses neither form itself
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


@pytest.mark.parametrize("each_form", ["package"], indirect=True)  # uses neither form itself
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


@pytest.mark.parametrize("each_form", ["package"], indirect=True)  # uses neither form itself
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digits.bin", "digits.bin is a file, not a run. If it is an exported file, let its n"),
        ("digits", "digits would be a run, which needs torch, which is not installed here; the n"),
    ],
)
@pytest.mark.parametrize("command", ["sample NAME --out a.png", "inspect NAME", "bench NAME"])
def test_a_file_without_its_ending_is_told_how_to_be_named(
    exported: Path, name: str, message: str, command: str
) -> None:
    Path("digits.bin").write_bytes(exported.read_bytes())
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED, *command.replace("NAME", name).split()],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith(f"gtk: error: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("labels", [b"12", {1, 2}, frozenset({1}), {"roof": 1}, "12", 3], ids=str)
def test_labels_in_no_order_are_refused(exported: Path, labels: Any) -> None:
    with pytest.raises(RequestError, match="labels must be a list with a label for each image"):
        load(exported).sample(labels=labels)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (None, "not object"), (5, r"not \(\)"), ("ab", "not <U2"),
        ([[1.0], [1.0, 2.0]], "lists of different lengths"),
        (np.zeros(16), r"shape \(rows, 16\), not \(16,\)"),
        (np.zeros((1, 16), complex), "complex"),
    ],
    ids=str,
)  # fmt: skip
def test_noise_that_is_none_is_refused(exported: Path, noise: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        load(exported).generate(noise, labels=[1])


def test_an_absurd_count_is_refused_before_memory_is_asked_for(exported: Path) -> None:
    with pytest.raises(RequestError, match="count must be at most 2147483648"):
        load(exported).sample(count=10**15)


def test_a_part_shows_what_it_is(exported: Path) -> None:
    assert (
        repr(load(exported, "cpu")) == "Generator(small.onnx: decoder, z, label -> image, on cpu)"
    )
