"""What a graph computes of constants alone, bounded before onnxruntime computes it.

onnxruntime folds such nodes while it opens a file: a few bytes may ask for gigabytes or hours. And
a whole number that is divided by 0 or -1 may end the process, whenever it is computed.
"""

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

import numpy as np

from gtk.exports.runtime.constant import Constant, constant_of, of_shape
from gtk.exports.runtime.constant_shapes import bound
from gtk.exports.runtime.loop import MOST_REPEATED, check_state, steps_of
from gtk.exports.runtime.operators import Graph, Node, Refused
from gtk.exports.runtime.tensor_types import BOOL, FLOATS, INT64, output_types

#: The most elements made of constants in a small file, and for each element of a large one.
MOST_MADE, MOST_COPIES = 1 << 24, 8
#: The most multiplications of constants: a second or so in float32.
MOST_PRODUCTS = 1 << 34
#: The bytes of constants that onnxruntime may fold into one, and into all that depend on shapes.
LEAST_FOLDED, MOST_FOLDED = 1 << 17, 1 << 30


@dataclass
class Constants:
    """The constants of a graph, found node by node.

    Attributes:
        types: the data type of each tensor, as far as it is known.
        found: each constant, by name.
        shaped: the names of tensors that depend on nothing but constants and shapes.
        given, made, products: elements in the file, elements made of them, multiplications.
        largest: the most elements that one node makes of constants.
        shapings: the nodes that depend on shapes alone, which onnxruntime may fold, too.
        repeated: the nodes that Loops compute, each counted as often as it is repeated.
    """

    types: dict[str, int | None] = field(default_factory=dict)
    found: dict[str, Constant] = field(default_factory=dict)
    shaped: set[str] = field(default_factory=set)
    given: int = 0
    made: int = 0
    products: int = 0
    largest: int = 0
    shapings: int = 0
    repeated: int = 0

    def take(self, graph: Graph) -> None:
        """Take in the constants and nodes of a graph, or of the body of a Loop.

        A body sees the names of the graph around it: no name stands for two tensors.
        """
        for name, kind, shape, values in graph.tensors:
            self._name(name, kind)
            self.found[name] = of_shape(shape, values)
            self.given += math.prod(shape)
        for name in graph.inputs:
            if name in self.found:  # whoever runs the file may give another value
                self.found[name] = replace(self.found[name], values=None)
        self.types.update(
            (name, kind) for name, kind in graph.inputs.items() if name not in self.types
        )
        for node in _in_order(graph.nodes, self.types):
            self.add(node)

    def add(self, node: Node) -> None:
        """Take in a node, whose inputs were taken in before."""
        if not any(node.outputs):
            raise Refused(f"an operator {node.operator} that gives nothing")
        if node.operator == "Loop":
            self._repeat(node)
            return
        if node.operator in ("Div", "Mod") and not node.domain:
            self._check_divisor(node)
        if node.operator == "MatMulNBits":
            self._check_blocks(node)
        self._set_types(node)
        used = list(filter(None, node.inputs))
        if node.operator == "Constant":
            constant = constant_of(node)
            self.found[max(node.outputs)] = constant
            self.given += math.prod(constant.shape or (constant.size,))
        elif all(name in self.found for name in used):
            self._fold(node)
        elif node.operator in ("Shape", "Size") or all(
            name in self.found or name in self.shaped for name in used
        ):
            if node.operator == "InstanceNormalization":
                raise Refused("an InstanceNormalization of shapes, which may be of no pixels")
            self.shaped.update(node.outputs)
            self.shapings += 1

    def _repeat(self, node: Node) -> None:
        """Take in a Loop, which onnxruntime never folds, and its body, whose nodes it does."""
        body: Graph = node.attributes["body"]
        self.repeated += steps_of(node, self.types, self.found) * len(body.nodes)
        if self.repeated > MOST_REPEATED:
            raise Refused(
                f"Loops that compute {self.repeated:,} nodes, more than {MOST_REPEATED:,}"
            )
        kinds = [self.types.get(name) for name in node.inputs[2:]]
        for name, kind in zip(body.inputs, [INT64, BOOL, *kinds], strict=True):
            self._name(name, kind)
        self.take(body)
        check_state(node, self.types, self.found)
        for name, kind in zip(node.outputs, kinds, strict=True):
            self._name(name, kind)

    def _name(self, name: str, kind: int | None) -> None:
        """Note a tensor's type; an output that is left out has no name."""
        if name in self.types:
            raise Refused(f"two tensors called {name[:100]!r}")
        if name:
            self.types[name] = kind

    def _fold(self, node: Node) -> None:
        """Take in a node of constants alone."""
        inputs = [self.found[name] for name in node.inputs if name]
        made, products = bound(node, inputs)
        for name in filter(None, node.outputs):
            self.found[name] = made
        self.made += made.size * len(node.outputs)
        self.products += products
        self.largest = max(self.largest, made.size)
        if self.made > max(MOST_MADE, MOST_COPIES * self.given) or self.products > MOST_PRODUCTS:
            raise Refused(
                f"constants that grow while the file is opened (at {node.operator}, to "
                f"{self.made:,} numbers)"
            )

    def _check_divisor(self, node: Node) -> None:
        """Refuse whole numbers divided by anything but constants that are neither 0 nor -1."""
        kinds = {self.types.get(name) for name in node.inputs} - {None}
        if kinds and kinds <= FLOATS:
            return
        divisor = self.found.get(node.inputs[1]) if len(node.inputs) == 2 else None
        values = None if divisor is None else divisor.values
        if values is None or np.isin(values, (0, -1)).any():
            raise Refused(
                f"a {node.operator} of whole numbers whose divisor is not a constant, or is 0 or -1"
            )

    def _check_blocks(self, node: Node) -> None:
        """Refuse weights in blocks that are not as large as the kernels expect, which read them."""
        columns, rows, bits, size = (
            node.attributes.get(name, 0) for name in ("N", "K", "bits", "block_size")
        )
        weights, *others = node.inputs[1:] if len(node.inputs) in (3, 4) else [""]
        found = [self.found.get(name) for name in (weights, *others)]
        blocks = -(-rows // max(size, 1))
        known = bits in (4, 8) and size in (16, 32, 64, 128, 256) and columns > 0
        shape = (columns, blocks, bits * size // 8)
        counts = [columns * blocks, columns * -(-blocks * bits // 8)]  # of scales and zero points
        fits = all(
            item is not None and item.shape is not None and math.prod(item.shape) == count
            for item, count in zip(found[1:], counts, strict=False)
        )
        if not known or not fits or found[0] is None or found[0].shape != shape:
            raise Refused(
                "a MatMulNBits whose weights are not constants of 4 or 8 bits, in blocks as its "
                "attributes say, without group indices"
            )

    def _set_types(self, node: Node) -> None:
        """Note the types of a node's outputs."""
        inputs = [self.types.get(name) for name in node.inputs]
        kinds = output_types(node, inputs)
        for position, name in enumerate(node.outputs):
            self._name(name, kinds[min(position, len(kinds) - 1)])

    @property
    def most_folded(self) -> int:
        """The most bytes of one constant that onnxruntime should make while it opens the file.

        What depends on shapes has no bound here, so that all of it together has this one.
        """
        shared = MOST_FOLDED // max(1, self.shapings)
        return max(LEAST_FOLDED, min(8 * self.largest, shared))


def check_constants(graph: Graph) -> Constants:
    """Bound what a file's graph computes of constants, and return what was found."""
    constants = Constants()
    constants.take(graph)
    return constants


def _in_order(nodes: Sequence[Node], known: Container[str]) -> Iterator[Node]:
    """Yield the nodes in an order in which they can be computed, as onnxruntime does."""
    givers: dict[str, int] = {}
    for number, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in known or name in givers:
                raise Refused(f"two tensors called {name[:100]!r}")
            givers[name] = number
    needed = {
        number: [givers[name] for name in node.needs if name in givers]
        for number, node in enumerate(nodes)
    }
    try:
        yield from map(nodes.__getitem__, TopologicalSorter(needed).static_order())
    except CycleError as error:
        raise Refused("nodes that need each other's outputs") from error
