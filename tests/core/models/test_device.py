"""Devices: what is asked for or an error, never a silent substitute."""

import pytest
import torch

from gtk.core.models.device import resolve_device
from gtk.core.values.errors import InvalidValue


def test_auto_takes_what_is_there() -> None:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    assert resolve_device("auto") == (accelerator or torch.device("cpu"))
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cpuu", "meta", "", "cuda:99"])
def test_a_device_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(InvalidValue, match="Use device='auto' or device='cpu'"):
        resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_asking_for_cuda_never_gives_the_cpu() -> None:
    with pytest.raises(InvalidValue, match="device 'cuda' cannot be used here"):
        resolve_device("cuda")
