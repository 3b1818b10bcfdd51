"""Options of an exported file: opset, precision, images, batch size, tolerance."""

import math
import operator
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args

from gtk.core.values.argument import shown
from gtk.core.values.errors import InvalidValue

Precision = Literal["fp32", "fp16"]
#: Of a file that another tool has changed.
FilePrecision = Literal["fp32", "fp16", "int8", "int4"]
Pixels = Literal["float", "uint8"]
Layout = Literal["nchw", "nhwc"]

#: Of which other outputs than images are compared in shares of their spread.
QUANTIZED_PRECISIONS = {"int8", "int4"}
#: fp32: ten times the measured rounding error. fp16: five times, for values near 1. int8: a fifth
#: more than the largest difference that onnxruntime's quantizers cost the built-in models where
#: no sum saturates, 0.077 of an image and 0.080 of the spread of scores and latent codes. int4:
#: likewise in blocks of 32 weights, 0.15 and 0.22. The figures are in docs/apps.md.
TOLERANCES: dict[FilePrecision, float] = {"fp32": 1e-5, "fp16": 5e-3, "int8": 0.1, "int4": 0.25}
#: How far apart the two best candidates of a choice have to be to compare it. fp32: what the
#: tolerance allows for two logits of 50. fp16: three times the largest distance at which rounding
#: changed a choice, in 42,000 rows of two models. int8 and int4: their tolerance, not measured.
MARGINS: dict[FilePrecision, float] = {"fp32": 1e-3, "fp16": 5e-3, "int8": 0.1, "int4": 0.25}
#: Opsets that every model can be written in.
OPSETS = range(18, 27)
#: The advice for an opset that cannot be reached.
USE_OPSETS = f"use {OPSETS[0]} to {OPSETS[-1]}"
#: The exporter never reaches a lower opset; from here to `OPSETS` it depends on the model.
LEAST_OPSET = 15
#: A batch of a fixed size is proven whole.
LARGEST_BATCH = 1024


class OptionValues(TypedDict, total=False):
    """The fields of `ExportOptions`, as keywords of the functions that take them."""

    opset: int
    precision: Precision
    image: Pixels
    layout: Layout
    batch_size: int | None
    tolerance: float | None


@dataclass(frozen=True)
class ExportOptions:
    """The form of an exported file, and how close to PyTorch it has to be.

    Attributes:
        opset: the version of ONNX's operators.
        precision: of weights and arithmetic; inputs and outputs are float32 with "fp16", too. Half
            the size, for GPUs and downloads: a CPU computes in float32 anyway.
        image: images as inputs and outputs: "float", float32 in 0..1, or "uint8", levels 0..255.
        layout: of these images, "nchw" or "nhwc".
        batch_size: the one size that the file takes, None for any.
        tolerance: the largest difference allowed from PyTorch; of other outputs than images, as
            much again of each value, or in quantized files a share of their spread. None for the
            default of the precision.

    Raises:
        InvalidValue: a value outside what is possible.
    """

    opset: int = 18
    precision: FilePrecision = "fp32"
    image: Pixels = "float"
    layout: Layout = "nchw"
    batch_size: int | None = None
    tolerance: float | None = None

    def __post_init__(self) -> None:
        self._check_form()
        tolerance: Any = self.tolerance
        is_number = isinstance(tolerance, float | int) and 0 <= tolerance < math.inf
        if tolerance is not None and not is_number:
            raise InvalidValue(
                f"the tolerance must be a number of at least 0, not {shown(self.tolerance)}"
            )

    def _check_form(self) -> None:
        """Refuse what gtk does not write."""
        if not _within(self.opset, LEAST_OPSET, OPSETS[-1]):
            raise InvalidValue(f"opset {shown(self.opset)} cannot be written: {USE_OPSETS}")
        for name, kind in (("precision", Precision), ("image", Pixels), ("layout", Layout)):
            value = getattr(self, name)
            if not (isinstance(value, str) and value in get_args(kind)):
                raise InvalidValue(f"{name} is {' or '.join(get_args(kind))}, not {shown(value)}")
        if self.batch_size is not None and not _within(self.batch_size, 1, LARGEST_BATCH):
            raise InvalidValue(
                f"a fixed batch size is a whole number in 1..{LARGEST_BATCH}, not "
                f"{shown(self.batch_size)}; without one the file takes any"
            )

    @property
    def allowed(self) -> float:
        """The tolerance, or its default."""
        return TOLERANCES[self.precision] if self.tolerance is None else self.tolerance

    @property
    def margin(self) -> float:
        """How far apart the two best candidates of a choice have to be to compare it."""
        return MARGINS[self.precision]

    @property
    def batch_axis(self) -> str | int:
        """The first axis of every input and output: its size, or a name for any size."""
        return "batch" if self.batch_size is None else self.batch_size


class FileOptions(ExportOptions):
    """The form of a file that exists: other tools write other opsets and precisions, too."""

    def _check_form(self) -> None:
        """Take the file as it is."""


def _within(value: Any, least: int, most: int) -> bool:  # noqa: ANN401 - whatever was given
    try:
        return least <= operator.index(value) <= most
    except TypeError:
        return False
