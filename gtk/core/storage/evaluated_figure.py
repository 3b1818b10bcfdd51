"""Figures of several runs' evaluations, by the protocol that they share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from gtk.core.storage.evaluations import EvaluationLine, FigureTable, latest


@dataclass(frozen=True)
class EvaluatedFigure:
    """A figure of several runs by one protocol.

    Attributes:
        metric: the metric's name.
        name: the figure's.
        protocol: the hash of the protocol.
        lines: the last evaluation of each run by it, None where a run has none; at least one is
            there.
    """

    metric: str
    name: str
    protocol: str
    lines: list[EvaluationLine | None]

    @property
    def term(self) -> str:
        """Its name on the command line: "class-accuracy.worst_class"."""
        return f"{self.metric}.{self.name}"

    @property
    def words(self) -> str:
        """Its name for a reader: "class-accuracy worst class"."""
        return f"{self.metric} {self.name.replace('_', ' ')}"

    @cached_property
    def tables(self) -> dict[int, FigureTable]:
        """The figure of each run that has it, by the run's place."""
        return {
            at: line["figures"][self.name] for at, line in enumerate(self.lines) if line is not None
        }

    @property
    def values(self) -> list[float | None]:
        """The value of each run."""
        tables = self.tables
        return [tables[at]["value"] if at in tables else None for at in range(len(self.lines))]

    @property
    def spec(self) -> FigureTable:
        """The figure of the first run that has it, for its unit and direction."""
        return next(iter(self.tables.values()))


def figures_by_protocol(evaluations: Sequence[Iterable[EvaluationLine]]) -> list[EvaluatedFigure]:
    """Return the figures of the evaluations of each run; a run's last one by a protocol counts."""
    found: dict[tuple[str, str, str], EvaluatedFigure] = {}
    for at, lines in enumerate(evaluations):
        for line in latest(lines):
            for name in line["figures"]:
                key = line["metric"], name, line["hash"]
                none: list[EvaluationLine | None] = [None] * len(evaluations)
                found.setdefault(key, EvaluatedFigure(*key, none)).lines[at] = line
    return [*found.values()]


def widest(figures: Iterable[EvaluatedFigure]) -> EvaluatedFigure:
    """Return the one of a figure's protocols that most runs share.

    Of several these are preferred: the one of most images, then the one that was used last.
    """

    def rank(figure: EvaluatedFigure) -> tuple[int, int, str]:
        lines = [line for line in figure.lines if line is not None]
        return len(lines), lines[0]["protocol"]["images"], max(line["created"] for line in lines)

    return max(figures, key=rank)
