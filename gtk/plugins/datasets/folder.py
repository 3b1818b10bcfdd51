"""The data set 'folder': the user's own images in a folder."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from gtk.core.storage.cache import Decoded, ImageWriter, cached_dataset, fingerprint
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import visible
from gtk.core.values.tracking import track
from gtk.plugins.datasets import LARGEST_KEPT, USUAL_SIDE, FolderConfig
from gtk.plugins.datasets.bad_images import NAMED, refuse_bad, skipped_note
from gtk.plugins.datasets.decoded_counts import DecodedCounts
from gtk.plugins.datasets.decoding import decode, inspect, quiet_pillow
from gtk.plugins.datasets.folder_layout import Entry, FolderLayout
from gtk.plugins.datasets.folder_plan import FolderPlan, plan_layout
from gtk.plugins.datasets.folder_walk import list_folder
from gtk.plugins.datasets.labels import make_labels
from gtk.plugins.datasets.layout_reader import read_layout
from gtk.plugins.datasets.listing import Listing, count_by_suffix, on_disk
from gtk.plugins.datasets.page import BadImage, Header
from gtk.plugins.datasets.remedy import spelled
from gtk.plugins.datasets.threads import in_order

Result = TypeVar("Result")


def load(config: FolderConfig, root: Path) -> Dataset:
    """Return the images of a folder, decoded once and then mapped from the cache.

    docs/data.md states the rules. The order of the images and every byte are the same on any
    machine with the same Pillow, for any number of threads.

    Raises:
        InvalidValue: the folder or a file in it is wrong.
        UserError: the cache cannot be written.
    """
    listing = list_folder(root, follow_links=config.follow_links)
    if not listing.images and not listing.bad:
        kinds = f" but {count_by_suffix(listing.others)}" if listing.others else ""
        raise InvalidValue(
            f"{visible(root)} has no images{kinds}, with names such as 'x.png' or 'x.jpg' "
            f"(other files: {listing.others.total()}): give a folder with images"
        )
    plan = plan_layout(root, config, listing)
    try:
        tables = [on_disk(root, name) for name in listing.tables]
        content = fingerprint(root, [*tables, *(on_disk(root, name) for name in listing.images)])
    except OSError as error:
        raise InvalidValue(f"{visible(error.filename)} cannot be read: {error.strerror}") from error
    # Files that are not images belong to the key, too: the stored notes mention them.
    others = [
        listing.bad, listing.folders, listing.others, listing.repeated, listing.documents,
        listing.recognized,
    ]  # fmt: skip
    rest = json.dumps(others, sort_keys=True)
    dataset = cached_dataset(
        {"data": "folder", "root": str(root.resolve()), **asdict(config)},
        f"{content}-{sha256(rest.encode()).hexdigest()}",
        None,
        partial(_decode_folder, plan),
    )
    return replace(dataset, notes=tuple(map(spelled, dataset.notes)))


def _decode_folder(plan: FolderPlan, writer: ImageWriter) -> Decoded:
    """Decode all images, training images first."""
    config, root, layout = plan.config, plan.root, read_layout(plan)
    if layout.entries:
        _label(layout, root)  # finds mistakes in labels before the slow decoding
    with quiet_pillow():
        shape = _shape(config, root, layout)
        refuse_bad(root, layout, skip=config.bad_images == "skip")
        work = partial(
            decode,
            shape=shape,
            fit=config.fit,
            limits=config.range,
            all_pages=config.pages == "all",
        )
        counts, pages = DecodedCounts(config.range), list[int]()
        for file in _each(work, root, layout, "decoding images"):
            writer.add(file.images)
            counts.add(file)
            pages.append(len(file.images))
    refuse_bad(root, layout, skip=config.bad_images == "skip")
    # All pages of a file have its value, and are on the same side of the split.
    layout.entries = [
        entry for entry, count in zip(layout.entries, pages, strict=True) for _ in range(count)
    ]
    spec, labels = _label(layout, root)
    return Decoded(
        DataSpec(visible(root.resolve().name) or "folder", *shape, spec),
        sum(not entry.testing for entry in layout.entries),
        labels,
        (*layout.notes, *_repeated(plan.listing), *counts.notes(), *skipped_note(layout)),
    )


def _each(
    function: Callable[[Path], Result], root: Path, layout: FolderLayout, what: str
) -> Iterator[Result]:
    """Yield the function's result for each image; move refused images to the layout's bad ones."""

    def attempt(entry: Entry) -> Result | BadImage:
        try:
            return function(on_disk(root, entry.name))
        except BadImage as error:
            return error

    entries, good = layout.entries, []
    results = track(in_order(attempt, entries), what, len(entries))
    for entry, result in zip(entries, results, strict=True):
        if isinstance(result, BadImage):
            layout.bad[entry.name] = result.reason
        else:
            good.append(entry)
            yield result
    layout.entries = good


def _shape(config: FolderConfig, root: Path, layout: FolderLayout) -> tuple[int, int, int]:
    """Return (C, H, W) from the options, else from the images."""
    if config.image_size and config.color != "auto":
        headers: list[Header] = []
    else:
        work = partial(inspect, limits=config.range)
        headers = list(_each(work, root, layout, "reading headers"))
    grey = config.color == "grey" or (
        config.color == "auto" and all(header.grey for header in headers)
    )
    sizes = {(header.height, header.width) for header in headers}
    height, width = (*config.image_size, *config.image_size)[:2] or (USUAL_SIDE, USUAL_SIDE)
    if not config.image_size and len(sizes) == 1 and max(max(sizes)) <= LARGEST_KEPT:
        height, width = sizes.pop()
    return 1 if grey else 3, height, width


def _label(layout: FolderLayout, root: Path) -> tuple[ConditionSpec | None, NDArray[Any]]:
    values = [entry.value for entry in layout.entries]
    return make_labels(layout.kind, layout.columns, values, visible(root))


def _repeated(listing: Listing) -> list[str]:
    """Return a note about links to folders that were not followed again, if there are any."""
    found = listing.repeated
    if not found:
        return []
    named = ", ".join(visible(name) for name in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return [f"links to folders that are read already, or that lead back: {named}{more}"]
