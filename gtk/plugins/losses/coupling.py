"""Which noise goes with which image: at random, or by optimal transport within a batch."""

from collections.abc import Iterator

import torch
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
    order = torch.arange(len(noise))
    for rows in _groups(condition, len(images)):
        order[rows] = rows[_assigned(images[rows], noise[rows])]
    return noise[order.to(noise.device)]


def _groups(condition: Tensor | None, count: int) -> Iterator[Tensor]:
    """Yield the rows of each condition."""
    if condition is None:
        yield torch.arange(count)
        return
    groups = torch.unique(condition.cpu().reshape(count, -1), dim=0, return_inverse=True)[1]
    for group in range(int(groups.max()) + 1):
        yield torch.nonzero(groups == group)[:, 0]


def _assigned(images: Tensor, noise: Tensor) -> Tensor:
    """Return the row of noise for each image."""
    from scipy.optimize import linear_sum_assignment  # takes a third of a second

    # Of |image - noise|^2 only the product depends on who goes with whom.
    with in_full_precision(images):
        products = images.flatten(1) @ noise.flatten(1).T
    return torch.from_numpy(linear_sum_assignment(products.cpu().numpy(), maximize=True)[1])
