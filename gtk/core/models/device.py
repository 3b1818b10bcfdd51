"""The device a training runs on, and the generators that belong to it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting


def resolve_device(name: str) -> torch.device:
    """Return the torch device that `name` means; "auto" takes a GPU where there is one.

    Raises:
        InvalidValue: there is no such device; asking for CUDA never gives the CPU.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator if accelerator is not None else torch.device("cpu")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            device = torch.device(name)
            torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise InvalidValue(
            f"device '{name}' cannot be used here ({reason}). Try {setting('device', 'auto')} or "
            f"{setting('device', 'cpu')}."
        ) from error
    return device


def global_generators(device: torch.device) -> list[torch.Generator]:
    """Return the generators that layers such as dropout draw from on this device.

    Seeding these is what `torch.manual_seed` does, without its detour through every backend,
    which costs more than a small network's step.
    """
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        generators.append(torch.cuda.default_generators[device.index or 0])
    return generators


@contextmanager
def fork_random_state(device: torch.device) -> Iterator[None]:
    """Restore the global generators at the end, so that the caller's draws stay the same."""
    with torch.random.fork_rng(devices=[device.index or 0] if device.type == "cuda" else []):
        yield
