"""The digest of an exported file's graph: another one means that the file computes something else.

It is independent of the onnx package, so that the runtime can compare it.
"""

from collections.abc import Iterator
from hashlib import sha256
from operator import itemgetter
from typing import Any

from gtk.exports.runtime.manifest_checks import DIGEST_KEY
from gtk.exports.runtime.wire_format import varint

#: Fields that hold messages with fields to leave out, by number in onnx.proto.
_NESTED: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 11: "port", 12: "port"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
}
#: Fields that do not change what is computed: versions of the format and names of its writer, doc
#: strings, metadata, and the shapes that tools note between nodes.
_LEFT_OUT: dict[str, set[int]] = {
    "model": {1, 2, 3, 4, 5, 6, 14},
    "graph": {10, 13, 16},
    "function": {8, 12, 14},
    "node": {6, 9},
    "attribute": {13},
    "tensor": {12, 16},
    "port": {3, 4},
}


def graph_digest(content: bytes) -> str:
    """Return the SHA-256 of a file's graph, weights, functions and opsets, in hexadecimal.

    Names, attributes and the order of nodes count; producer, doc strings and metadata do not, nor
    does the order in which protobuf fields of different numbers are written.

    Args:
        content: of an ONNX file that `scan` accepts, with all of its weights inside.
    """
    return _digest("model", memoryview(content)).hex()


def is_as_proven(content: bytes, manifest: dict[str, Any]) -> bool | None:
    """Return whether a file's graph is the one that its manifest describes.

    It is None for files of earlier versions of gtk, whose manifest has no digest.
    """
    digest = manifest.get(DIGEST_KEY)
    return None if digest is None else digest == graph_digest(content)


def _digest(kind: str, data: memoryview) -> bytes:
    """Return the digest of a message, in which each message that it holds is a digest."""
    digest = sha256()
    for number, value in sorted(_fields(data), key=itemgetter(0)):
        if number in _LEFT_OUT.get(kind, ()):
            continue
        inner = _NESTED.get(kind, {}).get(number)
        counted = value if inner is None else _digest(inner, value)
        digest.update(b"%d %d " % (number, len(counted)))
        digest.update(counted)
    return digest.digest()


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of each field of a protobuf message."""
    position = 0
    while position < len(data):
        key, start = varint(data, position)
        kind = key & 7
        if kind == 0:
            _, position = varint(data, start)
        elif kind == 2:
            size, start = varint(data, start)
            position = start + size
        else:
            position = start + (8 if kind == 1 else 4)
        yield key >> 3, data[start:position]
