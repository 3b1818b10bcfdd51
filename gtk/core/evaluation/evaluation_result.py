"""The result of an evaluation: figures, each with what it depends on."""

from dataclasses import dataclass
from typing import Any

from gtk.core.storage.evaluations import EvaluationLine, figure_cells
from gtk.core.values.figure import Figure

#: What the columns of `EvaluationResult.rows` hold.
TITLES = ("metric", "figure", "value", "95% interval", "better", "protocol")


@dataclass(frozen=True)
class EvaluationResult:
    """The figures of a run, an exported file or images, with their protocols.

    As a string it is the table that `gtk evaluate` prints.

    Attributes:
        source: what was evaluated, as the user called it.
        data: the name of the data that it was compared with.
        lines: a record for each metric, as evaluations.jsonl has it: figures with their units and
            directions, details, protocol, and how the images were made.
        left_out: by metric, the reason why it was left out.
        judge_accuracy: the share of test images whose class the judge sees, None without a judge.
    """

    source: str
    data: str
    lines: list[EvaluationLine]
    left_out: dict[str, str]
    judge_accuracy: float | None

    @property
    def figures(self) -> dict[str, dict[str, Figure]]:
        """The figures by metric and name, each with its 95% confidence interval if it has one."""
        return {
            line["metric"]: {
                name: Figure(table["value"], table.get("low"), table.get("high"))
                for name, table in line["figures"].items()
            }
            for line in self.lines
        }

    @property
    def protocols(self) -> dict[str, dict[str, Any]]:
        """By metric, all that its figures depend on besides the images."""
        return {line["metric"]: {**line["protocol"]} for line in self.lines}

    @property
    def hashes(self) -> dict[str, str]:
        """By metric, the hash of its protocol: figures compare where it is the same."""
        return {line["metric"]: line["hash"] for line in self.lines}

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of a table with a row for each figure, as a person reads them."""
        return [
            (line["metric"], name, *figure_cells(table), table["better"], line["hash"])
            for line in self.lines
            for name, table in line["figures"].items()
        ]

    def __str__(self) -> str:
        """Return the table."""
        table = [TITLES, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        padded = ([f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
                  for row in table)  # fmt: skip
        return "\n".join("  ".join(cells).rstrip() for cells in padded)
