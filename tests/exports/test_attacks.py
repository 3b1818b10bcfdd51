"""Graphs that would end the process, or take its memory, while onnxruntime opens them."""

import json
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gtk.exports.runtime import ExportFileError, scan

#: Everything here is promised of the package and of the single file.
pytestmark = pytest.mark.usefixtures("each_form")

Attack = tuple[list[onnx.NodeProto], dict[str, Any]]
INT64 = np.iinfo(np.int64)
IMAGE = np.ones((1, 4, 8, 8), np.float32)
FILTERS = np.ones((4, 4, 3, 3), np.float32)


def floats(values: list[float]) -> Any:
    return np.array(values, np.float32)


def ints(values: list[int]) -> Any:
    return np.array(values, np.int64)


def node(operator: str, *inputs: str, gives: str = "out", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, gives.split(), **attributes)


def alone(operator: str, *arrays: Any, **attributes: Any) -> Attack:
    """Return one node whose inputs are constants."""
    tensors = {f"c{at}": np.asarray(array) for at, array in enumerate(arrays)}
    return [node(operator, *tensors, **attributes)], tensors


def chain(operator: str, count: int, *, twice: bool = True, **attributes: Any) -> Attack:
    """Return nodes that each take what the one before gave."""
    names = ["c0", *(f"n{at}" for at in range(count))]
    nodes = [
        node(operator, *[before] * (1 + twice), gives=after, **attributes)
        for before, after in pairwise(names)
    ]
    return nodes, {"c0": np.ones((64, 64), np.float32)}


def model(attack: Attack, *, batch: int | str = "batch", opset: int = 18) -> onnx.ModelProto:
    """Return a graph that also passes its input on."""
    nodes, tensors = attack
    given = [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 16]) for name in ("z", "y")
    ]
    gives = [onnx.ValueInfoProto(name=nodes[-1].output[0])]
    nodes = [*nodes, node("Relu", "z", gives="y")]
    graph = helper.make_graph(nodes, "g", ports[:1], [*ports[1:], *gives], given)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def divided(operator: str, left: Any, right: Any) -> Attack:
    kind = np.int64
    return alone(operator, np.asarray(left, kind), np.asarray(right, kind))


def with_image(operator: str, *others: Any, **attributes: Any) -> Attack:
    """Return a node that takes the file's input, and constants."""
    tensors = {f"c{at}": np.asarray(array) for at, array in enumerate(others)}
    return [node(operator, "z", *tensors, **attributes)], tensors


def in_blocks(
    weights: tuple[int, ...] = (8, 1, 8),
    scales: tuple[int, ...] = (8,),
    zeros: tuple[int, ...] | None = None,
    inputs: tuple[str, ...] = ("z", "w", "s", "p"),
    **attributes: int,
) -> Attack:
    """Return a layer of 16 inputs and 8 outputs whose weights have 4 bits, in blocks of 16."""
    tensors = {"w": np.zeros(weights, np.uint8), "s": np.ones(scales, np.float32)}
    if zeros is not None:
        tensors["p"] = np.zeros(zeros, np.uint8)
    settings = {"K": 16, "N": 8, "bits": 4, "block_size": 16, **attributes}
    used = [name for name in inputs if name in ("", "z", *tensors)]
    return [node("MatMulNBits", *used, domain="com.microsoft", **settings)], tensors


