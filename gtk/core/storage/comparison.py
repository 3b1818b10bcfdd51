"""A comparison of runs: the settings that differ, and their final metrics."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import combinations
from typing import Any, TypeVar

from gtk.core.registry.discovery import find
from gtk.core.registry.installed import MODEL
from gtk.core.storage.evaluated_figure import EvaluatedFigure, figures_by_protocol
from gtk.core.storage.evaluations import EvaluationLine, latest, read_evaluations
from gtk.core.storage.run import Run
from gtk.core.storage.training_time import read_training_seconds
from gtk.core.values.errors import UserError
from gtk.core.values.figure import figure_text
from gtk.core.values.text import counted

T = TypeVar("T")
#: Tables of run.json that decide the result of a training, in the order of a comparison.
TABLES = ("data", "model", "conditioner", "loss", "sampler", "train")
#: Settings that are left out: a path is not what was trained on, and `data_name` has the name.
LEFT_OUT = {("data", "root"), ("data", "name")}
#: The row that says over how many images the terms of a split are means.
IMAGES = "mean over images"


@dataclass(frozen=True)
class Row:
    """A setting or a term, and its value in each run, None where a run has none.

    Attributes:
        split: the split that a term was measured on, empty for a setting.
        unit: the unit of a term.
        order: the places of the runs, the best first; empty where none is better.
    """

    name: str
    values: Sequence[Any]
    split: str = ""
    unit: str = ""
    order: Sequence[int] = ()


@dataclass(frozen=True)
class Compared:
    """A run in a comparison, by a name that no other one has.

    Attributes:
        reports: its metrics, empty if they cannot be read.
        damage: why they cannot be read, empty if they can.
        evaluations: its figures by `gtk evaluate`, empty if they cannot be read.
        seconds: the time of its training's steps; None if it is not known.
        faults: why figures or time cannot be read.
    """

    name: str
    run: Run
    reports: Sequence[Mapping[str, Any]] = field(default_factory=list)
    evaluations: Sequence[EvaluationLine] = ()
    seconds: float | None = None
    faults: Sequence[str] = ()
    damage: str = ""

    @property
    def caveat(self) -> str:
        """Why its metrics are not those of a whole training; empty if they are."""
        planned = self.run.document["train"]["epochs"]
        reached = self.reports[-1]["epoch"] if self.reports else 0
        if self.damage:
            return f"cannot be compared: {self.damage}"
        if any(line["split"] == "test" for line in self.reports) or reached >= planned:
            return ""
        return f"is unfinished: {reached} of {counted(planned, 'epoch')}"


def compared(runs: Sequence[Run]) -> list[Compared]:
    """Read the runs' metrics; runs of the same name are named by their folders."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.path) for run in runs]
    if len(set(names)) < len(names):
        names = [f"{name} ({at})" for at, name in enumerate(names, start=1)]
    items = []
    for name, run in zip(names, runs, strict=True):
        reports, damage = _read(run.metrics)
        evaluations, fault = _read(partial(read_evaluations, run.path))
        seconds, other = _read(partial(read_training_seconds, run.path))
        faults = [text for text in (fault, other) if text]
        items.append(Compared(name, run, reports or (), evaluations or (), seconds, faults, damage))
    return items


def _read(read: Callable[[], T]) -> tuple[T | None, str]:
    """Return what is read and "", or None and why it cannot be read."""
    try:
        return read(), ""
    except UserError as error:
        return None, str(error)


def differing_settings(items: Sequence[Compared]) -> list[Row]:
    """Return the settings that differ, those of plugins with their table's name."""
    documents = [item.run.document for item in items]
    rows = []
    data = [data_name(document) for document in documents]
    if len(set(data)) > 1:
        rows.append(Row("data", data))
    settings = [_tables(document) for document in documents]
    for table in dict.fromkeys(table for own in settings for table in own):
        tables = [own.get(table, {}) for own in settings]
        for key in dict.fromkeys(key for own in tables for key in own):
            values = [own.get(key) for own in tables]
            # An option that only one plugin has adds nothing to the plugin's name.
            shared = [own[key] for own in tables if key in own]
            if (table, key) not in LEFT_OUT and any(value != shared[0] for value in shared):
                name = table if key == "name" else key if table == "train" else f"{table} {key}"
                rows.append(Row(name, values))
    versions = [document.get("versions", {}).get("torch") for document in documents]
    machines = {"device": [document["device"] for document in documents], "torch": versions}
    rows += [Row(name, values) for name, values in machines.items() if len(set(values)) > 1]
    return rows


