"""run.json: what describes a run, enough to rebuild its model without the data."""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gtk.core.settings.choice import Settings
from gtk.core.settings.recipe import FORMAT
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import UserError
from gtk.core.values.output import write_file


def new_document(settings: Settings, dataset: Dataset, device: str, threads: int) -> dict[str, Any]:
    """Return the document of a run that starts now."""
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
    }


def image_counts(dataset: Dataset) -> dict[str, int]:
    """Return the number of images in each split, as run.json has it."""
    return {"train": len(dataset.train), "test": len(dataset.test)}


def read_document(file: Path) -> dict[str, Any]:
    """Read a run.json and check that it has what opening a run takes, `data_spec` apart.

    Raises:
        UserError: it cannot be read, belongs to another gtk, or is damaged.
    """
    try:
        document: Any = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file.parent} is not a run: {file} "
            f"{'cannot be read' if file.exists() else 'does not exist'}. List runs with: gtk runs"
        ) from error
    if not isinstance(document, dict) or "format" not in document:
        raise UserError(f"{file.parent} is not a run: {file} has no format")
    if document["format"] != FORMAT:
        raise UserError(
            f"{file} has format {document['format']}, this gtk reads {FORMAT}. Use the gtk that "
            "made it, or a newer one."
        )
    try:
        for table in ("model", "data", "conditioner", "loss"):
            _ = document[table]["name"], document["packages"][table]["package"]
        _ = document["train"]["epochs"], document["data"]["root"]
        _ = str(document["device"]), int(document["threads"])
        _ = "".join(document.get("folders", ()))
    except (LookupError, TypeError, ValueError) as error:
        raise damaged(file, error) from error
    return document


def damaged(file: Path, error: Exception) -> UserError:
    """Return the error for a run.json that lacks something or holds a wrong value."""
    return UserError(f"{file} is damaged: {type(error).__name__} {error}")


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON file by rename: it is whole or absent, also after a power cut, and no link."""
    content = (json.dumps(document, indent=2) + "\n").encode()
    write_file(path, content, follow=False, synced=True)
