"""Draw images from an exported file with numpy and onnxruntime.

Of gtk, this package imports only `gtk.core.values`, so a program that draws images does not need
torch. A program without gtk copies the whole package as one file: see `gtk.exports.single_file`.
Files are not trusted: their bytes and manifest are checked before onnxruntime reads them.
"""

from gtk.core.values.request import MOST_IMAGES
from gtk.exports.runtime.errors import DeviceError, ExportFileError, RequestError
from gtk.exports.runtime.generator import Generator, load
from gtk.exports.runtime.graph_file import (
    LARGEST_FILE,
    MOST_FIELDS,
    MOST_NODES,
    GraphFacts,
    scan,
)
from gtk.exports.runtime.manifest_checks import LARGEST_BATCH, METADATA_KEY, MOST_VALUES, SCHEMA
from gtk.exports.runtime.part import Part, load_part
from gtk.exports.runtime.session import MOST_THREADS, SPINNING, open_session
from gtk.exports.runtime.tensor_fields import MOST_DIMENSIONS
from gtk.exports.runtime.wire_format import LONGEST_CONTRACT

__all__ = [
    "LARGEST_BATCH", "LARGEST_FILE", "LONGEST_CONTRACT", "METADATA_KEY", "MOST_DIMENSIONS",
    "MOST_FIELDS", "MOST_IMAGES", "MOST_NODES", "MOST_THREADS", "MOST_VALUES", "SCHEMA", "SPINNING",
    "DeviceError", "ExportFileError", "Generator", "GraphFacts", "Part", "RequestError",
    "load", "load_part", "open_session", "scan",
]  # fmt: skip
