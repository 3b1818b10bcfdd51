"""A number for each part, as a text and back."""

import copy
import json

import pytest

from gtk.core.registry.options import as_table, make_config
from gtk.core.registry.train_config import TrainConfig
from gtk.core.values.by_part import ByPart, of_part, parse_by_part, with_each
from gtk.core.values.errors import InvalidValue

RATES = ByPart({"generator": 1e-4, "discriminator": 0.1 + 0.2})


def test_the_text_is_read_back_to_the_same_numbers() -> None:
    assert parse_by_part(str(RATES)) == RATES
    assert parse_by_part(" generator = 1e-4 , discriminator = 3e-1 ")["generator"] == 1e-4  # type: ignore[index]
    assert parse_by_part("1e-3") == 0.001
    assert repr(RATES) == repr(str(RATES))
    assert f"{RATES:.2g}" == "generator=0.0001,discriminator=0.3"
    assert copy.deepcopy(RATES) == RATES


def test_it_is_an_object_in_json_and_a_text_in_tables() -> None:
    assert json.loads(json.dumps(RATES)) == RATES
    config = TrainConfig(learning_rate=RATES)
    assert as_table(config)["learning_rate"] == str(RATES)
    assert make_config(TrainConfig, as_table(config), "training") == config


@pytest.mark.parametrize("given", [str(RATES), RATES, dict(RATES)])
def test_a_setting_takes_a_text_or_a_mapping(given: object) -> None:
    assert make_config(TrainConfig, {"learning_rate": given}, "here").learning_rate == RATES


@pytest.mark.parametrize(("given", "number"), [(2, 2.0), ("2e-3", 0.002), (0.5, 0.5)])
def test_a_setting_takes_one_number(given: object, number: float) -> None:
    found = make_config(TrainConfig, {"learning_rate": given}, "here").learning_rate
    assert type(found) is float
    assert found == number


@pytest.mark.parametrize(
    "given",
    ["fast", "", "a=", "a=1,", "a=1,a=2", "=1", "a=1,2", "a=b=1", "a=1;b=2", {}, {"a,b": 1.0}],
    ids=str,
)
def test_what_is_neither_is_refused_by_name(given: object) -> None:
    with pytest.raises(InvalidValue, match="learning_rate takes a number, or one for each part"):
        make_config(TrainConfig, {"learning_rate": given}, "here")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": True}, "learning_rate takes a number, not True"),
        ({"a": "fast"}, "learning_rate takes a number, not 'fast'"),
        ("a=1e300", "learning_rate is too large for float32"),
        ("a=nan", "here: learning_rate must be more than 0, not a=nan"),
        ("a=1,b=0", "here: learning_rate must be more than 0, not a=1.0,b=0.0"),
        ([1e-3], "learning_rate takes a number, not "),
    ],
)
def test_each_number_is_checked(given: object, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        make_config(TrainConfig, {"learning_rate": given}, "here")


@pytest.mark.parametrize(
    "values",
    [
        {"adam_beta1": "a=0.5,b=1"}, {"momentum": 1.0}, {"momentum": "a=-0.1"},
        {"weight_decay": -1e-4}, {"weight_decay": "a=0,b=-1"}, {"weight_decay": float("inf")},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_of_parts_have_the_same_ranges(values: dict[str, object]) -> None:
    with pytest.raises(InvalidValue, match=f"training: {next(iter(values))} must be"):
        make_config(TrainConfig, {"optimizer": "sgd", **values}, "training")


def test_one_number_stands_for_all_parts() -> None:
    assert of_part(0.5, "any") == 0.5
    assert of_part(RATES, "generator") == 1e-4
    assert with_each(0.5, lambda rate: rate / 2) == 0.25
    assert with_each(ByPart({"a": 1.0, "b": 2.0}), lambda rate: rate / 2) == {"a": 0.5, "b": 1.0}
    assert with_each(ByPart({"a": 1.0, "b": 1.0}), lambda rate: rate / 2) == 0.5
