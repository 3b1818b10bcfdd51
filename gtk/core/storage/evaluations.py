"""evaluations.jsonl: the figures of a run's evaluations, a JSON object a line."""

import json
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from gtk.core.settings.json_file import damaged, decode_json
from gtk.core.settings.run_file import Count
from gtk.core.values.errors import InvalidValue
from gtk.core.values.ordinary_file import append_to, read_ordinary
from gtk.core.values.output import unwritable

#: The file in a run's folder, and its largest size in bytes.
EVALUATIONS, LARGEST = "evaluations.jsonl", 64 * 2**20


class FigureTable(TypedDict):
    """A figure, with its 95% confidence interval if that is known, and what it is."""

    value: float
    low: NotRequired[float]
    high: NotRequired[float]
    unit: str
    share: bool
    better: str


class EvaluationLine(TypedDict):
    """A line of evaluations.jsonl: what a metric gave for a set of images.

    `protocol` is all that decides how images are judged, and `hash` is of it: figures compare where
    it is the same. `made` says how the images were made.
    """

    metric: str
    hash: str
    figures: dict[str, FigureTable]
    details: dict[str, Any]
    protocol: dict[str, Any]
    made: dict[str, Any]
    created: str
    step: NotRequired[Count]


def add_evaluations(folder: Path, lines: list[EvaluationLine]) -> None:
    """Add lines to the file in a run's folder.

    Raises:
        UserError: it cannot be written.
    """
    path = folder / EVALUATIONS
    content = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
    try:
        with append_to(path) as file:
            if file.tell() and not _ends_whole(path):
                content = b"\n" + content
            file.write(content)
    except OSError as error:
        raise unwritable(path, error) from error


def read_evaluations(folder: Path) -> list[EvaluationLine]:
    """Return the lines of the file in a run's folder, but one that a kill has cut off.

    Raises:
        InvalidValue: the file cannot be read, or is damaged.
    """
    path = folder / EVALUATIONS
    try:
        texts = read_ordinary(path, LARGEST).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror or error}") from error
    found = []
    for text in filter(None, texts):
        try:
            found.append(decode_json(text, EvaluationLine))
        except InvalidValue as error:
            if text.endswith(b"}"):
                raise damaged(path, error) from error
    return found


def _ends_whole(path: Path) -> bool:
    return read_ordinary(path, LARGEST).endswith(b"\n")
