"""The global state of the process, which a plugin must leave unchanged."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gtk.core.models.device import fork_random_state


@dataclass(frozen=True)
class ProcessState:
    """A piece of global state: `read` returns its value for ==, and `restore` sets it again."""

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]


#: Variables that other programs set: pytest while it runs, torch's compiler and scikit-learn when
#: they are first imported.
OTHERS = ("PYTEST_", "TORCHINDUCTOR_", "KMP_")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}


def _restore_environment(wanted: dict[str, str]) -> None:
    for name in _environment().keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - what a plugin may draw from
    return name, tuple(np.asarray(keys).tolist()), *rest


def _deterministic() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _cudnn(name: str) -> ProcessState:
    return ProcessState(
        f"torch.backends.cudnn.{name}",
        lambda: getattr(torch.backends.cudnn, name),
        lambda state: setattr(torch.backends.cudnn, name, state),
    )


PROCESS_STATES = (
    ProcessState("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    ProcessState("torch's default device", torch.get_default_device, torch.set_default_device),
    ProcessState("the number of torch's threads", torch.get_num_threads, torch.set_num_threads),
    ProcessState("whether torch computes gradients", torch.is_grad_enabled, torch.set_grad_enabled),
    ProcessState(
        "torch.use_deterministic_algorithms",
        _deterministic,
        lambda state: torch.use_deterministic_algorithms(state[0], warn_only=state[1]),
    ),
    _cudnn("benchmark"),
    _cudnn("deterministic"),
    ProcessState(
        "torch's float32 matmul precision",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    ProcessState(
        "torch's anomaly detection", torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly
    ),
    ProcessState(
        "the seed of torch's global generator",
        torch.initial_seed,
        torch.default_generator.manual_seed,
    ),
    ProcessState("numpy's global generator", _numpy_state, np.random.set_state),
    ProcessState("the generator of random", random.getstate, random.setstate),
    ProcessState("the environment variables", _environment, _restore_environment),
    ProcessState("the working directory", os.getcwd, os.chdir),
)


class Snapshot:
    """The global state at the time of construction."""

    def __init__(self) -> None:
        self._states = {item: item.read() for item in PROCESS_STATES}

    def changes(self) -> list[str]:
        """Return the names of the pieces that differ now."""
        return [item.name for item, state in self._states.items() if item.read() != state]

    def restore(self) -> None:
        """Restore the pieces that differ now."""
        for item, state in self._states.items():
            if item.read() != state:
                item.restore(state)


@contextmanager
def restored_process_state() -> Iterator[Snapshot]:
    """Restore the global state at the end of a with block."""
    snapshot = Snapshot()
    try:
        yield snapshot
    finally:
        snapshot.restore()


@contextmanager
def seeded_generators(seed: int) -> Iterator[None]:
    """Seed the global generators in a with block, and restore them at its end.

    Torch gets the low 32 bits of the seed, since its CPU generator has no more.
    """
    states = np.random.get_state(), random.getstate()  # noqa: NPY002 - what a plugin may draw from
    with fork_random_state(torch.device("cpu")):
        torch.default_generator.manual_seed(seed % (1 << 32))
        np.random.seed(seed % 65_521)  # noqa: NPY002 - as above
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(states[0])  # noqa: NPY002 - as above
            random.setstate(states[1])
