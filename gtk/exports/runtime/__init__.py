"""Draw images from an exported file, with numpy and onnxruntime alone.

This package imports nothing of gtk but `gtk.core.values`, and no torch, so that a program which
only draws images needs neither. A program that cannot install gtk takes all of it as one file: see
`gtk.exports.single_file`. A file is not trusted: its bytes are walked through and its manifest is
checked before onnxruntime sees either.
"""

from gtk.exports.runtime.errors import DeviceError, ExportFileError, RequestError
from gtk.exports.runtime.generator import Generator, load
from gtk.exports.runtime.graph_file import (
    LARGEST_FILE,
    LONGEST_CONTRACT,
    MOST_DIMENSIONS,
    MOST_FIELDS,
    MOST_NODES,
    GraphFacts,
    scan,
)
from gtk.exports.runtime.manifest_checks import LARGEST_BATCH, METADATA_KEY, MOST_VALUES, SCHEMA
from gtk.exports.runtime.part import MOST_IMAGES, Part, load_part
from gtk.exports.runtime.session import MOST_THREADS, SPINNING, open_session

__all__ = [
    "LARGEST_BATCH", "LARGEST_FILE", "LONGEST_CONTRACT", "METADATA_KEY", "MOST_DIMENSIONS",
    "MOST_FIELDS", "MOST_IMAGES", "MOST_NODES", "MOST_THREADS", "MOST_VALUES", "SCHEMA", "SPINNING",
    "DeviceError", "ExportFileError", "Generator", "GraphFacts", "Part", "RequestError", "load",
    "load_part", "open_session", "scan",
]  # fmt: skip
