"""Devices, and the random generators of each."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting


def resolve_device(name: str) -> torch.device:
    """Return the torch device of a name, of several GPUs with its number; "auto" is a GPU if any.

    Raises:
        InvalidValue: there is no such device, or it cannot compute; asking for CUDA never gives the
            CPU.
    """
    auto = name == "auto"
    if auto:
        name = str(torch.accelerator.current_accelerator(check_available=True) or "cpu")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            device = torch.device(name)
            probe = torch.ones(1, device=device)
            probe.item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        if reason.startswith("Expected one of"):  # a list of 20 types, most of which nobody has
            reason = "there is no such type; the usual are cpu, cuda, mps and xpu"
        others = "" if auto else f"{setting('device', 'auto')} or "
        raise InvalidValue(
            f"device {name!r} cannot be used here ({reason}). "
            f"Use {others}{setting('device', 'cpu')}."
        ) from error
    # "cuda" is the current GPU, which is another one in a thread or in a later process.
    return probe.device if device.type in ("cuda", "xpu") else device


def global_generators(device: torch.device) -> list[torch.Generator]:
    """Return the generators that layers such as dropout draw from on this device.

    Seeding these is faster than `torch.manual_seed`, which seeds every backend and takes longer
    than a small network's step.
    """
    generators = [torch.default_generator]
    if device.type == "mps":
        # torch has no public name for it, and no second GPU of this kind.
        generators.append(torch.mps._get_default_mps_generator())  # noqa: SLF001
    elif device.type in ("cuda", "xpu"):
        module = torch.get_device_module(device)
        module.init()  # makes the generators
        index = module.current_device() if device.index is None else device.index
        generators.append(module.default_generators[index])
    return generators


@contextmanager
def fork_random_state(device: torch.device) -> Iterator[None]:
    """Restore the global generators at the end, so that the caller's draws stay the same."""
    states = [(generator, generator.get_state()) for generator in global_generators(device)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has computed what it was given; the CPU computes at once."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def free_memory(device: torch.device) -> float:
    """Return how many bytes of a GPU's memory can be used; infinity where that is not known.

    Apple's GPU shares main memory, of which Metal recommends a most (recommendedMaxWorkingSetSize).
    """
    if device.type == "mps":
        try:
            free = torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
        except (AttributeError, RuntimeError):  # of a torch that cannot tell
            return math.inf
        return float(max(0, free))
    if device.type not in ("cuda", "xpu"):
        return math.inf
    module = torch.get_device_module(device)
    try:
        free = module.mem_get_info(device)[0]
    except RuntimeError:  # of an Intel GPU that shares main memory
        return math.inf
    return float(free + module.memory_reserved(device) - module.memory_allocated(device))


def has_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies matrices in bf16; others are slower in it than in fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "xpu":  # those with matrix units have it
        properties = torch.xpu.get_device_properties(device)
        return bool(getattr(properties, "has_subgroup_matrix_multiply_accumulate", False))
    if device.type == "cpu":
        # Torch has no public function for it in all versions.
        known = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, bool)() for name in known)
    return False
