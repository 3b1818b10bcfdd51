"""Exported files as other tools change them, for tests of the proof."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def in_qdq(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Quantize weights and what flows between nodes, which QuantizeLinear nodes round."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Inputs(CalibrationDataReader):
        def __init__(self) -> None:
            generator = np.random.default_rng(0)
            shapes = {
                item.name: [axis.dim_value or 64 for axis in item.type.tensor_type.shape.dim]
                for item in proto.graph.input
            }
            batch = {
                name: np.arange(64) % 10
                if name == "label"
                else generator.standard_normal(shape, np.float32)
                for name, shape in shapes.items()
            }
            self.batches = iter([batch])

        def get_next(self) -> Any:
            return next(self.batches, None)

    onnx.save(proto, "whole.onnx")
    quantize_static("whole.onnx", "quantized.onnx", Inputs(), quant_format=QuantFormat.QDQ)
    return onnx.load("quantized.onnx")


def in_blocks(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Give weights 4 bits, in blocks with a scale each."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    from onnxruntime.quantization.onnx_model import ONNXModel

    model = ONNXModel(proto)
    model.replace_gemm_with_matmul()
    quantizer = MatMulNBitsQuantizer(model.model, bits=4, block_size=32, is_symmetric=False)
    quantizer.process()
    return quantizer.model.model


def negated(proto: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = -2 * numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    return proto


def write(
    exported: Path, change: Callable[[onnx.ModelProto], onnx.ModelProto | bytes], name: str
) -> Path:
    made = change(onnx.load(exported))
    path = Path(name)
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path
