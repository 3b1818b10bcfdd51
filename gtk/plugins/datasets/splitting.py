"""A fixed split into training and test images for data without one."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

#: One image in this many is for testing.
ROUND = 10


def choose_tested(names: Sequence[str], groups: Sequence[Hashable]) -> NDArray[np.bool_]:
    """Choose the images for testing: in each group a tenth, rounded down, but one of two or more.

    They are chosen in the order of the SHA-256 of their names, so that another image in the group
    moves few images to the other side, and another order of the files moves none.

    Args:
        names: of the images, all different.
        groups: each image's group, such as its class.
    """
    members = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    chosen = np.zeros(len(names), dtype=np.bool_)
    for rows in members.values():
        rows.sort(key=lambda row: sha256(names[row].encode()).digest())
        count = max(len(rows) // ROUND, 1) if len(rows) > 1 else 0
        chosen[rows[:count]] = True
    return chosen
