"""Which noise goes with which image: at random, or by optimal transport within a batch."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.plugins.families.full_precision import in_full_precision


def coupled(images: Tensor, noise: Tensor, condition: Tensor | None) -> Tensor:
    """Return the noise in the order of the least sum of squared distances from its images.

    Pooladian et al., Multisample Flow Matching (arXiv:2304.14772), section 4.1; Tong et al.
    (arXiv:2302.00482), section 3.2.3. Images exchange noise only with those of the same condition:
    otherwise noise would tell the condition, and images drawn from all noise would be others.

    Args:
        images: (B, C, H, W).
        noise: of the same shape.
        condition: of the images.
    """
    from scipy.optimize import linear_sum_assignment  # takes a third of a second

    # Of |image - noise|^2 only the product depends on who goes with whom. The CPU waits for a GPU
    # here, so there is one product, not one for each condition.
    with in_full_precision(images):
        products = (images.flatten(1) @ noise.flatten(1).T).cpu().numpy()
    order = np.arange(len(noise))
    for rows in _groups(condition, len(images)):
        own = products[np.ix_(rows, rows)]
        order[rows] = rows[linear_sum_assignment(own, maximize=True)[1]]
    return noise[torch.from_numpy(order).to(noise.device)]


def _groups(condition: Tensor | None, count: int) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each condition."""
    if condition is None:
        yield np.arange(count)
        return
    groups = torch.unique(condition.cpu().reshape(count, -1), dim=0, return_inverse=True)[1].numpy()
    for group in range(groups.max() + 1):
        yield np.flatnonzero(groups == group)
