"""Reading the layout of a folder of images: values from folders or from tables."""

from collections.abc import Sequence
from dataclasses import replace

from gtk.core.values.condition import Classes
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.text import counted, visible
from gtk.plugins.datasets.class_folders import fill_from_folders
from gtk.plugins.datasets.folder_layout import Entry, FolderLayout
from gtk.plugins.datasets.folder_plan import FolderPlan
from gtk.plugins.datasets.label_columns import FOLDERS, NOTHING, LabelColumns, choose_labels
from gtk.plugins.datasets.label_file import Unreadable, read_label_file
from gtk.plugins.datasets.listing import LABEL_FILES, count_by_suffix, on_disk
from gtk.plugins.datasets.matched_rows import NO_LINE, MatchedRows
from gtk.plugins.datasets.metadata import Row, Table
from gtk.plugins.datasets.remedy import with_remedy
from gtk.plugins.datasets.splitting import choose_tested


def read_layout(plan: FolderPlan) -> FolderLayout:
    """Read each image's split and value from folder names or tables.

    Raises:
        InvalidValue: the layout is unknown, or a table is wrong.
    """
    listing, splits = plan.listing, plan.splits
    for name, reason in listing.bad.items():
        if name.split("/")[-1] in LABEL_FILES:
            raise InvalidValue(f"{visible(plan.root / name)} {reason}")
    result = FolderLayout(notes=[splits.left_out] if splits.left_out else [])
    result.notes += splits.notes + _masks_left_out(plan)
    result.bad = {
        name: reason
        for name, reason in listing.bad.items()
        if splits[name] is not None and name not in plan.masks
    }
    used = [name for name in listing.images if name not in plan.masks and splits[name] is not None]
    tables = _read_tables(plan, result)
    if tables and not any(table.rows for table in tables.values()):
        plan, tables = _unlabelled(plan, result, tables), {}
    _fill(result, plan, used, tables)
    if plan.config.condition == NOTHING:
        result.kind = None
    result.notes += _unused(plan, tables) + plan.unread.notes
    if listing.recognized:
        found = count_by_suffix(listing.recognized)
        result.notes.append(f"images recognized by their content: {found}")
    if others := listing.others - plan.unread.named:
        result.notes.append(
            "files skipped because their names do not end as those of images: "
            f"{others.total()} ({count_by_suffix(others)})"
        )
    result.entries.sort(key=lambda entry: entry.testing)
    return result


def _masks_left_out(plan: FolderPlan) -> list[str]:
    masks = [name for name in plan.listing.images if name in plan.masks]
    if not masks:
        return []
    text = f"masks are not trained on: {counted(len(masks), 'image')}, such as {visible(masks[0])}"
    return [with_remedy(f"{text}; to read them as others, add", "masks", "use")]


def _unlabelled(plan: FolderPlan, result: FolderLayout, tables: dict[str, Table]) -> FolderPlan:
    """Return the plan for images that a file calls unlabelled: folders are not classes either."""
    name = next(iter(tables.values())).path.name
    text = f"{name} says that there are no labels; to read folders as classes, add"
    result.notes.append(with_remedy(text, "condition", FOLDERS))
    return replace(plan, config=replace(plan.config, condition=NOTHING))


def _fill(
    result: FolderLayout, plan: FolderPlan, used: Sequence[str], tables: dict[str, Table]
) -> None:
    """Fill the layout with the values in tables, or else from folders.

    Raises:
        InvalidValue: there is no table, and the user chose columns.
    """
    labels = choose_labels([*tables.values()], _columns(plan)) if tables else None
    result.notes += labels.notes if labels else []
    if labels and (labels.kind or labels.split is not None):
        _from_tables(result, plan, used, tables, labels)
    elif _columns(plan):
        raise InvalidValue(
            f"{visible(plan.root)} has no table of labels ({', '.join(LABEL_FILES)}), so it has no "
            f"columns: leave {setting('condition')} out"
        )
    else:
        fill_from_folders(result, plan, used)


def _columns(plan: FolderPlan) -> str:
    """Return the user's choice of columns, "" for none."""
    chosen = plan.config.condition
    return "" if chosen in (FOLDERS, NOTHING) else chosen


