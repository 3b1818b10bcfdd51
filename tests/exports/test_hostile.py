"""Files that are not to be trusted: each is refused in a line, before onnxruntime sees it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

import gtk
from gtk.cli.main import run as gtk_command
from gtk.exports import runtime
from gtk.exports.runtime import (
    ExportFileError,
    graph_file,
    load,
    load_part,
    operators,
    scan,
    tensor_fields,
)

#: Everything here is promised of the package and of the single file.
pytestmark = pytest.mark.usefixtures("each_form")


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where onnxruntime is given a file."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("onnxruntime was given the file")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)


Edit = Callable[[ModelProto], None]


def edited(exported: Path, edit: Edit) -> bytes:
    """Return an exported file with something done to it."""
    proto = onnx.load(exported)
    edit(proto)
    content: bytes = proto.SerializeToString()
    return content


def refused(content: bytes, message: str) -> None:
    """Check that a file is refused in one line, by `scan` and with its name by `load`."""
    Path("bad.onnx").write_bytes(content)
    with pytest.raises(ExportFileError, match=message) as by_scan:
        scan(content)
    with pytest.raises(ExportFileError, match=message) as by_load:
        load("bad.onnx")
    assert str(by_load.value) == str(by_scan.value).replace("the file", "bad.onnx", 1)
    assert "\n" not in str(by_load.value)


# Other files --------------------------------------------------------------------------------------


def outside(tensor: TensorProto, location: str) -> None:
    """Have a tensor's data lie in another file."""
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)


def weight(proto: ModelProto) -> TensorProto:
    """Return a large tensor of weights."""
    return max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))


def secret(exported: Path, folder: Path) -> Path:
    """Write what a file wants to read: the weights, so that reading them would go unnoticed."""
    folder.mkdir(exist_ok=True)
    path = folder / "secret.bin"
    path.write_bytes(weight(onnx.load(exported)).raw_data)
    return path


def hard_link(target: Path) -> str:
    os.link(target, "weights.bin")
    return "weights.bin"


def symlink(target: Path) -> str:
    Path("weights.bin").symlink_to(target)
    return "weights.bin"


def symlinked_folder(target: Path) -> str:
    Path("folder").symlink_to(target.parent)
    return f"folder/{target.name}"


def beside(target: Path) -> str:
    Path("weights.bin").write_bytes(target.read_bytes())
    return "weights.bin"


@pytest.mark.parametrize(
    "locate",
    [
        hard_link, symlink, symlinked_folder, beside, str,
        lambda target: f"../elsewhere/{target.name}",
        lambda target: f"a/../../elsewhere/{target.name}",
        lambda target: "/etc/passwd", lambda target: "",
    ],
    ids=["hard link", "symlink", "symlinked folder", "in the current folder", "absolute", "above",
         "hidden above", "passwd", "empty"],
)  # fmt: skip
def test_no_other_file_is_read(
    exported: Path, workplace: Path, unseen: None, locate: Callable[[Path], str]
) -> None:
    location = locate(secret(exported, workplace.with_name("elsewhere")))
    content = edited(exported, lambda proto: outside(weight(proto), location))
    refused(
        content,
        "it holds data outside of the file, which gtk never writes. If a tool has put it there, "
        "use another level or setting of the tool; else make one: gtk export RUN",
    )


def test_onnxruntime_would_have_read_another_file(exported: Path, workplace: Path) -> None:
    target = secret(exported, workplace.with_name("elsewhere"))
    os.link(target, "weights.bin")
    content = edited(exported, lambda proto: outside(weight(proto), "weights.bin"))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feeds = {"z": np.ones((1, 16), np.float32), "label": np.array([3])}
    given = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(None, feeds)[0], given.run(None, feeds)[0])


def only_says_so(proto: ModelProto) -> None:
    weight(proto).data_location = TensorProto.EXTERNAL


def only_names_it(proto: ModelProto) -> None:
    weight(proto).external_data.add(key="location", value="weights.bin")


def constant(**attribute: Any) -> Edit:
    """Return an edit that adds a node Constant."""

    def edit(proto: ModelProto) -> None:
        node = helper.make_node("Constant", [], ["unused"])
        node.attribute.append(AttributeProto(name="value", **attribute))
        proto.graph.node.append(node)

    return edit


