"""evaluations.jsonl: the figures of a run's evaluations, a JSON object a line."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from gtk.core.settings.json_file import check_document, decode_json
from gtk.core.settings.run_file import Count
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import figure_text
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


class SamplerTable(TypedDict):
    """What drew the images; its options stand beside its name."""

    name: str


class MadeTable(TypedDict):
    """How the images were made: drawn from a run or an exported file, or read."""

    seed: NotRequired[Count]
    run: NotRequired[str]
    exported: NotRequired[str]
    images: NotRequired[str]
    step: NotRequired[Count]
    sampler: NotRequired[SamplerTable]
    evaluations: NotRequired[Count]


class ProtocolTable(TypedDict):
    """What decides how images are judged; more than this stands in it."""

    images: Count


class EvaluationLine(TypedDict):
    """A line of evaluations.jsonl: what a metric gave for a set of images.

    `protocol` is all that decides how images are judged, and `hash` is of it: figures compare where
    it is the same. `made` says how the images were made.
    """

    metric: str
    hash: str
    figures: dict[str, FigureTable]
    details: dict[str, Any]
    protocol: ProtocolTable
    made: MadeTable
    created: str


def add_evaluations(folder: Path, lines: list[EvaluationLine]) -> None:
    """Add lines to the file in a run's folder, behind the last whole one.

    Raises:
        UserError: it cannot be written.
    """
    path = folder / EVALUATIONS
    content = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
    try:
        with append_to(path) as file:
            file.truncate(read_ordinary(path, LARGEST).rfind(b"\n") + 1)
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
        *texts, _ = read_ordinary(path, LARGEST).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror or error}") from error
    found = []
    for text in texts:
        try:
            document: Any = decode_json(text, dict[str, Any])
            check_document(document, EvaluationLine)
        except InvalidValue as error:
            raise InvalidValue(
                f"{path} is damaged: {error}. Restore it, or remove it and evaluate again"
            ) from error
        found.append(document)
    return found


def latest(lines: Iterable[EvaluationLine]) -> list[EvaluationLine]:
    """Return the last line of each metric by each protocol, in the order of the first ones."""
    found: dict[tuple[str, str], EvaluationLine] = {}
    for line in lines:
        found[line["metric"], line["hash"]] = line
    return [*found.values()]


def figure_cells(table: FigureTable) -> tuple[str, str]:
    """Return a figure's value with its unit, and its interval, as a person reads them."""

    def text(value: float) -> str:
        return figure_text(value, share=table["share"])

    value = f"{text(table['value'])} {table['unit']}".rstrip()
    ends = "low" in table and "high" in table
    return value, f"{text(table['low'])} to {text(table['high'])}" if ends else ""
