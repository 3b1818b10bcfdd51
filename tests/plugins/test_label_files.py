"""Files of labels as other programs write them, and the choice of their columns."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import numpy as np
import pytest
from folders import levels, load_folder, write_images

from gtk.core.storage.cache import CACHE_VARIABLE
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue, UnknownName

NAMES = [f"{number}.png" for number in range(6)]
KINDS = ConditionSpec(("a", "b"))


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_images(tmp_path / "things", NAMES)


def values(data: Dataset) -> list[object]:
    """Return the label of each image, in the order of their levels."""
    train, test = levels(data)
    labels = [*data.train.labels.tolist(), *data.test.labels.tolist()]
    return [label for _, label in sorted(zip(train + test, labels, strict=True))]


def write_csv(root: Path, header: str, *columns: Sequence[object]) -> None:
    lines = [header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")


def write_jsonl(root: Path, **columns: Sequence[object]) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


# --- formats ---

#: How a table is written, with {name} and {kind} for those of an image: header, line, end of line.
SPELLINGS = {
    "semicolons": ("file_name;kind", "{name};{kind}"),
    "tabs": ("file_name\tkind", "{name}\t{kind}"),
    "bars": ("file_name|kind", "{name}|{kind}"),
    "excel": ("sep=;\nfile_name;kind", "{name};{kind}"),
    "quotes": ('"file_name","kind"', '"{name}","{kind}"'),
    "bom": ("\ufefffile_name,kind", "{name},{kind}"),
    "crlf": ("file_name,kind\r", "{name},{kind}\r"),
    "capitals": ("File_Name,Kind", "{name},{kind}"),
    "filename": ("filename,kind", "{name},{kind}"),
    "image": ("Image,kind", "{name},{kind}"),
    "path": ("kind,image path", "{kind},{name}"),
    "index": (",file_name,kind", "7,{name},{kind}"),
    "unnamed": ("Unnamed: 0,file_name,kind", "7,{name},{kind}"),
    "dot": ("file_name,kind", "./{name},{kind}"),
    "upper": ("file_name,kind", "{upper},{kind}"),
    "no-suffix": ("id,kind", "{stem},{kind}"),
    "parent": ("file_name,kind", "things/{name},{kind}"),
    "absolute": ("file_name,kind", "/home/me/things/{name},{kind}"),
    "windows": ("file_name,kind", r"C:\me\things\{name},{kind}"),
    "caption": ("file_name,kind,text", '{name},{kind},"a, picture of {name}"'),
    "numbers": ("file_name,kind,age", "{name},{kind},{stem}"),
    "empty-lines": ("file_name;kind\n;", "{name};{kind}\n;"),
    "address": ("file_name,kind", "https://example.org/things/{name},{kind}"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_tables_as_other_programs_write_them(root: Path, name: str) -> None:
    header, line = SPELLINGS[name]
    lines = [
        line.format(name=name, kind="ab"[at % 2], upper=name.upper(), stem=name[:-4])
        for at, name in enumerate(NAMES)
    ]
    (root / "metadata.csv").write_bytes("\n".join([header, *lines, ""]).encode())
    data = load_folder(root)
    assert data.spec.condition is not None
    assert data.spec.condition.names == KINDS.names
    assert values(data) == [0, 1] * 3


@pytest.mark.parametrize(("of_files", "of_table"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_are_the_same_composed_and_decomposed(
    tmp_path: Path, of_files: Literal["NFC", "NFD"], of_table: Literal["NFC", "NFD"]
) -> None:
    names = [f"caf\u00e9/\u00fc{number}.png" for number in range(4)]
    root = write_images(tmp_path / "things", [normalize(of_files, name) for name in names])
    write_csv(root, "file_name,kind", [normalize(of_table, name) for name in names], "abab")
    assert values(load_folder(root)) == [0, 1, 0, 1]


def test_backslashes_separate_folders(tmp_path: Path) -> None:
    root = write_images(tmp_path / "things", ["x/0.png", "x/1.png", "y/2.png", "y/3.png"])
    write_csv(root, "file_name,kind", [r"x\0.png", r"x\1.png", r"y\2.png", r"y\3.png"], "abab")
    assert values(load_folder(root)) == [0, 1, 0, 1]


def test_a_decimal_comma_is_one_between_semicolons(root: Path) -> None:
    lines = [f"{name};{at},5" for at, name in enumerate(NAMES)]
    (root / "metadata.csv").write_text("\n".join(["file_name;x", *lines]))
    assert values(load_folder(root)) == [[at + 0.5] for at in range(6)]


REFUSED = {
    "outside": (["/elsewhere/0.png", *(f"/home/{name}" for name in NAMES[1:])],
                "line 2: '/elsewhere/0.png' leads out of the folder: give a path inside"),
    "same": (["0.png", "0.PNG", *NAMES[2:]],
             "line 3: 0.png is in line 2, too: remove one of the lines"),
    "above": ([r"..\0.png", *NAMES[1:]],
              None),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_paths_of_no_image_or_of_another_one_are_refused(root: Path, name: str) -> None:
    names, message = REFUSED[name]
    write_csv(root, "file_name,kind", names, "ababab")
    with pytest.raises(InvalidValue) as error:
        load_folder(root)
    if message is None:
        message = "is in line 2 of metadata.csv, but not in the folder"
    assert message in str(error.value)


def test_a_line_with_more_cells_says_how_a_comma_is_written(root: Path) -> None:
    write_csv(root, "file_name,text", NAMES, ["a, b"] * 6)
    with pytest.raises(InvalidValue, match=r"line 2: .* 3 cells for 2 .* in quotes if it has ','$"):
        load_folder(root)


def test_hugging_faces_metadata_jsonl(root: Path) -> None:
    write_jsonl(root, file_name=NAMES, label="ababab")
    data = load_folder(root)
    assert data.spec.condition == KINDS
    assert values(data) == [0, 1] * 3
    write_jsonl(root, file_name=NAMES, age=[1, 2.5, 3, 4, 5, 6], wide=[True, False] * 3)
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(
        ("age", "wide"), "continuous", ((1.0, 6.0), (0.0, 1.0))
    )
    assert values(data)[1] == [2.5, 0]


def test_a_metadata_jsonl_in_each_split_or_in_the_only_one(tmp_path: Path) -> None:
    names = [f"{split}/{name}" for split in ("train", "test") for name in NAMES]
    root = write_images(tmp_path / "things", names)
    write_jsonl(root / "train", file_name=NAMES, label="ababab")
    with pytest.raises(InvalidValue, match=r"has a metadata.jsonl in 'train', but not in 'test'"):
        load_folder(root)
    write_jsonl(root / "test", file_name=NAMES, label="bababa")
    data = load_folder(root)
    assert data.train.labels.tolist() == [0, 1] * 3
    assert data.test.labels.tolist() == [1, 0] * 3
    other = write_images(tmp_path / "other", [f"train/{name}" for name in NAMES])
    write_jsonl(other / "train", file_name=NAMES, label="ababab")
    assert values(load_folder(other)) == [0, 1] * 3


BROKEN = {
    "json": ('{"file_name": "0.png", "x": 1}\n{oops\n', "line 2: the line is not a JSON object ("),
    "array": ("[1]\n", "line 1: the line is not a JSON object ("),
    "deep": ('{"file_name": ' + "[" * 10_000, "line 1: the line is not a JSON object ("),
    "half": (r'{"file_name": "0.png", "x": "\ud800"}', "line 1: the line is not a JSON object (a"),
    "number": ('{"file_name": "0.png", "x": 1}\n{"file_name": [1]}\n',
               "line 2: file_name is '[1]': give the name of a file"),
    "double": ('{"file_name": "0.png", "x": 1}\n{"file_name": "./0.png", "x": 2}\n',
               "line 2: 0.png is in line 1, too: remove one of the lines"),
    "missing": ('{"file_name": "0.png", "x": 1}\n{"file_name": "1.png"}\n',
                "line 2: x is empty: write a value, or choose columns with condition=COLUMN"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_line_of_jsonl_that_is_wrong_is_named(root: Path, name: str) -> None:
    content, message = BROKEN[name]
    (root / "metadata.jsonl").write_text(content)
    with pytest.raises(InvalidValue) as error:
        load_folder(root)
    assert str(error.value).startswith(f"{root}/metadata.jsonl, {message}")


@pytest.mark.parametrize(
    ("labels", "condition"),
    [
        ([0, 1] * 3, ConditionSpec(("0", "1"))),
        ([10, 9] * 3, ConditionSpec(("10", "9"))),
        ([[1, 0], [0, 1]] * 3, ConditionSpec(("label-0", "label-1"), "attributes")),
        ([0.5, 1.5] * 3, ConditionSpec(("label",), "continuous", ((0.5, 1.5),))),
        (None, None),
    ],
)
def test_stylegans_dataset_json(
    tmp_path: Path, labels: list[object] | None, condition: ConditionSpec | None
) -> None:
    names = [f"{at % 2:05}/img{at:08}.png" for at in range(6)]
    root = write_images(tmp_path / "things", names)
    pairs = labels and list(zip(names, labels, strict=True))
    (root / "dataset.json").write_text(json.dumps({"labels": pairs}))
    data = load_folder(root)
    assert data.spec.condition == condition
    if labels is None:
        (note,) = data.notes
        assert note.endswith("to read folders as classes, add condition='folders'")
        condition = load_folder(root, condition="folders").spec.condition
        assert condition == ConditionSpec(("00000", "00001"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["0.png", 1], ["1.png", [1]]], "label 2: the label has another length than those before"),
        ([["0.png", 1], 3], "label 2: a label is not a pair [file, label]: write such pairs"),
        ([["0.png", {}]], "label 1: '{}' is not a number or a list of numbers"),
        ([["../0.png", 1]], "label 1: '../0.png' leads out of the folder: give a path inside"),
    ],
)
def test_a_label_of_stylegan_that_is_wrong_is_named(
    root: Path, labels: list[object], message: str
) -> None:
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(InvalidValue) as error:
        load_folder(root)
    assert str(error.value) == f"{root}/dataset.json, {message}"


def test_one_file_of_labels_is_read_and_the_others_are_named(root: Path) -> None:
    write_csv(root, "file_name,kind", NAMES, "ababab")
    write_jsonl(root, file_name=NAMES, label="cdcdcd")
    data = load_folder(root)
    assert data.spec.condition == KINDS
    assert data.notes == ("metadata.jsonl is not used, since metadata.csv is",)


def test_a_table_at_the_top_goes_before_those_in_splits(tmp_path: Path) -> None:
    names = [f"{split}/{name}" for split in ("train", "test") for name in NAMES]
    root = write_images(tmp_path / "things", names)
    write_csv(root, "file_name,kind", names, "ab" * 6)
    write_jsonl(root / "train", file_name=NAMES, label="cdcdcd")
    data = load_folder(root)
    assert data.spec.condition == KINDS
    assert data.notes[-1] == "train/metadata.jsonl is not used, since metadata.csv is"


# --- columns ---


@pytest.mark.parametrize("name", ["label", "Class_ID", "category"])
def test_a_column_of_labels_counted_from_0_is_classes(root: Path, name: str) -> None:
    write_csv(root, f"file_name,{name}", NAMES, [0, 1, 2] * 2)
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(("0", "1", "2"))
    assert values(data) == [0, 1, 2] * 2
    assert data.notes == (
        f"'{name}' is read as 3 classes; to read it as a number, add condition='{name}:numbers'",
    )
    data = load_folder(root, condition=f"{name}:numbers")
    assert data.spec.condition == ConditionSpec((name,), "continuous", ((0.0, 2.0),))
    assert not data.notes


@pytest.mark.parametrize(("name", "column"), [("label", [0, 5, 9]), ("target", [0, 1, 2])])
def test_other_whole_numbers_become_classes_if_asked_for(
    root: Path, name: str, column: list[int]
) -> None:
    write_csv(root, f"file_name,{name}", NAMES, column * 2)
    data = load_folder(root)
    ends = (float(column[0]), float(column[-1]))
    assert data.spec.condition == ConditionSpec((name,), "continuous", (ends,))
    assert data.notes == (
        (
            f"'{name}' is read as a number; to read its 3 values as classes, add "
            f"condition='{name}:classes'"
        ),
    )
    data = load_folder(root, condition=f"{name}:classes")
    assert data.spec.condition == ConditionSpec(tuple(map(str, column)))
    assert values(data) == [0, 1, 2] * 2
    assert not data.notes


@pytest.mark.parametrize(
    "column", [["0.0", "1.0", "2.0"], [-1, 1, -1], ["0.", "+1", "0."], ["0" * 21, f"{1:021}"] * 2]
)
def test_labels_written_as_other_numbers_are_noted(root: Path, column: list[object]) -> None:
    write_csv(root, "file_name,label", NAMES, (column * 3)[: len(NAMES)])
    (note,) = load_folder(root).notes
    assert note.endswith(f"its {len({*column})} values as classes, add condition='label:classes'")


def test_one_attribute_of_several_for_each_image_is_noted(root: Path) -> None:
    write_csv(root, "file_name,cat,dog", NAMES, [1, 0] * 3, [0, 1] * 3)
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(("cat", "dog"), "attributes")
    assert data.notes == (
        (
            "each image has a single 1 in 'cat', 'dog', which are read as 2 attributes: for 2 "
            "classes write one column, of their names"
        ),
    )
    assert load_folder(root, condition="cat,dog").notes == data.notes
    assert not load_folder(root, condition="cat,dog:attributes").notes


def test_a_label_of_few_images_is_classes_if_asked_for(root: Path) -> None:
    write_csv(root, "file_name,label", NAMES, [0, 1, 2] * 2)
    data = load_folder(root, condition="label:classes")
    assert data.spec.condition == ConditionSpec(("0", "1", "2"))
    assert values(data) == [0, 1, 2] * 2
    assert not data.notes


def test_a_label_among_several_numbers_is_noted(root: Path) -> None:
    write_csv(root, "file_name,age,label", NAMES, [3, 3, 4, 4, 5, 5], [0, 1, 2] * 2)
    assert load_folder(root).notes == (
        (
            "'label' is read as a number; to read its 3 values as classes, add "
            "condition='label:classes'"
        ),
    )
    assert load_folder(root, condition="label,age:numbers").notes == ()


NUMBERS, SIGNS = range(6), [-1, 1] * 3
CHOSEN = {
    "k": ConditionSpec(("a", "b")),
    "k:classes": ConditionSpec(("a", "b")),
    "n": ConditionSpec(("n",), "continuous", ((0.0, 5.0),)),
    "n,s": ConditionSpec(("n", "s"), "continuous", ((0.0, 5.0), (-1.0, 1.0))),
    "s, t:attributes": ConditionSpec(("s", "t"), "attributes"),
    "t:numbers": ConditionSpec(("t",), "continuous", ((0.0, 1.0),)),
    "t": ConditionSpec(("t",), "attributes"),
    "a:b": ConditionSpec(("a:b",), "continuous", ((0.0, 5.0),)),
    "none": None,
    "folders": None,
}


@pytest.mark.parametrize("condition", CHOSEN)
def test_columns_and_their_kind_can_be_chosen(root: Path, condition: str) -> None:
    write_csv(root, "file_name,k,n,s,t,a:b", NAMES, "ababab", NUMBERS, SIGNS, [1, 0] * 3, NUMBERS)
    data = load_folder(root, condition=condition)
    assert data.spec.condition == CHOSEN[condition]
    left = [name for name in ("k", "n", "s", "t", "a:b") if name not in condition]
    if condition not in ("none", "folders"):
        assert data.notes[0].startswith(f"not used of metadata.csv: {left[0]!r}")
    if condition == "s, t:attributes":
        assert values(data) == [[0, 1], [1, 0]] * 3


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("k:numbers", "line 2: k is 'a', which is not a number"),
        ("n:attributes", "line 4: n is '2': attributes are 0 or 1"),
        ("n,s:classes", "condition='n,s:classes' names 2 columns: classes are one column"),
        ("n:label", "ends with 'label': the kinds are classes, numbers, attributes"),
        ("m", "unknown column of"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(root: Path, condition: str, message: str) -> None:
    write_csv(root, "file_name,k,n,s", NAMES, "ababab", NUMBERS, SIGNS)
    with pytest.raises((InvalidValue, UnknownName)) as error:
        load_folder(root, condition=condition)
    assert message in str(error.value)


def test_an_accent_in_the_name_of_a_column_may_be_written_either_way(root: Path) -> None:
    write_csv(root, "file_name,caf\u00e9,x", NAMES, "ababab", range(6))
    assert load_folder(root, condition="cafe\u0301").spec.condition == KINDS


def test_columns_of_no_table_are_refused(root: Path) -> None:
    with pytest.raises(InvalidValue, match="has no table of labels .* leave condition out"):
        load_folder(root, condition="label:classes")


def test_captions_lists_and_constants_are_named_and_not_used(root: Path) -> None:
    write_jsonl(
        root,
        file_name=NAMES,
        text=[f"a picture of {name}" for name in NAMES],
        objects=[{"bbox": [1, 2]}] * 6,
        width=[512] * 6,
    )
    data = load_folder(root)
    assert data.spec.condition is None
    assert data.notes == (
        (
            "'text' in metadata.jsonl has another text for each image, as captions have, and is "
            "not used"
        ),
        "'objects' in metadata.jsonl holds lists or objects, and is not used",
        "'width' in metadata.jsonl is the same for all images, and is not used",
    )


def test_captions_some_of_which_are_the_same_are_suspected(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(40)]
    root = write_images(tmp_path / "things", names)
    write_csv(root, "file_name,text", names, [f"a picture of {max(at, 9)}" for at in range(40)])
    assert load_folder(root).notes == (
        "'text' has 31 classes for 40 images; if these are captions, add condition='none'",
    )


def test_strings_of_json_are_classes_though_they_look_like_numbers(root: Path) -> None:
    write_jsonl(root, file_name=NAMES, label=["3", "7"] * 3, age=range(6))
    assert load_folder(root).spec.condition == ConditionSpec(("3", "7"))
    numbers = ConditionSpec(("label",), "continuous", ((3.0, 7.0),))
    assert load_folder(root, condition="label:numbers").spec.condition == numbers


def test_classes_by_folders_stay_where_a_table_has_captions_only(tmp_path: Path) -> None:
    names = [f"{kind}/{number}.png" for kind in "ab" for number in range(3)]
    root = write_images(tmp_path / "things", names)
    write_csv(root, "file_name,caption", names, [f"no {name}" for name in names])
    assert load_folder(root).spec.condition == KINDS


def test_names_beside_numbers_are_the_class(root: Path) -> None:
    write_csv(root, "file_name,kind,age", NAMES, "ababab", range(6))
    data = load_folder(root)
    assert data.spec.condition == KINDS
    assert data.notes == (
        (
            "'kind' in metadata.csv is the class, and not 'age'; to choose columns, add "
            "condition='age'"
        ),
    )


@pytest.mark.parametrize("other", ["val", "validation"])
def test_a_column_may_name_the_split(root: Path, other: str) -> None:
    splits = ["train", "Training", "train", "test", "test", other]
    write_csv(root, "file_name,kind,split", NAMES, "ababab", splits)
    data = load_folder(root)
    assert levels(data) == ([0, 1, 2], [3, 4])
    assert data.spec.condition == KINDS
    assert data.notes[0] == (
        "'split' in metadata.csv says which images are for training and which for testing"
    )
    assert data.notes[1].startswith("images of other splits are not used")


def test_one_table_for_all_splits_keeps_them(tmp_path: Path) -> None:
    names = [f"{split}/{name}" for split in ("train", "val", "test") for name in NAMES]
    root = write_images(tmp_path / "things", names)
    write_csv(root, "file_name,kind", names, "ab" * 9)
    data = load_folder(root)
    assert levels(data) == ([*range(6)], [*range(12, 18)])
    assert "layout='flat'" in data.notes[-1]
    assert len(load_folder(root, layout="flat").train) == 16


def test_names_that_no_line_can_hold_do_not_break_a_note(root: Path) -> None:
    long = "x\n" * 100_000
    write_jsonl(root, file_name=NAMES, **{long: [0, 1, 2] * 2})
    data = load_folder(root, condition="")
    assert all("\n" not in note and len(note) < 300 for note in data.notes)
    assert np.unique(data.train.labels).size == 3
