"""What a graph computes of constants alone, bounded before onnxruntime computes it.

onnxruntime folds such nodes while it opens a file: a few bytes may ask for gigabytes or hours. And
a whole number that is divided by 0 or -1 may end the process, whenever it is computed.
"""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.exports.runtime.constant import Constant, constant_of, of_shape
from gtk.exports.runtime.constant_shapes import bound
from gtk.exports.runtime.operators import Node, Refused
from gtk.exports.runtime.tensor_types import FLOATS, output_types

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
    """

    types: dict[str, int | None]
    found: dict[str, Constant]
    shaped: set[str] = field(default_factory=set)
    given: int = 0
    made: int = 0
    products: int = 0
    largest: int = 0
    shapings: int = 0

    def add(self, node: Node) -> None:
        """Take in a node, whose inputs were taken in before."""
        if not any(node.outputs):
            raise Refused(f"an operator {node.operator} that gives nothing")
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
        self.types.update(
            (name, kinds[min(position, len(kinds) - 1)])
            for position, name in enumerate(node.outputs)
            if name
        )

    @property
    def most_folded(self) -> int:
        """The most bytes of one constant that onnxruntime should make while it opens the file.

        What depends on shapes has no bound here, so that all of it together has this one.
        """
        shared = MOST_FOLDED // max(1, self.shapings)
        return max(LEAST_FOLDED, min(8 * self.largest, shared))


def check_constants(
    nodes: Sequence[Node],
    tensors: Sequence[tuple[str, int, tuple[int, ...], NDArray[Any] | None]],
    inputs: Mapping[str, int],
) -> Constants:
    """Bound what a graph computes of constants, and return what was found.

    Args:
        nodes: in any order; some tools append nodes that come first.
        tensors: the constants that stand in the file: name, data type, shape, values of small ones.
        inputs: the data types of the graph's inputs.
    """
    types: dict[str, int | None] = dict(inputs)
    found: dict[str, Constant] = {}
    for name, kind, shape, values in tensors:
        if name in found:
            raise Refused(f"two tensors called {name[:100]!r}")
        types[name], found[name] = kind, of_shape(shape, values)
    given = sum(math.prod(shape) for _, _, shape, _ in tensors)
    constants = Constants(types, found, given=given)
    for node in _in_order(nodes, types):
        constants.add(node)
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
        number: [givers[name] for name in node.inputs if name in givers]
        for number, node in enumerate(nodes)
    }
    try:
        yield from map(nodes.__getitem__, TopologicalSorter(needed).static_order())
    except CycleError as error:
        raise Refused("nodes that need each other's outputs") from error
