"""The nodes of a graph and of the bodies of its Loops."""

from collections.abc import Iterator

import onnx
from onnx import AttributeProto


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph, those of a body before the node that it belongs to."""
    for body in bodies_of(graph):
        yield from nodes_of(body)
    yield from graph.node


def bodies_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs within a graph."""
    for node in graph.node:
        yield from (item.g for item in node.attribute if item.type == AttributeProto.GRAPH)
