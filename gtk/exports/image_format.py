"""Images as an app has them: 8-bit levels, channels last, a fixed number at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gtk.exports.options import ExportOptions

#: From (B, C, H, W) to (B, H, W, C), and back.
LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
#: The model's image in the graph; ports and the exporter never use such a name.
INSIDE = "image/inside"

#: An operator, its constant inputs after the images, its attributes.
Step = tuple[str, Sequence[float], dict[str, Any]]


@dataclass(frozen=True)
class ImageFormat:
    """Nodes that convert between an app's images and a graph's float32 (B, C, H, W) in 0..1."""

    options: ExportOptions

    def add(self, proto: onnx.ModelProto) -> onnx.ModelProto:
        """Return the graph with nodes for these images at its inputs and outputs."""
        made = onnx.ModelProto()
        made.CopyFrom(proto)
        graph = made.graph
        if self._steps_in():
            for port in graph.input:
                self._convert(graph, port, self._steps_in(), takes=True)
        clipped = any(node.op_type == "Clip" and "image" in node.output for node in graph.node)
        for port in graph.output:
            steps = self._steps_out(clipped=clipped)
            if steps:
                self._convert(graph, port, steps, takes=False)
        if self.options.batch_size is not None:
            for port in (*graph.input, *graph.output):
                port.type.tensor_type.shape.dim[0].dim_value = self.options.batch_size
        return made

    def given(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Return images (B, C, H, W) in 0..1 as the file takes them."""
        if self.options.layout == "nhwc":
            images = np.ascontiguousarray(images.transpose(LAST))
        if self.options.image == "uint8":
            return np.rint(images * 255).astype(np.uint8)
        return images

    def seen(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return images of the file as (B, C, H, W), with their values."""
        return images.transpose(FIRST) if self.options.layout == "nhwc" else images

    def _steps_in(self) -> list[Step]:
        """Return the steps from the file's images to the model's."""
        steps: list[Step] = []
        if self.options.layout == "nhwc":
            steps += [("Transpose", (), {"perm": FIRST})]
        if self.options.image == "uint8":
            steps += [("Cast", (), {"to": TensorProto.FLOAT}), ("Div", (255,), {})]
        return steps

    def _steps_out(self, *, clipped: bool) -> list[Step]:
        """Return the steps from the model's images, which may be clipped, to the file's."""
        levels = self.options.image == "uint8"
        # onnxruntime's Tanh reaches -1.0000002, its Sigmoid 1.0000001: the file promises 0..1.
        steps: list[Step] = [] if clipped and not levels else [("Clip", (0, 1), {})]
        if levels:
            steps += [("Mul", (255,), {}), ("Round", (), {})]
            steps += [("Cast", (), {"to": TensorProto.UINT8})]
        if self.options.layout == "nhwc":
            steps += [("Transpose", (), {"perm": LAST})]
        return steps

    def _convert(
        self, graph: onnx.GraphProto, port: onnx.ValueInfoProto, steps: list[Step], *, takes: bool
    ) -> None:
        """Put nodes between a port's images and the model's."""
        if port.name != "image":
            return
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [INSIDE if name == "image" else name for name in names]
        if takes:
            for position, node in enumerate(_chain(graph, "image", steps, INSIDE)):
                graph.node.insert(position, node)
        else:
            graph.node.extend(_chain(graph, INSIDE, steps, "image"))
        self._describe(port)

    def _describe(self, port: onnx.ValueInfoProto) -> None:
        """Change a port's type and shape to those of the file's images."""
        if self.options.image == "uint8":
            port.type.tensor_type.elem_type = TensorProto.UINT8
        if self.options.layout == "nhwc":
            axes = port.type.tensor_type.shape.dim
            channels = axes.pop(1)
            axes.append(channels)


def _chain(
    graph: onnx.GraphProto, first: str, steps: list[Step], last: str
) -> list[onnx.NodeProto]:
    """Return nodes from one tensor to another, and add their constants to the graph."""
    nodes, current = [], first
    for number, (operator, constants, attributes) in enumerate(steps, start=1):
        following = last if number == len(steps) else f"image/{operator.lower()}"
        names = [f"image/{constant:g}" for constant in constants]
        known = {item.name for item in graph.initializer}
        tensors = [
            numpy_helper.from_array(np.array(constant, np.float32), name)
            for constant, name in zip(constants, names, strict=True)
            if name not in known
        ]
        if any(step[0] == "Cast" for step in steps):  # to or from levels
            graph.initializer.extend(tensors)
        else:  # float32 limits are no weights of a float16 file
            nodes += [
                helper.make_node("Constant", [], [item.name], name=f"{item.name}/node", value=item)
                for item in tensors
            ]
        name = f"image/{operator.lower()}/node"
        nodes.append(
            helper.make_node(operator, [current, *names], [following], name=name, **attributes)
        )
        current = following
    return nodes
