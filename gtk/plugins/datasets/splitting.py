"""A fixed split into training and test images where the data come without one."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

#: One image in so many is for testing.
ROUND = 10


def choose_tested(names: Sequence[str], groups: Sequence[Hashable]) -> NDArray[np.bool_]:
    """Choose the images for testing: in each group a tenth, rounded down, but one of two or more.

    The order in which they are chosen is that of the SHA-256 of their names, so another image in
    the group moves hardly any from one side to the other, and the order of the files none.

    Args:
        names: of the images, such that no two are equal.
        groups: what each belongs to, such as its class.

    Returns:
        (N,) whether each is for testing.
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
