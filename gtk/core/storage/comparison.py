"""How runs differ, and what their figures say beside each other. Nothing here imports torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from gtk.core.registry.discovery import MODEL, find
from gtk.core.storage.run import Run
from gtk.core.values.errors import UserError

#: Tables of run.json that decide what a training comes to, in the order of a comparison.
TABLES = ("data", "model", "conditioner", "loss", "train")
#: Settings that say where and how something ran, not what it was.
PLACES = {("data", "root")}
#: What `data_name` says instead.
NAMED = {("data", "name")}


@dataclass(frozen=True)
class Row:
    """One line of a comparison.

    Attributes:
        name: of the setting or the term.
        values: one for each run, None where it has none.
        split: that a term was measured on, empty for a setting.
        unit: of a term.
    """

    name: str
    values: Sequence[Any]
    split: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Compared:
    """A run among others.

    Attributes:
        name: what it is called, different for each.
        run: itself.
        reports: its metrics, as far as they can be read.
        damage: why they cannot, empty where they can.
    """

    name: str
    run: Run
    reports: Sequence[Mapping[str, Any]] = field(default_factory=list)
    damage: str = ""

    @property
    def unfinished(self) -> str:
        """Why its figures are not those of a whole training; empty where they are."""
        planned = self.run.document["train"]["epochs"]
        reached = self.reports[-1]["epoch"] if self.reports else 0
        if self.damage:
            return self.damage
        if any(line["split"] == "test" for line in self.reports) or reached >= planned:
            return ""
        return f"unfinished: {reached} of {planned} epochs"


def compared(runs: Sequence[Run]) -> list[Compared]:
    """Read the runs' metrics; runs of one name are told apart by their folders."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.path) for run in runs]
    if len(set(names)) < len(names):
        names = [f"{name} ({at})" for at, name in enumerate(names, start=1)]
    return [_read(name, run) for name, run in zip(names, runs, strict=True)]


def _read(name: str, run: Run) -> Compared:
    try:
        return Compared(name, run, run.metrics())
    except UserError as error:
        return Compared(name, run, damage=str(error))


def differing_settings(items: Sequence[Compared]) -> list[Row]:
    """Return the settings that not all runs share, those of plugins under their table's name."""
    documents = [item.run.document for item in items]
    rows = []
    data = [data_name(document) for document in documents]
    if len(set(data)) > 1:
        rows.append(Row("data", data))
    for table in TABLES:
        keys = dict.fromkeys(key for document in documents for key in document[table])
        for key in keys:
            values = [document[table].get(key) for document in documents]
            # What only one plugin has says nothing that the plugin's name has not said.
            shared = [document[table][key] for document in documents if key in document[table]]
            if (table, key) not in PLACES | NAMED and any(value != shared[0] for value in shared):
                name = table if key == "name" else key if table == "train" else f"{table} {key}"
                rows.append(Row(name, values))
    versions = [document.get("versions", {}).get("torch") for document in documents]
    machines = {"device": [document["device"] for document in documents], "torch": versions}
    rows += [Row(name, values) for name, values in machines.items() if len(set(values)) > 1]
    return rows


def data_name(document: Mapping[str, Any]) -> str:
    """Return what a run was trained on; of the user's own images, which are many, also where."""
    name, root = document["data"]["name"], document["data"]["root"]
    own = root is not None and document["data_spec"]["name"] != name
    return f"{name}:{root}" if own else str(name)


def final_terms(items: Sequence[Compared]) -> list[Row]:
    """Return the last figure of every term on every split, the test images' first."""
    rows = []
    for split in ("test", "validation", "train"):
        last = [
            next((line for line in reversed(item.reports) if line["split"] == split), None)
            for item in items
        ]
        names = dict.fromkeys(name for line in last if line for name in line["terms"])
        rows += [
            Row(
                name,
                [line["terms"].get(name) if line else None for line in last],
                split,
                units_of([line for line in last if line and name in line["terms"]]),
            )
            for name in sorted(names, key=lambda name: name != "loss")
        ]
        counts = [line.get("images") if line else None for line in last]
        if any(count != counts[0] for count in counts):
            rows.append(Row("mean over images", counts, split))
    return rows


def units_of(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return the unit of some reports; where there are several, all of them."""
    return " / ".join(dict.fromkeys(str(line.get("unit", "")) for line in lines))


def caveats(items: Sequence[Compared]) -> list[str]:
    """Return why some figures do not compare, a sentence each."""
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
            names = ", ".join(dict.fromkeys(values))
            reasons.append(f"Figures do not compare: {what} differs ({names}).")
    options = sorted(
        {
            row.name.removeprefix("loss ")
            for row in differing_settings(items)
            if row.name.startswith("loss ")
        }
    )
    if options and not reasons:
        reasons.append(f"The loss does not compare, only its terms: {', '.join(options)} differs.")
    if any(line.get("weights_chosen_on") == "test" for item in items for line in item.reports):
        reasons.append("Some weights were chosen on the test images: those are not independent.")
    return reasons + [f"{item.name} is {item.unfinished}" for item in items if item.unfinished]


def _comparable(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that figures depend on, as the model's plugin says; {} if it is not here.

    What a value counts together with is said, too: "gaussian of variance 0.01".
    """
    model, package = document["model"], document["packages"]["model"]["package"]
    try:
        config = find(MODEL, f"{package}/{model['name']}").spec.config
    except UserError:
        return {}
    found = {}
    for item in fields(config):
        if "comparable" in item.metadata and item.name in model:
            value = model[item.name]
            details = [key for key in item.metadata["comparable"].get(value, ()) if key in model]
            found[item.name] = " of ".join([value, *(f"{key} {model[key]}" for key in details)])
    return found
