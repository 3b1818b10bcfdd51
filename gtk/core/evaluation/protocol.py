"""The protocol of a figure: all that decides how images are judged, and a hash of it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np

from gtk.core.registry.options import as_table
from gtk.core.settings.metric_choice import MetricChoice
from gtk.core.values.dataset import Dataset, Split

#: Images that are read at a time for a digest.
ROWS = 4096


def protocol_of(
    choice: MetricChoice,
    said: Mapping[str, Any],
    data: Mapping[str, Any],
    images: int,
    judge: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the protocol of a metric's figures, as JSON has it.

    How the images were made does not belong to it, neither the sampler nor the seed: figures of a
    VAE, of a flow by some solver and of a folder compare, if they were judged alike.

    Args:
        choice: the metric and its options.
        said: what the metric itself adds, or says otherwise, such as a number of images of its own.
        data: what `describe_data` returned.
        images: how many generated ones were judged.
        judge: its digest and accuracy; None for a metric without one.
    """
    plugin, config = choice
    return {
        "metric": plugin.spec.name,
        "package": plugin.installed.package,
        "options": as_table(config),
        "data": dict(data),
        **({} if judge is None else {"judge": dict(judge)}),
        "images": images,
        **said,
    }


def protocol_hash(protocol: Mapping[str, Any]) -> str:
    """Return what tells protocols apart: 8 hexadecimal digits.

    The name of the data is left out, since their digest says what they are.
    """
    data = {key: value for key, value in protocol["data"].items() if key != "name"}
    text = json.dumps({**protocol, "data": data}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:8]


def describe_data(data: Dataset) -> dict[str, Any]:
    """Return what a protocol says of the data: name, numbers of images, and a digest of them."""
    return {
        "name": data.spec.name,
        "train": len(data.train),
        "test": len(data.test),
        "digest": content_digest(data.train, data.test),
    }


def content_digest(*splits: Split) -> str:
    """Return a digest of pixels and labels, 16 hexadecimal digits: not of files and their times."""
    digest = sha256()
    for split in splits:
        digest.update(repr((split.images.shape, split.labels.dtype.str)).encode())
        for start in range(0, len(split), ROWS):
            digest.update(np.ascontiguousarray(split.images[start : start + ROWS]).data)
        digest.update(np.ascontiguousarray(split.labels).data)
    return digest.hexdigest()[:16]
