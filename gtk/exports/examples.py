"""What is put into a part to see whether its file computes what PyTorch computes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec
from gtk.exports.loaded_part import LoadedPart
from gtk.exports.options import ExportOptions

#: Batch sizes that are compared: a graph that fixed its example's size fails on another.
BATCH_SIZES = (1, 2, 3, 16)


def example_sizes(subject: LoadedPart, options: ExportOptions) -> list[int]:
    """Return sizes of batches, of each size that is compared, for all conditions there are."""
    condition = subject.model.condition
    examples = 0 if condition is None else len(condition.kinds_of_rows())
    sizes = list(BATCH_SIZES)
    if options.batch_size is not None:
        sizes = [options.batch_size] * 2
    while sum(sizes) < max(examples, sum(BATCH_SIZES)):
        sizes.append(sizes[-1])
    return sizes


def example_batch(
    subject: LoadedPart, options: ExportOptions, size: int, first: int, only: int | None = None
) -> tuple[NDArray[Any], ...]:
    """Return a batch as `example_inputs` does, of images that the file can be given."""
    return tuple(
        rounded(value) if name == "image" and options.image == "uint8" else value
        for name, value in zip(
            subject.part.inputs, example_inputs(subject, size, first, only), strict=True
        )
    )


def example_inputs(
    subject: LoadedPart, size: int, first: int = 0, only: int | None = None
) -> tuple[NDArray[Any], ...]:
    """Return a batch of latents out to 4 sigma, images from black to white, codes, conditions.

    Args:
        subject: whose inputs they are.
        size: of the batch.
        first: how many rows come before it: another number, another draw.
        only: as in `example_conditions`.
    """
    inputs: list[NDArray[Any]] = []
    for name in subject.part.inputs:
        value = subject.value(name)
        if isinstance(value, ConditionSpec):
            chosen = example_conditions(subject, size, first, only)
            inputs.append(value.kinds_of_rows()[chosen])
        else:
            inputs.append(value.cases(size, first))
    return tuple(inputs)


def example_conditions(
    subject: LoadedPart, size: int, first: int, only: int | None = None
) -> NDArray[np.int64]:
    """Return which of the conditions' examples the rows of a batch have.

    Args:
        subject: whose conditions they are.
        size: of the batch.
        first: how many rows come before it; examples take turns, from the last one downwards.
        only: the one that all rows have instead.

    Returns:
        (B,); 0 where the part takes no condition.
    """
    condition = subject.condition
    count = 1 if condition is None else len(condition.kinds_of_rows())
    rows = np.arange(first, first + size, dtype=np.int64)
    return count - 1 - rows % count if only is None else np.full_like(rows, only)


def as_levels(images: NDArray[Any]) -> NDArray[np.int64]:
    """Return images in 0..1 as 8-bit levels."""
    levels: NDArray[np.int64] = np.rint(np.clip(images, 0, 1) * 255).astype(np.int64)
    return levels


def rounded(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images in 0..1 with the values that 8-bit levels have."""
    values: NDArray[np.float32] = as_levels(images).astype(np.float32) / np.float32(255)
    return values
