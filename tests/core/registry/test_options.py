"""From dataclass to options and back."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest

from gtk.core.registry.options import as_table, check_config, make_config, options_of
from gtk.core.registry.train_config import TrainConfig
from gtk.core.values.errors import InvalidValue, PluginError, UnknownName


@dataclass(frozen=True)
class Config:
    width: int = field(default=3, metadata={"help": "Width."})
    rate: float = 0.5
    deep: bool = False
    kind: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = (1, 2)
    text: str = ""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width must be at least 1, not {self.width}")


@dataclass(frozen=True)
class Other:
    width: int = 7


def test_values_survive_the_way_to_json_and_back() -> None:
    config = Config(width=5, rate=0.25, deep=True, kind="b", sizes=(4,), text="x")
    assert make_config(Config, as_table(config), "here") == config


def test_whole_numbers_pass_for_floats_and_texts_for_sizes() -> None:
    assert make_config(Config, {"rate": 2, "sizes": "5,6"}, "here") == Config(
        rate=2.0, sizes=(5, 6)
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 1.5}, "width takes a whole number, not 1.5"),
        ({"width": True}, "width takes a whole number, not True"),
        ({"rate": "fast"}, "rate takes a number, not 'fast'"),
        ({"deep": 1}, "deep takes true or false, not 1"),
        ({"kind": "c"}, "kind must be one of a, b, not 'c'"),
        ({"sizes": "5,x"}, "sizes takes whole numbers such as 256,128, not '5,x'"),
        ({"sizes": [1.5]}, "sizes takes whole numbers"),
        ({"width": 0}, "here: width must be at least 1, not 0"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        make_config(Config, values, "here")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown option of here 'widht'. Did you mean 'width'?"):
        make_config(Config, {"widht": 1}, "here")


def test_options_are_bare_where_that_is_unique() -> None:
    options = options_of({"train": TrainConfig, "model": Config, "loss": Other})
    names = {(option.table, option.field): option.name for option in options}
    assert names["model", "width"] == "model_width"
    assert names["loss", "width"] == "loss_width"
    assert names["model", "rate"] == "rate"
    assert (
        next(option for option in options if option.name == "model_width").flag == "--model-width"
    )


def test_numpys_numbers_are_numbers() -> None:
    values = {"width": np.int64(4), "rate": np.float32(0.5), "sizes": (np.int64(1), 2)}
    config = make_config(Config, values, "here")
    assert (config.width, config.rate, config.sizes) == (4, 0.5, (1, 2))
    assert type(config.width) is int


def test_options_that_would_share_a_name_are_refused() -> None:
    @dataclass(frozen=True)
    class Both:
        width: int = 1
        loss_width: int = 2

    @dataclass(frozen=True)
    class Negated:
        no_deep: int = 1

    for tables in ({"model": Both, "loss": Other}, {"model": Config, "loss": Negated}):
        with pytest.raises(PluginError, match="both have an option --"):
            options_of(tables)


def test_every_option_has_help() -> None:
    assert all(option.help for option in options_of({"train": TrainConfig}))


def test_unusable_config_classes_are_refused() -> None:
    @dataclass
    class Thawed:
        width: int = 1

    @dataclass(frozen=True)
    class Needy:
        width: int

    @dataclass(frozen=True)
    class Listed:
        widths: list = field(default_factory=list)  # type: ignore[type-arg]

    @dataclass(frozen=True)
    class Made:
        widths: tuple[int, ...] = field(default_factory=tuple)

    @dataclass(frozen=True)
    class Odd:
        width: complex = 1j

    @dataclass(frozen=True)
    class Lost:
        width: "Nowhere" = 1  # type: ignore[name-defined] # noqa: F821

    with pytest.raises(PluginError, match="cannot be resolved"):
        check_config(Lost)
    for config, message in (
        (Thawed, "frozen"), (Odd, "complex"), (Needy, "Needy.width has no default. Give"),
        (Listed, "Listed.widths has type list. Use int, float, bool, "),
        (Made, "Made.widths has a default_factory. Give the value itself, widths = ..."),
    ):  # fmt: skip
        with pytest.raises(PluginError, match=message):
            check_config(config)


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0}, {"batch_size": 0}, {"log_every": 0}, {"learning_rate": 0.0},
        {"learning_rate": float("nan")}, {"seed": -1}, {"threads": -1}, {"validation": -1},
        {"average_decay": 1.0}, {"checkpoint_every": -1}, {"sample_every": -1},
    ],
    ids=str,
)  # fmt: skip
def test_trainer_settings_have_ranges(values: dict[str, object]) -> None:
    with pytest.raises(InvalidValue, match=f"training: {next(iter(values))} must be"):
        make_config(TrainConfig, values, "training")
