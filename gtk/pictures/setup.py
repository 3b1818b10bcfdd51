"""What decided a run and where it ran, as tables of a page."""

from collections.abc import Mapping

from gtk.core.storage.run import Run
from gtk.pictures.markup import isolated, table


def settings_tables(run: Run, networks: Mapping[str, int]) -> str:
    """Return a table for each table of run.json, and for the networks where they are known."""
    document = run.document
    tables = [
        _pairs(title, document[name])
        for name, title in (
            ("data", "Data"), ("model", "Model"), ("conditioner", "Conditioner"), ("loss", "Loss"),
            ("train", "Training"),
        )
    ]  # fmt: skip
    if networks:
        counts = {name: f"{count:,} parameters" for name, count in networks.items()}
        tables.insert(2, _pairs("Networks", counts))
    recipe = document.get("recipe")
    source = f"<p>From the recipe {isolated(recipe)}.</p>\n" if recipe else ""
    return f'{source}<div class="tables">{"".join(tables)}</div>'


def environment_tables(run: Run) -> str:
    """Return when, on what and with which versions it was trained."""
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
    tables = (
        _pairs("Machine", machine),
        _pairs("Versions", document.get("versions", {})),
        _pairs("Plugins", packages),
    )
    return f'<div class="tables">{"".join(tables)}</div>'


def _pairs(title: str, values: Mapping[str, object]) -> str:
    rows = [(name, setting_text(value)) for name, value in values.items()]
    return f"<div><h3>{title}</h3>\n{table(None, rows, label=title)}</div>\n" if rows else ""


def setting_text(value: object) -> str:
    """Return a setting as it reads on the command line."""
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
