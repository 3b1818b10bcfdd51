"""A lack of memory is recognized in what numpy, torch and onnxruntime raise."""

from typing import Any

import numpy as np
import pytest
import torch

from gtk.core.values.errors import InvalidValue, OutOfMemory, PluginError
from gtk.core.values.memory import ABSURD, as_text, shortage, within_memory


def raised(function: Any) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of any type
        function()
    return caught.value


def test_the_errors_of_the_libraries_are_recognized() -> None:
    assert shortage(raised(lambda: np.empty(2**47, np.uint8))) == 2**47
    assert shortage(raised(lambda: torch.empty(2**47, dtype=torch.uint8))) == 2**47


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (MemoryError(), 0),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has"),
            2.5 * 2**30,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), 0),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate"), 0),
        (RuntimeError("GET was unable to find an engine to execute this computation"), 0),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, other ...)"), 0),
        (RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bad allocation"), 0),
        (RuntimeError("can't start new thread"), 0),
        (ImportError("libtorch.so: failed to map segment from shared object"), 0),
        (OSError(12, "Cannot allocate memory"), 0),
        (OSError(28, "No space left on device"), None),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (ValueError("out of memory"), None),
        (InvalidValue("a run called out of memory"), None),
    ],
)
def test_a_shortage_is_told_from_other_errors(error: Exception, asked: float | None) -> None:
    assert shortage(error) == asked
    hidden = PluginError("it failed")
    hidden.__cause__ = error
    assert shortage(hidden) == asked


def test_it_is_one_error_of_gtk() -> None:
    with (
        pytest.raises(OutOfMemory, match=r"^out of memory \(asked for 128\.0 TiB more\) while at"),
        within_memory("outside", "Rest"),
        within_memory("at work", "Rest"),
    ):
        np.empty(2**47, np.uint8)
    with pytest.raises(ValueError, match="^other$"), within_memory("at work", "Rest"):
        raise ValueError("other")


def test_an_absurd_number_stays_a_mistake() -> None:
    with pytest.raises(InvalidValue, match="wide"), within_memory("at work", "Rest"):
        raise InvalidValue("too wide") from MemoryError(f"allocate {ABSURD + 1} bytes")
    with pytest.raises(OutOfMemory), within_memory("at work", "Rest"):
        raise InvalidValue("too wide") from MemoryError(f"allocate {ABSURD} bytes")


def test_sizes_are_written_for_people() -> None:
    assert [as_text(size) for size in (7, 1536, 2.5 * 2**30, 2**70)] == [
        "7 bytes", "1.5 KiB", "2.5 GiB", "1024.0 EiB",
    ]  # fmt: skip
