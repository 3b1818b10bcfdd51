"""The metrics of images: against closed forms, other implementations, and images made by hand."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import binom
from worlds import CONDITIONS, data_spec

from gtk.core.contracts.metric import Judge, JudgedImages, Metric, Source
from gtk.core.registry.spec import NoConfig
from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Figure
from gtk.plugins.metrics import NearestConfig, NeighboursConfig, kernel_distance, neighbours
from gtk.plugins.metrics.class_accuracy import ClassAccuracy
from gtk.plugins.metrics.diversity import Diversity
from gtk.plugins.metrics.feature_metric import FeatureMetric
from gtk.plugins.metrics.frechet_distance import FrechetDistance, Gaussian
from gtk.plugins.metrics.interval import share
from gtk.plugins.metrics.kernel_distance import KernelDistance, Similarities, discrepancy
from gtk.plugins.metrics.nearest import Nearest, _products
from gtk.plugins.metrics.neighbours import Neighbours, Regions, overlap

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
SOURCES: tuple[Source, ...] = ("generated", "test", "train")
#: Builds each metric for data, by name.
METRICS: dict[str, Callable[[DataSpec], Metric]] = {
    "class-accuracy": lambda spec: ClassAccuracy(NoConfig(), spec),
    "frechet-distance": lambda spec: FrechetDistance(NoConfig(), spec),
    "kernel-distance": lambda spec: KernelDistance(NoConfig(), spec),
    "neighbours": lambda spec: Neighbours(NeighboursConfig(), spec),
    "diversity": lambda spec: Diversity(NoConfig(), spec),
    "nearest": lambda spec: Nearest(NearestConfig(images=50), spec),
}
#: Images of two pixels, which hold the number of a row of a `TableJudge`.
PAIRS = DataSpec("pairs", 1, 1, 2, CONDITIONS["classes"])


class LinearJudge:
    """Features and logits are fixed linear maps of the pixels."""

    def __init__(self, pixels: int, features: int = 4, classes: int = 3) -> None:
        generator = np.random.default_rng(1)
        self._features = generator.standard_normal((pixels, features))
        self._logits = generator.standard_normal((pixels, classes))

    def look(self, images: Bytes) -> tuple[Floats, Floats]:
        """Return features and logits that nobody may change."""
        rows = images.reshape(len(images), -1) / 255 - 0.5
        # Not `rows @ map`, which may round one row otherwise than several.
        found = [(rows[:, :, None] * item).sum(1) for item in (self._features, self._logits)]
        for item in found:
            item.flags.writeable = False
        return found[0], found[1]


class TableJudge:
    """Finds the features of an image in a table, at the number that its two pixels are."""

    def __init__(self, features: Floats) -> None:
        self._features = features
        self.looked_at = 0

    def look(self, images: Bytes) -> tuple[Floats, Floats]:
        """Return the rows of the table, as logits, too."""
        self.looked_at += len(images)
        pixels = images.reshape(-1, 2).astype(np.int64)
        rows = self._features[pixels[:, 0] * 256 + pixels[:, 1]]
        return rows, rows


def give(
    metric: Metric,
    source: Source,
    images: Bytes,
    condition: NDArray[Any] | None = None,
    judge: Judge | None = None,
    size: int = 16,
) -> None:
    """Give a metric images in batches of a size, if it needs that source."""
    for start in range(0, len(images) if source in metric.sources else 0, size):
        rows = slice(start, start + size)
        own = None if condition is None else condition[rows]
        metric.update(JudgedImages(images[rows], own, source, judge))


def compared(metric: Metric, **features: Floats) -> dict[str, Figure]:
    """Give a metric images with these features, by source, and return its figures."""
    judge = TableJudge(np.concatenate([features[source] for source in SOURCES]))
    start = 0
    for source in SOURCES:
        rows = np.arange(start, start := start + len(features[source]))
        images = np.stack([rows // 256, rows % 256], 1).astype(np.uint8)
        give(metric, source, images.reshape(-1, 1, 1, 2), None, judge)
    return figures(metric)


def figures(metric: Metric) -> dict[str, Figure]:
    """Compute the figures of a metric: those that it names, finite, within their intervals."""
    found = {
        name: item if isinstance(item, Figure) else Figure(item)
        for name, item in metric.compute().items()
    }
    assert list(found) == list(metric.figures)
    for item in found.values():
        assert all(type(number) is float and np.isfinite(number) for number in numbers(item))
        assert numbers(item) == sorted(numbers(item))
    json.dumps(metric.details(), allow_nan=False)
    return found


def numbers(figure: Figure) -> list[float]:
    """Return the lower end of its interval, its value and the upper end, or the value alone."""
    if figure.low is None or figure.high is None:
        assert figure.low is figure.high is None
        return [figure.value]
    return [figure.low, figure.value, figure.high]


def values(found: Mapping[str, Figure]) -> dict[str, float]:
    """Return figures without their intervals."""
    return {name: item.value for name, item in found.items()}


def normal(seed: int, count: int, size: int, shift: float = 0.0, scale: float = 1.0) -> Floats:
    """Draw features."""
    return np.random.default_rng(seed).standard_normal((count, size)) * scale + shift


def exact(seed: int, count: int, mean: Floats, factor: Floats) -> Floats:
    """Return features with exactly this mean, and the covariance factor @ factor.T."""
    rows = normal(seed, count, len(mean))
    rows -= rows.mean(0)
    white: Floats = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T
    return white @ factor.T + mean


def noise(seed: int, count: int, shape: tuple[int, int, int] = (1, 8, 8), top: int = 256) -> Bytes:
    """Draw images."""
    return np.random.default_rng(seed).integers(0, top, (count, *shape), dtype=np.uint8)


# Intervals


@pytest.mark.parametrize(("found", "count"), [(1, 10), (5, 10), (499, 500), (30, 10_000)])
def test_an_interval_ends_where_what_was_found_becomes_unlikely(found: int, count: int) -> None:
    figure = share(found, count)
    assert figure.value == found / count
    assert binom.sf(found - 1, count, figure.low) == pytest.approx(0.025)
    assert binom.cdf(found, count, figure.high) == pytest.approx(0.025)


def test_intervals_of_none_and_of_all_end_there() -> None:
    none, every = share(0, 10), share(10, 10)
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(1 - 0.025**0.1))
    assert (every.value, every.low, every.high) == (1, pytest.approx(0.025**0.1), 1)


# Class accuracy


def asked_and_seen(asked: Sequence[int], seen: Sequence[int], spec: DataSpec = PAIRS) -> Metric:
    """Return the metric, given images of classes asked for, in which the judge sees others."""
    metric = ClassAccuracy(NoConfig(), spec)
    images = np.stack([np.zeros(len(seen)), seen], 1).astype(np.uint8).reshape(-1, 1, 1, 2)
    give(metric, "generated", images, np.array(asked), TableJudge(np.eye(3)), size=3)
    return metric


def test_class_accuracy_counts_what_the_judge_sees() -> None:
    metric = asked_and_seen([0, 0, 0, 0, 1, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2, 2, 2, 2])
    found = figures(metric)
    assert found == {"accuracy": share(6, 9), "worst_class": share(1, 3)}
    assert metric.details() == {
        "classes": {"a": 3 / 4, "b": 1 / 3, "c": 1.0},
        "confusion": [[3, 1, 0], [0, 1, 2], [0, 0, 2]],
        "names": ["a", "b", "c"],
    }


def test_class_accuracy_leaves_out_images_without_a_class_and_classes_without_an_image() -> None:
    condition = Classes(("a", "b", "c")).with_absent()
    spec = DataSpec("pairs", 1, 1, 2, condition)
    metric = asked_and_seen([0, 3, 0, 2, 3, 3], [0, 1, 1, 2, 2, 0], spec)
    assert values(figures(metric)) == {"accuracy": 2 / 3, "worst_class": 1 / 2}
    assert metric.details()["classes"] == {"a": 1 / 2, "c": 1.0}
    assert metric.details()["confusion"] == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_class_accuracy_refuses_images_that_were_made_without_a_class() -> None:
    spec = DataSpec("pairs", 1, 1, 2, Classes(("a", "b", "c")).with_absent())
    for metric in (asked_and_seen([3, 3], [0, 1], spec), asked_and_seen([], [])):
        with pytest.raises(InvalidValue, match="was given no image that was made for a class"):
            metric.compute()
        assert metric.details()["classes"] == {}
    metric = ClassAccuracy(NoConfig(), PAIRS)
    give(metric, "generated", np.zeros((2, 1, 1, 2), np.uint8), None, TableJudge(np.eye(3)))
    with pytest.raises(InvalidValue, match="was given no image"):
        metric.compute()


@pytest.mark.parametrize("kind", ["none", "attributes", "continuous"])
def test_class_accuracy_refuses_data_without_classes(kind: str) -> None:
    with pytest.raises(InvalidValue, match="made for classes, and these were not: leave it out"):
        ClassAccuracy(NoConfig(), data_spec(kind))


# Frechet distance


def frechet(**features: Floats) -> dict[str, Figure]:
    return compared(FrechetDistance(NoConfig(), PAIRS), **features)


def test_frechet_distance_of_independent_features_is_that_of_means_and_deviations() -> None:
    means = np.array([0.0, 1, 2]), np.array([0.5, -1, 2])
    scales = np.array([1.0, 2, 0.1]), np.array([3.0, 2, 0.4])
    one, other = (exact(i, 50 + i, means[i], np.diag(scales[i])) for i in range(2))
    expected = ((means[0] - means[1]) ** 2).sum() + ((scales[0] - scales[1]) ** 2).sum()
    assert Gaussian.of(one).distance(Gaussian.of(other)) == pytest.approx(expected)
    found = frechet(generated=one, test=other, train=one + 1)
    assert found["distance"].value == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 2, 12])
def test_frechet_distance_is_the_papers_with_scipys_root(size: int) -> None:
    mixing = np.random.default_rng(size).standard_normal((2, size, size))
    one, other = normal(1, 40, size) @ mixing[0], normal(2, 60, size, 0.3) @ mixing[1]
    covariances = [np.atleast_2d(np.cov(rows.T)) for rows in (one, other)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum()
    expected += np.trace(covariances[0] + covariances[1] - 2 * root)
    found = Gaussian.of(one).distance(Gaussian.of(other))
    assert found == pytest.approx(expected, rel=1e-6)
    assert Gaussian.of(other).distance(Gaussian.of(one)) == pytest.approx(found)


def test_features_that_never_differ_add_nothing_to_the_frechet_distance() -> None:
    one, other = normal(1, 40, 3), normal(2, 40, 3, 0.3)
    expected = Gaussian.of(one).distance(Gaussian.of(other))
    wide = [np.concatenate([rows, np.zeros((40, 9))], 1) for rows in (one, other)]
    assert Gaussian.of(wide[0]).distance(Gaussian.of(wide[1])) == pytest.approx(expected)
    assert Gaussian.of(wide[0]).distance(Gaussian.of(wide[0].copy())) == 0


def test_frechet_distance_compares_with_as_many_training_images_and_looks_at_no_more() -> None:
    generated, test, train = normal(1, 40, 3, 1), normal(2, 90, 3), normal(3, 200, 3)
    found = frechet(generated=generated, test=test, train=train)
    real = Gaussian.of(test).distance(Gaussian.of(train[:40]))
    assert found["real"].value == pytest.approx(real)
    expected = [number / real for number in numbers(found["distance"])]
    assert numbers(found["times_real"]) == pytest.approx(expected)
    judge, metric = TableJudge(generated), FrechetDistance(NoConfig(), PAIRS)
    for source, count in zip(SOURCES, (40, 90, 200), strict=True):
        give(metric, source, np.zeros((count, 1, 1, 2), np.uint8), None, judge, size=10)
    assert judge.looked_at == 40 + 90 + 40


@pytest.mark.parametrize(("count", "size"), [(300, 4), (60, 20)])
def test_the_interval_of_a_frechet_distance_is_as_wide_as_distances_scatter(
    count: int, size: int
) -> None:
    test = normal(0, 2000, size)
    several = [normal(seed, count, size, 0.3, 1.2) for seed in range(1, 31)]
    found = [frechet(generated=rows, test=test, train=test)["distance"] for rows in several]
    scatter = np.std([item.value for item in found])
    margins = np.mean([numbers(item)[2] - item.value for item in found])
    assert margins == pytest.approx(1.96 * scatter, rel=0.35)
    near = frechet(generated=normal(1, 10, 4), test=normal(2, 20, 4), train=normal(3, 10, 4))
    assert numbers(near["distance"])[0] >= 0


def test_frechet_distance_refuses_fewer_images_than_features() -> None:
    enough, few = normal(1, 8, 8), normal(2, 7, 8)
    frechet(generated=enough, test=normal(3, 8, 8), train=normal(4, 8, 8))
    with pytest.raises(InvalidValue) as error:
        frechet(generated=few, test=enough, train=enough)
    assert str(error.value) == (
        "frechet-distance needs at least 8 images, as many as the judge has features, and was "
        "given 7: give it more"
    )
    with pytest.raises(
        InvalidValue, match="8 images to compare with, .* there are 7: leave it out"
    ):
        frechet(generated=enough, test=few, train=enough)
    with pytest.raises(InvalidValue, match="8 training images, .* there are 7: leave it out"):
        frechet(generated=enough, test=enough, train=few)


def test_frechet_distance_refuses_training_images_that_are_the_test_images() -> None:
    same = normal(1, 20, 3)
    with pytest.raises(InvalidValue, match="they are the same to the judge"):
        frechet(generated=normal(2, 20, 3), test=same, train=same)


# Kernel distance


def naive_discrepancy(one: Floats, other: Floats) -> float:
    """The papers' sums, term by term."""

    def mean(pairs: Iterator[tuple[Floats, Floats]]) -> float:
        return float(np.mean([(x @ y / len(x) + 1) ** 3 for x, y in pairs]))

    within = [mean(itertools.permutations(rows, 2)) for rows in (one, other)]
    return sum(within) - 2 * mean(itertools.product(one, other))