def _read_tables(plan: FolderPlan, result: FolderLayout) -> dict[str, Table]:
    """Return the tables by the folder that they are in: one at the top, or one in each split.

    Raises:
        InvalidValue: a split lacks a table that another split has, or a table is wrong.
    """
    if plan.config.condition in (FOLDERS, NOTHING):
        return {}
    found, tables = _by_folder(plan.listing.tables), dict[str, Table]()
    base, inside = "/".join(plan.splits.base), _split_paths(plan)
    for places in ([""], [base] if base else [], inside):
        for folder in () if tables else places:
            for name in () if folder in tables else found.get(folder, ()):
                try:
                    tables[folder] = read_label_file(on_disk(plan.root, name))
                    break
                except Unreadable as error:
                    result.notes.append(str(error))
    if tables.keys() < {*inside} and tables.keys() & {*inside}:
        here = next(iter(tables))
        there = next(folder for folder in inside if folder not in tables)
        raise InvalidValue(
            f"{visible(plan.root)} has a {tables[here].path.name} in {here!r}, but not in "
            f"{there!r}: give both, or one for all in the folder itself"
        )
    return tables


def _split_paths(plan: FolderPlan) -> list[str]:
    """Return the paths of the folders that are splits, those for training first."""
    splits = plan.splits
    return ["/".join((*splits.base, name)) for name in (*splits.training, *splits.testing)]


def _unused(plan: FolderPlan, tables: dict[str, Table]) -> list[str]:
    """Return a note on the first file of labels that lies where none is read."""
    for name in plan.listing.tables:
        folder = name.rpartition("/")[0]
        over = folder if folder in tables else "" if folder in _split_paths(plan) else None
        if over in tables and tables[over].path != on_disk(plan.root, name):
            return [f"{visible(name)} is not used, since {tables[over].path.name} is"]
        if folder and folder not in tables and plan.splits[name] is not None:
            return [f"{visible(name)} is not used, since it is not at the top or in a split"]
    return []


def _by_folder(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of files of labels by their folder, the preferred first."""
    found: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: LABEL_FILES.index(name.rpartition("/")[2])):
        found.setdefault(name.rpartition("/")[0], []).append(name)
    return found


def _from_tables(
    result: FolderLayout,
    plan: FolderPlan,
    used: Sequence[str],
    tables: dict[str, Table],
    labels: LabelColumns,
) -> None:
    """Fill the layout with the values in tables; folders are splits at most."""
    found, file = MatchedRows(), next(iter(tables.values())).path.name
    for folder, table in tables.items():
        found.add(plan.root, plan.listing.images, folder, table)
    result.notes += found.notes
    result.bad |= {
        name: reason
        for name, reason in found.bad.items()
        if name not in plan.listing.bad and plan.splits[name] is not None
    }
    result.bad |= {name: f"{NO_LINE} {file}" for name in used if name not in found.rows}
    tested = _tested_by_column(result, labels, found.rows)
    if tested is None:
        tested = _tested_by_folder(plan, found.rows)
        if plan.splits.known and not tables.keys() & {*_split_paths(plan)}:
            text = (
                f"of the images in {file}, folders say which are for training; to split anew, add"
            )
            result.notes.append(with_remedy(text, "layout", "flat"))
    values = {name: labels.value(found.rows[name]) if labels.kind else "" for name in tested}
    if None in tested.values():
        groups = [value if labels.kind is Classes else "" for value in values.values()]
        tested = dict(zip(tested, choose_tested([*tested], groups).tolist(), strict=True))
    result.entries = [Entry(name, values[name], bool(tested[name])) for name in sorted(tested)]
    result.kind, result.columns = labels.kind, labels.columns
    if labels.kind is Classes and len({*values.values()}) == 1:
        result.notes.append(
            f"{labels.columns[0]} is {next(iter(values.values()))!r} in all lines of {file}, "
            "so the images are used without classes"
        )


def _tested_by_column(
    result: FolderLayout, labels: LabelColumns, rows: dict[str, Row]
) -> dict[str, bool | None] | None:
    """Return which images are for testing by a column, without those of other splits."""
    if labels.split is None:
        return None
    roles = {name: labels.role(row) for name, row in rows.items()}
    held_out = "test" if "test" in roles.values() else "val"
    used = {name: role == held_out for name, role in roles.items() if role in ("train", held_out)}
    if len(used) < len(rows):
        result.notes.append(
            "images of other splits are not used, neither for training nor for testing: "
            f"{len(rows) - len(used)}"
        )
    return {**used}


def _tested_by_folder(plan: FolderPlan, rows: dict[str, Row]) -> dict[str, bool | None]:
    """Return which images are for testing by folders; None where none says so."""
    places, known = {name: plan.splits[name] for name in rows}, plan.splits.known
    # Masks that a table names are images, but one in a folder of masks is in no split.
    return {
        name: place.held_out
        for name, place in places.items()
        if place and (place.held_out is not None or not known)
    }
