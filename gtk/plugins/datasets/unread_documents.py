"""Files of labels, captions and annotations in a folder of images that gtk does not read."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field

from gtk.core.values.text import counted, visible
from gtk.plugins.datasets.listing import LABEL_FILES, Listing
from gtk.plugins.datasets.remedy import listed

#: Names of texts that rather hold labels than instructions.
TELLING = re.compile(r"caption|label|annot|class|attr", re.IGNORECASE)


@dataclass
class UnreadDocuments:
    """What is said about them.

    Attributes:
        notes: for the user.
        named: how many files of each suffix the notes are about.
    """

    notes: list[str] = field(default_factory=list)
    named: Counter[str] = field(default_factory=Counter)


def find_unread(listing: Listing) -> UnreadDocuments:
    """Find those beside images, and others whose names tell that they hold labels."""
    stems = {os.path.splitext(name)[0] for name in listing.images}  # noqa: PTH122 - one of many
    beside, others, result = list[str](), list[str](), UnreadDocuments()
    for name in listing.documents:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 - one of many
        if stem in stems:
            beside.append(name)
        elif suffix.lower() != ".txt" or TELLING.search(name):
            others.append(visible(name))
        else:
            continue
        result.named[suffix.lower()] += 1
    if beside:
        result.notes.append(
            f"captions and annotations are not read: {counted(len(beside), 'file')} beside images, "
            f"such as {visible(beside[0])!r}"
        )
    if others:
        result.notes.append(
            f"not read: {listed(others)}; labels are read from {', '.join(LABEL_FILES)}"
        )
    return result