def measured(one: Floats, other: Floats) -> Figure:
    return discrepancy(Similarities.of(one), Similarities.of(other))


def test_kernel_distance_is_the_papers_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_distance, "BLOCK", 4)
    one, other = normal(1, 9, 3, 0.5), normal(2, 14, 3)
    assert measured(one, other).value == pytest.approx(naive_discrepancy(one, other))
    found = compared(
        KernelDistance(NoConfig(), PAIRS), generated=one, test=other, train=normal(3, 30, 3)
    )
    assert found["distance"].value == pytest.approx(naive_discrepancy(one, other))
    assert found["real"].value == pytest.approx(naive_discrepancy(normal(3, 30, 3)[:9], other))


def test_the_interval_of_a_kernel_distance_is_the_jackknifes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernel_distance, "BLOCK", 4)
    one, other = normal(1, 6, 3, 0.5), normal(2, 9, 3)
    without = [naive_discrepancy(np.delete(one, i, 0), other) for i in range(6)]
    without_other = [naive_discrepancy(one, np.delete(other, i, 0)) for i in range(9)]
    variance = 5 * np.var(without) + 8 * np.var(without_other)
    found = measured(one, other)
    margin = 1.96 * np.sqrt(variance)
    assert numbers(found) == pytest.approx(
        [found.value - margin, found.value, found.value + margin]
    )


