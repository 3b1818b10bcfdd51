"""Which points are drawn, in which colour, and what the axes say."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from gtk.pictures.figure import BLUE, class_colors
from gtk.pictures.scatter import NAMES, latent_scatter, named_rows

LABELS = np.array([0, 1, 2, 1, 0])
CLASSES = ("cat", "dog", "$\\frog$")  # no formula, although matplotlib would take it for one


def codes(width: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(0).normal(size=(5, width)).astype(np.float32)


def test_two_dimensions_are_drawn_as_they_are() -> None:
    axes, bar = latent_scatter(codes(2), LABELS, CLASSES).axes
    (points,) = axes.collections
    assert np.allclose(np.asarray(points.get_offsets()), codes(2))
    assert np.allclose(np.asarray(points.get_facecolor())[:, :3], class_colors(3)[LABELS, :3])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z 1", "z 2")
    assert axes.get_aspect() == 1
    assert [text.get_text() for text in bar.get_yticklabels()] == list(CLASSES)
    assert bar.get_yticks().tolist() == [0, 1, 2]


def test_a_class_has_the_same_colour_in_the_bar() -> None:
    _, bar = latent_scatter(codes(2), LABELS, CLASSES).axes
    (fields,) = (item for item in bar.collections if item.get_array() is not None)
    assert np.allclose(fields.to_rgba(np.arange(3)), class_colors(3))


def test_of_more_the_directions_of_most_variance_are_drawn() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 4)) * [0.1, 1, 0.1, 3] + [0, 0, 5, 0]
    labels = np.zeros(200, np.int64)
    axes = latent_scatter(values.astype(np.float32), labels, ("all",)).axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    for column, source in ((0, 3), (1, 1)):
        assert abs(np.corrcoef(points[:, column], values[:, source])[0, 1]) > 0.99
    variances = values.var(axis=0) / values.var(axis=0).sum()
    assert axes.get_xlabel() == f"principal component 1 ({variances[3]:.0%} of variance)"
    assert axes.get_ylabel() == f"principal component 2 ({variances[1]:.0%} of variance)"


def test_a_single_dimension_has_a_row_for_each_class() -> None:
    (axes,) = latent_scatter(codes(1), LABELS, CLASSES).axes
    points = np.asarray(axes.collections[0].get_offsets())
    assert np.allclose(points, np.stack([codes(1)[:, 0], LABELS], axis=1))
    assert [text.get_text() for text in axes.get_yticklabels()] == list(CLASSES)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_without_classes_there_is_one_colour_and_no_bar(width: int) -> None:
    (axes,) = latent_scatter(codes(width), LABELS * 0, ()).axes
    colors = np.asarray(axes.collections[0].get_facecolor())
    assert np.allclose(colors[:, :3], to_rgba(BLUE)[:3])


def test_a_collapsed_posterior_is_a_single_spot() -> None:
    axes = latent_scatter(np.ones((5, 3), np.float32), LABELS, CLASSES).axes[0]
    assert not np.asarray(axes.collections[0].get_offsets()).any()
    assert axes.get_xlabel() == "principal component 1 (0% of variance)"


@pytest.mark.parametrize("count", [1, 10, 11, 300])
def test_every_class_has_a_colour_of_its_own_and_names_stay_readable(count: int) -> None:
    assert len(np.unique(class_colors(count), axis=0)) == min(count, 256)
    rows, names = named_rows([f"class {row}" for row in range(count)])
    assert names == [f"class {row}" for row in rows]
    assert min(count, NAMES) / 2 < len(rows) <= NAMES
