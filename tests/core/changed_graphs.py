"""Exported files as other tools change them, for tests of the proof."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, version_converter

#: Changes a graph, or returns the bytes of a file.
Change = Callable[[onnx.ModelProto], onnx.ModelProto | bytes]


def halved(proto: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor) / 2
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    return proto


def converted(proto: onnx.ModelProto) -> onnx.ModelProto:
    return version_converter.convert_version(proto, 21)


def sixteen(proto: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(proto, keep_io_types=True)


def quantized(proto: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization import quantize_dynamic

    onnx.save(proto, "whole.onnx")
    quantize_dynamic("whole.onnx", "quantized.onnx")
    return onnx.load("quantized.onnx")


def write(
    exported: Path, change: Callable[[onnx.ModelProto], onnx.ModelProto | bytes], name: str
) -> Path:
    made = change(onnx.load(exported))
    path = Path(name)
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path