def test_kernel_distance_of_one_distribution_is_zero_on_average_however_few_images() -> None:
    found = [measured(normal(seed, 15, 3), normal(1000 + seed, 20, 3)).value for seed in range(400)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error
    # The biased estimate, which counts each image's kernel with itself, is far above 0.
    assert 3 * error < 2 / 20
    assert min(found) < 0


def test_the_interval_of_a_kernel_distance_tells_one_distribution_from_two() -> None:
    same = measured(normal(1, 500, 4), normal(2, 400, 4))
    moved = measured(normal(1, 500, 4, 0.5), normal(2, 400, 4))
    assert numbers(same)[0] < 0 < numbers(same)[2]
    assert numbers(moved)[0] > 0


def test_kernel_distance_refuses_fewer_than_three_images() -> None:
    with pytest.raises(InvalidValue, match="at least 3 images, .* was given 2: give it more"):
        compared(
            KernelDistance(NoConfig(), PAIRS),
            generated=normal(1, 2, 3), test=normal(2, 9, 3), train=normal(3, 9, 3),
        )  # fmt: skip


# Neighbours

#: Points on a line whose regions, with one neighbour, are easy to see: of the real ones [-1, 1],
#: [0, 2], [8, 12], [10, 14], [97, 103] and [100, 106]; of the others [0.4, 0.6], [0.5, 0.7],
#: [0.6, 21.4] and [11, 49].
REAL = np.array([0.0, 1, 10, 12, 100, 103])[:, None]
MADE = np.array([0.5, 0.6, 11, 30])[:, None]


def among(k: int, **features: Floats) -> dict[str, Figure]:
    return compared(Neighbours(NeighboursConfig(count=k), PAIRS), **features)


def test_neighbours_of_points_on_a_line() -> None:
    found = among(1, generated=MADE, test=REAL, train=REAL)
    assert found["precision"] == share(3, 4)
    assert found["recall"] == share(3, 6)
    assert found["density"].value == (2 + 2 + 2 + 0) / 4
    assert found["coverage"] == share(4, 6)
    # Only the first four training images are compared, as many as there are generated ones.
    assert found["real_coverage"].value == 4 / 6
    assert found["real_recall"].value == 4 / 6


def naive_neighbours(k: int, made: Floats, real: Floats) -> dict[str, float]:
    """The definitions of both papers, point by point."""

    def radius(points: Floats, index: int) -> float:
        others = np.delete(points, index, 0)
        return float(np.sort(np.linalg.norm(others - points[index], axis=1))[k - 1])

    def inside(points: Floats, within: Floats) -> NDArray[np.bool_]:
        """Return which points (rows) lie in which regions (columns)."""
        return np.array([
            [np.linalg.norm(x - y) <= radius(within, j) for j, y in enumerate(within)]
            for x in points
        ])  # fmt: skip

    made_in_real = inside(made, real)
    return {
        "precision": float(made_in_real.any(1).mean()),
        "recall": float(inside(real, made).any(1).mean()),
        "density": float(made_in_real.sum() / (k * len(made))),
        "coverage": float(made_in_real.any(0).mean()),
    }


@pytest.mark.parametrize("k", [1, 2, 5])
def test_neighbours_are_those_of_the_papers(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    made, real, train = normal(1, 25, 2, 0.8, 0.7), normal(2, 30, 2), normal(3, 60, 2)
    found = values(among(k, generated=made, test=real, train=train))
    assert found["precision"] != found["recall"] != found["coverage"]
    expected = naive_neighbours(k, made, real)
    of_training = naive_neighbours(k, train[:25], real)
    expected |= {f"real_{name}": of_training[name] for name in ("recall", "coverage")}
    assert found == pytest.approx(expected)


def test_neighbours_of_the_same_images_and_of_others() -> None:
    rows = normal(1, 40, 3)
    found = values(among(5, generated=rows, test=rows, train=rows))
    assert {found[name] for name in found if name != "density"} == {1.0}
    assert found["density"] >= 1
    far = values(among(5, generated=rows + 100, test=rows, train=rows))
    assert {far[name] for name in ("precision", "recall", "density", "coverage")} == {0.0}
    # All generated images alike, and nearly a real one.
    alike = values(among(5, generated=np.repeat(rows[:1] + 1e-3, 40, 0), test=rows, train=rows))
    assert alike["precision"] == 1
    assert alike["recall"] == 0
    assert 1 / 40 <= alike["coverage"] < 0.5


def test_a_region_ends_at_a_neighbour_and_includes_it() -> None:
    points = normal(1, 600, 3)
    regions = Regions.of(points, 5)
    assert regions.squared_radii == pytest.approx(np.sort(cdist(points, points))[:, 5] ** 2)
    line = np.array([0.0, 2.0])[:, None]
    found = values(among(1, generated=line + 4, test=line, train=line))
    assert found["precision"] == found["recall"] == found["coverage"] == 1 / 2
    assert found["density"] == 1 / 2


def test_neighbours_refuses_too_few_images() -> None:
    rows, few = normal(1, 6, 2), normal(2, 5, 2)
    among(5, generated=rows, test=rows, train=rows)
    with pytest.raises(
        InvalidValue,
        match="needs at least 6 images, so that each has 5 neighbours, and was given 5",
    ):
        among(5, generated=few, test=rows, train=rows)
    with pytest.raises(InvalidValue, match="at least 6 images to compare with, .* there are 5"):
        among(5, generated=rows, test=few, train=rows)


# Both that compare at most some images


@pytest.mark.parametrize("metric_class", [KernelDistance, Neighbours])
def test_of_many_images_the_first_are_compared(
    metric_class: type[FeatureMetric], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric_class, "most", 60)
    metric = metric_class(NeighboursConfig(), PAIRS)
    generated, test, train = normal(1, 200, 2), normal(2, 200, 2), normal(3, 300, 2)
    found = compared(metric, generated=generated, test=test, train=train)
    generated_rows, test_rows, train_rows = metric._all_compared()
    for rows, given in ((generated_rows, generated), (test_rows, test), (train_rows, train)):
        assert np.array_equal(rows, given[:60])
    if metric_class is Neighbours:
        expected = overlap(Regions.of(generated_rows, 5), Regions.of(test_rows, 5))
        assert found["coverage"] == share(int(expected.covered.sum()), 60)
        assert found["coverage"].value > 0.8
    else:
        assert found["distance"] == measured(generated_rows, test_rows)


# Diversity


def diversity(
    generated: Bytes, test: Bytes, kind: str = "none", *conditions: NDArray[Any] | None
) -> float:
    metric = Diversity(NoConfig(), data_spec(kind, generated.shape[2:], generated.shape[1]))
    own, others = conditions or (None, None)
    give(metric, "generated", generated, own)
    give(metric, "test", test, others)
    return figures(metric)["diversity"].value


def test_diversity_of_the_same_images_is_one_and_of_copies_zero() -> None:
    images = noise(1, 40)
    labels = np.arange(40) % 3
    assert diversity(images, images) == 1
    assert diversity(images, images[::-1], "classes", labels, labels[::-1]) == 1
    assert diversity(np.repeat(images[:1], 40, 0), images) == 0
    assert diversity(images[labels], images, "classes", labels, labels) == 0


def test_diversity_is_relative_to_the_deviation_of_test_images_in_each_class() -> None:
    generator = np.random.default_rng(0)
    images = noise(1, 70, (3, 5, 4))
    test = noise(2, 90, (3, 5, 4), top=120)
    labels, test_labels = generator.integers(0, 3, 70), generator.integers(0, 3, 90)

    def deviation(pixels: Bytes, classes: NDArray[np.int64]) -> float:
        each = [pixels[classes == label].std(0, ddof=1).mean() for label in range(3)]
        return float(np.mean(each))

    expected = deviation(images, labels) / deviation(test, test_labels)
    found = diversity(images, test, "classes", labels, test_labels)
    assert found == pytest.approx(expected)
    assert found > 2


@pytest.mark.parametrize("kind", ["none", "attributes", "continuous"])
def test_diversity_without_classes_is_that_of_all_images(kind: str) -> None:
    images, test = noise(1, 20), noise(2, 30, top=100)
    condition = CONDITIONS[kind]
    rows = (None, None) if condition is None else (condition.cycle(20), condition.cycle(30))
    expected = images.std(0, ddof=1).mean() / test.std(0, ddof=1).mean()
    assert diversity(images, test, kind, *rows) == pytest.approx(expected)


def test_diversity_compares_classes_of_which_both_have_two_images() -> None:
    images, test = noise(1, 6), noise(2, 5, top=100)
    labels, test_labels = np.array([0, 1, 1, 2, 2, 3]), np.array([0, 0, 1, 1, 2])
    # Label 3 is absent of three classes; only of class 1 both have two.
    expected = images[1:3].std(0, ddof=1).mean() / test[2:4].std(0, ddof=1).mean()
    assert diversity(images, test, "classes", labels, test_labels) == pytest.approx(expected)


def test_diversity_of_few_images_is_not_lower() -> None:
    test = noise(0, 2000)
    few = [diversity(noise(seed, 4), test) for seed in range(1, 40)]
    # The root of an unbiased variance of 4 numbers is 4% low on average; of the biased one, 17%.
    assert np.mean(few) == pytest.approx(0.96, abs=0.02)


def test_sums_of_many_bright_pixels_do_not_overflow() -> None:
    images = np.full((300_000, 1, 1, 1), 255, np.uint8)
    images[::2] = 253
    metric = Diversity(NoConfig(), data_spec("none", (1, 1)))
    for source in ("generated", "test"):
        metric.update(JudgedImages(images, None, source))
    assert metric._sums["test"].deviation(0) == pytest.approx(1, rel=1e-5)


def test_diversity_refuses_what_cannot_be_compared() -> None:
    images, labels = noise(1, 3), np.arange(3)
    with pytest.raises(InvalidValue, match="two generated and two test images: give more"):
        diversity(images[:1], images)
    with pytest.raises(InvalidValue, match="two generated and two test images of a class: give"):
        diversity(images, images, "classes", labels, labels)
    with pytest.raises(InvalidValue, match="test images differ, and these are all the same"):
        diversity(images, np.repeat(images[:1], 5, 0))


# Nearest


def nearest(
    generated: Bytes, test: Bytes, train: Bytes, images: int = 500, size: int = 16
) -> dict[str, Figure]:
    spec = data_spec("none", train.shape[2:], train.shape[1])
    metric = Nearest(NearestConfig(images=images), spec)
    for source, pixels in zip(SOURCES, (generated, test, train), strict=True):
        give(metric, source, pixels, size=size)
    return figures(metric)


def distances(images: Bytes, among: Bytes) -> Floats:
    """The distance of each image to the nearest of others, one by one."""
    rows, others = (item.reshape(len(item), -1) / 255 for item in (images, among))
    return np.array([np.linalg.norm(others - row, axis=1).min() for row in rows])


def test_nearest_is_the_least_of_all_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtk.plugins.metrics.nearest.BLOCK", 7)
    # More pixels than float32 adds up exactly, and bright ones.
    shape = (3, 11, 13)
    generated, test, train = (noise(seed, count, shape) // 2 + 128 for seed, count in
                              ((1, 20), (2, 20), (3, 50)))  # fmt: skip
    made, usual = distances(generated, train), distances(test, train)
    found = nearest(generated, test, train)
    assert found["median"].value == pytest.approx(np.median(made) / np.median(usual), rel=1e-12)
    assert found["copies"] == share(int((made <= usual.min() * (1 + 1e-12)).sum()), 20)


def test_products_of_many_bright_pixels_are_exact() -> None:
    rows, others = 255 - noise(1, 5, (3, 50, 50), 9), 255 - noise(2, 7, (3, 50, 50), 9)
    left, right = rows.reshape(5, -1), others.reshape(7, -1)
    assert np.array_equal(_products(left, right), left.astype(np.int64) @ right.astype(np.int64).T)


def test_nearest_finds_copies() -> None:
    generated, test, train = noise(1, 100), noise(2, 100), noise(3, 200)
    generated[10:40] = train[150:180]
    generated[10:40, 0, 0, 0] ^= 1  # nearly
    found = nearest(generated, test, train)
    assert 0.3 <= found["copies"].value <= 0.34
    assert found["median"].value == pytest.approx(1, abs=0.05)
    every = nearest(train[:100], test, train)
    assert every["copies"] == share(100, 100)
    assert every["median"].value == 0
    assert every["real_copies"].value == 1 / 101
    many = nearest(noise(1, 400), noise(2, 400), train, images=400)
    assert many["real_copies"].value == 4 / 401
    assert many["copies"].value < 0.04
    far = nearest(noise(4, 100, top=2), test, train)
    assert far["copies"].value == 0
    assert far["median"].value > 1.1


def test_nearest_looks_at_the_first_images_and_at_as_many_test_images() -> None:
    train, test = noise(3, 200), noise(2, 400)
    copies = np.concatenate([train[:20], noise(1, 80)])
    assert nearest(copies, test, train, images=20)["copies"] == share(20, 20)
    assert 0.2 <= nearest(copies, test, train, images=100)["copies"].value <= 0.26
    test[10:200] = train[10:]
    metric = Nearest(NearestConfig(images=30), data_spec("none"))
    for source, pixels in zip(SOURCES, (noise(1, 50), test, train), strict=True):
        give(metric, source, pixels)
    assert metric._nearest is not None
    assert (metric._nearest[30:] == 0).tolist() == [False] * 10 + [True] * 20


def test_nearest_refuses_what_cannot_be_compared() -> None:
    some, none = noise(1, 10), noise(1, 0)
    for given in itertools.permutations((some, some, none), 3):
        with pytest.raises(InvalidValue, match="needs generated, test and training images"):
            nearest(given[0], given[1], given[2])
    with pytest.raises(InvalidValue, match="half of them are training images: leave it out"):
        nearest(noise(2, 10), some, some)


# All metrics


def world(kind: str = "classes") -> dict[Source, tuple[Bytes, NDArray[Any]]]:
    """Images and labels of each source that nobody may change."""
    generator = np.random.default_rng(5)
    condition = CONDITIONS[kind]
    assert condition is not None
    found: dict[Source, tuple[Bytes, NDArray[Any]]] = {}
    for source, count in zip(SOURCES, (120, 90, 300), strict=True):
        labels = condition.examples()[generator.integers(0, 3, count)]
        if source == "generated":
            labels[::10] = condition.absent
        images = noise(count, count)
        for array in (images, labels):
            array.flags.writeable = False
        found[source] = images, labels
    return found


def batched(name: str, sizes: Sequence[int]) -> tuple[dict[str, Figure], Mapping[str, Any]]:
    """Compute a metric's figures and details from batches of these sizes in turn."""
    nullable: ConditionSpec = Classes(("a", "b", "c")).with_absent()
    metric = METRICS[name](DataSpec("world", 1, 8, 8, nullable))
    judge = LinearJudge(64) if metric.judged else None
    for source, (images, labels) in world().items():
        starts, size = 0, itertools.cycle(sizes)
        while source in metric.sources and starts < len(images):
            rows = slice(starts, starts := starts + next(size))
            metric.update(JudgedImages(images[rows], labels[rows], source, judge))
    return figures(metric), metric.details()


@pytest.mark.parametrize("sizes", [(1,), (7, 1, 30), (64,)], ids=str)
@pytest.mark.parametrize("name", METRICS)
def test_batches_change_no_figure(name: str, sizes: tuple[int, ...]) -> None:
    expected, details = batched(name, (1000,))
    found, same = batched(name, sizes)
    assert same == details
    for figure in expected:
        assert numbers(found[figure]) == pytest.approx(numbers(expected[figure]), rel=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_figures_are_the_same_every_time_that_they_are_asked_for(name: str) -> None:
    assert batched(name, (50,)) == batched(name, (50,))
    metric = METRICS[name](data_spec("classes"))
    for source, (images, labels) in world().items():
        give(metric, source, images[1:10], labels[1:10], LinearJudge(64))
    assert metric.compute() == metric.compute()


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_without_images_says_so(name: str) -> None:
    with pytest.raises(
        InvalidValue, match=f"{name} needs at least|was given no image|{name} needs"
    ):
        METRICS[name](data_spec("classes")).compute()


def test_they_need_no_torch() -> None:
    modules = [f"gtk.plugins.metrics.{name.replace('-', '_')}" for name in METRICS]
    code = f"import sys, {', '.join(modules)}; from gtk.plugins.metrics.interval import share; "
    code += "share(1, 2); assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
