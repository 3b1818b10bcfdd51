"""Paths: where they begin and end, and how long the points on them are."""

import numpy as np
import pytest

from gtk.core.values.interpolation import closed_walk, quantile_plane, spherical, straight

SHARES = np.array([0.0, 0.25, 0.5, 1.0])


@pytest.mark.parametrize("way", [straight, spherical])
@pytest.mark.parametrize("shape", [(1,), (2,), (16,), (3, 4, 5)], ids=str)
def test_a_path_begins_and_ends_at_its_ends(way: object, shape: tuple[int, ...]) -> None:
    start, end = np.random.default_rng(0).standard_normal((2, *shape), dtype=np.float32)
    path = way(start, end, SHARES)  # type: ignore[operator]
    assert path.shape == (4, *shape)
    assert path.dtype == np.float32
    assert path[0] == pytest.approx(start, abs=1e-6)
    assert path[-1] == pytest.approx(end, abs=1e-6)


def test_a_straight_path_is_in_proportion() -> None:
    path = straight(np.zeros(2, np.float32), np.array([4, -8], np.float32), SHARES)
    assert path.tolist() == [[0, 0], [1, -2], [2, -4], [4, -8]]


def test_a_spherical_path_keeps_the_length_and_turns_evenly() -> None:
    start, end = np.array([[2, 0, 0], [0, 2, 0]], np.float32)
    path = spherical(start, end, np.array([0, 1 / 3, 1]))
    assert np.linalg.norm(path, axis=1) == pytest.approx([2, 2, 2], abs=1e-6)
    assert path[1] == pytest.approx([2 * np.cos(np.pi / 6), 1, 0], abs=1e-6)


def test_points_without_an_arc_between_them_are_joined_straight() -> None:
    one = np.array([1, 1], np.float32)
    for other in (one, 3 * one, -one, 0 * one):
        path = spherical(one, other, SHARES)
        assert path == pytest.approx(straight(one, other, SHARES), abs=1e-6)


def test_a_walk_goes_through_its_points_and_back_to_the_first() -> None:
    points = np.random.default_rng(0).standard_normal((3, 5), dtype=np.float32)
    walk = closed_walk(points, 12)
    assert walk.shape == (12, 5)
    assert walk[::4] == pytest.approx(points, abs=1e-6)
    half = spherical(points[2], points[0], np.array([0.5]))[0]
    assert walk[10] == pytest.approx(half, abs=1e-6)
    steps = np.linalg.norm(np.diff(np.concatenate([walk, walk[:1]]), axis=0), axis=1)
    assert steps.max() < 3 * steps.min(), "it does not jump"


def test_a_plane_of_quantiles_is_as_axes_are_drawn() -> None:
    points, values = quantile_plane(4)
    # The quantiles of 1/8, 3/8, 5/8 and 7/8 of the normal distribution, from a table.
    assert values == pytest.approx([-1.15035, -0.31864, 0.31864, 1.15035], abs=1e-5)
    assert points.dtype == np.float32
    plane = points.reshape(4, 4, 2)
    for row, column, z in (
        (0, 0, (-1.15035, 1.15035)), (0, 3, (1.15035, 1.15035)), (3, 0, (-1.15035, -1.15035)),
        (2, 1, (-0.31864, -0.31864)),
    ):  # fmt: skip
        assert plane[row, column] == pytest.approx(z, abs=1e-5)
