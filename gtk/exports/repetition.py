"""A draw by many steps as one graph: what begins it, a Loop around one step, what ends it."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import onnx
import torch
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from torch import Tensor, nn

from gtk.core.contracts.iteration import Iteration
from gtk.core.values.errors import PluginError, WorkFailed
from gtk.exports.loaded_part import LoadedPart
from gtk.exports.runtime.loop import MOST_STEPS

#: The names of the Loop's constants and of what its body takes: ports never have such names.
COUNT, GOES_ON, INDEX, STILL = "loop/count", "loop/goes on", "draw/index", "step/goes on"


class Draw(nn.Module):
    """A draw of many steps, called with the part's inputs in order, as other modules are.

    Args:
        iteration: what is drawn.
        condition: the position of the condition among the inputs, None without one.
    """

    def __init__(self, iteration: Iteration, condition: int | None) -> None:
        super().__init__()
        self.iteration = iteration
        self.position = condition

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the part's inputs to images."""
        others, condition = self.sorted(inputs)
        drawn: Tensor = self.iteration(*others, condition=condition)
        return drawn

    def sorted(self, inputs: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:
        """Return the inputs without the condition, and the condition."""
        others = [item for at, item in enumerate(inputs) if at != self.position]
        return others, None if self.position is None else inputs[self.position]


def _tensors(what: str, state: Any) -> tuple[Tensor, ...]:  # noqa: ANN401 - whatever a plugin returns
    """Return a state; TypeError if it is something else, such as a tensor."""
    if isinstance(state, tuple) and state and all(isinstance(item, Tensor) for item in state):
        return state
    raise TypeError(f"{what} gives {type(state).__name__}, it should give a tuple of tensors")


class Sections(nn.Module):
    """Begins, takes one step and ends, all with inputs of their own, so as to be translated once.

    Args:
        draw: what is drawn.
        takes: of how many inputs it begins.
    """

    def __init__(self, draw: Draw, takes: int) -> None:
        super().__init__()
        self.draw = draw
        self.takes = takes

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Map inputs, (index, state, condition) and a state to (state, condition), state, images.

        The condition is given on, so that a graph checks it before it is used.
        """
        inputs, index, given = given[: self.takes], given[self.takes], given[self.takes + 1 :]
        state = self.begin(*inputs)
        before, after = given[: len(state)], given[len(state) :]
        return (*state, *self.step(index, *before), self.draw.iteration.end(*after))

    def begin(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the first state and, behind it, the condition."""
        others, condition = self.draw.sorted(inputs)
        state = _tensors("begin", self.draw.iteration.begin(*others, condition=condition))
        return (*state, *(() if condition is None else (condition,)))

    def step(self, index: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        """Return the state after a step, given the state before it and the condition."""
        with_condition = self.draw.position is not None
        state, condition = (given[:-1], given[-1]) if with_condition else (given, None)
        return _tensors("step", self.draw.iteration.step(index, *state, condition=condition))


def drawing(subject: LoadedPart, iteration: Iteration) -> Draw:
    """Return a part's draw as a module of its inputs in order.

    Raises:
        PluginError: its number of steps is not one that an exported file may have.
    """
    count: Any = getattr(iteration, "count", None)
    if not (isinstance(count, int) and 1 <= count <= MOST_STEPS):
        raise PluginError(
            f"{subject}: its count is {count!r}; an exported file has 1 to {MOST_STEPS:,} steps"
        )
    condition = subject.condition
    at = None if condition is None else list(subject.inputs).index(condition.port)
    return Draw(iteration, at).eval()


def check_state(subject: LoadedPart, sections: Sections, examples: Sequence[Tensor]) -> None:
    """Refuse a step that changes number, shape or type of the state's tensors.

    Raises:
        PluginError: it does, or fails.
    """
    given = subject.call("its begin", sections.begin, *examples)
    after = subject.call("its step", sections.step, torch.tensor(0), *given)
    before = given if sections.draw.position is None else given[:-1]
    told = [
        ", ".join(f"{item.dtype} {tuple(item.shape)}".removeprefix("torch.") for item in state)
        for state in (before, after)
    ]
    if told[0] != told[1]:
        raise PluginError(
            f"{subject}: its step makes a state of {told[1]} of one of {told[0]}: a step should "
            "keep number, shape and type of the state's tensors"
        )


def section(
    subject: LoadedPart, proto: ModelProto, takes: Sequence[str], gives: Sequence[str]
) -> ModelProto:
    """Return what leads from some inputs of a graph to some outputs.

    Raises:
        WorkFailed: other inputs lead there, too.
    """
    graph, needed, nodes = proto.graph, set(gives), list[NodeProto]()
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            nodes.append(node)
    if needed & {item.name for item in graph.input} - set(takes):
        raise WorkFailed(f"torch.onnx cannot translate {subject}: it mixes the sizes of its steps")
    found = onnx.ModelProto(ir_version=proto.ir_version, graph=onnx.GraphProto(name=graph.name))
    found.opset_import.extend(proto.opset_import)
    found.producer_name, found.producer_version = proto.producer_name, proto.producer_version
    found.graph.node.extend(reversed(nodes))
    found.graph.initializer.extend(item for item in graph.initializer if item.name in needed)
    found.graph.input.extend(item for item in graph.input if item.name in takes)
    found.graph.output.extend(item for item in graph.output if item.name in gives)
    return found


def repeated(graphs: Sequence[ModelProto], count: int) -> ModelProto:
    """Return one graph that begins, repeats a step `count` times in a Loop, and ends.

    A weight is there once: in the body of the Loop, or outside if something there needs it, too.
    With weights outside, onnxruntime takes 1.4 times as long, since it does not rearrange them.
    What every step leaves as it is stays outside: as a state, onnxruntime would copy it each time.

    Args:
        graphs: what begins, from the inputs to the state and, perhaps, the condition; a step, from
            index, state and condition to the state; what ends, from the state to the outputs.
        count: of steps.
    """
    begin, step, end = graphs
    graph = onnx.GraphProto(name=begin.graph.name)
    for tensor in (
        helper.make_tensor(COUNT, TensorProto.INT64, [], [count]),
        helper.make_tensor(GOES_ON, TensorProto.BOOL, [], [True]),
    ):
        graph.initializer.append(tensor)
    weights: dict[bytes, str] = {}
    ports = {item.name: item.name for item in begin.graph.input}
    given = _add(graph.node, graph, weights, begin.graph, "begin", ports)
    size = len(step.graph.output)
    changed = _changed(step.graph)
    body = _body(graph, weights, step.graph, given, changed)
    first, last = [given[at] for at in changed], [f"loop/{at}" for at in changed]
    loop = helper.make_node("Loop", [COUNT, GOES_ON, *first], last, "loop/node", body=body)
    position = len(graph.node)
    graph.node.append(loop)
    kept = {item.name: item.name for item in end.graph.output}
    after = [f"loop/{at}" if at in changed else given[at] for at in range(size)]
    states = dict(zip((item.name for item in end.graph.input), after, strict=True))
    drawn = _add(graph.node, graph, weights, end.graph, "end", kept | states)
    for name, found in zip(kept, drawn, strict=True):
        if found != name:  # it is the state itself
            graph.node.append(helper.make_node("Identity", [found], [name], f"{name}/node"))
    _move_weights(graph, graph.node[position].attribute[0].g)
    graph.input.extend(begin.graph.input)
    graph.output.extend(end.graph.output)
    made = onnx.ModelProto()
    made.CopyFrom(end)
    made.graph.CopyFrom(graph)
    return made


def _move_weights(graph: GraphProto, body: GraphProto) -> None:
    """Move what only the body uses into it."""
    inside, outside = (
        {name for node in nodes for name in node.input} for nodes in (body.node, graph.node)
    )
    tensors = list(graph.initializer)
    del graph.initializer[:]
    for tensor in tensors:
        owner = body if tensor.name in inside - outside else graph
        owner.initializer.append(tensor)


def _changed(step: GraphProto) -> list[int]:
    """Return the positions of the state's tensors that a step changes, or all if it changes none.

    A solver leaves the noise of all steps as it is, of which each step takes its own.
    """
    sources = {node.output[0]: node.input[0] for node in step.node if node.op_type == "Identity"}
    changed = []
    for at, item in enumerate(step.output):
        name = item.name
        while name in sources:
            name = sources[name]
        if name != step.input[at + 1].name:
            changed.append(at)
    return changed or list(range(len(step.output)))


def _body(
    graph: GraphProto,
    weights: dict[bytes, str],
    step: GraphProto,
    given: Sequence[str],
    changed: Sequence[int],
) -> GraphProto:
    """Return the body of the Loop, with its weights still in the graph around it.

    Args:
        graph: around it.
        weights: as in `_add`.
        step: what the body does.
        given: the names of the state and, perhaps, the condition in the graph around it.
        changed: the positions of the state's tensors that the Loop has.
    """
    ports = [step.input[at + 1] for at in changed]
    before, after = ([f"step/{when}/{at}" for at in changed] for when in ("before", "after"))
    taken_in = list(given)
    for at, name in zip(changed, before, strict=True):
        taken_in[at] = name
    names = dict(zip((item.name for item in step.input), [INDEX, *taken_in], strict=True))
    body = onnx.GraphProto(name="step")
    made_of = _add(body.node, graph, weights, step, "step", names)
    found = [made_of[at] for at in changed]
    unused = set(made_of) - {*found, *(name for node in body.node for name in node.input)}
    for node in [node for node in body.node if not unused.isdisjoint(node.output)]:
        body.node.remove(node)
    for taken, made, kept in zip(before, found, after, strict=True):
        # The runtime refuses a state that could grow: a Reshape to its own shape cannot.
        shape = f"{kept}/shape"
        body.node.extend([
            helper.make_node("Shape", [taken], [shape], f"{shape}/node"),
            helper.make_node("Reshape", [made, shape], [kept], f"{kept}/node"),
        ])  # fmt: skip
    body.node.append(helper.make_node("Identity", [STILL], ["step/stays"], "step/stays/node"))
    body.input.extend([
        helper.make_tensor_value_info(INDEX, TensorProto.INT64, []),
        helper.make_tensor_value_info(STILL, TensorProto.BOOL, []),
        *map(_port, before, ports),
    ])  # fmt: skip
    body.output.append(helper.make_tensor_value_info("step/stays", TensorProto.BOOL, []))
    body.output.extend(map(_port, after, ports))
    return body


def _port(name: str, like: ValueInfoProto) -> ValueInfoProto:
    """Return an input or output with another name."""
    port = onnx.ValueInfoProto(name=name)
    port.type.CopyFrom(like.type)
    return port


def _add(
    nodes: Any,  # noqa: ANN401 - protobuf's own list
    graph: GraphProto,
    weights: dict[bytes, str],
    piece: GraphProto,
    prefix: str,
    names: dict[str, str],
) -> list[str]:
    """Add nodes and weights of a piece under names of its own, and return those of its outputs.

    Args:
        nodes: where its nodes belong.
        graph: where its weights belong, each once.
        weights: the names of those that are there, by digest.
        piece: what to add.
        prefix: of its names.
        names: of its inputs, and of outputs that keep theirs.
    """
    names = dict(names)
    for tensor in piece.initializer:
        added = onnx.TensorProto()
        added.CopyFrom(tensor)
        added.name = ""
        digest = sha256(added.SerializeToString()).digest()
        if digest not in weights:
            weights[digest] = added.name = f"{prefix}/{tensor.name}"
            graph.initializer.append(added)
        names[tensor.name] = weights[digest]
    for node in piece.node:
        made = NodeProto()
        made.CopyFrom(node)
        made.name = f"{prefix}/{node.name}"
        for name in node.output:
            names.setdefault(name, f"{prefix}/{name}" if name else "")
        made.input[:] = [names[name] if name else "" for name in node.input]
        made.output[:] = [names[name] for name in node.output]
        nodes.append(made)
    return [names[item.name] for item in piece.output]
