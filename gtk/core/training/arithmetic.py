"""The arithmetic of a training: its precision, memory format and threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from gtk.core.models.device import has_bf16
from gtk.core.storage.run import Run
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.text import counted

Precision = Literal["fp32", "bf16"]
MemoryFormat = Literal["contiguous", "channels-last"]


#: The variable that makes cuBLAS deterministic, read when its first product is computed, and its
#: values that do.
WORKSPACE, WORKSPACES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")


@dataclass(frozen=True)
class Arithmetic:
    """How a training computes its steps: chosen once, and kept by its run.

    Attributes:
        precision: of matrix products and convolutions. Weights, optimizers, likelihoods, penalties,
            averages and evaluation are fp32 in either.
        memory_format: of images and of 4-D weights.
        threads: of the CPU.
    """

    precision: Precision
    memory_format: MemoryFormat
    threads: int

    def __str__(self) -> str:
        """Name all three: "bf16, channels-last, 2 threads"."""
        return f"{self.precision}, {self.memory_format}, {counted(self.threads, 'thread')}"

    @classmethod
    def of_run(cls, run: Run) -> "Arithmetic":
        """Return the arithmetic of a run."""
        train: Any = run.settings.train
        return cls(train.precision, train.memory_format, run.document["threads"])


def check_bf16(device: torch.device) -> None:
    """Refuse a device without bf16.

    Raises:
        InvalidValue: the device lacks it.
    """
    if not has_bf16(device):
        raise InvalidValue(
            f"{setting('precision', 'bf16')} needs a CPU with AVX-512 BF16 or AMX, a CUDA GPU of "
            f"compute capability 8.0 or more, or an Intel GPU with matrix units, and device "
            f"{str(device)!r} is none of them. Use {setting('precision', 'fp32')} or "
            f"{setting('precision', 'auto')}."
        )


def check_deterministic(device: torch.device) -> None:
    """Refuse a GPU whose matrix products may add up in an order that changes.

    Raises:
        InvalidValue: the environment does not have cuBLAS keep to one order.
    """
    if device.type == "cuda" and os.environ.get(WORKSPACE) not in WORKSPACES:
        raise InvalidValue(
            f"{setting('deterministic')} on a GPU needs the environment variable "
            f"{WORKSPACE}={WORKSPACES[0]} before gtk starts"
        )


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Have torch use deterministic algorithms alone inside, if they are wanted.

    Raises:
        InvalidValue: an operation inside has none.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        operation, words, _ = str(error).partition(" does not have a deterministic implementation")
        if not words:
            raise
        raise InvalidValue(
            f"{operation} has no deterministic algorithm here, so leave "
            f"{setting('deterministic')} out, or train on another {setting('device')}"
        ) from error
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)


def has_maps(*modules: nn.Module) -> bool:
    """Return whether modules have weights that a memory format applies to: of convolutions."""
    return any(parameter.dim() == 4 for module in modules for parameter in module.parameters())


def lay_out(model: nn.Module, memory_format: torch.memory_format) -> None:
    """Put the 4-D weights of a model into a memory format; their values stay the same bits.

    `Module.to(memory_format=...)` would also convert buffers, and fails with 5-D weights.
    """
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=memory_format)
