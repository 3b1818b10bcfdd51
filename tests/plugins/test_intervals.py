"""Intervals of metrics' figures: they contain the true value about 95 times in 100."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import gtk
from gtk.core.values.figure import Figure
from gtk.plugins.metrics import diversity
from gtk.plugins.metrics.diversity import Diversity
from gtk.plugins.metrics.interval import mean_figure, median_figure

DRAWS = 300


def covered(figures: list[Figure], true: float) -> float:
    assert all(figure.low is not None and figure.high is not None for figure in figures)
    return float(np.mean([(it.low or 0) <= true <= (it.high or 0) for it in figures]))


@pytest.mark.parametrize(("figure", "true"), [(mean_figure, 1.0), (median_figure, math.log(2))])
def test_those_of_means_and_medians(
    figure: Callable[[NDArray[np.float64]], Figure], true: float
) -> None:
    generator = np.random.default_rng(0)
    found = [figure(generator.exponential(size=200)) for _ in range(DRAWS)]
    assert 0.92 < covered(found, true) < 0.98


def test_a_median_lies_between_two_of_the_numbers() -> None:
    assert median_figure(np.arange(1.0, 101)) == Figure(50.5, 40.0, 61.0)
    assert median_figure(np.arange(1.0, 7)) == Figure(3.5, 1.0, 6.0)
    assert median_figure(np.arange(1.0, 6)) == Figure(3.0)
    assert median_figure(np.array([3.0])) == Figure(3.0)


def judged(images: NDArray[np.uint8], source: str) -> gtk.JudgedImages:
    labels = np.arange(len(images)) % 2
    return gtk.JudgedImages(images, labels, source)  # type: ignore[arg-type]


def measured(images: NDArray[np.uint8], test: NDArray[np.uint8]) -> Figure:
    spec = gtk.DataSpec("noise", 1, 4, 4, gtk.ConditionSpec(("a", "b")))
    metric = Diversity(gtk.NoConfig(), spec)
    metric.update(judged(images, "generated"))
    metric.update(judged(test, "test"))
    return metric.compute()["diversity"]


def drawn(generator: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Return images whose pixels move together, so that their deviations err together."""
    levels = generator.integers(0, 200, (count, 1, 1, 1)) + generator.integers(
        0, 50, (count, 1, 4, 4)
    )
    levels[:, :, 0, 0] = 7  # one that never differs
    return levels.astype(np.uint8)


def test_that_of_diversity(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    test = drawn(generator, 40)
    true = measured(drawn(generator, 100_000), test).value
    found = [measured(drawn(generator, 60), test) for _ in range(DRAWS)]
    assert 0.9 < covered(found, true) < 0.98
    whole = measured(test, test)
    monkeypatch.setattr(diversity, "KEPT_BYTES", 30 * 16)
    part = measured(test, test)
    assert part.value == whole.value == 1
    assert part.high == pytest.approx(whole.high, rel=0.1)
    assert part != whole, "of 30 of the 40 images"
    monkeypatch.setattr(diversity, "KEPT_BYTES", 3 * 16)
    assert measured(test, test) == Figure(1.0), "three images are too few to tell"


def test_images_that_are_the_same_have_no_spread() -> None:
    test = drawn(np.random.default_rng(0), 20)
    assert measured(np.full_like(test, 9), test) == Figure(0.0, 0.0, 0.0)
