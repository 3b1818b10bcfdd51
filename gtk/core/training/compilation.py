"""Compiled steps: torch.compile on the pure functions of a loss."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting

#: The most characters of a compiler's own words in a message.
QUOTED = 160


def compiler(
    *, cuda_graphs: bool, deterministic: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what compiles a function, once for each function.

    Layers draw the same random numbers as in eager mode. With `cuda_graphs` each function is one
    CUDA graph, by torch.compile's own means. If `deterministic`, no kernel is chosen by timing it,
    which on a GPU decides how sums are added up, so that another process may compute other bits.
    """
    torch.compiler.reset()  # else the ninth training of a process would silently be eager

    options: dict[str, Any] = {
        "fallback_random": True,
        "triton.cudagraphs": cuda_graphs,
        "deterministic": deterministic,
    }

    @cache
    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        result: Callable[..., Any] = torch.compile(function, dynamic=False, options=options)
        return result

    return compiled


def check_compiler(device: torch.device) -> None:
    """Refuse to compile where there is nothing to compile with.

    Raises:
        InvalidValue: no C++ compiler runs, or for a GPU there is no Triton.
    """
    # It warns of a CUDA toolkit without a GPU, which is not what anybody asked about.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    from torch._inductor import cpp_builder, exc
    from torch.utils._triton import has_triton

    without = f"or leave {setting('compile')} out"
    try:
        cpp_builder.get_cpp_compiler()
    except (exc.InvalidCxxCompiler, OSError) as error:  # such as one that may not be executed
        raise InvalidValue(
            f"{setting('compile')} needs a C++ compiler, and there is none that runs. Install g++, "
            f"name yours in the environment variable CXX, {without}."
        ) from error
    if device.type in ("cuda", "xpu") and not has_triton():
        raise InvalidValue(f"{setting('compile')} on a GPU needs Triton: install it, {without}.")


@contextmanager
def compile_failure() -> Iterator[None]:
    """Report in one line a function that cannot be compiled.

    Raises:
        InvalidValue: one inside cannot.
    """
    try:
        yield
    except RuntimeError as error:
        if not _is_of_compiler(error):
            raise
        words = str(error).strip().partition("\n")[0][:QUOTED]
        raise InvalidValue(
            f"a step of this training cannot be compiled ({words}): leave {setting('compile')} out"
        ) from error


def _is_of_compiler(error: RuntimeError) -> bool:
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    return isinstance(error, TorchDynamoException | InductorError)
