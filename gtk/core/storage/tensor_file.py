"""A file of named tensors, in the safetensors format: its content, and what should be in it."""

from collections.abc import Mapping
from hashlib import sha256

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from gtk.core.values.errors import InvalidValue

#: The tensor that holds the SHA-256 of the others.
DIGEST = "sha256 of the others"


def encode_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the content of a safetensors file."""
    return save({name: _copied(tensor.detach()) for name, tensor in tensors.items()})


def encode_sealed(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the content of a file that also holds the digest of its tensors."""
    return encode_tensors({**tensors, DIGEST: _digest(tensors)})


def decode_sealed(content: bytes) -> dict[str, Tensor]:
    """Return the tensors in the content of a file that `encode_sealed` made.

    Raises:
        InvalidValue: the content is damaged.
    """
    tensors = decode_tensors(content)
    digest = tensors.pop(DIGEST, None)
    if digest is None or digest.tolist() != _digest(tensors).tolist():
        raise InvalidValue("its digest is not that of its tensors")
    return tensors


def _digest(tensors: Mapping[str, Tensor]) -> Tensor:
    return torch.tensor([*sha256(encode_tensors(tensors)).digest()], dtype=torch.uint8)


def _copied(tensor: Tensor) -> Tensor:
    """Return a copy in the CPU's memory, as safetensors refuses shared or non-contiguous memory."""
    return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor)


def decode_tensors(content: bytes) -> dict[str, Tensor]:
    """Return the tensors in the content of a safetensors file, in memory of their own.

    A file that is mapped into memory instead would end the process with SIGBUS if it is cut off
    while it is used.

    Raises:
        InvalidValue: the content is damaged.
    """
    try:
        return load(content)
    # A header that safetensors accepts may have shapes and types that torch does not.
    except (SafetensorError, ValueError, RuntimeError, LookupError, AssertionError) as error:
        raise InvalidValue(str(error)) from error


def check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Check the names, shapes and types of tensors from a file before they are used.

    Torch's fused Adam trusts the shapes of its moments: it reads and writes past smaller ones.

    Raises:
        InvalidValue: it names the first tensor that is missing, unknown, or of another shape or
            type.
    """
    for name, like in expected.items():
        if name not in found:
            raise InvalidValue(f"{name!r} is missing")
        if (found[name].shape, found[name].dtype) != (like.shape, like.dtype):
            raise InvalidValue(f"{name!r} is {_kind(found[name])} instead of {_kind(like)}")
    unknown = [name for name in found if name not in expected]
    if unknown:
        raise InvalidValue(f"{unknown[0]!r} is unknown")


def _kind(tensor: Tensor) -> str:
    """Return a tensor's type and shape: float32 (3, 4)."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
