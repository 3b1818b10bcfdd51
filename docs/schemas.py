"""Write docs/schemas, a JSON Schema for each file that gtk reads: python docs/schemas.py."""

import json
from pathlib import Path
from typing import Any

import msgspec

from gtk.core.settings.run_file import RunFile
from gtk.core.storage.cache import EntryFile
from gtk.core.storage.evaluations import EvaluationLine
from gtk.core.storage.metrics_file import MetricsLine
from gtk.core.storage.stored_checkpoint import Digest, State
from gtk.core.storage.training_time import TimingFile
from gtk.pictures.latent_map import LatentMap

FOLDER = Path(__file__).with_name("schemas")
#: The type that a file, or each line of it, is decoded to.
KINDS: dict[str, Any] = {
    "run": RunFile,
    "metrics": MetricsLine,
    "evaluations": EvaluationLine,
    "timing": TimingFile,
    "latents": LatentMap,
    "entry": EntryFile,
    "state": State,
    "digests": dict[str, Digest],
}


def schemas() -> dict[Path, str]:
    """Return the text of each file."""
    return {
        FOLDER / f"{name}.json": json.dumps(msgspec.json.schema(kind), indent=2) + "\n"
        for name, kind in KINDS.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in schemas().items():
        path.write_text(text, encoding="utf-8")
