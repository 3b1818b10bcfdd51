"""timing.json: how long the steps of a run took.

Equal trainings write equal files, apart from the time of their making in run.json. No two take
equally long, so this has a file of its own.
"""

from pathlib import Path
from typing import Annotated, TypedDict

from msgspec import Meta

from gtk.core.settings.json_file import decode_json
from gtk.core.storage.run_document import write_json
from gtk.core.values.errors import InvalidValue
from gtk.core.values.ordinary_file import read_ordinary

#: The file in a run's folder, and its largest size in bytes.
TIMING, LARGEST = "timing.json", 2**16


class TimingFile(TypedDict):
    """timing.json: the seconds that the steps up to the last checkpoint took."""

    training_seconds: Annotated[float, Meta(ge=0)]


def read_training_seconds(folder: Path) -> float | None:
    """Return the seconds that the steps of a run took; None where it has no such file.

    Raises:
        InvalidValue: the file cannot be read, or is damaged.
    """
    path = folder / TIMING
    try:
        return decode_json(read_ordinary(path, LARGEST), TimingFile)["training_seconds"]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror or error}") from error
    except InvalidValue as error:
        raise InvalidValue(
            f"{path} is damaged: {error}. Remove it: only the time of the training is lost"
        ) from error


def write_training_seconds(folder: Path, seconds: float) -> None:
    """Write the seconds that the steps of a run took, by rename.

    Raises:
        UserError: the file cannot be written, or is a link.
        WorkFailed: the disk is full or fails.
    """
    write_json(folder / TIMING, {"training_seconds": round(seconds, 3)})
