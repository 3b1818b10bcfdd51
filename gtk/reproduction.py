"""A recipe's published figures, reproduced by a training of one's own; `gtk reproduce` shows it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.contracts.metric import Metric
from gtk.core.registry.discovery import checked_target
from gtk.core.registry.train_config import AUTO
from gtk.core.registry.train_request import TrainRequest
from gtk.core.settings.metric_choice import metric_choice
from gtk.core.settings.published import Published, PublishedFigure
from gtk.core.settings.recipe import METRIC, PUBLISHED, Recipe, run_tables
from gtk.core.storage.evaluations import EvaluationLine, FigureTable
from gtk.core.storage.run import Run
from gtk.core.storage.run_folder import DOCUMENT
from gtk.core.storage.runs import find_resumable, new_run_path
from gtk.core.values.display import Display
from gtk.core.values.errors import InvalidValue, UserError, unknown_name
from gtk.core.values.setting import setting
from gtk.defaults import built_in_names, find_recipe
from gtk.evaluate_function import carry_out
from gtk.evaluate_request import EvaluateRequest
from gtk.train_function import choose, prepare

if TYPE_CHECKING:  # a mistake in the request must not wait for torch
    from gtk.core.training.training import Training

#: The settings in which a run may differ from its recipe: they decide its place, its random
#: numbers, or what it shows.
TRAINER = ("seed", "threads", "metric", "metric_every", "sample_every", "log_every")
FREE = {("data", "root"), *(("train", name) for name in TRAINER)}


@dataclass(frozen=True)
class Reproduced:
    """A published figure beside that of a run.

    Attributes:
        published: the figure of the recipe.
        table: the run's own.
    """

    published: PublishedFigure
    table: FigureTable

    @property
    def is_met(self) -> bool:
        """Whether the run's value is no worse than the published one by more than the spread."""
        better: Any = self.table["better"]
        return self.published.is_met(self.table["value"], better)


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """The training and the evaluation of a recipe with published figures.

    Attributes:
        reference: the recipe's name, or its file.
        name: of the run; by default RECIPE-reproduced.
        runs: the folder of runs.
        data_root: the path that the data set reads, None for its own place.
        device: where both work, None for a GPU if there is one, or the run's own.
        threads: of a new training, None to have the training choose.

    Raises:
        UserError: there is no such recipe, it has no published figures, or an unknown one.
    """

    reference: str
    name: str | None = None
    runs: Path = Path("runs")
    data_root: Path | None = None
    device: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for figure in self.published.figures:
            with self.recipe.locating(PUBLISHED, figure.term):
                _check_figure(figure)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe."""
        return find_recipe(self.reference)

    @property
    def published(self) -> Published:
        """The recipe's published figures.

        Raises:
            InvalidValue: it has none; the message names recipes that have some.
        """
        recipe = self.recipe
        if recipe.published is None:
            names = [name for name in built_in_names() if find_recipe(name).published]
            raise InvalidValue(
                f"recipe {recipe.name!r} has no published figures: add a table [{PUBLISHED}], or "
                f"name a recipe that has them: {', '.join(names)}"
            )
        return recipe.published

    @property
    def run_name(self) -> str:
        """The name of the run: the same each time, so that the command can continue a training."""
        return self.name or f"{Path(str(self.recipe.name)).stem}-reproduced"

    def begun_run(self) -> Run | None:
        """Return the run of this name, None if there is none yet.

        Raises:
            UserError: it is not a run, or not one of this recipe.
        """
        path = new_run_path(self.runs, self.run_name)
        if not os.path.lexists(path):
            return None
        if not (path / DOCUMENT).exists():
            raise UserError(f"{path} exists and is not a run. Choose another {setting('name')}")
        run = find_resumable(self.run_name, self.runs)
        self._check_settings(run)
        return run

    def prepare_training(self, begun: Run | None) -> "tuple[Training, Callable[[], Run]]":
        """Return a prepared training, new or of the run that was begun, and what runs it.

        Raises:
            GtkError: something does not exist or does not fit.
        """
        if begun is not None:
            request = TrainRequest(
                resume=begun.name, runs=self.runs, data_root=self.data_root, device=self.device
            )
        else:
            request = TrainRequest(
                recipe=self.reference,
                name=self.run_name,
                runs=self.runs,
                data_root=self.data_root,
                device=self.device,
                options={} if self.threads is None else {"threads": self.threads},
            )
        return prepare(request)

    def evaluate(self, run: Run, display: Display) -> list[Reproduced]:
        """Evaluate a run as the published figures were; it keeps what is found.

        Raises:
            GtkError: a metric does not fit the run, or fails.
        """
        request = EvaluateRequest(
            source=run,
            metrics=self.published.metrics,
            samples=self.published.samples,
            device=self.device or "auto",
            data_root=self.data_root,
        )
        lines = carry_out(request, display).lines
        return [Reproduced(it, _found(it, lines)) for it in self.published.figures]

    def _check_settings(self, run: Run) -> None:
        """Check that a run was trained by the recipe, from new weights.

        Raises:
            InvalidValue: it was not.
        """
        found = _all_tables(run.document)
        expected, free = self._settled()
        differing = [
            f"[{table}] {key} is {found[table].get(key)!r} instead of {value!r}"
            for table, values in expected.items()
            for key, value in values.items()
            if (table, key) not in free and found.get(table, {}).get(key, value) != value
        ]
        if run.document.get("init_from"):
            differing.append("it began with other weights")
        if differing:
            raise InvalidValue(
                f"{run.path} is not a training by recipe {self.recipe.name!r}: {differing[0]}. "
                f"Choose another {setting('name')}"
            )

    def _settled(self) -> tuple[dict[str, dict[str, Any]], set[tuple[str, str]]]:
        """Return the recipe's settings, and those that a training by it may have otherwise.

        These are chosen for the data or the machine when it starts.
        """
        settings = choose(TrainRequest(recipe=self.reference)).settle({}, self.data_root)
        tables = _all_tables(settings.as_document())
        names = [name.rpartition(".") for name in settings.fitted | settings.suggestible]
        suited = {(table or "train", key) for table, _, key in names}
        chosen = {
            (table, key)
            for table, values in tables.items()
            for key, value in values.items()
            if (table == "train" and value == AUTO) or ("train", table) in suited
        }
        return tables, FREE | suited | chosen


def _all_tables(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables of a run.json, those of metrics as "metric.NAME"."""
    metrics = document.get(METRIC, {})
    return run_tables(document) | {f"{METRIC}.{name}": table for name, table in metrics.items()}


def _check_figure(figure: PublishedFigure) -> None:
    """Check that a metric has a figure, before a training.

    Raises:
        UnknownName: there is no such metric, or it has no such figure.
    """
    known = checked_target(metric_choice(figure.metric, {})[0], Metric).figures
    if figure.name not in known:
        raise unknown_name(f"figure of {figure.metric}", figure.name, known)


def _found(figure: PublishedFigure, lines: list[EvaluationLine]) -> FigureTable:
    """Return a figure of an evaluation."""
    name = figure.metric.rpartition("/")[2]
    (line,) = (line for line in lines if line["metric"] == name)
    return line["figures"][figure.name]
