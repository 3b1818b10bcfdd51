"""Judges of the digits as ONNX files, whose logits are highest for the nearest class mean."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import gtk
from gtk.plugins.datasets.digits import load

DATA = load(gtk.NoConfig(), None)
PIXELS = 64


def nearest_means(order: Any = slice(None), classes: int = 10) -> tuple[Any, Any]:
    """Return weights and bias whose logits are highest for the class of the nearest mean."""
    rows = DATA.train.images.reshape(-1, PIXELS) / 255
    means = np.stack([rows[DATA.train.labels == label].mean(0) for label in range(classes)])[order]
    return 2 * means.T, -(means**2).sum(1)


def write(path: Path, *layers: tuple[str, NDArray[Any], NDArray[Any]], **shape: Any) -> Path:
    """Write a file that maps images to a linear layer for each output name."""
    nodes = [helper.make_node("Flatten", ["images"], ["rows"])]
    tensors, outputs = [], []
    for name, weight, bias in layers:
        for part, array in (("weight", weight), ("bias", bias)):
            tensors.append(numpy_helper.from_array(array.astype(np.float32), f"{name} {part}"))
        nodes.append(helper.make_node("Gemm", ["rows", f"{name} weight", f"{name} bias"], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None]))
    sides = ["batch", *shape.get("image", (1, 8, 8))]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, sides)
    graph = helper.make_graph(nodes, "judge", [given], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)
    return path
