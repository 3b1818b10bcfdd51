"""What a number means where a class is wanted, and the row of an image without a condition."""

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from gtk.core.values.condition import (
    Attributes,
    Classes,
    ConditionSpec,
    Numbers,
    OtherCondition,
    condition_from_manifest,
)
from gtk.core.values.errors import InvalidValue, UserError

MONTHS = Classes(("1", "10", "11", "12", "2", "3"))
ATTRIBUTES = Attributes(("hat", "glasses"))
NUMBERS = Numbers(("age",), ranges=((0.0, 100.0),))


@pytest.mark.parametrize(
    ("names", "given", "label"),
    [
        (MONTHS.names, "2", 4),
        (MONTHS.names, 2, 4),
        (MONTHS.names, np.int64(12), 3),
        (MONTHS.names, "012", 3),
        (("01", "02", "03"), "1", 0),
        (("01", "02", "03"), 3, 2),
        (("1", "01", "2"), 2, 2),  # "1" and "01" do not differ as numbers
        (("1", "01", "2"), "2", 2),
        (("1", "01", "2"), "0", 0),
        (("cat", "1"), "1", 1),
        (("cat", "1"), 0, 0),
        (("cat", "7"), 1, 1),
        (("-1", "1"), -1, 0),
        (("9" * 30, "1"), "9" * 30, 0),
        (("9" * 30, "1"), int("9" * 30), 0),
        (("0", "1", "2"), 2, 2),
    ],
)
def test_a_number_means_the_class_of_that_number_or_else_is_an_index(
    names: tuple[str, ...], given: Any, label: int
) -> None:
    assert ConditionSpec(names).encode(given) == label


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (4, "label 4 is out of range: the 6 classes are 1, 10, 11, 12, 2, 3"),
        (0, "label 0 is out of range"),
        ("4" * 5000, "unknown label '4444"),
        ("1" + "0" * 30, "label 1000000000000000000000000000000 is out of range"),
        pytest.param(10**5000, "label of more than 40 digits is out of range", id="huge"),
        (True, "a label must be a whole number or a name, not True"),
        (np.True_, "a label must be a whole number or a name"),
        (2.0, "a label must be a whole number or a name, not 2.0"),
        ("two", "unknown label 'two'. Known: 1, 10, 11, 12, 2, 3."),
    ],
)
def test_what_is_neither_a_name_nor_a_number_of_a_class_is_refused(given: Any, shown: str) -> None:
    with pytest.raises(UserError) as error:
        MONTHS.encode(given)
    assert shown in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("spec", [MONTHS, ATTRIBUTES, NUMBERS])
def test_none_is_a_row_of_its_own_where_a_condition_may_be_absent(spec: ConditionSpec) -> None:
    nullable = spec.with_absent()
    for given in (None, "none"):
        row = nullable.encode(given)
        assert row.dtype == spec.dtype
        assert row.shape == spec.shape
        assert nullable.name(row) == "none"
        with pytest.raises(InvalidValue, match="trained with condition_dropout"):
            spec.encode(given)
    rows = nullable.kinds_of_rows()
    assert nullable.is_absent(rows).tolist() == [False] * len(spec.examples()) + [True]
    nullable.check(rows, len(rows), "they")
    with pytest.raises(InvalidValue):
        spec.check(rows, len(rows), "they")
    assert nullable.as_json() == spec.as_json()


def test_a_class_that_is_called_none_is_that_class() -> None:
    spec = Classes(("some", "none"), nullable=True)
    assert spec.encode("none") == 1
    assert spec.encode(None) == 2


@pytest.mark.parametrize("spec", [MONTHS, ATTRIBUTES, NUMBERS])
@pytest.mark.parametrize("nullable", [False, True])
def test_a_condition_goes_through_a_manifest_and_copies(
    spec: ConditionSpec, nullable: bool
) -> None:
    spec = spec.with_absent() if nullable else spec
    table = spec.manifest()
    assert ("absent" in table) == nullable
    assert condition_from_manifest(table, str(spec.dtype), spec.shape) == spec
    for other in (copy.copy(spec), copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):  # noqa: S301 - our own
        assert other == spec
        assert type(other) is type(spec)
    assert isinstance(spec, ConditionSpec)
    assert ConditionSpec(spec.names, spec.kind, spec.ranges, nullable=nullable) == spec


def test_a_kind_that_nobody_here_knows_is_its_type_shape_and_limits() -> None:
    table = {"kind": "angle", "names": ["turn"], "range": [0, 360], "absent": "NaN"}
    spec = condition_from_manifest(table, "float32", (1,))
    assert isinstance(spec, OtherCondition)
    assert spec.encode([90]).tolist() == [90]
    assert np.isnan(spec.encode(None)).all()
    assert spec.examples().tolist() == [[0], [360]]
    for wrong in ([361], [1, 2], "north"):
        with pytest.raises(InvalidValue):
            spec.encode(wrong)


def test_values_need_numpy_alone() -> None:
    code = (
        "import sys; import gtk.core.values.condition, gtk.core.values.codes, "
        "gtk.core.values.image, gtk.core.values.noise, gtk.core.values.request\n"
        "roots = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(name for name in roots if not name.startswith('_')))\n"
        "print(sorted(name for name in sys.modules if name.startswith('gtk.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages, ours = map(eval, done.stdout.splitlines())
    assert {"gtk", "numpy"} <= set(packages)
    assert not {"torch", "onnxruntime", "click", "msgspec"} & set(packages)
    assert all(name in ("gtk.core", "gtk.core.values") or "core.values." in name for name in ours)