def external() -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "t")
    outside(tensor, "weights.bin")
    return tensor


def sparse() -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=external(), indices=external(), dims=[4])


def inner() -> onnx.GraphProto:
    return helper.make_graph([], "inner", [], [], [external()])


def node(kind: str, domain: str = "", **attributes: Any) -> Edit:
    return lambda proto: proto.graph.node.append(
        helper.make_node(kind, ["z"], ["unused"], domain=domain, **attributes)
    )


def function(proto: ModelProto) -> None:
    body = [helper.make_node("Relu", ["x"], ["y"])]
    opsets = [helper.make_opsetid("", 18)]
    proto.functions.append(helper.make_function("gtk", "Own", ["x"], ["y"], body, opsets))


def retyped(data_type: int) -> Edit:
    return lambda proto: setattr(weight(proto), "data_type", data_type)


def reshaped(*dims: int) -> Edit:
    def edit(proto: ModelProto) -> None:
        del weight(proto).dims[:]
        weight(proto).dims.extend(dims)

    return edit


def emptied(proto: ModelProto) -> None:
    weight(proto).ClearField("raw_data")


def typed(proto: ModelProto) -> None:
    """Leave too little data in the field for numbers of the tensor's type."""
    emptied(proto)
    weight(proto).float_data.extend([1.0, 2.0])


