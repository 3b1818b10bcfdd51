"""A draw of many steps is one file: a step in a Loop, as often as it says and no more."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from made_once import made_once
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)
from torch import Tensor, nn
from toy_draw import Heun, draw_by_steps, drawn

import gtk
from gtk.cli.main import run as gtk_command
from gtk.core.contracts.iteration import Iteration
from gtk.core.values.errors import ExportMismatch, PluginError, WorkFailed
from gtk.exports.candidate import Candidate
from gtk.exports.float16_arithmetic import rounded, rows_to_compare
from gtk.exports.graph_nodes import nodes_of
from gtk.exports.loaded_part import LoadedModel
from gtk.exports.options import ExportOptions
from gtk.exports.proof import compare
from gtk.exports.runtime import ExportFileError, graph_file, load, loop, scan
from gtk.exports.runtime.graph_digest import graph_digest
from gtk.exports.runtime.session import open_session
from gtk.exports.translate import innermost

Edit = Callable[[ModelProto], object]


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every CVAE export a draw of 16 steps."""
    draw_by_steps(monkeypatch)


@pytest.fixture(scope="module")
def files(small_run: gtk.Run, one_table: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The draw in float32 and in float16: plain.onnx, half.onnx; not to be written to."""

    def export(folder: Path) -> None:
        gtk.export(small_run, folder / "plain.onnx")
        gtk.export(small_run, folder / "half.onnx", precision="fp16")

    with pytest.MonkeyPatch.context() as patching:
        draw_by_steps(patching)
        return made_once(tmp_path_factory, "loops", export)


def loop_of(proto: ModelProto) -> NodeProto:
    """Return the Loop of a graph."""
    node: NodeProto
    (node,) = (item for item in proto.graph.node if item.op_type == "Loop")
    return node


def body_of(proto: ModelProto) -> GraphProto:
    """Return what it repeats."""
    body: GraphProto = loop_of(proto).attribute[0].g
    return body


def weight(proto: ModelProto, name: str) -> TensorProto:
    tensor: TensorProto = next(item for item in proto.graph.initializer if item.name == name)
    return tensor


# What is written ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "tolerance"), [("plain.onnx", 1e-5), ("half.onnx", 1e-3)])
def test_the_file_draws_what_pytorch_draws(files: Path, name: str, tolerance: float) -> None:
    session = onnxruntime.InferenceSession(files / name)
    for size in (1, 2, 5, 33):
        z = np.random.default_rng(size).standard_normal((size, 16), dtype=np.float32)
        label = np.arange(size) % 10
        found = session.run(None, {"z": z, "label": label})[0]
        with torch.no_grad():
            expected = drawn(None, torch.from_numpy(z), torch.from_numpy(label)).numpy()
        assert abs(found - expected).max() < tolerance
        assert expected.std() > 0.05


@pytest.mark.usefixtures("each_form")
def test_the_runtime_draws_with_it(files: Path) -> None:
    generator = load(files / "plain.onnx")
    assert generator.proven is True
    noise = generator.values["z"].rows(np.random.default_rng(7).standard_normal((3, 16)), "z")
    images = generator.run({"z": noise, "label": [3, 1, 4]})["image"]
    with torch.no_grad():
        expected = drawn(None, torch.from_numpy(noise), torch.tensor([3, 1, 4])).numpy()
    assert abs(images - expected).max() < 1e-5
    assert generator.sample(labels=[3, 1, 4], seed=7).shape == (3, 8, 8)
    assert generator.facts.operators["Loop"] == 1


def test_a_label_out_of_range_is_an_error_before_the_first_step(files: Path) -> None:
    session = onnxruntime.InferenceSession(files / "plain.onnx")
    with pytest.raises(Exception, match="indices element out of data bounds"):
        session.run(None, {"z": np.zeros((2, 16), np.float32), "label": np.array([0, 10])})


def test_one_step_is_written_and_no_weight_twice(files: Path) -> None:
    proto = onnx.load(files / "plain.onnx")
    body = body_of(proto)
    bounds = [numpy_helper.to_array(weight(proto, name)) for name in loop_of(proto).input[:2]]
    assert [item.tolist() for item in bounds] == [16, True]
    assert [node.op_type for node in body.node].count("Conv") == 4
    assert not any(node.op_type == "Constant" for node in nodes_of(proto.graph))
    inside, outside = list(body.initializer), list(proto.graph.initializer)
    assert [len(item.dims) for item in inside].count(4) == 2
    assert not any(len(item.dims) == 4 for item in outside)
    for item in (*inside, *outside):
        item.name = ""
    assert len({item.SerializeToString() for item in (*inside, *outside)}) == len(inside + outside)


def test_in_float16_the_state_stays_in_float32(files: Path) -> None:
    proto = onnx.load(files / "half.onnx")
    body = onnx.shape_inference.infer_shapes(proto, strict_mode=True)
    inner = body_of(body)
    kinds = {
        item.name: item.type.tensor_type.elem_type
        for item in (*inner.value_info, *inner.output, *inner.input)
    }
    assert kinds["step/before/0"] == kinds["step/after/0"] == TensorProto.FLOAT
    tables = {item.name: item.data_type for item in (*proto.graph.initializer, *inner.initializer)}
    assert {
        kinds.get(name, tables.get(name))
        for node in inner.node
        if node.op_type == "Conv"
        for name in node.input
    } == {TensorProto.FLOAT16}
    for node in inner.node:  # times, differences of times, what is added to the state
        if node.op_type in ("Add", "Sub", "Mul", "Div") and node.input[0] in (
            "step/before/0",
            "step/sub_16",
        ):
            assert {kinds.get(name, tables.get(name)) for name in (*node.input, *node.output)} == {
                TensorProto.FLOAT
            }
    assert {tables[name] for name in tables if name.endswith("times")} == {TensorProto.FLOAT}
    manifest = load(files / "half.onnx").contract
    assert manifest["precision"] == "fp16"
    assert manifest["parity"]["float16"]["differences"]["image"]["largest"] < 2e-3
    assert manifest["parity"]["float16"]["rows"] == 512


def test_float16_arithmetic_reaches_into_the_body(files: Path) -> None:
    proto = onnx.load(files / "half.onnx")
    assert not {node.op_type for node in body_of(proto).node} & {"Loop", "If"}
    casts = [node for node in body_of(rounded(proto)).node if node.op_type == "Cast"]
    assert len(casts) > 2 * len([node for node in body_of(proto).node if node.op_type == "Conv"])
    many = ModelProto()
    many.CopyFrom(proto)
    weight(many, "loop/count").CopyFrom(
        helper.make_tensor("loop/count", TensorProto.INT64, [], [1000])
    )
    weight(many, "loop/count").name = "loop/count"
    large = onnx.shape_inference.infer_shapes(many)
    assert 1 <= rows_to_compare(large) < rows_to_compare(proto) == 512


def test_the_form_of_images_and_batches_is_that_of_any_file(
    small_run: gtk.Run, patched: None
) -> None:
    made = gtk.export(small_run, "fixed.onnx", image="uint8", layout="nhwc", batch_size=2)
    assert made.contract["parity"]["tolerance"] == pytest.approx(1 / 255)
    session = onnxruntime.InferenceSession("fixed.onnx")
    z = np.random.default_rng(0).standard_normal((2, 16), dtype=np.float32)
    found = session.run(None, {"z": z, "label": np.array([1, 2])})[0]
    with torch.no_grad():
        expected = 255 * drawn(None, torch.from_numpy(z), torch.tensor([1, 2])).numpy()
    assert found.shape == (2, 8, 8, 1)
    assert abs(found.transpose(0, 3, 1, 2) - expected).max() < 0.51
    again = gtk.export(small_run, "again.onnx", prove="fixed.onnx")
    assert again.contract["parity"]["tolerance"] == pytest.approx(1 / 255)
    assert load("again.onnx").proven is True


def test_steps_need_no_condition_and_may_carry_several_tensors(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counting(Iteration):
        """Carries a history, a whole number, and what never changes."""

        count = 5

        def begin(self, z: Tensor, *others: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
            assert condition is None
            return z[:, :1], torch.zeros_like(z[:, 0], dtype=torch.int64), others[0], z, z

        def step(
            self, index: Tensor, *state: Tensor, condition: Tensor | None
        ) -> tuple[Tensor, ...]:
            x, number, other, z, same = state
            x = torch.where(index == 0, x, x + other[:, :1] * index)
            return x, number + index, other, z, same

        def end(self, *state: Tensor) -> Tensor:
            x, number, _, z, _ = state
            image = (x + number[:, None] + z[:, 1:2]).sigmoid()
            return image[:, :, None, None].expand(-1, 1, 8, 8)

    def reference(_: Any, z: Tensor, more: Tensor) -> Tensor:
        images: Tensor = Counting()(z, more)
        return images

    draw_by_steps(monkeypatch, None)
    exports = {"sampler": gtk.ExportPart(Counting(), ("z", "more"), ("image",), reference)}
    monkeypatch.setattr("gtk.plugins.vae.model.VariationalAutoencoder.exports", lambda _: exports)
    half = gtk.export(small_run, "half.onnx", precision="fp16")
    assert half.parity.float16 is not None
    assert half.parity.float16.reference_rows == 4
    made = gtk.export(small_run, "counting.onnx")
    assert made.parity.largest < 1e-5
    assert len(loop_of(onnx.load("counting.onnx")).output) == 2, "three never change"


# The proof ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "passes"), [(0.0038, True), (0.0042, False), (torch.nan, False)])
def test_it_is_proven_to_one_level_of_eight_bits(
    small_run: gtk.Run, patched: None, files: Path, off: float, passes: bool
) -> None:
    subject = LoadedModel(small_run, small_run.checkpoints.choose(None)).part("sampler")

    def other(model: Any, z: Tensor, label: Tensor) -> Tensor:
        return drawn(model, z, label) * (1 - 2 * off) + off

    subject = replace(subject, part=replace(subject.part, reference=other))
    candidate = Candidate(open_session((files / "plain.onnx").read_bytes()))
    if passes:
        assert compare(subject, candidate, ExportOptions()).largest < 1 / 255
        with pytest.raises(ExportMismatch, match=r"the tolerance is 1e-05; no file was written"):
            compare(subject, candidate, ExportOptions(tolerance=1e-5))
    else:
        kind = WorkFailed if np.isnan(off) else ExportMismatch
        with pytest.raises(kind, match=r"the tolerance is 0\.00392|not finite"):
            compare(subject, candidate, ExportOptions())


def test_another_number_of_steps_is_a_mismatch(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_by_steps(monkeypatch, Heun(2))
    with pytest.raises(
        ExportMismatch, match=r"differs from PyTorch by 0\.\d+, the tolerance is 0\.00392"
    ):
        gtk.export(small_run, "two.onnx")
    assert not Path("two.onnx").exists()


# What cannot be exported --------------------------------------------------------------------------


class Growing(Heun):
    def step(self, index: Tensor, *state: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        return (torch.cat([state[0], state[0]], 1),)


class Widening(Heun):
    def step(self, index: Tensor, *state: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        return (state[0].double(),)


class Bare(Heun):
    def begin(self, z: Tensor, *others: Tensor, condition: Tensor | None) -> Any:
        return super().begin(z, condition=condition)[0]


class Splitting(Heun):
    def velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        both = super().velocity(torch.cat([x, x]), time, torch.cat([condition, condition]))  # type: ignore[list-item]
        with_condition, without = both.chunk(2)
        return with_condition + without


class Branching(Heun):
    def step(self, index: Tensor, *state: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        (x,) = state
        return (torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,)),)


class Uncounted(Heun):
    def __init__(self) -> None:
        super().__init__()
        del self.count


FAULTS: dict[str, tuple[nn.Module, type[Exception], str]] = {
    "no steps": (Heun(0), PluginError, "its count is 0; an exported file has 1 to 1,000 steps"),
    "too many": (Heun(1001), PluginError, "its count is 1001; an exported file has 1 to 1,000"),
    "a state that grows": (
        Growing(),
        PluginError,
        r"its step makes a state of float32 \(2, 2, 8, 8\) of one of float32 \(2, 1, 8, 8\)",
    ),
    "a state of another type": (Widening(), PluginError, r"of float64 \(2, 1, 8, 8\) of one of"),
    "a tensor for a state": (
        Bare(),
        PluginError,
        "begin gives Tensor, it should give a tuple of tensors",
    ),
    "no count": (Uncounted(), PluginError, "its count is None; an exported file has 1 to 1,000"),
    "a step that branches": (
        Branching(),
        WorkFailed,
        r"chooses at run time what it computes \(If\)",
    ),
    "what the exporter cannot split": (
        Splitting(),
        WorkFailed,
        r"AttributeError: .* \(Error during constant folding .* \(::SplitToSequence\)\)$",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_repeated_is_one_line(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    module, kind, message = FAULTS[case]
    draw_by_steps(monkeypatch, module)
    with pytest.raises(kind, match=message) as caught:
        gtk.export(small_run, "bad.onnx")
    assert "\n" not in str(caught.value)
    assert not Path("bad.onnx").exists()


def test_the_innermost_cause_is_named() -> None:
    first = ValueError("ranges differ:\n- of axis 0\n- of axis 1")
    inner, outer = LookupError("node_7. See the stack trace for more information."), RuntimeError()
    assert innermost(first) == "ValueError: ranges differ: of axis 0"
    outer.__cause__ = first
    assert innermost(outer) == "ValueError: ranges differ: of axis 0"
    outer.__cause__, inner.__cause__ = inner, first
    assert innermost(outer) == "ValueError: ranges differ: of axis 0 (node_7)"
    assert innermost(OSError()) == "OSError"


# What is read -------------------------------------------------------------------------------------


def retripped(values: Any, kind: int = TensorProto.INT64) -> Edit:
    """Return an edit that gives the Loop another number of steps."""

    def edit(proto: ModelProto) -> None:
        array = np.asarray(values)
        made = helper.make_tensor("loop/count", kind, array.shape, array.flatten())
        weight(proto, "loop/count").CopyFrom(made)

    return edit


def counted_by(*nodes: NodeProto, **tensors: Any) -> Edit:
    """Return an edit that computes the number of steps, as `count`."""

    def edit(proto: ModelProto) -> None:
        for name, values in tensors.items():
            proto.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        for at, node in enumerate(nodes):
            proto.graph.node.insert(at, node)
        loop_of(proto).input[0] = "count"

    return edit


def within(*nodes: NodeProto, first: bool = True, **tensors: Any) -> Edit:
    """Return an edit that adds nodes to the body, and constants around it."""

    def edit(proto: ModelProto) -> None:
        for name, values in tensors.items():
            proto.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        kept = [] if not first else list(body_of(proto).node)
        if first:
            del body_of(proto).node[:]
        body_of(proto).node.extend([*nodes, *kept])

    return edit


def giving(*nodes: NodeProto) -> Edit:
    """Return an edit after which the state is what nodes give as `new`."""

    def edit(proto: ModelProto) -> None:
        within(*nodes, first=False)(proto)
        body_of(proto).output[1].name = "new"

    return edit


def node(operator: str, *inputs: str, gives: str, **attributes: Any) -> NodeProto:
    return helper.make_node(operator, inputs, gives.split(), **attributes)


def nested(proto: ModelProto) -> None:
    inner = NodeProto()
    inner.CopyFrom(loop_of(proto))
    inner.input[2], inner.output[0] = "step/before/0", "inner"
    within(inner)(proto)


def collected(proto: ModelProto) -> None:
    """Have the Loop collect a tensor of all steps."""
    body_of(proto).output.add(name="step/after/0/shape")
    loop_of(proto).output.append("all")


def condition(name: str, *nodes: NodeProto, **tensors: Any) -> Edit:
    """Return an edit after which the body goes on while another tensor is true."""

    def edit(proto: ModelProto) -> None:
        within(*nodes, first=False, **tensors)(proto)
        body_of(proto).output[0].name = name

    return edit


def overridable(proto: ModelProto) -> None:
    """Have the number of steps be an input that has a default."""
    proto.graph.input.append(helper.make_tensor_value_info("loop/count", TensorProto.INT64, []))


def set_false(proto: ModelProto) -> None:
    weight(proto, "loop/goes on").CopyFrom(
        helper.make_tensor("loop/goes on", TensorProto.BOOL, [], [False])
    )


def with_graph(operator: str, name: str) -> Edit:
    """Return an edit that adds a node with another graph to the body."""

    def edit(proto: ModelProto) -> None:
        inner = helper.make_graph([], "inner", [], [])
        within(node(operator, "step/goes on", gives="one", **{name: inner}))(proto)

    return edit


def wrong_attribute(change: Callable[[AttributeProto], None]) -> Edit:
    return lambda proto: change(loop_of(proto).attribute[0])


def outside(proto: ModelProto) -> None:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "own")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    body_of(proto).initializer.append(tensor)


def own(name: str, values: Any) -> Edit:
    """Return an edit that adds a constant to the body itself."""
    return lambda proto: body_of(proto).initializer.append(
        numpy_helper.from_array(np.asarray(values), name)
    )


def chain(count: int) -> Edit:
    """Return an edit that adds nodes of which each takes what the one before gave."""
    names = ["step/before/0", *(f"n{at}" for at in range(count))]
    return within(*(node("Relu", before, gives=after) for before, after in pairwise(names)))


def chained(*edits: Edit) -> Edit:
    def edit(proto: ModelProto) -> None:
        for one in edits:
            one(proto)

    return edit


GROWS = "a Loop whose state may grow"
COUNT = "a Loop whose number of steps is not a constant"
TRUE = "a Loop whose condition is not the constant true"
DOUBLE = "two tensors called "
HOSTILE: dict[str, tuple[Edit, str]] = {
    "a Loop in a Loop": (nested, "graphs within its graph: a Loop within a Loop"),
    "an If in a Loop": (with_graph("If", "then_branch"), "graphs within its graph"),
    "a Scan in a Loop": (with_graph("Scan", "body"), "graphs within its graph"),
    "a function's name in a Loop": (
        within(node("Own", "step/before/0", gives="a", domain="local")),
        "operators of the domain 'local'",
    ),
    "2^62 steps": (
        retripped(1 << 62),
        "a Loop of 4,611,686,018,427,387,904 steps, from 1 to 1,000",
    ),
    "1,001 steps": (retripped(1001), "a Loop of 1,001 steps, from 1 to 1,000 are read"),
    "no steps": (retripped(0), "a Loop of 0 steps"),
    "steps below none": (retripped(-1), "a Loop of -1 steps"),
    "several numbers of steps": (retripped([16, 16]), COUNT),
    "an empty number of steps": (retripped(np.zeros(0, np.int64)), COUNT),
    "a number of steps that is true": (retripped(True, TensorProto.BOOL), COUNT),
    "half a step": (retripped(0.5, TensorProto.FLOAT), COUNT),
    "a computed number of steps": (
        counted_by(node("Mul", "big", "big", gives="count"), big=np.array(1 << 31)),
        COUNT,
    ),
    "a number of steps that depends on the batch": (
        counted_by(node("Size", "z", gives="count")),
        COUNT,
    ),
    "as many steps as the label": (
        counted_by(node("ReduceMax", "label", gives="count", keepdims=0)),
        COUNT,
    ),
    "a number of steps that is left out": (
        lambda proto: loop_of(proto).input.__setitem__(0, ""),
        COUNT,
    ),
    "a number of steps that is an input, too": (overridable, COUNT),
    "a condition that is false": (set_false, TRUE),
    "a condition that is computed": (
        condition("stop", node("Cast", "draw/index", gives="stop", to=TensorProto.BOOL)),
        TRUE,
    ),
    "a condition that becomes false": (
        condition("stop", node("Identity", "no", gives="stop"), no=np.array(False)),
        TRUE,
    ),
    "a state that doubles": (
        giving(node("Concat", "step/after/0", "step/after/0", gives="new", axis=0)),
        GROWS,
    ),
    "a state that doubles behind its name": (
        giving(
            node("Concat", "step/after/0", "step/after/0", gives="more", axis=0),
            node("Identity", "more", gives="new"),
        ),
        GROWS,
    ),
    "a Reshape that grows along": (
        giving(
            node("Concat", "step/after/0", "step/after/0", gives="more", axis=0),
            node("Shape", "more", gives="size"),
            node("Reshape", "more", "size", gives="new"),
        ),
        GROWS,
    ),
    "a Reshape of open size": (
        chained(
            giving(
                node("Concat", "step/after/0", "step/after/0", gives="more", axis=0),
                node("Reshape", "more", "open", gives="new"),
            ),
            lambda proto: proto.graph.initializer.append(
                numpy_helper.from_array(np.array([-1, 1, 8, 8]), "open")
            ),
        ),
        GROWS,
    ),
    "a part of a shape": (
        giving(
            node("Shape", "step/before/0", gives="size", start=1),
            node("Reshape", "step/after/0", "size", gives="new"),
        ),
        GROWS,
    ),
    "an Expand to its own shape": (
        giving(
            node("Shape", "step/before/0", gives="size"),
            node("Expand", "step/after/0", "size", gives="new"),
        ),
        GROWS,
    ),
    "a state of another type": (
        giving(
            node("Cast", "step/after/0", gives="whole", to=TensorProto.INT64),
            node("Reshape", "whole", "step/after/0/shape", gives="new"),
        ),
        "a Loop whose state changes its type",
    ),
    "a list of all steps": (collected, "a Loop that has more or less than a state"),
    "a body that takes more": (
        lambda proto: body_of(proto).input.add(name="more"),
        "takes or gives more or less than its state",
    ),
    "a body that gives less": (
        lambda proto: body_of(proto).output.pop(),
        "takes or gives more or less than its state",
    ),
    "no state": (
        lambda proto: (loop_of(proto).input.pop(), loop_of(proto).output.pop()),
        "more or less than a state",
    ),
    "a body of no graph": (
        wrong_attribute(lambda item: item.CopyFrom(helper.make_attribute("body", 3))),
        "whose body is not a graph",
    ),
    "a body by another name": (
        wrong_attribute(lambda item: setattr(item, "name", "branch")),
        "more or less than a state",
    ),
    "two bodies": (
        lambda proto: loop_of(proto).attribute.append(helper.make_attribute("other", 1)),
        "more or less than a state",
    ),
    "a random step": (
        within(node("RandomNormalLike", "step/before/0", gives="noise")),
        "the random operator RandomNormalLike",
    ),
    "an unknown operator": (
        within(node("StringNormalizer", "step/before/0", gives="a")),
        "the operator 'StringN",
    ),
    "a whole number divided by what may be 0": (
        within(node("Div", "draw/index", "draw/index", gives="a")),
        "a Div of whole numbers",
    ),
    "a remainder by -1": (
        within(node("Mod", "draw/index", "minus", gives="a"), minus=np.array(-1)),
        "a Mod of whole",
    ),
    "a kernel that divides by zero": (
        within(node("DepthToSpace", "step/before/0", gives="a", blocksize=0)),
        "whose blocksize is 0",
    ),
    "constants that grow": (
        within(node("ConstantOfShape", "size", gives="a"), size=np.array([1 << 20, 1 << 8])),
        "constants that grow",
    ),
    "constants of the outside that grow inside": (
        within(
            node("Tile", "step/module.draw.iteration.times", "often", gives="a"),
            often=np.array([1 << 30]),
        ),
        "constants that grow",
    ),
    "constants of unknown size": (
        within(
            node("Mul", "size", "size", gives="square"),
            node("ConstantOfShape", "square", gives="a"),
            size=np.array([1 << 20]),
        ),
        "that does not fit its constants",
    ),
    "data outside of the file": (outside, "data outside of the file"),
    "a constant of the name of another": (own("loop/count", 3), DOUBLE),
    "a constant of the name of what it takes": (own("step/before/0", 3), DOUBLE),
    "a node of the name of another outside": (
        within(node("Relu", "step/before/0", gives="loop/0")),
        DOUBLE,
    ),
    "a node of the name of an input": (within(node("Relu", "step/before/0", gives="z")), DOUBLE),
    "what it takes of the name of an input": (
        lambda proto: setattr(body_of(proto).input[2], "name", "z"),
        DOUBLE,
    ),
    "what it takes twice by one name": (
        lambda proto: setattr(body_of(proto).input[1], "name", "draw/index"),
        "two inputs of one name",
    ),
    "nodes that need each other": (
        within(node("Relu", "a", gives="b"), node("Relu", "b", gives="a")),
        "nodes that need each other's outputs",
    ),
    "more nodes than are read": (chain(4_990), "more than 5000 nodes"),
    "more nodes than are computed": (
        chained(chain(2_100), retripped(1000)),
        r"Loops that compute 2,1\d\d,000 nodes, more than 2,000,000",
    ),
}


def hostile(files: Path, edit: Edit) -> bytes:
    proto = onnx.load(files / "plain.onnx")
    edit(proto)
    content: bytes = proto.SerializeToString()
    return content


@pytest.mark.usefixtures("each_form")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_loop_is_refused_in_one_line(
    files: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    edit, message = HOSTILE[case]
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("it was opened")
    )
    Path("bad.onnx").write_bytes(hostile(files, edit))
    with pytest.raises(ExportFileError, match=message) as by_scan:
        scan(Path("bad.onnx").read_bytes())
    with pytest.raises(ExportFileError) as by_load:
        load("bad.onnx")
    assert str(by_load.value) == str(by_scan.value).replace("the file", "bad.onnx", 1)
    assert "\n" not in str(by_load.value)
    assert "which gtk never writes" in str(by_load.value)


@pytest.mark.parametrize(
    "command", ["inspect bad.onnx", "sample bad.onnx --out a.png", "bench bad.onnx"]
)
def test_every_command_refuses_it_with_exit_code_2(
    files: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.onnx").write_bytes(hostile(files, HOSTILE["2^62 steps"][0]))
    assert gtk_command(command.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gtk: error: bad.onnx is refused: it holds a Loop of 4,611,686,018,427")


def optimized(proto: ModelProto, level: str) -> bytes:
    """Return a file as onnxruntime's optimizers write it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = "optimized.onnx"
    onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return Path("optimized.onnx").read_bytes()


def fixed(proto: ModelProto) -> None:
    for item in (*proto.graph.input, *proto.graph.output):
        item.type.tensor_type.shape.dim[0].dim_value = 4


def with_shape(proto: ModelProto) -> None:
    proto.graph.initializer.append(numpy_helper.from_array(np.array([4, 1, 8, 8]), "shape"))


BASIC, EXTENDED = "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED"
ACCEPTED: dict[str, tuple[Edit, str | None]] = {
    "as it was": (lambda _: None, None),
    "with basic optimization": (lambda _: None, BASIC),
    "with extended optimization": (lambda _: None, EXTENDED),
    "of a fixed batch, optimized": (fixed, BASIC),
    "a state that is passed on": (giving(node("Identity", "step/before/0", gives="new")), None),
    "a state of a constant shape": (
        chained(giving(node("Reshape", "step/after/0", "shape", gives="new")), with_shape),
        None,
    ),
    "a constant condition in the body": (
        condition("yes", node("Identity", "on", gives="yes"), on=np.array(True)),
        None,
    ),
    "no condition": (lambda proto: loop_of(proto).input.__setitem__(1, ""), None),
    "constants of its own": (
        chained(
            own("three", np.float32(3)),
            within(node("Mul", "step/before/0", "three", gives="unused")),
        ),
        None,
    ),
}


@pytest.mark.usefixtures("each_form")
@pytest.mark.parametrize("case", ACCEPTED)
def test_what_tools_make_of_it_is_read(files: Path, case: str) -> None:
    edit, level = ACCEPTED[case]
    content = hostile(files, edit)
    if level is not None:
        content = optimized(onnx.ModelProto.FromString(content), level)
    assert scan(content).operators["Loop"] == 1
    assert scan(hostile(files, retripped(1000))).operators["Loop"] == 1
    session = open_session(content)
    assert session is not None
    feeds = {"z": np.ones((4, 16), np.float32), "label": np.arange(4)}
    assert session.run(None, feeds)[0].shape == (4, 1, 8, 8)


def test_a_state_cannot_grow_though_the_shapes_say_nothing(files: Path) -> None:
    """What the check relies on: onnxruntime stops at a Reshape to the shape of the state."""
    proto = onnx.load(files / "plain.onnx")
    last = next(item for item in body_of(proto).node if item.output[0] == "step/after/0")
    within(node("Concat", last.input[0], last.input[0], gives="more", axis=0), first=False)(proto)
    body_of(proto).node.remove(last)
    last.input[0] = "more"
    within(last, first=False)(proto)
    content = proto.SerializeToString()
    scan(content)
    session = open_session(content)
    assert session is not None
    with pytest.raises(Exception, match="Reshape"):
        session.run(None, {"z": np.ones((2, 16), np.float32), "label": np.arange(2)})


# The digest ---------------------------------------------------------------------------------------


def test_the_digest_covers_the_body(files: Path) -> None:
    content = (files / "plain.onnx").read_bytes()
    manifest = json.loads((files / "plain.json").read_text())
    assert manifest["graph_sha256"] == graph_digest(content)
    changes: Sequence[Edit] = (
        retripped(17),
        lambda proto: setattr(body_of(proto).node[-2], "name", "other"),
        lambda proto: (
            body_of(proto).output[1].type.tensor_type.shape.dim[2].ClearField("dim_value")
        ),
        within(node("Relu", "step/before/0", gives="more")),
        own("more", 1),
    )
    digests = [graph_digest(hostile(files, edit)) for edit in changes]
    assert len({graph_digest(content), *digests}) == 1 + len(changes)


@pytest.mark.usefixtures("each_form")
def test_a_changed_body_is_told(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    def noted(proto: ModelProto) -> None:
        body_of(proto).doc_string = "seen"
        for item in (*body_of(proto).node, *body_of(proto).input):
            item.doc_string = "seen"
        proto.CopyFrom(onnx.shape_inference.infer_shapes(proto))

    Path("noted.onnx").write_bytes(hostile(files, noted))
    assert load("noted.onnx").proven is True
    assert caplog.text == ""
    Path("more.onnx").write_bytes(hostile(files, retripped(15)))
    assert load("more.onnx").proven is False
    assert "more.onnx was changed since it was proven" in caplog.text


def test_bounds_are_those_of_the_documents() -> None:
    text = (Path(__file__).parents[2] / "docs" / "apps.md").read_text(encoding="utf-8")
    for bound in (loop.MOST_STEPS, loop.MOST_REPEATED, graph_file.MOST_NODES):
        assert f"{bound:,}" in text
