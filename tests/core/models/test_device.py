"""Devices: what is asked for or an error, never a silent substitute."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gtk.core.models.device import (
    fork_random_state,
    free_memory,
    global_generators,
    has_bf16,
    resolve_device,
    synchronize,
)
from gtk.core.values.errors import InvalidValue


def test_auto_takes_what_is_there() -> None:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    assert resolve_device("auto").type == (accelerator or torch.device("cpu")).type
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cpuu", "meta", "", "cuda:99"])
def test_a_device_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(InvalidValue, match="Use device='auto' or device='cpu'"):
        resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_asking_for_cuda_never_gives_the_cpu() -> None:
    with pytest.raises(InvalidValue, match="device 'cuda' cannot be used here"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cuda", "cuda:1"),
        ("cuda:0", "cuda:0"),
        ("xpu", "xpu:1"),
        ("auto", "cuda:1"),
        ("mps", "mps"),  # there is one alone
    ],
)
def test_a_gpu_has_its_number_though_the_current_one_changes_later(
    name: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ones(count: int, device: torch.device) -> Any:
        place = torch.device(device.type, 1 if device.index is None else device.index)
        return SimpleNamespace(device=place, item=lambda: 1.0)

    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda")
    )
    assert str(resolve_device(name)) == found


def test_a_gpu_that_cannot_compute_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def ones(count: int, device: torch.device) -> Any:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\n")

    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda")
    )
    with pytest.raises(InvalidValue) as caught:
        resolve_device("auto")
    assert str(caught.value) == (
        "device 'cuda' cannot be used here (CUDA error: no kernel image is available for execution "
        "on the device). Use device='cpu'."
    )


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[torch.Generator]]:
    """Two GPUs each of CUDA and XPU and one of Apple's, of which the second is the current one."""
    made = {
        kind: [torch.Generator() for _ in range(count)]
        for kind, count in {"cuda": 2, "xpu": 2, "mps": 1}.items()
    }
    modules = {
        kind: SimpleNamespace(
            init=lambda: None, current_device=lambda: 1, default_generators=tuple(found)
        )
        for kind, found in made.items()
    }
    monkeypatch.setattr(torch, "get_device_module", lambda device: modules[device.type])
    monkeypatch.setattr(torch.mps, "_get_default_mps_generator", lambda: made["mps"][0])
    return made


@pytest.mark.parametrize(
    ("name", "kind", "number"),
    [
        ("cuda:0", "cuda", 0),
        ("cuda:1", "cuda", 1),
        ("cuda", "cuda", 1),  # the current one
        ("xpu:0", "xpu", 0),
        ("xpu", "xpu", 1),
        ("mps", "mps", 0),
        ("mps:0", "mps", 0),
    ],
)
def test_every_gpu_s_generator_is_seeded_and_restored(
    gpus: dict[str, list[torch.Generator]], name: str, kind: str, number: int
) -> None:
    device, own = torch.device(name), gpus[kind][number]
    assert [id(item) for item in global_generators(device)] == [
        id(torch.default_generator),
        id(own),
    ]

    def draw() -> list[float]:
        return [torch.rand(1, generator=item).item() for item in (torch.default_generator, own)]

    others = [item for found in gpus.values() for item in found if item is not own]
    kept = [item.get_state() for item in others]
    with fork_random_state(device):
        inside = draw()
    assert draw() == inside, "both were put back"
    assert all(map(torch.equal, kept, [item.get_state() for item in others]))


def test_the_cpu_has_one_generator_and_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[Any] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waits.append)
    assert global_generators(torch.device("cpu")) == [torch.default_generator]
    synchronize(torch.device("cpu"))
    assert not waits
    for name in ("cuda:1", "mps", "xpu:0"):
        synchronize(torch.device(name))
    assert waits == [torch.device("cuda:1"), torch.device("mps"), torch.device("xpu:0")]


def test_of_apple_s_gpu_the_memory_is_what_metal_recommends_less_what_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mps = torch.device("mps")
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 100, raising=False)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 30, raising=False)
    assert free_memory(mps) == 70
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 130)
    assert free_memory(mps) == 0


def test_memory_that_cannot_be_told_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> int:
        raise RuntimeError("PyTorch was not compiled with MPS")

    monkeypatch.setattr(torch.mps, "recommended_max_memory", unknown)
    assert free_memory(torch.device("mps")) == math.inf
    monkeypatch.delattr(torch.mps, "recommended_max_memory")
    assert free_memory(torch.device("mps")) == math.inf
    assert free_memory(torch.device("cpu")) == math.inf


@pytest.mark.parametrize(
    ("properties", "has"),
    [
        ({"has_subgroup_matrix_multiply_accumulate": True}, True),
        ({"has_subgroup_matrix_multiply_accumulate": False}, False),
        ({}, False),  # of an older driver
    ],
)
def test_an_intel_gpu_with_matrix_units_has_bf16(
    properties: dict[str, bool], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(**properties)
    monkeypatch.setattr(torch.xpu, "get_device_properties", lambda device: found)
    assert has_bf16(torch.device("xpu:0")) == has
