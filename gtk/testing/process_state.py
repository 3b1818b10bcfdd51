"""What a plugin shares with everything else in the process, to see that it is left alone."""

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
class Facet:
    """One thing that is the whole process's.

    Attributes:
        name: for messages.
        read: returns its state, to be compared with ==.
        restore: sets it to what `read` returned.
    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]


#: Variables that belong to others: pytest says which test is running, and torch's compiler and
#: scikit-learn set some for themselves when they are first imported.
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


FACETS = (
    Facet("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Facet("torch's default device", torch.get_default_device, torch.set_default_device),
    Facet("the number of torch's threads", torch.get_num_threads, torch.set_num_threads),
    Facet("whether torch computes gradients", torch.is_grad_enabled, torch.set_grad_enabled),
    Facet(
        "torch.use_deterministic_algorithms",
        _deterministic,
        lambda state: torch.use_deterministic_algorithms(state[0], warn_only=state[1]),
    ),
    Facet(
        "torch.backends.cudnn.benchmark",
        lambda: torch.backends.cudnn.benchmark,
        lambda state: setattr(torch.backends.cudnn, "benchmark", state),
    ),
    Facet(
        "torch.backends.cudnn.deterministic",
        lambda: torch.backends.cudnn.deterministic,
        lambda state: setattr(torch.backends.cudnn, "deterministic", state),
    ),
    Facet(
        "torch's float32 matmul precision",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    Facet(
        "torch's anomaly detection",
        torch.is_anomaly_enabled,
        torch.autograd.set_detect_anomaly,
    ),
    Facet(
        "the seed of torch's global generator",
        torch.initial_seed,
        torch.default_generator.manual_seed,
    ),
    Facet(
        "numpy's global generator",
        _numpy_state,
        np.random.set_state,
    ),
    Facet("the generator of random", random.getstate, random.setstate),
    Facet("the environment variables", _environment, _restore_environment),
    Facet("the working directory", os.getcwd, os.chdir),
)


class Surroundings:
    """All of this as it is when this is constructed."""

    def __init__(self) -> None:
        self._states = {facet: facet.read() for facet in FACETS}

    def changes(self) -> list[str]:
        """Return the names of what is different now."""
        return [facet.name for facet, state in self._states.items() if facet.read() != state]

    def restore(self) -> None:
        """Put back what is different now."""
        for facet, state in self._states.items():
            if facet.read() != state:
                facet.restore(state)


@contextmanager
def restored_surroundings() -> Iterator[Surroundings]:
    """Put back at the end whatever was changed inside."""
    surroundings = Surroundings()
    try:
        yield surroundings
    finally:
        surroundings.restore()


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in a folder for a while: what is written there without a path to it is found there."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class GlobalSeeds:
    """Seed the global generators for a while, and give them back as they were.

    Args:
        seed: of all three; torch has its low 32 bits, as its CPU generator takes no more.
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
