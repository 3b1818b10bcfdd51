"""Global state of the process, which a plugin must leave unchanged."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gtk.core.models.device import fork_random_state


@dataclass(frozen=True)
class ProcessState:
    """One piece of global state.

    Attributes:
        name: for messages.
        read: returns its value, which can be compared with ==.
        restore: sets it to a value that `read` returned.
    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]


#: Variables that others set: pytest the name of the current test, and torch's compiler and
#: scikit-learn some of their own when they are first imported.
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
    ProcessState(
        "torch.backends.cudnn.benchmark",
        lambda: torch.backends.cudnn.benchmark,
        lambda state: setattr(torch.backends.cudnn, "benchmark", state),
    ),
    ProcessState(
        "torch.backends.cudnn.deterministic",
        lambda: torch.backends.cudnn.deterministic,
        lambda state: setattr(torch.backends.cudnn, "deterministic", state),
    ),
    ProcessState(
        "torch's float32 matmul precision",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    ProcessState(
        "torch's anomaly detection",
        torch.is_anomaly_enabled,
        torch.autograd.set_detect_anomaly,
    ),
    ProcessState(
        "the seed of torch's global generator",
        torch.initial_seed,
        torch.default_generator.manual_seed,
    ),
    ProcessState(
        "numpy's global generator",
        _numpy_state,
        np.random.set_state,
    ),
    ProcessState("the generator of random", random.getstate, random.setstate),
    ProcessState("the environment variables", _environment, _restore_environment),
    ProcessState("the working directory", os.getcwd, os.chdir),
)


class Snapshot:
    """The global state at the time of construction."""

    def __init__(self) -> None:
        self._states = {item: item.read() for item in PROCESS_STATES}

    def changes(self) -> list[str]:
        """Return the names of what differs now."""
        return [item.name for item, state in self._states.items() if item.read() != state]

    def restore(self) -> None:
        """Restore what differs now."""
        for item, state in self._states.items():
            if item.read() != state:
                item.restore(state)


@contextmanager
def restored_process_state() -> Iterator[Snapshot]:
    """Restore the global state at the end."""
    snapshot = Snapshot()
    try:
        yield snapshot
    finally:
        snapshot.restore()


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Make a folder the working folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class GlobalSeeds:
    """Seed the global generators for a while, and restore them at the end.

    Args:
        seed: of all three; torch gets its low 32 bits, the width of its CPU generator's seed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __enter__(self) -> None:
        self._states = np.random.get_state(), random.getstate()  # noqa: NPY002 - what a plugin may draw from
        self._fork = fork_random_state(torch.device("cpu"))
        self._fork.__enter__()
        torch.default_generator.manual_seed(self._seed % (1 << 32))
        np.random.seed(self._seed % 65_521)  # noqa: NPY002 - as above
        random.seed(self._seed)

    def __exit__(self, *error: object) -> None:
        self._fork.__exit__(None, None, None)
        np.random.set_state(self._states[0])  # noqa: NPY002 - as above
        random.setstate(self._states[1])
