"""Conditions of the three kinds: what they take, what they refuse, what pictures show of them."""

from typing import Any

import numpy as np
import pytest
import torch

from gtk.core.contracts.embedding import ConditionEmbedding
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.request import choose_labels

CLASSES = ConditionSpec(("cat", "dog"))
ATTRIBUTES = ConditionSpec(("hat", "glasses"), "attributes")
CONTINUOUS = ConditionSpec(("age", "angle"), "continuous", ((0.0, 100.0), (-3.0, 1.0)))


@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        (CLASSES, "dog", 1),
        (CLASSES, 0, 0),
        (ATTRIBUTES, {"glasses": 1}, [0, 1]),
        (ATTRIBUTES, [1, 1], [1, 1]),
        (CONTINUOUS, {"age": 25}, [25, -1]),
        (CONTINUOUS, np.array([7.0, 1.0]), [7, 1]),
        (CONTINUOUS, {}, [50, -1]),
    ],
)
def test_a_condition_is_written_by_name_or_in_order(
    spec: ConditionSpec, value: Any, expected: Any
) -> None:
    found = spec.encode(value)
    assert found.tolist() == expected
    assert found.dtype == (np.int64 if spec.kind == "classes" else np.float32)


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        (ATTRIBUTES, {"hut": 1}, "unknown condition 'hut'. Did you mean 'hat'?"),
        (ATTRIBUTES, {"hat": 2}, "hat must be a number in 0..1, not 2"),
        (ATTRIBUTES, {"hat": "much"}, "hat must be a number in 0..1, not 'much'"),
        (ATTRIBUTES, [1], "1 number for hat, glasses: give all"),
        (ATTRIBUTES, 1, "give hat, glasses by name, not 1"),
        (CONTINUOUS, {"age": float("nan")}, "age must be a number in 0..100, not nan"),
        (CONTINUOUS, {"angle": -3.1}, "angle must be a number in -3..1, not -3.1"),
        (CLASSES, "cow", "unknown label 'cow'"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(
    spec: ConditionSpec, value: Any, message: str
) -> None:
    with pytest.raises(UserError) as error:
        spec.encode(value)
    assert message in str(error.value)


def test_examples_show_each_class_each_attribute_and_both_ends_of_each_number() -> None:
    assert CLASSES.examples().tolist() == [0, 1]
    assert ATTRIBUTES.examples().tolist() == [[1, 0], [0, 1]]
    assert CONTINUOUS.examples().tolist() == [[0, -1], [100, -1], [50, -3], [50, 1]]


@pytest.mark.parametrize("spec", [CLASSES, ATTRIBUTES, CONTINUOUS])
def test_without_labels_sampling_cycles_through_the_examples(spec: ConditionSpec) -> None:
    chosen, count = choose_labels(spec, None, 5)
    assert count == 5
    assert chosen is not None
    assert chosen[: len(spec.examples())].tolist() == spec.examples()[:5].tolist()
    assert choose_labels(spec, None, None)[1] == len(spec.examples())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), "classes"), "needs names that differ"),
        ((("a", "a"), "classes"), "needs names that differ"),
        (
            (("a",), "colours"),
            "unknown kind of condition 'colours'. Use attributes, classes, continuous",
        ),
        ((("a",), "continuous"), "needs a range for each of its 1 numbers"),
        ((("a",), "classes", ((0, 1),)), "any other kind none; there are 1"),
        ((("a",), "continuous", ((1.0, 1.0),)), "the range of a is 1.0..1.0"),
        ((("a",), "continuous", ((0.0, float("inf")),)), "the range of a is 0.0..inf"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(
    arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        ConditionSpec(*arguments)


@pytest.mark.parametrize(
    ("spec", "labels", "message"),
    [
        (ATTRIBUTES, np.zeros(3, np.int64), "should be float32 (3, 2)"),
        (ATTRIBUTES, np.full((3, 2), 2, np.float32), "have hat in 2..2, it must be in 0..1"),
        (CONTINUOUS, np.full((3, 2), np.nan, np.float32), "have age in nan..nan"),
        (CLASSES, np.zeros((3, 2), np.float32), "should be int64 (3,)"),
        (None, np.ones(3, np.int64), "must be in 0..0, not 1..1"),
    ],
)
def test_a_data_set_whose_labels_are_something_else_is_refused(
    spec: ConditionSpec | None, labels: Any, message: str
) -> None:
    split = Split(np.zeros((3, 1, 8, 8), np.uint8), labels)
    with pytest.raises(InvalidValue) as error:
        Dataset(DataSpec("faces", 1, 8, 8, spec), split, split)
    assert message in str(error.value)


def test_ranges_may_be_whole_numbers() -> None:
    spec = ConditionSpec(("age",), "continuous", ((0, 100),))
    layer = ConditionEmbedding(spec, 3)
    assert layer(torch.tensor([[25.0]])).shape == (1, 3)


@pytest.mark.parametrize("spec", [CLASSES, ATTRIBUTES, CONTINUOUS, None])
def test_a_description_goes_through_json(spec: ConditionSpec | None) -> None:
    import json

    data = DataSpec("faces", 3, 9, 13, spec)
    assert DataSpec.from_json(json.loads(json.dumps(data.as_json()))) == data


def test_examples_have_names_in_their_order() -> None:
    numbers = ConditionSpec(("age", "tilt"), "continuous", ((20.0, 70.0), (-0.5, 1.25)))
    assert numbers.example_names() == ["age 20", "age 70", "tilt -0.5", "tilt 1.25"]
    for kind in ("classes", "attributes"):
        assert ConditionSpec(("hat", "glasses"), kind).example_names() == ["hat", "glasses"]
    for spec in (numbers, ConditionSpec(("a", "b", "c"))):
        assert len(spec.example_names()) == len(spec.examples())


def test_thousands_of_named_numbers_are_refused() -> None:
    names = tuple(map(str, range(100_000)))
    with pytest.raises(InvalidValue, match="100,000 attributes are more than 2,000"):
        ConditionSpec(names, "attributes")
    with pytest.raises(InvalidValue, match="100,000 numbers are more than 2,000"):
        ConditionSpec(names, "continuous", ((0.0, 1.0),) * len(names))
