"""What a Loop in an exported file may be: a step, repeated a fixed number of times.

Its state keeps its shape, so that a file of a few bytes cannot fill the memory by doubling it.
"""

from collections.abc import Mapping

from gtk.exports.runtime.constant import Constant
from gtk.exports.runtime.operators import Graph, Node, Refused
from gtk.exports.runtime.tensor_types import INT64

#: The most steps of a Loop, and the most nodes that all Loops of a file compute in a run.
MOST_STEPS, MOST_REPEATED = 1_000, 2_000_000


def check_has_state(node: Node) -> None:
    """Refuse a Loop that does not have a count, a condition, a state and a body, before its body.

    Raises:
        Refused: it does not; what it has else would be a list of all steps' results.
    """
    states = len(node.inputs) - 2
    if node.domain or states < 1 or len(node.outputs) != states or [*node.attributes] != ["body"]:
        raise Refused("graphs within its graph, and a Loop that has more or less than a state")
    if not isinstance(node.attributes["body"], memoryview):
        raise Refused("a Loop whose body is not a graph")


def steps_of(node: Node, types: Mapping[str, int | None], found: Mapping[str, Constant]) -> int:
    """Return the number of a Loop's steps.

    Args:
        node: the Loop.
        types: of the tensors of the graph around it.
        found: its constants.

    Raises:
        Refused: the number is not a constant from 1 to `MOST_STEPS`, the condition is not true, or
            its body does not take and give what a state needs.
    """
    count, goes_on = (found.get(name) for name in node.inputs[:2])
    body: Graph = node.attributes["body"]
    whole = types.get(node.inputs[0]) == INT64
    if not whole or count is None or count.values is None or count.values.size != 1:
        raise Refused("a Loop whose number of steps is not a constant")
    steps = int(count.values.reshape(()))
    if not 1 <= steps <= MOST_STEPS:
        raise Refused(f"a Loop of {steps:,} steps, from 1 to {MOST_STEPS:,} are read")
    if node.inputs[1] and (goes_on is None or goes_on.values is None or not goes_on.values.all()):
        raise Refused("a Loop whose condition is not the constant true")
    if len(body.inputs) != len(node.inputs) or len(body.outputs) != len(node.inputs) - 1:
        raise Refused("a Loop whose body takes or gives more or less than its state")
    return steps


def check_state(node: Node, types: Mapping[str, int | None], found: Mapping[str, Constant]) -> None:
    """Refuse a Loop whose state may change its type or grow, or whose body may end it.

    Args:
        node: the Loop, whose body was taken in.
        types: of all tensors, as far as they are known.
        found: all constants.

    Raises:
        Refused: each tensor of the state has to be that of the step before, or a Reshape to its
            shape or to a constant one.
    """
    body: Graph = node.attributes["body"]
    givers = {name: giver for giver in body.nodes for name in giver.outputs}
    _, goes_on, *before = body.inputs
    still, *after = body.outputs
    if _source(still, givers) != goes_on and not _is_true(_source(still, givers), found):
        raise Refused("a Loop whose condition is not the constant true")
    for old, new in zip(before, after, strict=True):
        kinds = {types.get(old), types.get(new)} - {None}
        if len(kinds) > 1:
            raise Refused("a Loop whose state changes its type")
        if _source(new, givers) != old and not _has_shape_of(old, new, givers, found):
            raise Refused("a Loop whose state may grow: no Reshape keeps its shape")


def _source(name: str, givers: Mapping[str, Node]) -> str:
    """Return the tensor that another is, behind nodes that only pass it on."""
    while name in givers and givers[name].operator == "Identity":
        name = givers[name].inputs[0]
    return name


def _is_true(name: str, found: Mapping[str, Constant]) -> bool:
    values = found[name].values if name in found else None
    return values is not None and bool(values.all())


def _has_shape_of(
    old: str, new: str, givers: Mapping[str, Node], found: Mapping[str, Constant]
) -> bool:
    """Return whether a tensor is a Reshape to the shape of another, or to a constant one."""
    giver = givers.get(_source(new, givers))
    if giver is None or giver.operator != "Reshape" or len(giver.inputs) != 2:
        return False
    shape = givers.get(giver.inputs[1])
    if shape is not None and shape.operator == "Shape":
        return shape.inputs == (old,) and shape.attributes in ({}, {"start": 0})
    values = found[giver.inputs[1]].values if giver.inputs[1] in found else None
    return values is not None and bool((values > 0).all())
