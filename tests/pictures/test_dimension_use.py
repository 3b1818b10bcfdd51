"""The bars of a latent code's dimensions."""

import re
from typing import Any

import pytest

from gtk.pictures.dimension_use import LEFT, MOST_BARS, RIGHT, DimensionUse
from gtk.pictures.page import templates

#: As `latent-use` writes them: by the variance of the posterior's mean.
DETAILS: dict[str, Any] = {
    "dimension": [2, 0, 1, 3],
    "variance of mean by dimension": [0.9, 0.8, 0.1, 0.0],
    "kl by dimension": [1.5, 3.0, 0.75, -1e-9],
}
PROTOCOL = {"images": 10, "used nats": 0.01}


def use_of(details: dict[str, Any] = DETAILS) -> DimensionUse:
    found = DimensionUse.of(details, PROTOCOL)
    assert found is not None
    return found


def test_dimensions_stand_by_their_divergence_and_count_from_1() -> None:
    use = use_of()
    assert use.dimensions == [1, 3, 2, 4]
    assert use.divergences == [3.0, 1.5, 0.75, 0.0]
    assert use.used == 3
    assert (use.total, use.rest) == ("5.250", "")


def test_bars_are_as_long_as_their_numbers() -> None:
    module: Any = templates().get_template("dimension_use.html").module
    text = str(module.dimensions_figure(use_of()))
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', text)]
    assert widths == pytest.approx([(RIGHT - LEFT) * share for share in (1, 1 / 2, 1 / 4, 0)])
    assert re.findall(r">(z \d+)</text>", text) == ["z 1", "z 3", "z 2", "z 4"]
    assert re.findall(r'class="ink">([\d.]+)</text>', text) == ["3.000", "1.500", "0.7500", "0"]


def test_of_many_dimensions_the_strongest_have_bars() -> None:
    count = MOST_BARS + 5
    use = use_of({"dimension": [*range(count)], "kl by dimension": [1.0] * MOST_BARS + [0.1] * 5})
    assert len(use.bars()) == MOST_BARS
    assert use.rest == "The other 5 have 0.5000 nats together."


def test_a_code_that_says_nothing_has_no_bars() -> None:
    use = use_of({"dimension": [0, 1], "kl by dimension": [0.0, 0.0]})
    assert [bar.width for bar in use.bars()] == [0, 0]
    assert use.used == 0


@pytest.mark.parametrize(
    "change",
    [
        {"dimension": [0, 1]}, {"dimension": [], "kl by dimension": []}, {"dimension": [-1] * 4},
        {"kl by dimension": [1e300] * 4}, {"kl by dimension": ["1"] * 4}, {"dimension": None},
    ],
)  # fmt: skip
def test_damaged_details_are_not_shown(change: dict[str, Any]) -> None:
    assert DimensionUse.of(DETAILS | change, PROTOCOL) is None


def test_details_of_other_metrics_are_not_shown() -> None:
    assert DimensionUse.of({}, PROTOCOL) is None
    assert DimensionUse.of(DETAILS, {"images": 10}) is None
