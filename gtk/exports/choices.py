"""What a part chooses: codes that are what it says they are, and choices too close to compare."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.values.codes import Codes
from gtk.core.values.errors import PluginError
from gtk.exports.loaded_part import LoadedPart


def fault_of_codes(values: Tensor, codes: Codes, size: int) -> str:
    """Return what is wrong with an output for so many images, an empty text if nothing is."""
    if values.dtype != torch.int64:
        return f"{values.dtype}, they should be int64"
    wanted = (size, *codes.shape)
    if values.shape != wanted:
        return f"of shape {tuple(values.shape)}, they should be {wanted}"
    low, high = int(values.min()), int(values.max())
    if not 0 <= low <= high < codes.count:
        return f"from {low} to {high}, they should be in 0..{codes.count - 1}"
    return ""


def decided(subject: LoadedPart, inputs: Sequence[Tensor], margin: float) -> NDArray[np.bool_]:
    """Say of which rows the choices are clear: their best candidates are so far apart, or further.

    Args:
        subject: the part; where it has no margin, all rows are clear.
        inputs: of it.
        margin: how far.

    Returns:
        (B,).

    Raises:
        PluginError: the part's margin fails, or is not what `ExportPart` asks for.
    """
    size = len(inputs[0])
    if subject.part.margin is None:
        return np.ones(size, np.bool_)
    with subject.blamed("its margin"), torch.no_grad():
        given: Any = subject.part.margin(subject.model, *inputs)
    fault = _fault_of_margin(given, size)
    if fault:
        raise PluginError(f"{subject}: its margin gives {fault}")
    clear: NDArray[np.bool_] = (given >= margin).numpy()
    return clear


def _fault_of_margin(given: Any, size: int) -> str:  # noqa: ANN401 - whatever a plugin gave
    """Return what is wrong with margins, an empty text if nothing is."""
    if not isinstance(given, Tensor):
        return f"{type(given).__name__}, it should be a tensor with a number for each image"
    if given.shape != (size,):
        return (
            f"a tensor of shape {tuple(given.shape)} for a batch of {size}, it should be ({size},)"
        )
    if not torch.isfinite(given).all():
        return "what is not a number: it should be how far the two best candidates are apart"
    if (given < 0).any():
        return f"{float(given.min()):.3g}: how far two candidates are apart is 0 or more"
    return ""
