"""What is measured is the same on both sides, and measuring keeps its time. No figure is tested."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import gtk
from gtk.core.values.errors import InvalidValue, UserError, WorkFailed
from gtk.exports import timing
from gtk.exports.bench import Measurable, check_sizes, example_rows, open_file, open_run
from gtk.exports.loaded_part import LoadedModel
from gtk.exports.pytorch_baseline import Eager
from gtk.exports.sampled_part import SamplerReference
from gtk.exports.timing import Timing, measure

pytestmark = pytest.mark.long

SMALL: dict[str, Any] = {"channels": (6, 8), "hidden_dims": (12, 12), "latent_dim": 4, "epochs": 1}


class Clock:
    """Time that goes by as calls and pauses say, and what went on: a letter a call, - a pause."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.said = ""
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(timing.time, "sleep", lambda seconds: self.passes("-", seconds))

    def passes(self, what: str, seconds: float) -> None:
        self.said += what
        self.now += seconds

    def call(self, name: str, *seconds: float) -> Any:
        """Return a call that takes so long, the next time the next of them."""
        left: Iterator[float] = itertools.cycle(seconds)
        return lambda: self.passes(name, next(left))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock on which blocks take 8, pauses 4 and warming up 2."""
    for name, seconds in (("BLOCK", 8.0), ("PAUSE", 4.0), ("WARM_UP", 2.0)):
        monkeypatch.setattr(timing, name, seconds)
    return Clock(monkeypatch)


def test_both_sides_take_turns_and_neither_is_always_first(clock: Clock) -> None:
    found = measure([clock.call("a", 1), clock.call("b", 2)], 100)
    first, *blocks = clock.said.split("-")
    assert first == "ab"
    assert ["".join(sorted(set(block))) for block in blocks] == list("baabbaab")
    assert [item.median for item in found] == [1, 2]
    assert 100 <= clock.now < 100 + 2 * (4 + 2 + 8), "it ends with the round when time is up"


def test_what_comes_before_a_block_does_not_count(clock: Clock) -> None:
    [found] = measure([clock.call("a", 1)], 30)
    assert clock.said == "a" + 3 * ("-" + 2 * "a" + 8 * "a")
    assert found.calls == 3 * 8


def test_a_slow_call_is_made_once_and_does_not_warm_up(clock: Clock) -> None:
    found = measure([clock.call("a", 50), clock.call("b", 70)], 20)
    assert found == [Timing(50, 50, 50, 1), Timing(70, 70, 70, 1)]
    assert clock.said == "ab"
    clock.said = ""
    measure([clock.call("a", 9)], 30)
    assert clock.said == "a-a-a"


def test_median_and_quartiles_are_of_all_calls(clock: Clock) -> None:
    [found] = measure([clock.call("a", 10, 12, 11, 15, 14, 13)], 80)
    assert clock.said == "a-a-a-a-a-a"
    assert found == Timing(13, 12, 14, 5)


@pytest.mark.parametrize(
    ("plugin", "options"),
    [
        ("cvae", {"prior": "learned"}),
        ("vae", {}),
        ("cgan", {}),
        ("cgan", {"network": "mlp", "conditioner": "projection"}),
    ],
    ids=str,
)
def test_both_sides_compute_the_same(plugin: str, options: dict[str, Any]) -> None:
    run = gtk.train(plugin=plugin, quiet=True, **{**SMALL, **options})
    for name in run.load_model().exports():
        measurable = open_run(run, name, "cpu")
        assert measurable.manifest["part"] == name
        compare(measurable)


@pytest.mark.parametrize("data", ["marks", "ramps"])
def test_attributes_and_numbers_are_measured(outside: Path, data: str) -> None:
    run = gtk.train(
        plugin="generative-toolkit/cvae", data=data, conditioner="film", quiet=True,
        batch_size=20, **SMALL,
    )  # fmt: skip
    compare(open_run(run, None, "cpu"))


def compare(measurable: Measurable) -> None:
    """Check that PyTorch, as it is measured, gives what the file gives."""
    rows = example_rows(measurable.manifest, 5)
    assert measurable.eager is not None
    with measurable.eager.working(1):
        given = measurable.eager.call(rows, measurable.manifest["image"])()
    outputs = given if isinstance(given, tuple) else (given,)
    for found, expected in zip(measurable.session.run(None, rows), outputs, strict=True):
        assert found.shape == expected.shape
        assert np.allclose(found, expected.numpy(), atol=1e-5, rtol=1e-5)


def test_images_of_every_form_become_what_the_model_was_trained_on(small_run: gtk.Run) -> None:
    eager = Eager(LoadedModel(small_run, 440).part("encoder"), "cpu")
    label = np.array([3, 4])
    levels = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8), np.uint8)
    given = []
    for dtype, layout in itertools.product(("float32", "uint8"), ("NCHW", "NHWC")):
        image = levels if dtype == "uint8" else levels.astype(np.float32) / 255
        image = image if layout == "NCHW" else image.transpose(0, 2, 3, 1)
        rows = {"image": image, "label": label}
        with eager.working(1):
            given.append(eager.call(rows, {"dtype": dtype, "layout": layout})()[0])  # type: ignore[index]
    assert all(torch.equal(given[0], other) for other in given[1:])


def test_torch_is_given_back_as_it_was(small_run: gtk.Run) -> None:
    eager = Eager(LoadedModel(small_run, 440).part("decoder"), "cpu")
    before = torch.get_num_threads()
    inside = []
    with contextlib.suppress(ZeroDivisionError), eager.working(before + 1):
        inside = [torch.get_num_threads(), torch.is_inference_mode_enabled()]
        _ = 1 / 0
    assert inside == [before + 1, True]
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()


def test_on_a_gpu_torch_has_no_tf32_as_the_file_has_none(small_run: gtk.Run) -> None:
    eager = Eager(LoadedModel(small_run, 440).part("decoder"), "cpu")
    eager.device = torch.device("cuda")
    backends: Any = torch.backends
    operations = [backends.cuda.matmul, backends.cudnn.conv]
    with eager.working(1):
        assert [operation.fp32_precision for operation in operations] == ["ieee", "ieee"]
    assert [operation.fp32_precision for operation in operations] == ["none", "tf32"]


def test_torch_has_as_many_threads_as_onnxruntime(small_run: gtk.Run) -> None:
    ready = open_run(small_run, None, "cpu")
    seen = []

    class Watching:
        def run(self, *_: object) -> None:
            seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))

        def get_session_options(self) -> onnxruntime.SessionOptions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 3
            return options

    Measurable(ready.manifest, Watching(), "cpu", ready.eager).measure(2, 0.0)
    assert set(seen) == {(3, True)}


def test_rows_are_as_the_manifest_says() -> None:
    names = {"names": ["a", "b"], "count": 2}
    condition = {"kind": "continuous", "ranges": [[0, 2], [-1, 1]], **names}
    image = {"range": [0, 255]}
    ports = [
        {"name": "z", "kind": "latent", "dtype": "float32", "shape": [2, 3]},
        {"name": "values", "kind": "condition", "dtype": "float32", "shape": [2]},
        {"name": "image", "kind": "image", "dtype": "uint8", "shape": [4, 4, 3]},
    ]
    rows = example_rows({"inputs": ports, "condition": condition, "image": image}, 3)
    for port in ports:
        assert rows[port["name"]].dtype == port["dtype"]
        assert rows[port["name"]].shape == (3, *port["shape"])
    assert rows["values"].tolist() == [[0.5, -0.5], [1.5, 0.5], [0.5, -0.5]]
    assert rows["image"].max() > 200
    ports = [{"name": "label", "kind": "condition", "dtype": "int64", "shape": []}]
    rows = example_rows({"inputs": ports, "condition": {"kind": "classes", **names}}, 3)
    assert rows["label"].tolist() == [0, 1, 0]
    ports = [{"name": "attributes", "kind": "condition", "dtype": "float32", "shape": [2]}]
    condition = {"kind": "attributes", "ranges": [[0, 1], [0, 1]], **names}
    rows = example_rows({"inputs": ports, "condition": condition}, 2)
    assert rows["attributes"].tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("sizes", [(), (0,), (-1,), (1, 10**9), (8193,)], ids=str)
def test_absurd_sizes_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValue, match=r"a batch size is a whole number in 1\.\.8192, not"):
        check_sizes(sizes)
    check_sizes(None)
    check_sizes((1, 8192))


def test_a_file_of_one_batch_size_is_measured_at_that() -> None:
    fixed = Measurable({"batch_size": 4}, None, "cpu", None)
    assert fixed.sizes(None) == fixed.sizes((4,)) == fixed.sizes((4, 4)) == (4,)
    with pytest.raises(InvalidValue, match="takes only batches of 4: use --batch-size 4"):
        fixed.sizes((1, 4))
    free = Measurable({"batch_size": None}, None, "cpu", None)
    assert free.sizes(None) == (1, 16, 256)
    assert free.sizes((7, 7, 2)) == (7, 2)


def test_a_batch_that_cannot_be_computed_is_one_line(small_run: gtk.Run) -> None:
    measurable = open_run(small_run, None, "cpu")

    class Full:
        def run(self, *_: object) -> None:
            raise MemoryError("Failed to allocate memory\nand more")

        def get_session_options(self) -> onnxruntime.SessionOptions:
            return onnxruntime.SessionOptions()

    full = Measurable(measurable.manifest, Full(), "cpu", measurable.eager)
    with pytest.raises(WorkFailed, match="^a batch of 3 cannot be computed: Failed to allocate m"):
        full.measure(3, 0.0)


@pytest.mark.parametrize("device", ["gpu9", "", "cuda:x"])
def test_unknown_devices_are_refused(small_run: gtk.Run, tmp_path: Path, device: str) -> None:
    path = gtk.export(small_run, tmp_path / "a.onnx").path
    for opened in (
        lambda: open_file(path, device, tmp_path),
        lambda: open_run(small_run, None, device),
    ):
        with pytest.raises(UserError, match="unknown device"):
            opened()


def test_a_sampler_s_module_is_made_once_for_all_calls(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[nn.Module] = []
    usual = SamplerReference.module

    def counted(self: SamplerReference, model: gtk.Model) -> nn.Module:
        made.append(usual(self, model))
        return made[-1]

    monkeypatch.setattr(SamplerReference, "module", counted)
    choice = small_run.settings.sampler_choice("aggregate", {})
    part = LoadedModel(small_run, 440, None, choice).part("sampler")
    eager = Eager(part, "cpu")
    rows = {name: value.typical(3) for name, value in part.inputs.items()}
    with eager.working(1):
        for _ in range(3):
            eager.call(rows, None)()
    assert len(made) == 1