GROW = "constants that grow while the file is opened"
DIVISOR = "of whole numbers whose divisor is not a constant, or is 0 or -1"
COMPUTED = "that does not fit its constants"
ALONE = "of constants alone"
REFUSED: dict[str, tuple[Attack, str]] = {
    # Division of whole numbers.
    "the smallest by -1": (divided("Div", [INT64.min], [-1]), DIVISOR),
    "its remainder": (divided("Mod", [INT64.min], [-1]), DIVISOR),
    "by 0": (divided("Div", [5], [0]), DIVISOR),
    "remainder by 0": (divided("Mod", [5], [0]), DIVISOR),
    "in 32 bits": (
        alone("Div", ints([-(1 << 31)]).astype(np.int32), ints([-1]).astype(np.int32)), DIVISOR
    ),
    "one -1 among many": (divided("Div", [INT64.min] * 9, [2] * 8 + [-1]), DIVISOR),
    "a divisor that is computed": (
        ([node("Neg", "c1", gives="d"), node("Div", "c0", "d")],
         {"c0": ints([INT64.min]), "c1": ints([1])}), DIVISOR,
    ),
    "a divisor in a Constant": (
        ([node("Constant", gives="d", value_ints=[-1]), node("Div", "c0", "d")],
         {"c0": ints([INT64.min])}), DIVISOR,
    ),
    "a divisor of the input": (
        ([node("Cast", "z", gives="d", to=TensorProto.INT64), node("Div", "c0", "d")],
         {"c0": ints([INT64.min])}), DIVISOR,
    ),
    "both of the input": (
        ([node("ArgMax", "z", gives="d"), node("Mod", "d", "d")], {}), DIVISOR,
    ),
    "a divisor of shapes": (
        ([node("Shape", "z", gives="s"), node("Sub", "s", "s", gives="d"), node("Div", "s", "d")],
         {}), DIVISOR,
    ),
    "a type that changes on the way": (
        ([node("Cast", "c0", gives="a", to=TensorProto.INT64),
          node("Cast", "c1", gives="b", to=TensorProto.INT64), node("Div", "a", "b")],
         {"c0": floats([-(2.0**63)]), "c1": floats([-1])}), DIVISOR,
    ),
    # Constants that grow.
    "Expand": (alone("Expand", floats([1]), [1 << 29]), GROW),
    "Expand to many axes": (alone("Expand", floats([1]), [1 << 10] * 3), GROW),
    "Expand past 64 bits": (alone("Expand", floats([1]), [1 << 32, 1 << 32]), "Expand"),
    "Tile": (alone("Tile", np.ones(64, np.float32), [1 << 23]), GROW),
    "Range": (alone("Range", np.int64(0), np.int64(1 << 29), np.int64(1)), GROW),
    "Range of floats": (alone("Range", np.float32(0), np.float32(1), np.float32(1e-9)), GROW),
    "Range without end": (
        alone("Range", np.float32(0), np.float32(np.inf), np.float32(1)), COMPUTED
    ),
    "ConstantOfShape": (alone("ConstantOfShape", ints([1 << 29])), GROW),
    "ConstantOfShape of 2 GB": (alone("ConstantOfShape", ints([1 << 15, 1 << 14])), GROW),
    "ConstantOfShape, computed": (
        ([node("Mul", "c0", "c0", gives="s"), node("ConstantOfShape", "s")],
         {"c0": ints([1 << 15])}), COMPUTED,
    ),
    "ConstantOfShape of a Shape": (
        ([node("Shape", "c0", gives="s"), node("ConstantOfShape", "s")],
         {"c0": np.zeros((0, 1 << 40), np.float32)}), COMPUTED,
    ),
    "Pad": (alone("Pad", IMAGE, [0, 0, 9000, 9000, 0, 0, 0, 0]), GROW),
    "Resize": (
        alone("Resize", IMAGE, floats([]), floats([1, 1, 900, 900])), GROW
    ),
    "Resize to sizes": (
        alone("Resize", IMAGE, floats([]), floats([]), [1, 4, 9000, 9000]), GROW
    ),
    "Resize that keeps proportions": (
        alone("Resize", np.ones((1, 1, 1000, 1), np.float32), floats([]), floats([]),
              [1, 1, 1, 1000], keep_aspect_ratio_policy="not_smaller"), COMPUTED,
    ),
    "Pad of other axes": (
        alone("Pad", np.ones((1, 1 << 20), np.float32), [0, 1000, 0, 0], np.float32(0), [1, 0]),
        COMPUTED,
    ),
    "QGemm without its zero": (
        ([node("QGemm", "a", "s", "", "b", "s", "z", domain="com.microsoft")],
         {"a": np.ones((1 << 13, 1), np.uint8), "b": np.ones((1, 1 << 13), np.uint8),
          "s": np.float32(1), "z": np.uint8(0)}), COMPUTED,
    ),
    "QGemm": (
        ([node("QGemm", "a", "s", "z", "b", "s", "z", domain="com.microsoft")],
         {"a": np.ones((1 << 13, 1), np.uint8), "b": np.ones((1, 1 << 13), np.uint8),
          "s": np.float32(1), "z": np.uint8(0)}), GROW,
    ),
    "OneHot": (
        alone("OneHot", np.zeros(64, np.int64), np.int64(1 << 24), floats([0, 1])), GROW
    ),
    "an outer product": (
        alone("Mul", np.ones((1 << 14, 1), np.float32), np.ones(1 << 14, np.float32)), GROW
    ),
    "an outer comparison": (
        alone("Less", np.ones((1 << 14, 1), np.float32), np.ones(1 << 14, np.float32)), GROW
    ),
    "Where": (
        alone("Where", np.ones((1 << 12, 1, 1), bool), np.ones((1 << 12, 1), np.float32),
              np.ones(8, np.float32)), GROW,
    ),
    "MatMul": (
        alone("MatMul", np.ones((1 << 14, 1), np.float32), np.ones((1, 1 << 14), np.float32)), GROW
    ),
    "MatMul of nothing": (
        alone("MatMul", np.ones((1 << 16, 0), np.float32), np.ones((0, 1 << 13), np.float32)), GROW
    ),
    "Gemm": (
        alone("Gemm", np.ones((1, 1 << 14), np.float32), np.ones((1 << 14, 1), np.float32),
              transA=1, transB=1), GROW,
    ),
    "Einsum": (
        alone("Einsum", np.ones(1 << 9, np.float32), np.ones(1 << 9, np.float32),
              np.ones(1 << 9, np.float32), equation="a,b,c->abc"), GROW,
    ),
    "Gather": (
        alone("Gather", np.ones((1, 1 << 14), np.float32), np.zeros(1 << 14, np.int64)), GROW
    ),
    "Concat, doubled again and again": (chain("Concat", 40, axis=0), GROW),
    "Add, thousands of times": (chain("Add", 4900), GROW),
    "ReduceSum of nothing": (
        alone("ReduceSum", np.ones((1 << 25, 0), np.float32), [1]), GROW
    ),
    "products that take hours": (
        ([node("Expand", "c0", "c1", gives="a"), *chain("MatMul", 60)[0]],
         {"c0": np.ones((1200, 1200), np.float32), "c1": ints([1200, 1200])}), GROW,
    ),
    "Conv": (alone("Conv", IMAGE, FILTERS, pads=[9000] * 4), GROW),
    "ConvTranspose": (alone("ConvTranspose", IMAGE, FILTERS, strides=[2000] * 2), ALONE),
    "pooling": (alone("AveragePool", IMAGE, kernel_shape=[2, 2], pads=[1, 1, 1, 1]), ALONE),
    "normalizing nothing": (
        alone("InstanceNormalization", np.ones((1, 4, 0, 0), np.float32), np.ones(4, np.float32),
              np.ones(4, np.float32)), COMPUTED,
    ),
    "normalizing nothing that follows from shapes": (
        ([node("Shape", "z", gives="s"), node("Sub", "s", "s", gives="zeros"),
          node("ConstantOfShape", "zeros", gives="d"),
          node("InstanceNormalization", "d", "c0", "c0")], {"c0": np.ones(4, np.float32)}),
        "an InstanceNormalization of shapes, which may be of no pixels",
    ),
    "axes without end": (alone("Unsqueeze", floats([1]), range(100)), "more than 32 axes"),
    # Attributes that a kernel divides by or allocates.
    "no groups": (alone("ConvTranspose", IMAGE, FILTERS, group=0), "whose group is 0"),
    "no groups of the input": (with_image("ConvTranspose", FILTERS, group=0), "whose group is 0"),
    "no strides": (with_image("Conv", FILTERS, strides=[0, 0]), r"whose strides is \[0, 0\]"),
    "blocks of 2^62": (with_image("DepthToSpace", blocksize=1 << 62), "whose blocksize is 461"),
    "no blocks": (with_image("SpaceToDepth", blocksize=0), "whose blocksize is 0"),
    "huge pads": (with_image("MaxPool", kernel_shape=[2], pads=[1 << 30] * 2), "whose pads is"),
    "a dimension far outside": (
        with_image("GatherND", [0], batch_dims=INT64.min), "whose batch_dims is -9223"
    ),
    # Operators.
    "no such operator": (with_image("Launch"), "the operator 'Launch'"),
    "an operator nobody writes": (with_image("Unique"), "the operator 'Unique'"),
    "sequences": (with_image("SequenceConstruct"), "the operator 'SequenceConstruct'"),
    # Weights in blocks, which onnxruntime 1.24 reads beyond their end.
    **{
        name: (in_blocks(**fault), "a MatMulNBits whose weights are not constants of 4 or 8 bits")
        for name, fault in {
            "too few weights": {"weights": (8, 1, 1)},
            "too few scales": {"scales": (1,)},
            "too few zero points": {"zeros": (1,)},
            "blocks too large": {"block_size": 4096},
            "more rows": {"K": 4096},
            "2 bits": {"bits": 2},
            "group indices": {"inputs": ("z", "w", "s", "", "s")},
            "weights that are computed": {"inputs": ("z", "z", "s")},
        }.items()
    },
    "floats of a Constant": (
        ([node("Constant", gives="d", value_floats=[1.0] * 64), node("Tile", "d", "c0")],
         {"c0": ints([1 << 20])}), GROW,
    ),
    # Types.
    "a cast to bfloat16": (
        with_image("Cast", to=TensorProto.BFLOAT16),
        r"data type 16 \(bfloat16: use float32, float16, int8 or int4\)",
    ),
    "weights in float8": (
        ([node("Cast", "c0", gives="c", to=TensorProto.FLOAT8E4M3FN)], {"c0": floats([1])}),
        r"data type 17 \(float8: use",
    ),
    "operators of one processor": (
        ([node("Conv", "z", domain="com.microsoft.nchwc")], {}),
        r"'com.microsoft.nchwc' \(of one kind of processor: optimize at level basic or extended\)",
    ),
    # Names and orders that hide a node from the look at it.
    "nodes in a wrong order": (
        ([node("Div", "c0", "late"), node("Neg", "c1", gives="late")],
         {"c0": ints([INT64.min]), "c1": ints([1])}), DIVISOR,
    ),
    "constants that grow in a wrong order": (
        ([node("Tile", "late", "c0"), node("Tile", "c1", "c0", gives="late")],
         {"c0": ints([1 << 13]), "c1": floats([1])}), GROW,
    ),
    "nodes that wait for each other": (
        ([node("Neg", "b", gives="a"), node("Neg", "a", gives="b")], {}),
        "nodes that need each other's outputs",
    ),
    "whole numbers behind a scale in floats": (
        ([node("Cast", "z", gives="x", to=TensorProto.UINT8),
          node("QLinearConcat", "c0", "c1", "x", "c0", "c1", domain="com.microsoft", axis=0,
               gives="q"),
          node("Mod", "q", "q")],
         {"c0": np.float32(1), "c1": np.uint8(0)}), "a Mod of whole numbers",
    ),
    "two tensors of one name": (
        ([node("Neg", "c0", gives="c1"), node("Div", "c0", "c1")],
         {"c0": ints([INT64.min]), "c1": ints([1])}), "two tensors called 'c1'",
    ),
    "a Constant without its tensor": (
        ([helper.make_node("Constant", [], ["out"]), node("Neg", "out", gives="end")], {}),
        "a Constant of several values",
    ),
    "a node that gives nothing": (
        ([helper.make_node("Neg", ["z"], []), node("Neg", "z")], {}), "Neg that gives nothing",
    ),
    "a type that is a list": (
        ([node("Cast", "z", gives="i", to=[7]), node("Div", "i", "i")], {}), DIVISOR,
    ),
    "a Constant of two values": (
        ([node("Constant", gives="d", value_int=1, value_float=1.0)], {}),
        "a Constant of several values",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_name(case: str) -> None:
    attack, message = REFUSED[case]
    with pytest.raises(ExportFileError, match=message) as caught:
        scan(model(attack).SerializeToString())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_attention_without_heads_is_refused() -> None:
    attack: Attack = [node("Attention", "z", "z", "z", q_num_heads=0, kv_num_heads=0)], {}
    with pytest.raises(ExportFileError, match="num_heads is 0"):
        scan(model(attack, opset=23).SerializeToString())


def test_onnxruntimes_own_operators_need_their_domain() -> None:
    proto = model(([node("FusedMatMul", "z", "c", domain="com.microsoft")], {"c": IMAGE[0, 0]}))
    assert scan(proto.SerializeToString()).opsets == {"": 18, "com.microsoft": 1}
    del proto.opset_import[1]
    with pytest.raises(ExportFileError, match="'com.microsoft', whose version it does not name"):
        scan(proto.SerializeToString())


#: What files do say: constants of a moderate size, whole numbers divided by constants.
ACCEPTED: dict[str, Attack] = {
    "halves": divided("Div", [7, -8], [2]),
    "remainders": divided("Mod", np.arange(9), [3]),
    "a divisor in a Constant": (
        [node("Constant", gives="d", value_int=2), node("Div", "c0", "d")],
        {"c0": ints([9])},
    ),
    "floats by 0": alone("Div", floats([1]), floats([0])),
    "floats that were whole numbers": (
        [node("ArgMax", "z", gives="i"), node("Cast", "i", gives="f", to=TensorProto.FLOAT),
         node("Div", "f", "f")], {},
    ),
    "a cast behind the node that needs it": (
        [node("Neg", "half", gives="end"),
         node("Cast", "z", gives="half", to=TensorProto.FLOAT16)], {},
    ),
    "a weight and its norm": (
        [node("ReduceL2", "c0", "c1", gives="n"), node("Div", "c2", "n", gives="g"),
         node("Mul", "g", "c0")],
        {"c0": np.ones((2048, 1024), np.float32), "c1": ints([1]),
         "c2": np.ones((2048, 1), np.float32)},
    ),
    "a learned image": alone("InstanceNormalization", IMAGE, np.ones(4, np.float32),
                             np.ones(4, np.float32)),
    "weights of 4 bits": in_blocks(zeros=(8, 1)),
    "weights of 8 bits in blocks": in_blocks(weights=(8, 1, 16), bits=8),
    "an activation with numbers": with_image(
        "FusedConv", FILTERS, domain="com.microsoft", activation="LeakyRelu",
        activation_params=[0.5],
    ),
    "names of activations": with_image("LSTM", FILTERS, activations=["Tanh", "Relu"]),
    "a quantized layer": (
        [node("DynamicQuantizeLinear", "c0", gives="q s p"),
         node("MatMulInteger", "q", "c1", "p")],
        {"c0": np.ones((64, 8), np.float32), "c1": np.ones((8, 64), np.uint8)},
    ),
    "a grid of coordinates": (
        [node("Range", "c0", "c1", "c2", gives="r"), node("Cast", "r", gives="f", to=1),
         node("Unsqueeze", "f", "c2", gives="column"), node("MatMul", "column", "c3")],
        {"c0": np.int64(0), "c1": np.int64(1 << 14), "c2": np.int64(1),
         "c3": np.ones((1, 256), np.float32)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_models_need_is_accepted(case: str) -> None:
    assert scan(model(ACCEPTED[case]).SerializeToString()).operators


#: Constants that depend on shapes alone, which onnxruntime folds where the batch has a fixed size.
SHAPED: dict[str, Attack] = {
    name: ([node("Shape", "z", gives="s0"),
            *(node("Mul", f"s{at}", f"s{at}", gives=f"s{at + 1}") for at in range(2)), *nodes],
           {"one": floats([1]), "zero": np.int64(0), "first": ints([0])})
    for name, nodes in {
        "ConstantOfShape": [node("ConstantOfShape", "s2")],
        "Expand": [node("Expand", "one", "s2")],
        "Tile": [node("Unsqueeze", "one", "first", gives="t"), node("Tile", "t", "s2")],
        "many": [
            node("ConstantOfShape", "s2", gives="b0"),
            *(node("Neg", f"b{at}", gives=f"b{at + 1}") for at in range(4000)),
        ],
    }.items()
}  # fmt: skip

OPEN = """
import json, re, resource, sys
from pathlib import Path
from gtk.exports.runtime import graph_file, open_session

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
before = resource.getrusage(resource.RUSAGE_SELF)
for path in sys.argv[1:]:
    content = Path(path).read_bytes()
    opened = open_session(content, most_folded=graph_file.parse(content).most_folded)
    print(path, opened is not None, file=sys.stderr, flush=True)
used = resource.getrusage(resource.RUSAGE_SELF)
(peak,) = re.findall(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(json.dumps([used.ru_utime - before.ru_utime, int(peak) // 1024]))
"""


@pytest.mark.parametrize("each_form", ["package"], indirect=True)
def test_what_depends_on_shapes_is_not_folded_at_any_size(tmp_path: Path) -> None:
    paths = []
    for name, attack in SHAPED.items():
        paths.append(str(tmp_path / f"{name}.onnx"))
        onnx.save(model(attack, batch=8), paths[-1])  # 8**4 * 16**4 numbers are 1 GB
    result = subprocess.run(
        [sys.executable, "-c", OPEN, *paths], check=True, capture_output=True, text=True
    )
    seconds, megabytes = json.loads(result.stdout)
    assert seconds < 60
    assert megabytes < 1000
    assert "False" not in result.stderr


@pytest.mark.parametrize("each_form", ["package"], indirect=True)
def test_onnxruntime_would_have_died(tmp_path: Path) -> None:
    """The first of these attacks is none if it does not."""
    onnx.save(model(REFUSED["the smallest by -1"][0]), tmp_path / "bad.onnx")
    code = "import onnxruntime as o; o.InferenceSession('bad.onnx')"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert result.returncode == -signal.SIGFPE
