"""Out of memory: recognized in the errors of Python, numpy, torch and onnxruntime."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from gtk.core.values.errors import GtkError, OutOfMemory, UserError

#: No machine has this many bytes: asking for more is a mistake in a number, not a lack of memory.
ABSURD = 2**40
#: What torch and onnxruntime say, whose errors are RuntimeError or have no type of their own.
TEXT = re.compile(
    r"out of memory|not enough memory|(can't|cannot|failed to|unable to) allocate|bad.?alloc"
    r"|ALLOC_FAILED|can't start new thread|storage size calculation overflowed"
    r"|overflow when unpacking|failed to map segment"
    # What cuDNN and cuBLAS say where a GPU has no memory left for their workspace or handle.
    r"|unable to find an engine|CUBLAS_STATUS_NOT_INITIALIZED",
    re.IGNORECASE,
)
#: How much was asked for: "tried to allocate 80 bytes", "Unable to allocate 2.00 GiB for an array".
ASKED = re.compile(r"allocate (\d+(?:\.\d*)?) (bytes|[KMGTPE]iB)")
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@contextmanager
def within_memory(doing: str, remedy: str) -> Iterator[None]:
    """Report a lack of memory inside as `OutOfMemory`, also where another error has hidden it.

    Args:
        doing: what is done inside, such as "drawing 256 images at a time".
        remedy: a sentence that says what to try.

    Raises:
        OutOfMemory: an error inside, or a cause of it, is a lack of memory.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except Exception as error:
        asked = shortage(error)
        # An absurd width is the user's mistake, and the error of `build` names the model.
        if asked is None or (isinstance(error, UserError) and asked > ABSURD):
            raise
        size = f" (asked for {as_text(asked)} more)" if asked else ""
        raise OutOfMemory(f"out of memory{size} while {doing}. {remedy}") from error


def shortage(error: BaseException) -> float | None:
    """Return how many bytes could not be had, 0 if unknown; None if nothing lacked memory.

    Args:
        error: it, or an error that it was raised from, is looked at.
    """
    seen: BaseException | None = error
    while seen is not None and not _is_shortage(seen):
        seen = seen.__cause__
    if seen is None:
        return None
    match = ASKED.search(str(seen))
    if match:
        return float(match[1]) * 1024.0 ** UNITS.index(match[2])
    return 2.0**63 if "verflow" in str(seen) else 0


def as_text(size: float) -> str:
    """Return a number of bytes as people read it: "1.5 GiB"."""
    power = 0
    while size >= 1024 and power + 1 < len(UNITS):
        size, power = size / 1024, power + 1
    return f"{size:.0f} bytes" if power == 0 else f"{size:.1f} {UNITS[power]}"


def _is_shortage(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    theirs = isinstance(error, RuntimeError | TypeError | ImportError) and not isinstance(
        error, GtkError
    )
    theirs = theirs or type(error).__module__.startswith("onnxruntime")
    return isinstance(error, MemoryError) or (theirs and TEXT.search(str(error)) is not None)
