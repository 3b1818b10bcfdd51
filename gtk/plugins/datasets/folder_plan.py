"""What the names in a folder of images say, before a file is opened."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gtk.plugins.datasets import FolderConfig
from gtk.plugins.datasets.folder_splits import FolderSplits
from gtk.plugins.datasets.folder_tree import find_splits
from gtk.plugins.datasets.listing import Listing
from gtk.plugins.datasets.masks import find_masks
from gtk.plugins.datasets.unread_documents import UnreadDocuments, find_unread


@dataclass(frozen=True)
class FolderPlan:
    """What the names in a folder say, before a file is opened.

    Attributes:
        root: the folder.
        config: the user's options.
        listing: what is in it, without masks.
        masks: names of images of masks, which are not used.
        splits: the folders' meaning.
        unread: files of labels and captions that gtk does not read.
    """

    root: Path
    config: FolderConfig
    listing: Listing
    masks: frozenset[str]
    splits: FolderSplits
    unread: UnreadDocuments


def plan_layout(root: Path, config: FolderConfig, listing: Listing) -> FolderPlan:
    """Find masks and splits by names.

    Raises:
        InvalidValue: the layout is unknown, or is not the one that was asked for.
    """
    masks = find_masks([*listing.images, *listing.bad]) if config.masks == "skip" else set[str]()
    images = [name for name in listing.images if name not in masks]
    folders = Counter(tuple(name.split("/")[:-1]) for name in images)
    tables = {tuple(name.split("/")[:-1]) for name in listing.tables}
    splits = find_splits(root, folders, config.layout, tables)
    return FolderPlan(root, config, listing, frozenset(masks), splits, find_unread(listing))
