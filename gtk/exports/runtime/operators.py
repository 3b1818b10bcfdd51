"""The operators that an exported file may hold, and what their attributes may say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


class Refused(Exception):
    """The file holds what gtk never writes."""


@dataclass(frozen=True)
class Node:
    """A node of a graph.

    Attributes:
        operator, domain: what it computes.
        inputs, outputs: the names of tensors.
        attributes: by name: a whole number, a list of them, a tensor, a graph, or bytes.
    """

    operator: str
    domain: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> set[str]:
        """The names of tensors that it computes with, those that the body of a Loop uses, too."""
        body = self.attributes.get("body")
        inner = body.needs if isinstance(body, Graph) else set()
        return {*filter(None, self.inputs)} | inner


@dataclass(frozen=True)
class Graph:
    """A graph: that of the file, or the body of a Loop.

    Attributes:
        nodes: in any order; some tools append nodes that come first.
        tensors: the constants that stand in it: name, data type, shape, values of small ones.
        inputs: by name, their data types.
        outputs: their names.
    """

    nodes: Sequence[Node] = ()
    tensors: "Sequence[tuple[str, int, tuple[int, ...], NDArray[Any] | None]]" = ()
    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Sequence[str] = ()

    @property
    def needs(self) -> set[str]:
        """The names of tensors that it uses, its own or those of the graph around it."""
        return {name for node in self.nodes for name in node.needs} | set(self.outputs)


#: The operators of ONNX that draw random numbers.
RANDOM = {
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
    "Bernoulli",
}  # fmt: skip
#: Operators whose one output has the shape and type of their first input.
SHAPED_LIKE_FIRST = {
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BatchNormalization", "BitwiseNot",
    "Ceil", "Celu", "Clip", "Cos", "Cosh", "CumProd", "CumSum", "Elu", "Erf", "Exp", "Floor",
    "Gelu", "GroupNormalization", "HardSigmoid", "HardSwish", "Hardmax", "Identity", "LRN",
    "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization",
    "MeanVarianceNormalization", "Mish", "Neg", "PRelu", "RMSNormalization", "Reciprocal", "Relu",
    "ReverseSequence", "Round", "ScatterElements", "ScatterND", "Selu", "Shrink", "Sigmoid", "Sign",
    "Sin", "Sinh", "Softmax", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh",
    "ThresholdedRelu", "Trilu",
}  # fmt: skip
#: Those of the same shape and another type.
RETYPED = {
    "BitCast", "Cast", "CastLike", "DequantizeLinear", "EyeLike", "IsInf", "IsNaN", "Not",
    "QuantizeLinear",
}  # fmt: skip
COMPARING = {"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or", "Xor"}
BROADCAST = COMPARING | {
    "Add", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Max", "Mean", "Min", "Mod",
    "Mul", "Pow", "Sub", "Sum", "Where",
}  # fmt: skip
REDUCING = {
    "ArgMax", "ArgMin", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
}  # fmt: skip
#: Those whose outputs have no more elements than their first input, in another shape.
REARRANGING = {
    "Compress", "DepthToSpace", "Flatten", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze",
    "TopK", "Transpose", "Unsqueeze",
}  # fmt: skip
#: Those whose output's size is the value of an input.
SIZED = {"ConstantOfShape", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile"}
PRODUCTS = {"Conv", "Einsum", "Gemm", "MatMul"}
#: What gtk's exporter, onnxslim, onnxsim and onnxruntime's optimizers and quantizers write.
ALLOWED: dict[str, set[str]] = {
    "": SHAPED_LIKE_FIRST | RETYPED | BROADCAST | REDUCING | REARRANGING | SIZED | PRODUCTS | {
        "AffineGrid", "Attention", "AveragePool", "Col2Im", "Concat", "Constant", "ConvInteger",
        "ConvTranspose", "DFT", "Det", "DynamicQuantizeLinear", "GRU", "Gather", "GatherElements",
        "GatherND", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "GridSample",
        "InstanceNormalization", "LSTM", "Loop", "LpPool", "MatMulInteger", "MaxPool", "NonZero",
        "QLinearConv", "QLinearMatMul", "RNN", "RotaryEmbedding", "Shape", "Size", "SwiGLU",
    },
    "com.microsoft": {
        "BiasGelu", "ConvTransposeWithDynamicPads", "DequantizeLinear", "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul", "FastGelu", "FusedConv", "FusedGemm", "FusedMatMul", "Gelu",
        "MatMulIntegerToFloat", "MatMulNBits", "NhwcMaxPool", "QGemm", "QLinearAdd",
        "QLinearAveragePool", "QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool",
        "QLinearLeakyRelu", "QLinearMul", "QLinearReduceMean", "QLinearSigmoid", "QLinearSoftmax",
        "QLinearWhere", "QuantizeLinear", "QuickGelu", "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
    },
}  # fmt: skip
#: The data types of tensors, by number of ONNX; others by name, where tools write them.
TYPES = {*range(1, 8), *range(9, 14), 21, 22} - {8}
UNREAD = {
    8: "text", 14: "complex64", 15: "complex128", 16: "bfloat16", 17: "float8", 18: "float8",
    19: "float8", 20: "float8", 23: "float4", 24: "float8", 25: "uint2", 26: "int2",
}  # fmt: skip
#: Attributes that name a data type.
TYPED = {"dtype", "output_dtype", "stash_type", "to"}
#: The domains that onnxruntime's tools import into every file they write, whether it uses them.
DOMAINS = {
    *ALLOWED, "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "ai.onnx.training",
    "com.microsoft.dml", "com.microsoft.experimental", "com.microsoft.nchwc",
    "com.ms.internal.nhwc", "org.pytorch.aten",
}  # fmt: skip
#: The domains of operators for one kind of processor, and how not to get them.
ONE_PROCESSOR = {"com.microsoft.nchwc", "com.ms.internal.nhwc"}
OPTIMIZE = "of one kind of processor: optimize at level basic or extended"
#: Attributes that a kernel divides by, and the largest whole number in any attribute. onnxruntime
#: ends its process for some of what is outside, a group of 0 in a ConvTranspose for instance.
COUNTING = {
    "blocksize", "dilations", "group", "groups", "hidden_size", "kernel_shape", "kv_num_heads",
    "num_groups", "num_heads", "num_outputs", "q_num_heads", "size", "strides",
}  # fmt: skip
NOT_NEGATIVE = {"block_size", "output_padding", "output_shape", "pads"}
LARGEST_ATTRIBUTE = 1 << 16
#: Attributes that may be any number: a Constant's values, and where a Shape ends.
UNBOUNDED = {"value_int", "value_ints", "start", "end"}


def domain_name(domain: str) -> str:
    """Return a domain's short name: ONNX's own has two."""
    return "" if domain == "ai.onnx" else domain


def check_type_of(kind: int) -> None:
    """Refuse numbers of a type that gtk does not read."""
    if kind in TYPES:
        return
    known = f" ({UNREAD[kind]}: use float32, float16, int8 or int4)" if kind in UNREAD else ""
    raise Refused(f"tensors of data type {kind}{known}")


def check_domain(domain: str, known: object = DOMAINS) -> None:
    """Refuse operators of a domain that is not among the known ones."""
    if domain_name(domain) not in known:  # type: ignore[operator]
        way = f" ({OPTIMIZE})" if domain in ONE_PROCESSOR else ""
        raise Refused(f"operators of the domain {domain[:100]!r}{way}")


def check_node(node: Node) -> None:
    """Refuse an operator that gtk does not know, and attributes on which onnxruntime may crash."""
    check_domain(node.domain, ALLOWED)
    if node.operator in RANDOM:
        raise Refused(f"the random operator {node.operator}")
    if node.operator not in ALLOWED[node.domain]:
        raise Refused(f"the operator {node.operator[:100]!r}")
    for name, value in node.attributes.items():
        if name in TYPED and isinstance(value, int) and value:  # 0 is a default
            check_type_of(value)
        numbers = value if isinstance(value, list) else [value] if isinstance(value, int) else []
        least = -LARGEST_ATTRIBUTE
        if name in COUNTING or name in NOT_NEGATIVE:
            least = 1 if name in COUNTING else 0
        if name in UNBOUNDED or all(least <= number <= LARGEST_ATTRIBUTE for number in numbers):
            continue
        raise Refused(f"an operator {node.operator} whose {name[:100]} is {str(value)[:100]}")
