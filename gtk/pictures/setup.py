"""The settings and the environment of a run as tables: rows by the title of their table."""

from collections.abc import Mapping

from gtk.core.storage.run import Run

Tables = dict[str, list[tuple[str, str]]]


def settings_tables(run: Run) -> Tables:
    """Return a table for each of run.json's, those of metrics too, and one of the networks."""
    document = run.document
    networks = document.get("networks", {}) | {
        f"{name} (of the loss)": count for name, count in document.get("loss_networks", {}).items()
    }
    return _tables({
        "Data": document["data"],
        "Model": document["model"],
        "Networks": {name: f"{count:,} parameters" for name, count in networks.items()},
        "Conditioner": document["conditioner"],
        "Loss": document["loss"],
        "Sampler": document["sampler"],
        "Training": document["train"],
        **{f"Metric {name}": table for name, table in document.get("metric", {}).items()},
    })  # fmt: skip


def environment_tables(run: Run) -> Tables:
    """Return when, on which machine and with which versions the run was trained."""
    document = run.document
    machine = {
        "created": document.get("created"),
        "device": document["device"],
        "threads": document["threads"],
    }
    packages = {
        f"{table} {document[table]['name']}": f"{item['package']} {item.get('version', '')}"
        for table, item in document["packages"].items()
    }
    versions = document.get("versions", {})
    return _tables({"Machine": machine, "Versions": versions, "Plugins": packages})


def _tables(values: Mapping[str, Mapping[str, object]]) -> Tables:
    return {
        title: [(name, setting_text(value)) for name, value in table.items()]
        for title, table in values.items()
    }


def setting_text(value: object) -> str:
    """Return a setting as the command line prints it."""
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
