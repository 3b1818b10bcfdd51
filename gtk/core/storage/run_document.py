"""run.json: what describes a run, enough to rebuild its model without the data."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

from gtk.core.settings.choice import Settings
from gtk.core.settings.json_file import as_json, read_document, read_json
from gtk.core.settings.recipe import with_sampler
from gtk.core.settings.run_file import FORMAT, LARGEST_RUN, MOST_VALUES, RunFile, RunFormat
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.output import write_file


def new_document(
    settings: Settings,
    dataset: Dataset,
    device: str,
    threads: int,
    networks: Mapping[str, int],
) -> dict[str, Any]:
    """Return the document of a run that starts now; `networks` has the parameters of each."""
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **settings.as_document(),
        "device": device,
        "threads": threads,
        "data_spec": dataset.spec.as_json(),
        "images": image_counts(dataset),
        "content": dataset.content,
        "notes": list(dataset.notes),
        "versions": {name: version(name) for name in ("generative-toolkit", "torch", "numpy")},
        "networks": dict(networks),
    }


def image_counts(dataset: Dataset) -> dict[str, int]:
    """Return the number of images in each split, as run.json has it."""
    return {"train": len(dataset.train), "test": len(dataset.test)}


def read_run(file: Path) -> dict[str, Any]:
    """Read a run.json and check it by its schema.

    Raises:
        UserError: it cannot be read, belongs to another gtk, or is damaged.
    """
    try:
        found = read_json(file, RunFormat, LARGEST_RUN)["format"]
        if found == FORMAT:
            return with_sampler(read_document(file, RunFile, LARGEST_RUN))
    except FileNotFoundError as error:
        raise UserError(
            f"{file.parent} is not a run: {file} does not exist. List runs with: gtk runs"
        ) from error
    raise UserError(
        f"{file} has format {found}, this gtk reads {FORMAT}. Use the gtk that made it, or a newer "
        "one."
    )


def check_image_size(spec: DataSpec) -> None:
    """Refuse, with InvalidValue, images for which no model can be built."""
    if prod(spec.image_shape) > MOST_VALUES:
        raise InvalidValue(f"images of {' x '.join(map(str, spec.image_shape))} are too large")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file by rename: it is whole or absent, also after a power cut, and no link."""
    write_file(path, as_json(document), follow=False, synced=True)
