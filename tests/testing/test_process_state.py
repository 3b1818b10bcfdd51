"""What is the whole process's is watched, and put back."""

import os
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from gtk.testing.process_state import (
    PROCESS_STATES,
    Snapshot,
    restored_process_state,
    seeded_generators,
)

CHANGES: dict[str, Callable[[], object]] = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "the number of torch's threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "whether torch computes gradients": lambda: torch.set_grad_enabled(False),
    "torch.use_deterministic_algorithms": lambda: torch.use_deterministic_algorithms(True),
    "torch.backends.cudnn.benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch.backends.cudnn.deterministic": lambda: setattr(
        torch.backends.cudnn, "deterministic", True
    ),
    "torch's float32 matmul precision": lambda: torch.set_float32_matmul_precision("high"),
    "torch's anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "the seed of torch's global generator": lambda: torch.manual_seed(5),
    "numpy's global generator": np.random.rand,
    "the generator of random": random.random,
    "the environment variables": lambda: os.environ.update(MEDDLED="1"),
    "the working directory": lambda: os.chdir("/"),
}


@pytest.mark.parametrize("name", [state.name for state in PROCESS_STATES])
def test_a_change_is_seen_and_undone(name: str) -> None:
    outer = Snapshot()
    with restored_process_state() as snapshot:
        assert snapshot.changes() == []
        CHANGES[name]()
        assert snapshot.changes() == [name]
    assert outer.changes() == []


def test_every_facet_has_a_test() -> None:
    assert list(CHANGES) == [state.name for state in PROCESS_STATES]


def test_seeds_hold_for_a_while_only() -> None:
    before = Snapshot()
    drawn = []
    for seed in (1, 1, 2):
        with seeded_generators(seed):
            drawn.append((torch.rand(()).item(), np.random.rand(), random.random()))  # noqa: NPY002, S311
    assert before.changes() == []
    assert drawn[0] == drawn[1]
    assert all(one != two for one, two in zip(drawn[0], drawn[2], strict=True))
