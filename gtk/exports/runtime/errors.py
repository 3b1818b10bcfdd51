"""The errors that using an exported file can raise."""

from collections.abc import Iterator
from contextlib import contextmanager

from gtk.core.values.errors import OneLine, UserError


class ExportFileError(OneLine, ValueError):
    """A file that cannot be read, is not an ONNX file, or holds what gtk never writes."""


class RequestError(OneLine, ValueError):
    """A request that does not fit the file's model: a label out of range, a count below 1."""


class DeviceError(OneLine, RuntimeError):
    """A device that was asked for and does not run."""


@contextmanager
def requested() -> Iterator[None]:
    """Turn a value's `UserError` into a `RequestError`, which apps catch."""
    try:
        yield
    except UserError as error:
        raise RequestError(str(error)) from error