OUTSIDE = "it holds data outside of the file"
REFUSED: dict[str, tuple[Edit, str]] = {
    "external without a name": (only_says_so, OUTSIDE),
    "a name without external": (only_names_it, OUTSIDE),
    "external in an attribute": (constant(t=external(), type=AttributeProto.TENSOR), OUTSIDE),
    "external in attributes": (constant(tensors=[external()]), OUTSIDE),
    "external in a sparse tensor": (
        lambda proto: proto.graph.sparse_initializer.append(sparse()), "it holds sparse tensors"
    ),
    "sparse attribute": (constant(sparse_tensor=sparse()), "it holds sparse tensors"),
    "sparse attributes": (constant(sparse_tensors=[sparse()]), "it holds sparse tensors"),
    "external in a graph of a node": (constant(g=inner()), "graphs within its graph"),
    "external in graphs of a node": (constant(graphs=[inner()]), "graphs within its graph"),
    "If": (node("If", then_branch=inner(), else_branch=inner()), "graphs within its graph"),
    "Loop": (node("Loop", body=inner()), "graphs within its graph"),
    "Scan": (node("Scan", body=inner(), num_scan_inputs=1), "graphs within its graph"),
    "domain of a node": (node("Own", "com.evil"), "operators of the domain 'com.evil'"),
    "onnxruntime's domain": (node("FusedGemm", "com.microsoft"), "of the domain 'com.microsoft'"),
    "ai.onnx.ml": (node("Normalizer", "ai.onnx.ml"), "of the domain 'ai.onnx.ml'"),
    "domain of an opset": (
        lambda proto: proto.opset_import.append(helper.make_opsetid("com.evil", 1)),
        "operators of the domain 'com.evil'",
    ),
    "domain with an escape": (node("Own", "a\x1b[2J\n"), r"of the domain 'a\\x1b\[2J\\n'"),
    "function": (function, "it holds functions of its own"),
    "training": (
        lambda proto: proto.training_info.append(onnx.TrainingInfoProto()), "training information"
    ),
    "noise": (node("RandomNormalLike"), "the random operator RandomNormalLike"),
    "choice": (node("Multinomial"), "the random operator Multinomial"),
    "type as an attribute": (constant(tp=onnx.TypeProto()), "types as attributes"),
    "segment": (
        lambda proto: weight(proto).segment.CopyFrom(TensorProto.Segment(begin=0, end=1)),
        "segments of tensors",
    ),
    "text": (retyped(TensorProto.STRING), "tensors of data type 8"),
    "unknown data type": (retyped(99), "tensors of data type 99"),
    "no data type": (lambda proto: weight(proto).ClearField("data_type"), "of data type 0"),
    "larger than its data": (reshaped(1 << 20, 1 << 20), "less or more data than its shape"),
    "smaller than its data": (reshaped(1), "less or more data than its shape"),
    "negative": (reshaped(-4), "less or more data than its shape"),
    "many dimensions": (reshaped(*[1] * 100), "a tensor of too many dimensions"),
    "no data": (emptied, "less or more data than its shape"),
    "empty, with data": (reshaped(0), "less or more data than its shape"),
    "too little data": (typed, "less or more data than its shape"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_gtk_never_writes_is_refused(exported: Path, unseen: None, case: str) -> None:
    edit, message = REFUSED[case]
    refused(edited(exported, edit), message)


@pytest.mark.parametrize("domain", sorted(operators.DOMAINS - {""}))
def test_domains_that_onnxruntimes_tools_import_are_accepted(exported: Path, domain: str) -> None:
    opset = helper.make_opsetid(domain, 1)
    Path("other.onnx").write_bytes(edited(exported, lambda proto: proto.opset_import.append(opset)))
    assert load("other.onnx").facts.opsets == {"": 18, domain: 1}
    assert load("other.onnx").sample(count=2).shape == (2, 8, 8)


# Bytes --------------------------------------------------------------------------------------------


def test_a_graph_of_too_many_nodes_is_refused(exported: Path, unseen: None) -> None:
    def chain(proto: ModelProto) -> None:
        names = [f"n{number}" for number in range(runtime.MOST_NODES)]
        for before, after in zip(["z", *names], names, strict=False):
            proto.graph.node.append(helper.make_node("Identity", [before], [after]))

    refused(edited(exported, chain), "it holds more than 5000 nodes, which gtk never writes")


def test_two_versions_of_the_operators_are_refused(exported: Path, unseen: None) -> None:
    content = edited(
        exported, lambda proto: proto.opset_import.append(helper.make_opsetid("ai.onnx", 17))
    )
    refused(content, "two versions of the operators")


def varint(value: int) -> bytes:
    parts = []
    while value >= 128:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def record(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


OPSET = record(8, record(1, b"") + b"\x10\x12")
NODE = record(1, record(4, b"Relu"))
MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it has no graph"),
    "text": (b"hello, this is no ONNX file\n", "file but text, which begins with 'hello, this is"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
                  "is not an ONNX file but text, which begins with 'version https://git-lfs"),
    "zeros": (bytes(1000), "an unknown field 0"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is damaged"),
    "a pickle": (b"\x80\x04\x95" + bytes(100), "is damaged"),
    "no graph": (OPSET, "it has no graph"),
    "no opset": (record(7, NODE), "it has no graph"),
    "two graphs": (OPSET + record(7, NODE) * 2, "two fields 7 of a model"),
    "a number for a graph": (OPSET + b"\x38\x01", "a field of a wrong type"),
    "a text for a number": (record(8, record(2, b"18")) + record(7, NODE), "of a wrong type"),
    "a group": (OPSET + b"\x0b\x0c", "bytes that are not fields of ONNX"),
    "an endless number": (OPSET + b"\x08" + b"\xff" * 20, "a number of more than 64 bits"),
    "a length past the end": (OPSET + b"\x3a" + varint(1 << 40), "it ends too early"),
    "an unknown field": (OPSET + record(99, b""), "an unknown field 99 of a model"),
    "a name that is no text": (
        OPSET + record(7, record(1, record(4, b"\xff\xfe"))), "a string that is not valid UTF-8"
    ),
    "two types of a node": (
        OPSET + record(7, record(1, record(4, b"Relu") * 2)), "two fields 4 of a node"
    ),
    "two tensors of an attribute": (
        OPSET + record(7, record(1, record(5, record(5, b"\x10\x01\x08\x00") * 2))),
        "two fields 5 of a attribute",
    ),
    "texts for a tensor": (
        OPSET + record(7, record(1, record(4, b"Constant") + record(5, record(1, b"value")
                                 + b"\xa0\x01\x08" + record(9, b"a") * 3))),
        "an attribute 'value' of several values",
    ),
    "two entries of a name": (record(14, record(1, b"gtk")) * 2, "two entries 'gtk'"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_no_onnx_file_is_refused(unseen: None, case: str) -> None:
    content, message = MALFORMED[case]
    refused(content, message)


@pytest.mark.parametrize(
    "content",
    [b"\x08\x01" * 5_000_000, record(14, b"") * 5_000_000, record(7, record(1, b"") * 5_000_000),
     OPSET + record(7, record(5, b"\x08\x01" * 5_000_000)),
     OPSET + record(7, record(5, record(1, b"\x01" * 5_000_000)))],
    ids=["numbers", "entries", "nodes", "dimensions", "packed dimensions"],
)  # fmt: skip
def test_millions_of_fields_are_not_read(
    unseen: None, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    varint = graph_file.varint

    def counted(data: memoryview, position: int) -> tuple[int, int]:
        nonlocal read
        read += 1
        return varint(data, position)

    monkeypatch.setattr(graph_file, "varint", counted)
    with pytest.raises(
        ExportFileError, match=r"more than 100000 fields|5000 nodes|two entries|two fields|too many"
    ):
        scan(content)
    assert read <= 3 * runtime.MOST_FIELDS


def messages() -> dict[str, Any]:
    """Return the message of onnx that each of ours is."""
    names = {
        "model": "Model", "graph": "Graph", "node": "Node", "attribute": "Attribute",
        "tensor": "Tensor", "opset": "OperatorSetId", "entry": "StringStringEntry",
    }  # fmt: skip
    return {ours: getattr(onnx, f"{theirs}Proto").DESCRIPTOR for ours, theirs in names.items()}


def leads_to_tensors(message: Any, seen: frozenset[str] = frozenset()) -> bool:
    """Say whether a tensor, which may lie in another file, can be somewhere in a message."""
    if message is None or message.name in seen:
        return False
    return message.name == "TensorProto" or any(
        leads_to_tensors(field.message_type, seen | {message.name}) for field in message.fields
    )


@pytest.mark.parametrize("name", messages())
def test_fields_are_those_of_the_onnx_package(name: str) -> None:
    ours, theirs = graph_file.MESSAGES[name], messages()[name]
    assert ours.keys() == {field.number for field in theirs.fields}
    by_name = {message.name: ours for ours, message in messages().items()}
    for field in theirs.fields:
        rule = ours[field.number]
        if rule in graph_file.MESSAGES:
            assert by_name[field.message_type.name] == rule
        elif rule is None:
            assert not leads_to_tensors(field.message_type), field.name
        repeated = getattr(field, "is_repeated", None)
        repeated = field.label == field.LABEL_REPEATED if repeated is None else repeated
        if rule is None or rule in graph_file.MESSAGES:
            assert (field.number in graph_file.REPEATED[name]) == repeated, field.name


def test_elements_are_as_large_as_the_onnx_package_says() -> None:
    tensor = TensorProto.DESCRIPTOR.fields_by_name
    for data_type, (bits, typed) in tensor_fields.ELEMENTS.items():
        whole = 8 * helper.tensor_dtype_to_np_dtype(data_type).itemsize
        assert bits == (4 if data_type in tensor_fields.FOUR_BITS else whole)  # numpy has no 4 bits
        assert tensor[helper.tensor_dtype_to_field(data_type)].number == typed


@pytest.mark.parametrize("array", [
    np.ones((2, 3), np.float32), np.ones((2, 3)), np.arange(-3, 300), np.ones((), np.int32),
    np.ones((0, 4), np.float16), np.array([True, False]), np.arange(5, dtype=np.uint64),
    np.arange(-3, 3, dtype=np.int8),
], ids=lambda array: f"{array.dtype} {array.shape}")  # fmt: skip
def test_tensors_may_be_written_in_either_way(array: Any) -> None:
    data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
    values = array.view(np.uint16) if array.dtype == np.float16 else array
    for raw in (True, False):
        tensor = helper.make_tensor(
            "t", data_type, array.shape, array.tobytes() if raw else values.ravel().tolist(), raw
        )
        graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [], [tensor])
        facts = scan(helper.make_model(graph).SerializeToString())
        assert facts.parameter_bytes == array.nbytes


@pytest.mark.parametrize("part", ["decoder", "encoder"])
def test_facts_are_those_of_the_onnx_package(small_run: gtk.Run, part: str) -> None:
    path = gtk.export(small_run, f"{part}.onnx", part=part).path
    proto, facts = onnx.load(path), scan(path.read_bytes())
    assert sum(facts.operators.values()) == len(proto.graph.node)
    assert facts.operators.keys() == {node.op_type for node in proto.graph.node}
    assert facts.opsets == {"": 18}
    assert (proto.producer_name, proto.producer_version) == ("gtk", version("generative-toolkit"))
    tensors = [numpy_helper.to_array(tensor).nbytes for tensor in proto.graph.initializer]
    assert facts.parameter_bytes == sum(tensors)
    assert load_part(path).facts == facts


# Files --------------------------------------------------------------------------------------------


def test_what_is_no_file_is_refused(workplace: Path, unseen: None) -> None:
    Path("folder.onnx").mkdir()
    os.mkfifo("pipe.onnx")
    Path("loop.onnx").symlink_to("loop.onnx")
    Path("device.onnx").symlink_to("/dev/zero")
    with Path("huge.onnx").open("wb") as file:
        file.truncate(runtime.LARGEST_FILE + 1)
    for name, message in (
        ("none.onnx", "none.onnx cannot be read: No such file"),
        ("folder.onnx", "folder.onnx is a folder, a pipe or a device, not a file"),
        ("pipe.onnx", "pipe.onnx is a folder, a pipe or a device, not a file"),
        ("device.onnx", "device.onnx is a folder, a pipe or a device, not a file"),
        ("loop.onnx", "loop.onnx cannot be read: Too many levels"),
        ("huge.onnx", "huge.onnx has 1073741825 bytes: files of more than 1073741824 are not"),
        ("a\0b.onnx", "cannot be read: embedded null"),
        ("a" * 5000, "cannot be read: File name too long"),
    ):
        with pytest.raises(ExportFileError, match=message):
            load(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(exported: Path) -> None:
    Path("mine.onnx").write_bytes(exported.read_bytes())
    Path("mine.onnx").chmod(0)
    with pytest.raises(ExportFileError, match=r"mine.onnx cannot be read: Permission denied"):
        load("mine.onnx")


# Manifests ----------------------------------------------------------------------------------------


def with_text(exported: Path, text: str) -> Path:
    """Write an exported file with another manifest."""
    proto = onnx.load(exported)
    helper.set_model_props(proto, {"gtk": text})
    onnx.save(proto, "other.onnx")
    return Path("other.onnx")


NOT_OURS = "is an ONNX file, but gtk did not export it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NOT_OURS), ("hello", NOT_OURS), ("[1]", NOT_OURS), ("null", NOT_OURS),
        ("{}", NOT_OURS),
        ('{"schema": NaN}', NOT_OURS), ('{"schema": 2, "part": Infinity}', NOT_OURS),
        ("[" * 100_000, NOT_OURS), ('{"schema":' * 100_000, NOT_OURS),
        ('{"schema": ' + "9" * 10_000 + "}", NOT_OURS),
        ("__import__('os').system('touch evil')", NOT_OURS),
        ('{"schema": 2}' + " " * (1 << 22), "a string that is too long"),
        ('{"schema": 1}', "has schema 1, this gtk reads 2: export it again with gtk export RUN"),
        ('{"schema": 3}', "has schema 3, this gtk reads 2: update gtk"),
        ('{"schema": "2"}', "has schema '2', this gtk reads 2: export it again"),
        ('{"schema": true}', "has schema True, this gtk reads 2"),
        ('{"schema": 2}', "the manifest in other.onnx is damaged: it has no 'part'"),
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_a_contract_that_is_none_is_refused(
    exported: Path, unseen: None, text: str, message: str
) -> None:
    with pytest.raises(ExportFileError, match=message) as caught:
        load(with_text(exported, text))
    assert len(str(caught.value)) < 300
    assert not Path("evil").exists()


LABEL = {"input": "label", "kind": "classes", "count": 10, "names": list("0123456789"),
         "ranges": None}  # fmt: skip
Z = {"name": "z", "kind": "latent", "dtype": "float32", "shape": [16]}
NUMBER = {"name": "label", "kind": "condition", "dtype": "int64", "shape": []}
IMAGE = {"channels": 1, "height": 8, "width": 8, "layout": "NCHW", "dtype": "float32",
         "range": [0, 1]}  # fmt: skip
OUTPUT = {"name": "image", "kind": "image", "dtype": "float32", "shape": [1, 8, 8]}


@pytest.mark.parametrize(
    "change",
    [
        {"part": 5}, {"part": ""}, {"part": "a\nb"}, {"part": None},
        {"batch_size": 0}, {"batch_size": True}, {"batch_size": 1.5}, {"batch_size": 1 << 40},
        {"inputs": []}, {"inputs": None}, {"inputs": {}}, {"inputs": [5]}, {"inputs": [Z, Z]},
        {"inputs": [{**Z, "shape": ["x"]}, NUMBER]}, {"inputs": [{**Z, "shape": [0]}, NUMBER]},
        {"inputs": [{**Z, "shape": [-1]}, NUMBER]}, {"inputs": [{**Z, "shape": 16}, NUMBER]},
        {"inputs": [{**Z, "shape": [1 << 20, 1 << 20]}, NUMBER]},
        {"inputs": [{**Z, "shape": [10**30]}, NUMBER]},
        {"inputs": [{**Z, "shape": [16.0]}, NUMBER]},
        {"inputs": [{**Z, "dtype": "object"}, NUMBER]}, {"inputs": [{**Z, "kind": "file"}, NUMBER]},
        {"inputs": [{**Z, "name": "z\n"}, NUMBER]}, {"inputs": [{**Z, "name": 3}, NUMBER]},
        {"inputs": [Z, {**NUMBER, "dtype": "float32"}]}, {"inputs": [Z]},
        {"outputs": []}, {"outputs": [{**OUTPUT, "shape": [8, 8, 1]}]},
        {"outputs": [{**OUTPUT, "dtype": "uint8"}]}, {"outputs": [{**OUTPUT, "kind": "latent"}]},
        {"condition": None}, {"condition": 5}, {"condition": []},
        {"condition": {**LABEL, "count": 9}},
        {"condition": {**LABEL, "names": [1]}}, {"condition": {**LABEL, "names": []}},
        {"condition": {**LABEL, "names": "0123456789"}},
        {"condition": {**LABEL, "names": ["a"] * 10}},
        {"condition": {**LABEL, "names": [[]] * 10}}, {"condition": {**LABEL, "ranges": [[0, 1]]}},
        {"condition": {**LABEL, "kind": ""}}, {"condition": {**LABEL, "kind": []}},
        {"condition": {**LABEL, "kind": "angle", "range": [1, 0]}},
        {"condition": {**LABEL, "kind": "angle", "range": [0, 1e999]}},
        {"condition": {**LABEL, "kind": "angle", "absent": "NaN"}},
        {"condition": {**LABEL, "absent": 3}}, {"condition": {**LABEL, "absent": []}},
        {"condition": {**LABEL, "numbers": "names"}},
        {"condition": {**LABEL, "kind": "continuous", "ranges": [[0, 1]] * 10}},
        {"condition": {**LABEL, "input": "z"}},
        {"latent": None}, {"latent": {"input": "z", "shape": [16]}},
        {"latent": {"input": "z", "shape": [16], "prior": "cauchy"}},
        {"latent": {"input": "label", "shape": [16], "prior": "normal"}},
        {"latent": {"input": "z", "shape": [17], "prior": "normal"}},
        {"image": None}, {"image": {}}, {"image": {**IMAGE, "layout": "CHWN"}},
        {"image": {**IMAGE, "range": [0, 255]}}, {"image": {**IMAGE, "dtype": "float16"}},
        {"image": {**IMAGE, "dtype": []}}, {"image": {**IMAGE, "height": 1e400}},
        {"image": {**IMAGE, "height": 1 << 40}}, {"image": {**IMAGE, "channels": -1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_contract_that_says_nonsense_is_refused(
    exported: Path, unseen: None, change: dict[str, Any]
) -> None:
    text = json.dumps({**contract_of_file(exported), **change})
    with pytest.raises(ExportFileError) as caught:
        load(with_text(exported, text))
    assert str(caught.value).startswith(
        ("the manifest in other.onnx is damaged", "other.onnx is an")
    )
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def contract_of_file(exported: Path) -> dict[str, Any]:
    """Return a file's manifest, read by the package onnx."""
    properties = {item.key: item.value for item in onnx.load(exported).metadata_props}
    contract: dict[str, Any] = json.loads(properties["gtk"])
    return contract


@pytest.mark.parametrize("command", ["inspect", "inspect --json", "bench", "sample --out a.png"])
@pytest.mark.parametrize(
    "change",
    [
        {"run": None}, {"run": "r" * 5000}, {"step": "7"}, {"gtk": [1]}, {"plugin": "x"},
        {"plugin": {"name": "cvae"}}, {"model": None}, {"conditioner": 3}, {"data": {}},
        {"opset": None}, {"precision": "fp8"}, {"parity": []}, {"parity": {"tolerance": 1}},
        {"parity": {"tolerance": "1", "differences": {}}},
        {"parity": {"tolerance": 1, "differences": {"image": {"1": {"largest": 0}}}}},
        {"parity": {"tolerance": 1, "differences": {"image": []}}}, {"schema": 2.0},
    ],
    ids=lambda change: str(change)[:60],
)  # fmt: skip
def test_every_command_refuses_a_damaged_contract_in_one_line(
    exported: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], command: str
) -> None:
    name, *options = command.split()
    bad = with_text(exported, json.dumps({**contract_of_file(exported), **change}))
    assert gtk_command([name, str(bad), *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("gtk: error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("shape", [[1 << 20, 1 << 20], [1 << 25], [1, 1 << 40], [2] * 40], ids=str)
def test_an_absurd_shape_is_refused(exported: Path, unseen: None, shape: list[int]) -> None:
    change = {
        "inputs": [{**Z, "shape": shape}, NUMBER],
        "latent": {"input": "z", "shape": shape, "prior": "normal"},
    }
    text = json.dumps({**contract_of_file(exported), **change})
    with pytest.raises(
        ExportFileError, match=r"the shape .* of z is out of range|the shape of z is not valid"
    ):
        load(with_text(exported, text))


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 4},
        {"inputs": [{**Z, "shape": [17]}, NUMBER],
         "latent": {"input": "z", "shape": [17], "prior": "normal"}},
        {"inputs": [{**Z, "name": "noise"}, NUMBER],
         "latent": {"input": "noise", "shape": [16], "prior": "normal"}},
        {"inputs": [Z], "condition": None},
        {"outputs": [OUTPUT, {**OUTPUT, "name": "mean", "kind": "values"}]},
        {"outputs": [{**OUTPUT, "name": "picture"}]},
        {"outputs": [{**OUTPUT, "dtype": "uint8"}],
         "image": {**IMAGE, "dtype": "uint8", "range": [0, 255]}},
        {"outputs": [{**OUTPUT, "shape": [8, 8, 1]}], "image": {**IMAGE, "layout": "NHWC"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_contract_that_does_not_fit_the_graph_is_refused(
    exported: Path, change: dict[str, Any]
) -> None:
    text = json.dumps({**contract_of_file(exported), **change})
    with pytest.raises(
        ExportFileError, match=r"the manifest in other.onnx is damaged: it promises"
    ):
        load(with_text(exported, text))


def test_what_it_says_beyond_is_ignored(exported: Path) -> None:
    contract = contract_of_file(exported)
    text = json.dumps({**contract, "colour": "blue", "model": {"depth": [1]}})
    expected = load(exported).sample(seed=3)
    assert np.array_equal(load(with_text(exported, text)).sample(seed=3), expected)


# Graphs -------------------------------------------------------------------------------------------


def redirected(*nodes: onnx.NodeProto, **tensors: Any) -> Edit:
    """Return an edit that has nodes make `image` from what was it, called `before`."""

    def edit(proto: ModelProto) -> None:
        for node in proto.graph.node:
            node.output[:] = ["before" if name == "image" else name for name in node.output]
        proto.graph.node.extend(nodes)
        for name, value in tensors.items():
            proto.graph.initializer.append(numpy_helper.from_array(np.array(value), name))

    return edit


MISBEHAVED: dict[str, tuple[Edit, str]] = {
    "less rows": (
        redirected(helper.make_node("Slice", ["before", "a", "b"], ["image"]), a=[0], b=[1]),
        r"bad.onnx is damaged: image is float32 \(1, 1, 8, 8\), its manifest says",
    ),
    "no numbers": (
        redirected(helper.make_node("Div", ["before", "a"], ["more"]),
                   helper.make_node("Sub", ["more", "more"], ["image"]), a=np.float32(0)),
        "bad.onnx is damaged: it gives values that are not finite",
    ),
    "an absurd shape within": (
        redirected(helper.make_node("Expand", ["before", "a"], ["more"]),
                   helper.make_node("ReduceMax", ["more", "b"], ["image"], keepdims=0),
                   a=[1 << 40, 1, 1, 1, 1], b=[0]),
        "onnxruntime cannot run bad.onnx on cpu at batch 10: ",
    ),
    "shapes that do not fit": (
        redirected(helper.make_node("Reshape", ["before", "a"], ["image"]), a=[-1, 1, 7, 7]),
        "it promises outputs {'image': .*8, 8.*, the graph has .*7, 7",
    ),
    "a batch axis of another name": (
        lambda proto: setattr(
            proto.graph.input[0].type.tensor_type.shape.dim[0], "dim_param", "other"
        ),
        "it promises batches of any size, z has other",
    ),
    "an unknown operator": (node("Launch"), "bad.onnx is refused: it holds the operator 'Launch'"),
    "an input that nothing makes": (
        lambda proto: proto.graph.node[0].input.__setitem__(0, "nothing"),
        r"it has opset 18 and IR version 8, onnxruntime [0-9.]+ says: .*'nothing'.* Make one: ",
    ),
    "an opset of the future": (
        lambda proto: setattr(proto.opset_import[0], "version", 9999),
        r"it has opset 9999 and IR version 8, onnxruntime [0-9.]+ reads opset up to \d+. Update",
    ),
    "an IR of the future": (
        lambda proto: setattr(proto, "ir_version", 99),
        "it has opset 18 and IR version 99, onnxruntime [0-9.]+ reads IR version up to ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISBEHAVED)
def test_a_graph_that_misbehaves_is_said_to(
    exported: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    edit, message = MISBEHAVED[case]
    Path("bad.onnx").write_bytes(edited(exported, edit))
    with pytest.raises(ExportFileError, match=message) as caught:
        load("bad.onnx").sample(count=10)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


FUZZ = """
import json, random, sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from MODULE import ExportFileError, RequestError, load

warnings.simplefilter("error")
content, path = Path(sys.argv[1]).read_bytes(), Path("fuzzed.onnx")
structure = [*range(600), *range(len(content) - 4000, len(content))]
draw, counts = random.Random(0), {"drawn": 0, "refused": 0}
for index in range(600):
    damaged = bytearray(content)
    if index % 3 == 0:
        del damaged[draw.randrange(len(content)):]
    elif index % 3 == 1:  # where the structure is
        for _ in range(draw.randint(1, 4)):
            damaged[draw.choice(structure)] = draw.randrange(256)
    else:
        for _ in range(draw.randint(1, 20)):
            damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(damaged)
    print(index, file=sys.stderr, flush=True)
    try:
        images = load(path).sample(count=3)
        assert images.shape == (3, 8, 8), images.shape
        counts["drawn"] += 1
    except (ExportFileError, RequestError) as error:
        assert "\\n" not in str(error) and len(str(error)) < 1000, error
        counts["refused"] += 1
print(json.dumps(counts))
"""


def test_damage_anywhere_is_refused_or_harmless(exported: Path) -> None:
    code = FUZZ.replace("MODULE", runtime.__name__)
    folder = Path(str(runtime.__file__)).parent
    command = [sys.executable, "-c", code, str(exported), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout)
    assert counts["drawn"] > 30
    assert counts["refused"] > 300
