"""Images that show what a data set holds, row by row."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import Attributes, Classes, ConditionSpec, Numbers
from gtk.core.values.dataset import Split
from gtk.pictures.grid import GAP_LEVEL

#: The most rows of a sheet.
MOST_ROWS = 20


@dataclass(frozen=True)
class ContactSheet:
    """Images of a data set in rows.

    Attributes:
        images: (rows * columns, H, W) if grey, (rows * columns, H, W, 3) in colour; a place is
            plain grey where a class or attribute has too few images.
        columns: images in a row.
        row_names: a class, an attribute or a number for each row; none without a condition.
        shown: the rows in words.
    """

    images: NDArray[np.uint8]
    columns: int
    row_names: tuple[str, ...]
    shown: str


def make_contact_sheet(
    split: Split, condition: ConditionSpec | None, columns: int, seed: int
) -> ContactSheet:
    """Choose images at random: a row for each class, attribute or number, of at most 20.

    A class's row has images of it, an attribute's images that have it, and a number's images
    from its lowest to its highest value in equal shares of the data. Without a condition there
    are as many rows as columns. The same seed chooses the same images; more columns add images at
    the end of the rows, except for numbers.

    Args:
        split: whose images are shown.
        condition: their labels.
        columns: images in a row.
        seed: of the choice.
    """
    if not isinstance(condition, Classes | Attributes | Numbers):
        condition = None  # a plugin's own kind does not say which images belong together
    names = condition.names[:MOST_ROWS] if condition else ()
    rows = list(_rows(split, condition, columns, seed))
    blank = np.full((1, *split.images.shape[1:]), GAP_LEVEL, np.uint8)
    cells = []
    for row in rows:
        missing = blank.repeat(columns - len(row), axis=0)
        cells.append(np.concatenate([split.images[row], missing]))
    images = np.concatenate(cells).transpose(0, 2, 3, 1)
    images = images[..., 0] if images.shape[3] == 1 else images
    return ContactSheet(images, columns, names, _words(condition))


def _rows(
    split: Split, condition: ConditionSpec | None, columns: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the row numbers of the images in each row of the sheet."""
    if condition is None:
        order = np.random.default_rng(seed).permutation(len(split))[: columns * columns]
        yield from np.split(order, range(columns, len(order), columns))
        return
    for index in range(min(condition.count, MOST_ROWS)):
        classes = isinstance(condition, Classes)
        labels = split.labels if classes else split.labels[:, index]
        if isinstance(condition, Numbers):
            places = np.linspace(0, len(labels) - 1, min(columns, len(labels))).round()
            yield np.argsort(labels, kind="stable")[places.astype(np.int64)]
        else:
            having = np.flatnonzero(labels == (index if classes else 1))
            yield np.random.default_rng([seed, index]).permutation(having)[:columns]


def _words(condition: ConditionSpec | None) -> str:
    if condition is None:
        return "images at random"
    count = condition.count
    which = f"the first {MOST_ROWS} of {count}" if count > MOST_ROWS else str(count)
    shown = f"a row for each of {which} {condition.nouns[1]}"
    if isinstance(condition, Attributes):
        return f"{shown}: images that have it"
    how = "from its lowest to its highest" if isinstance(condition, Numbers) else "in their order"
    return f"{shown}, {how}"
