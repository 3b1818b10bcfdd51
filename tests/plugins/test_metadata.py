"""metadata.csv: what its columns become, and what is refused with its line."""

from pathlib import Path

import numpy as np
import pytest
from folders import levels, load_folder, write_image, write_images

from gtk.core.storage.cache import CACHE_VARIABLE
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.plugins.datasets import metadata


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images, two of them deeper."""
    return write_images(tmp_path / "things", ["0.png", "1.png", "deep/2.png", "deep/3.png"])


def write(root: Path, *lines: str) -> None:
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")


def values(data: Dataset) -> dict[int, object]:
    """Return the label of each image by its level."""
    train, test = levels(data)
    labels = [*data.train.labels.tolist(), *data.test.labels.tolist()]
    return dict(zip(train + test, labels, strict=True))


def refusal(root: Path, **options: object) -> str:
    with pytest.raises(InvalidValue) as error:
        load_folder(root, **options)
    message = str(error.value)
    assert "\n" not in message
    return message.replace(str(root), "THINGS").removeprefix("THINGS/metadata.csv, ")


def test_a_column_of_names_is_classes(root: Path) -> None:
    write(root, "file_name,kind", "1.png,cup", "0.png,a b", "deep/3.png,3", "./deep/2.png,cup")
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(("3", "a b", "cup"))
    assert values(data) == {0: 1, 1: 2, 2: 2, 3: 0}
    assert len(data.test) == 1, "one of the two cups"


@pytest.mark.parametrize("separate", ["\n", "\r\n", "\n\n"])
def test_columns_of_0_and_1_are_attributes(root: Path, separate: str) -> None:
    lines = [
        "round,file_name,red",
        "1,0.png,0",
        '0,"1.png",1',
        "1.0,deep/2.png,0",
        "0,deep/3.png,0",
    ]
    content = "\ufeff" + separate.join(lines)
    (root / "metadata.csv").write_bytes(content.encode())
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(("round", "red"), "attributes")
    assert values(data) == {0: [1, 0], 1: [0, 1], 2: [1, 0], 3: [0, 0]}
    assert data.train.labels.dtype == np.float32


def test_one_column_of_0_and_1_is_an_attribute(root: Path) -> None:
    write(root, "file_name,red", "0.png,0", "1.png,1", "deep/2.png,0", "deep/3.png,1")
    assert load_folder(root).spec.condition == ConditionSpec(("red",), "attributes")


def test_other_numbers_are_a_vector_with_the_ranges_of_all_images(root: Path) -> None:
    write(root, "file_name,angle,on", "0.png, -1.5,1", "1.png,2e2,0", "deep/2.png,.5,1",
          "deep/3.png,+3.,0")  # fmt: skip
    data = load_folder(root)
    ranges = ((-1.5, 200.0), (0.0, 1.0))
    assert data.spec.condition == ConditionSpec(("angle", "on"), "continuous", ranges)
    assert values(data) == {0: [-1.5, 1], 1: [200, 0], 2: [0.5, 1], 3: [3, 0]}


def test_ranges_hold_numbers_that_float32_rounds(root: Path) -> None:
    write(root, "file_name,x", "0.png,0.1", "1.png,0.7", "deep/2.png,0.3", "deep/3.png,0.33")
    spec = load_folder(root).spec.condition
    assert spec is not None
    assert spec.ranges == ((float(np.float32(0.1)), float(np.float32(0.7))),)


def test_each_split_may_have_its_own(tmp_path: Path) -> None:
    root = write_images(tmp_path / "things", ["train/0.png", "train/x/1.png", "test/0.png"])
    (root / "train" / "metadata.csv").write_text("file_name,x\n0.png,1\nx/1.png,2\n")
    with pytest.raises(
        InvalidValue, match="has a metadata.csv in 'train', but not in 'test': give"
    ):
        load_folder(root)
    (root / "test" / "metadata.csv").write_text("file_name,x\n0.png,7\n")
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(("x",), "continuous", ((1.0, 7.0),))
    assert levels(data) == ([0, 1], [2])
    assert data.test.labels.tolist() == [[7]]
    (root / "test" / "metadata.csv").write_text("file_name,y\n0.png,7\n")
    with pytest.raises(
        InvalidValue, match="test/metadata.csv, line 1: the columns differ from those of"
    ):
        load_folder(root)


def test_one_class_is_none_and_a_table_elsewhere_is_not_used(root: Path) -> None:
    write(root, "file_name,kind", *(f"{n},cup" for n in ("0.png", "1.png", "deep/2.png")),
          "deep/3.png,cup")  # fmt: skip
    (root / "deep" / "metadata.csv").touch()
    data = load_folder(root)
    assert data.spec.condition is None
    assert data.notes[0] == (
        "kind is 'cup' in all lines of metadata.csv, so the images are used without classes"
    )
    assert (
        data.notes[1] == "deep/metadata.csv is not used, since it is not at the top or in a split"
    )


ALL = ("0.png,1", "1.png,2", "deep/2.png,3", "deep/3.png,4")
WRONG = {
    "no-file-name": (("name,x", *ALL), "line 1: the column 'file_name' is missing: name the"),
    "empty-file": ((), "line 1: the column 'file_name' is missing"),
    "no-other-column": (("file_name", "0.png"), "line 1: 'file_name' is the only column"),
    "two-columns": (("file_name,x,x", "0.png,1,1"), "line 1: column 'x' occurs twice: rename one"),
    "no-column-name": (("file_name,", "0.png,1"), "line 1: a column has no name: name it"),
    "header-only": (("file_name,x",), "line 1: the table has no lines below the header"),
    "cells": (("file_name,x", "0.png,1", "1.png,2,3"),
              "line 3: the line has 3 cells for 2 columns: give one for each"),
    "empty-cell": (("file_name,x", "", "0.png,1", "1.png, "), "line 4: x is empty: write a value"),
    "double": (("file_name,x", *ALL, "./1.png,3"),
               "line 6: 1.png is in line 3, too: remove one of the lines"),
    "absolute": (("file_name,x", "/etc/passwd.png,1"),
                 "line 2: '/etc/passwd.png' leads out of the"),
    "above": (("file_name,x", "deep/../../0.png,1"),
              "line 2: 'deep/../../0.png' leads out of the f"),
    "nan": (
        ("file_name,x", *ALL[1:], "0.png,NaN"),
        "line 5: x is 'NaN': write a finite float32 number"),
    "infinite": (
        ("file_name,x", *ALL[1:], "0.png,-inf"),
        "line 5: x is '-inf': write a finite float32 number"),
    "too-large": (("file_name,x", *ALL[1:], "0.png,1e39"),
                  "line 5: x is '1e39': write a finite float32 number"),
    "mixed": (
        ("file_name,x,y", "0.png,1,2", "1.png,1,red"),
        "line 3: y is 'red', which is not a number: write numbers into several columns, or names",
    ),
    "underscore": (("file_name,x,y", "0.png,1_0,2"), "line 2: x is '1_0', which is not a number"),
    "quote": (("file_name,x", '"0.png,1', "1.png,2"),
              "line 2: the line is not valid CSV (unexpected end of"),
    "constant": (
        ("file_name,x,y", *(f"{line},7" for line in ALL)),
        "THINGS: y is 7 for all images, so it cannot be learned: leave it out",
    ),
    "missing-line": (
        ("file_name,x", *ALL[:3]),
        ("THINGS/deep/3.png has no line in metadata.csv: add its line to the table, or remove it, "
        "or add bad_images='skip'"),
    ),
    "missing-file": (
        ("file_name,x", *ALL, "4.png,5"),
        "THINGS/4.png is in line 6 of metadata.csv, but not in the folder: add it, or remove its",
    ),
    "long-name": (
        ("file_name,x", *ALL, f"{'x' * 300}.png,5"),
        f"THINGS/{'x' * 300}.png is in line 6 of metadata.csv, but not in the folder: add it, or",
    ),
    "no-image": (
        ("file_name,x", *ALL, "metadata.csv,5"),
        ("THINGS/metadata.csv is in line 6 of metadata.csv, and its name does not end as that of "
        "an image: rename it if it is one, or remove its line"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_line(root: Path, name: str) -> None:
    lines, message = WRONG[name]
    write(root, *lines)
    assert refusal(root).startswith(message)


def test_a_file_under_another_suffix_than_in_the_table_is_named(root: Path) -> None:
    write(root, "file_name,x", *(line.replace(".png", ".jpg") for line in ALL))
    message = refusal(root)
    assert message == (
        "THINGS/0.jpg is in line 2 of metadata.csv, but the folder has it under another suffix, "
        "'0.png'; 7 more images cannot be used: write its name into the table as it is in the "
        "folder"
    )


def test_files_without_lines_and_lines_without_files_can_be_skipped(root: Path) -> None:
    write(root, "file_name,x", *ALL[:3], "9.png,7")
    data = load_folder(root, bad_images="skip")
    assert sorted(values(data)) == [0, 1, 2]
    assert data.spec.condition is not None
    assert data.spec.condition.ranges == ((1.0, 3.0),), "of the images that are there"
    assert data.notes[-1].startswith("bad images skipped: 2 (9.png is in line 5 of metadata.csv")


def test_a_bad_image_takes_its_value_along(root: Path) -> None:
    write(root, "file_name,x", *ALL)
    (root / "0.png").write_bytes(b"")
    spec = load_folder(root, bad_images="skip").spec.condition
    assert spec is not None
    assert spec.ranges == ((2.0, 4.0),)


def test_what_is_no_text_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "metadata.csv"
    path.write_bytes("file_name,x\n0.png,caf\u00e9\n".encode("latin-1"))
    assert refusal(root) == "line 2: the text is not valid UTF-8: save it as UTF-8"
    path.write_bytes(b"file_name,x\n0.png,1\n1.png,\x00\n")
    assert refusal(root) == "line 3: the line has a NUL byte: remove it"
    path.write_bytes(b"file_name,x\n0.png," + b"1" * 200_000)
    assert refusal(root).startswith(
        "line 2: the line is not valid CSV (field larger than field limit"
    )
    monkeypatch.setattr(metadata, "MOST_BYTES", 2**10)
    assert refusal(root) == "THINGS/metadata.csv is larger than 0 MiB: leave columns or lines out"
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert "is a link that leads out of the folder" in refusal(root)
    path.unlink()
    path.mkdir()
    assert load_folder(root.joinpath("deep")).spec.condition is None


def test_a_changed_table_is_read_again(root: Path) -> None:
    write(root, "file_name,x", *ALL)
    before = load_folder(root)
    write(root, "file_name,x", "0.png,100", *ALL[1:])
    assert load_folder(root).spec.condition != before.spec.condition


def test_a_line_break_in_quotes_is_part_of_a_cell(root: Path) -> None:
    write_image(root / "a,b.png", 9)
    write(root, "file_name,kind", '0.png,"two\nlines"', "1.png,x", "deep/2.png,\u2028y",
          "deep/3.png,x", '"a,b.png","say ""x"""')  # fmt: skip
    data = load_folder(root)
    assert data.spec.condition is not None
    assert set(data.spec.condition.names) == {"two\nlines", "x", "y", 'say "x"'}
    write(root, "file_name,kind", '0.png,"two\nlines"', "1.png,x", "1.png,x")
    assert refusal(root) == "line 5: 1.png is in line 4, too: remove one of the lines"


def test_long_cells_and_many_columns_are_refused_in_linear_time(root: Path) -> None:
    digits = "1" * 120_000
    write(root, "file_name,x,y", f"0.png,{digits}x,1", f"1.png,{digits}.{digits[:10]},2")
    message = refusal(root)
    assert message.startswith(f"line 2: x is '{digits[:80]}...', which is not a number")
    assert len(message) < 300
    write(root, ",".join(["file_name", *map(str, range(1_000_000))]), "0.png")
    assert refusal(root) == "line 1: there are more than 2,001 columns: leave some out"


def test_a_long_number_is_a_number(root: Path) -> None:
    long = f"0.{'3' * 100_000}"
    write(root, "file_name,x", f"0.png,{long}", "1.png,1", "deep/2.png,2", "deep/3.png,1e0")
    assert values(load_folder(root))[0] == [np.float32(1 / 3)]
