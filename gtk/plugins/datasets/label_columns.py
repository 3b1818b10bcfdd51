"""The columns of a table of labels: which of them become the condition, and of what kind."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from unicodedata import normalize

from gtk.core.values.condition import Attributes, Classes, ConditionSpec, Numbers
from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.setting import setting
from gtk.core.values.text import visible
from gtk.plugins.datasets.labels import Value
from gtk.plugins.datasets.metadata import Row, Table, named, shown, wrong
from gtk.plugins.datasets.remedy import listed, with_remedy
from gtk.plugins.datasets.split_name import Role, split_name, squeezed_name

#: Kinds as users write them.
KINDS: dict[str, type[ConditionSpec]] = {
    "classes": Classes,
    "numbers": Numbers,
    "attributes": Attributes,
}
#: What "condition" may be, besides columns: the folders' names, or nothing.
FOLDERS, NOTHING = "folders", "none"
#: The largest float32, the type of labels.
LARGEST = 3.4028234e38
#: A number as people write it, without the "1_000" and "nan" that Python accepts.
#: Each digit can be matched in one way only: else a long cell would take time quadratic in it.
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
WHOLE = re.compile(r"[0-9]{1,9}")
#: Whole numbers as programs write them that have made floats of them, or with a sign.
NEARLY_WHOLE = re.compile(r"[+-]?0*[0-9]{1,9}(\.0{0,6})?")
#: How programs write attributes, besides 0 and 1.
TRUTH = {"true": "1", "false": "0"}
#: Columns of whole numbers that are rather classes, by their names.
CLASS_NAMES = frozenset({
    "label", "labels", "class", "classes", "classid", "target", "category", "y", "digit",
})  # fmt: skip
#: Those that no measurement has: whole numbers in them, counted from 0 or 1, are classes.
ALWAYS_CLASSES = CLASS_NAMES - {"target", "y"}
#: So few classes are no captions.
MANY = 20
#: Columns that say which images are for testing.
SPLIT_NAMES = frozenset(["split", "subset", "partition", "set", "fold", "usage"])


@dataclass
class LabelColumns:
    """What becomes of a table's columns.

    Attributes:
        kind: of the condition, None if no column can be one.
        columns: names of the columns that it is made of.
        picks: their places.
        split: the place of the column that names each image's split, if there is one.
        notes: for the user.
    """

    kind: type[ConditionSpec] | None
    columns: tuple[str, ...]
    picks: tuple[int, ...]
    split: int | None = None
    notes: list[str] = field(default_factory=list)
    signed: bool = False

    def value(self, row: Row) -> Value:
        """Return the class, the attributes or the numbers of an image."""
        if self.kind is Classes:
            return row.cells[self.picks[0]]
        numbers = (float(_number(row.cells[at])) for at in self.picks)
        return tuple(max(number, 0.0) if self.signed else number for number in numbers)

    def role(self, row: Row) -> Role | None:
        """Return what the table says that an image is for, None if it does not."""
        return None if self.split is None else _role(row.cells[self.split])


def choose_labels(tables: Sequence[Table], condition: str) -> LabelColumns:
    """Return what becomes of the columns of all tables.

    Args:
        tables: one, or one for each split.
        condition: the user's choice, "COLUMN", "COLUMN:KIND" or "A,B:KIND"; "" for none.

    Raises:
        InvalidValue: the tables differ in their columns, mix names and numbers, or have cells that
            do not fit the kind.
        UnknownName: a column that is not there.
    """
    first = tables[0]
    for table in tables[1:]:
        if table.columns != first.columns:
            raise wrong(table.path, 1, f"the columns differ from those of {visible(first.path)}")
    picks, asked = _asked(first, condition or first.condition)
    split = _split_column(tables, picks)
    notes = list(first.notes)
    if picks:
        left = [name for at, name in enumerate(first.columns) if at not in (*picks, split)]
        notes += [f"not used of {first.path.name}: {listed(left)}"] if left else []
    else:
        picks, why = _usable(tables, split)
        notes += why
    if split is not None:
        notes.append(
            f"{first.columns[split]!r} in {first.path.name} says which images are for training and "
            "which for testing"
        )
    kind = _kind(tables, picks, asked) if picks else None
    columns = tuple(first.columns[at] for at in picks)
    result = LabelColumns(kind, columns, picks, split, notes)
    if asked is Attributes:
        result.signed = any(
            float(_number(row.cells[at])) < 0 for row in _rows(tables) for at in picks
        )
    elif asked is None and kind is Classes:
        result.notes += _many_classes(tables, picks[0])
    elif asked is None and kind is Numbers and len(picks) == 1 and _is_index(tables, picks[0]):
        result.kind = Classes
        result.notes += _numbers_instead(tables, picks[0])
    elif asked is None:
        # Of several columns, whole numbers are common, so that only a name tells.
        telling = [at for at in picks if squeezed_name(first.columns[at]) in CLASS_NAMES]
        for at in (picks if len(picks) == 1 else telling)[:1]:
            result.notes += _classes_instead(tables, at)
        result.notes += _one_of_several(tables, picks) if len(picks) > 1 else []
    return result


def _asked(table: Table, condition: str) -> tuple[tuple[int, ...], type[ConditionSpec] | None]:
    """Return the places of the columns, () if none are named, and the kind that is asked for."""
    if not condition:
        return (), None
    written, colon, kind = condition.rpartition(":")
    if not colon or condition in table.columns:
        written, kind = condition, ""
    elif kind not in KINDS:
        raise InvalidValue(
            f"{setting('condition', condition)} ends with {kind!r}: the kinds are "
            f"{', '.join(KINDS)}"
        )
    names = [written]
    if written not in table.columns:
        names = [name.strip() for name in written.split(",")]
    places = {name: at for at, name in enumerate(table.columns)}
    composed = {normalize("NFC", name): name for name in table.columns}
    names = [
        name if name in places else composed.get(normalize("NFC", name), name) for name in names
    ]
    for name in names:
        if name not in places:
            raise unknown_name(f"column of {visible(table.path)}", name, table.columns)
        if name in table.unread:
            raise InvalidValue(
                f"{visible(table.path)}: {name} holds lists or objects, which are no condition: "
                "choose another column"
            )
    if kind == "classes" and len(names) > 1:
        raise InvalidValue(
            f"{setting('condition', condition)} names {len(names)} columns: classes are one column"
        )
    return tuple(dict.fromkeys(places[name] for name in names)), KINDS.get(kind)


def _usable(tables: Sequence[Table], split: int | None) -> tuple[tuple[int, ...], list[str]]:
    """Return the columns that may be a condition, and notes on the others."""
    first, picks, texts = tables[0], list[int](), list[int]()
    unread = frozenset[str]().union(*(table.unread for table in tables))
    strict = first.path.name.endswith(".csv")  # where a user writes what a condition is made of
    passed: dict[str, list[str]] = {}
    for at, name in enumerate(first.columns):
        cells = [row.cells[at] for row in _rows(tables)]
        text = _is_text(tables, at) or (len(cells) > 1 and not any(map(_known, cells)))
        if at == split:
            continue
        if name in unread:
            passed.setdefault("holds lists or objects", []).append(name)
        elif text and len({*cells}) == len(cells):
            passed.setdefault("has another text for each image, as captions have", []).append(name)
        elif not strict and not text and len({*cells}) == 1:
            passed.setdefault("is the same for all images", []).append(name)
        else:
            (texts if text else picks).append(at)
    named_so = [at for at in texts if squeezed_name(first.columns[at]) in CLASS_NAMES]
    classes = texts if len(texts) == 1 else named_so if len(named_so) == 1 else []
    chosen = classes or sorted(picks + texts)
    notes = [
        f"{listed(names)} in {first.path.name} {why}, and is not used"
        for why, names in passed.items()
    ]
    others = [first.columns[at] for at in sorted(picks + texts) if at not in chosen]
    if others:
        what = f"{shown(first.columns[chosen[0]])} in {first.path.name} is the class, and not "
        what += f"{listed(others)}; to choose columns, add"
        notes.append(with_remedy(what, "condition", others[0]))
    return tuple(chosen), notes


def _split_column(tables: Sequence[Table], picks: tuple[int, ...]) -> int | None:
    """Return the column whose cells are all names of splits, among them one for training."""
    for at, name in enumerate(tables[0].columns):
        if name.strip().lower() in SPLIT_NAMES and at not in picks and len(tables) == 1:
            roles = {_role(cell) for cell in {row.cells[at] for row in _rows(tables)}}
            if None not in roles and "train" in roles and roles & {"test", "val"}:
                return at
    return None


def _kind(
    tables: Sequence[Table], picks: tuple[int, ...], asked: type[ConditionSpec] | None
) -> type[ConditionSpec]:
    """Return whether the columns are `Classes`, `Attributes` or `Numbers`, and check their cells.

    Raises:
        InvalidValue: a cell is empty, or does not fit the kind; the message names its line.
    """
    remedy = f"choose columns with {setting('condition', example='COLUMN')}"
    for table in tables:
        for row in table.rows:
            for at in picks:
                if not row.cells[at]:
                    what = f"{named(table.columns[at])} is empty: write a value, or {remedy}"
                    raise table.wrong(row, what)
    if asked is Classes:
        return Classes
    alone = len(picks) == 1 and asked is None
    if alone and any(not _numeric(row.cells[picks[0]]) for row in _rows(tables)):
        return Classes
    if alone and _is_text(tables, picks[0]):
        return Classes
    binary = True
    for table in tables:
        for row in table.rows:
            for at in picks:
                name, cell = table.columns[at], _number(row.cells[at])
                _check_number(table, row, name, cell, remedy)
                zero_or_one = float(cell) in (0, 1)
                if asked is Attributes and not (zero_or_one or float(cell) == -1):
                    what = f"{named(name)} is {shown(cell)}: attributes are 0 or 1"
                    raise table.wrong(row, what)
                binary = binary and zero_or_one
    return asked or (Attributes if binary else Numbers)


def _check_number(table: Table, row: Row, name: str, cell: str, remedy: str) -> None:
    if NOT_FINITE.fullmatch(cell) or (_numeric(cell) and abs(float(cell)) > LARGEST):
        what = f"{named(name)} is {shown(cell)}: write a finite float32 number"
        raise table.wrong(row, what)
    if not NUMBER.fullmatch(cell):
        raise table.wrong(
            row,
            f"{named(name)} is {shown(cell)}, which is not a number: write numbers into "
            f"several columns, or names of classes into a single one, or {remedy}",
        )


def _repeated(tables: Sequence[Table], at: int, written: re.Pattern[str] = WHOLE) -> set[str]:
    """Return the values of a column of whole numbers that most images share; none for others."""
    cells = [row.cells[at] for row in _rows(tables)]
    values = {*cells}
    whole = len(values) * 2 <= len(cells) and all(map(written.fullmatch, values))
    return values if whole else set()


def _is_counted(values: set[str]) -> bool:
    """Return whether whole numbers count something from 0 or 1, without a gap."""
    whole = {*map(int, values)}
    return (
        len(values) == len(whole) > 2
        and max(whole) - min(whole) + 1 == len(whole)
        and min(whole) < 2
    )


def _is_index(tables: Sequence[Table], at: int) -> bool:
    """Return whether a column holds indices of classes, by its name and its values."""
    named_so = squeezed_name(tables[0].columns[at]) in ALWAYS_CLASSES
    return named_so and _is_counted(_repeated(tables, at))


def _numbers_instead(tables: Sequence[Table], at: int) -> Iterator[str]:
    """Yield a note on a column of indices of classes."""
    name, count = tables[0].columns[at], len(_repeated(tables, at))
    text = f"{named(name)!r} is read as {count} classes; to read it as a number, add"
    yield with_remedy(text, "condition", f"{name}:numbers")


def _classes_instead(tables: Sequence[Table], at: int) -> Iterator[str]:
    """Yield a note where a column of whole numbers may rather be classes."""
    values, name = _repeated(tables, at, NEARLY_WHOLE), tables[0].columns[at]
    named_so = squeezed_name(name) in CLASS_NAMES
    if values and (named_so or (all(map(WHOLE.fullmatch, values)) and _is_counted(values))):
        what = "an attribute" if {*map(float, values)} <= {0, 1} else "a number"
        text = (
            f"{named(name)!r} is read as {what}; to read its {len(values)} values as classes, add"
        )
        yield with_remedy(text, "condition", f"{name}:classes")


def _one_of_several(tables: Sequence[Table], picks: Sequence[int]) -> Iterator[str]:
    """Yield a note where each image has one attribute of several, as classes are written, too."""
    rows = [sorted(float(_number(row.cells[at])) for at in picks) for row in _rows(tables)]
    if all(row == [0.0] * (len(picks) - 1) + [1.0] for row in rows):
        names = listed([tables[0].columns[at] for at in picks])
        yield (
            f"each image has a single 1 in {names}, which are read as {len(picks)} attributes: for "
            f"{len(picks)} classes write one column, of their names"
        )


def _many_classes(tables: Sequence[Table], at: int) -> Iterator[str]:
    """Yield a note where classes may rather be captions, some of which are the same."""
    cells, name = [row.cells[at] for row in _rows(tables)], tables[0].columns[at]
    count = len({*cells})
    if count > MANY and len(cells) < 2 * count:
        what = (
            f"{shown(name)} has {count} classes for {len(cells)} images; if these are captions, add"
        )
        yield with_remedy(what, "condition", NOTHING)


def _is_text(tables: Sequence[Table], at: int) -> bool:
    return all(table.columns[at] in table.texts for table in tables)


def _rows(tables: Sequence[Table]) -> Iterator[Row]:
    for table in tables:
        yield from table.rows


def _role(cell: str) -> Role | None:
    found = split_name(cell)
    return found.role if found and not found.rest else None


def _number(cell: str) -> str:
    """Return a cell with 1 and 0 for true and false."""
    return TRUTH.get(cell.lower(), cell) if len(cell) < 6 else cell


def _numeric(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell) or NOT_FINITE.fullmatch(cell))


def _known(cell: str) -> bool:
    """Return whether a cell is something else than a caption."""
    return not cell or _numeric(cell) or _number(cell) != cell