def _tables(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the settings of a run by table, those of its metrics as "metric NAME"."""
    metrics = document.get("metric", {}).items()
    tables: dict[str, Mapping[str, Any]] = {table: document[table] for table in TABLES}
    return tables | {f"metric {name}": table for name, table in metrics}


def data_name(document: Mapping[str, Any]) -> str:
    """Return the name of a run's data, with the path if they are the user's own images."""
    name, root = document["data"]["name"], document["data"]["root"]
    own = root is not None and document["data_spec"]["name"] != name
    return f"{name}:{root}" if own else str(name)


def final_terms(items: Sequence[Compared]) -> list[Row]:
    """Return the last value of every term on every split, those of the test images first."""
    rows = []
    for split in ("test", "validation", "train", "generated"):
        last = [last_line(item.reports, split) for item in items]
        names = dict.fromkeys(name for line in last if line for name in line["terms"])
        rows += [
            Row(
                name,
                [line["terms"].get(name) if line else None for line in last],
                split,
                units_of([line for line in last if line and name in line["terms"]], name),
            )
            for name in sorted(names, key=lambda name: name != "loss")
        ]
        counts = [line.get("images") if line else None for line in last]
        if any(count != counts[0] for count in counts):
            rows.append(Row(IMAGES, counts, split))
    return rows


def last_line(reports: Sequence[Mapping[str, Any]], split: str) -> Mapping[str, Any] | None:
    """Return the last line of a split; metrics may take turns, so the last figures of each."""
    lines = [line for line in reports if line["split"] == split]
    if not lines or "units" not in lines[-1]:
        return lines[-1] if lines else None
    merged: dict[str, dict[str, Any]] = {
        key: {name: value for line in lines for name, value in line[key].items()}
        for key in ("terms", "units")
    }
    return {**lines[-1], **merged}


def evaluated_figures(items: Sequence[Compared]) -> list[Row]:
    """Return the figures of the runs' evaluations, as texts: a row for those of one protocol.

    A run's last evaluation by a protocol counts; the best of several runs is marked.
    """
    return [
        Row(
            f"{figure.words} ({figure.protocol})",
            _marked(figure),
            unit=figure.spec["unit"],
            order=order_of(figure.values, figure.spec["better"]),
        )
        for figure in figures_of(items)
    ]


def figures_of(items: Sequence[Compared]) -> list[EvaluatedFigure]:
    """Return the figures of the runs' evaluations, one for each protocol."""
    return figures_by_protocol([item.evaluations for item in items])


def order_of(values: Sequence[float | None], better: str) -> list[int]:
    """Return the places of some runs' values as `best_first` does; empty where none is better."""
    return best_first(values, better) if better and len({*values} - {None}) > 1 else []


def best_first(values: Sequence[float | None], better: str) -> list[int]:
    """Return the places of some runs' values, the best first.

    Args:
        values: of the runs, None where one has none: these come last. Equal ones stay in order.
        better: "higher" or "lower".
    """

    def rank(at: int) -> tuple[bool, float]:
        value = values[at]
        return value is None, 0 if value is None else -value if better == "higher" else value

    return sorted(range(len(values)), key=rank)


def _marked(figure: EvaluatedFigure) -> list[str | None]:
    """Return a figure of each run as a text; the best one of several says so."""
    values = [table["value"] for table in figure.tables.values()]
    extreme = {"higher": max, "lower": min}.get(figure.spec["better"])
    best = extreme(values) if extreme is not None and len(values) > 1 else None
    texts: list[str | None] = [None] * len(figure.lines)
    for at, table in figure.tables.items():
        mark = " (best)" if table["value"] == best else ""
        texts[at] = figure_text(table["value"], share=table["share"]) + mark
    return texts


def units_of(lines: Iterable[Mapping[str, Any]], term: str = "") -> str:
    """Return the unit of a term in some reports, or all of its units; by default the losses'."""
    units = (line.get("units", {}).get(term, line.get("unit", "")) for line in lines)
    return " / ".join(filter(None, dict.fromkeys(map(str, units))))


def caveats(items: Sequence[Compared]) -> list[str]:
    """Return sentences on why some figures do not compare."""
    reasons = unlike_losses(items) or unlike_sums(items)
    if any(line.get("weights_chosen_on") == "test" for item in items for line in item.reports):
        reasons.append("Some weights were chosen on the test images: those are not independent.")
    reasons += _unlike_protocols(items)
    reasons += [text for item in items for text in (*item.faults, _older_evaluations(item)) if text]
    return reasons + [f"{item.name} {item.caveat}" for item in items if item.caveat]


def unlike_losses(items: Sequence[Compared]) -> list[str]:
    """Return sentences on why neither the losses of runs compare nor their terms."""
    documents = [item.run.document for item in items]
    reasons = []
    different = {
        "data": [data_name(document) for document in documents],
        "loss": [document["loss"]["name"] for document in documents],
    }
    comparable = [_comparable(document) for document in documents]
    for name in dict.fromkeys(name for values in comparable for name in values):
        different[name] = [values.get(name, "none") for values in comparable]
    for what, values in different.items():
        if len(set(values)) > 1:
            listed = ", ".join(dict.fromkeys(values))
            reasons.append(f"The losses' figures do not compare: {what} differs ({listed}).")
    return reasons


def unlike_sums(items: Sequence[Compared]) -> list[str]:
    """Return a sentence on why losses do not compare, although their terms do."""
    names = [row.name for row in differing_settings(items)]
    options = sorted(name.removeprefix("loss ") for name in names if name.startswith("loss "))
    if not options:
        return []
    return [f"The loss does not compare, only its terms: {', '.join(options)} differs."]


def _unlike_protocols(items: Sequence[Compared]) -> list[str]:
    """Return a sentence on metrics that two of the runs have, but by no common protocol."""
    hashes: dict[str, list[set[str]]] = {}
    for item in items:
        for metric in dict.fromkeys(line["metric"] for line in item.evaluations):
            own = {line["hash"] for line in item.evaluations if line["metric"] == metric}
            hashes.setdefault(metric, []).append(own)
    unlike = sorted(
        metric
        for metric, sets in hashes.items()
        if any(one.isdisjoint(other) for one, other in combinations(sets, 2))
    )
    if not unlike:
        return []
    names = ", ".join(unlike)
    remedy = "Evaluate the runs against the same data, with as many images."
    return [f"Figures of {names} do not compare: their protocols differ. {remedy}"]


def _older_evaluations(item: Compared) -> str:
    """Say that a run's figures are of other weights than those that it gives now; "" if not."""
    steps = {line["made"].get("step") for line in latest(item.evaluations)} - {None}
    if not steps:
        return ""
    try:
        step = item.run.checkpoints.choose(None)
    except (ImportError, UserError):  # without torch no checkpoint can be read
        return ""
    if steps == {step}:
        return ""
    return f"{item.name} has figures of another step than {step}: evaluate it again."


def _comparable(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the model's options that figures depend on, as its plugin says; {} without the plugin.

    A value comes with the options that belong to it: "gaussian of variance 0.01".
    """
    model, package = document["model"], document["packages"]["model"]["package"]
    try:
        config = find(MODEL, f"{package}/{model['name']}").spec.config
    except UserError:
        return {}
    found = {}
    for item in fields(config):
        if "comparable" in item.metadata and isinstance(model.get(item.name), str):
            value = model[item.name]
            details = [key for key in item.metadata["comparable"].get(value, ()) if key in model]
            found[item.name] = " of ".join([value, *(f"{key} {model[key]}" for key in details)])
    return found
