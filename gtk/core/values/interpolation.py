"""Paths between points (straight lines, arcs of a sphere, closed walks), and a plane of points."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

#: Below this sine of the angle between them, the arc between two points is not well defined.
SMALLEST_SINE = 1e-6


def straight(
    start: NDArray[np.float32], end: NDArray[np.float32], shares: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return points on the line between two: (S, *shape), for S shares of the way, 0 to 1."""
    steps = shares.reshape(-1, *[1] * start.ndim)
    points: NDArray[np.float64] = (1 - steps) * start + steps * end
    return points.astype(np.float32)


def spherical(
    start: NDArray[np.float32], end: NDArray[np.float32], shares: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return points on the arc between two: (S, *shape), for S shares of the angle, 0 to 1.

    White, Sampling Generative Networks (arXiv:1609.04468), section 2.1. Normal noise of many
    dimensions lies near a sphere; the middle of a straight line would be nearer to the centre than
    any noise that a model is trained on. Points on one line through 0 are joined by that line.
    """
    one, other = (point.astype(np.float64).ravel() for point in (start, end))
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    cosine = np.clip(one @ other / lengths, -1, 1) if lengths else 1.0
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    if sine < SMALLEST_SINE:
        return straight(start, end, shares)
    points: NDArray[np.float64] = np.outer(np.sin((1 - shares) * angle), one) + np.outer(
        np.sin(shares * angle), other
    )
    points = (points / sine).reshape(-1, *start.shape)
    return points.astype(np.float32)


def closed_walk(points: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Return a walk along the arcs from each point to the next, and from the last to the first.

    Args:
        points: (P, *shape).
        frames: the number of places on the way, evenly apart.

    Returns:
        (frames, *shape), beginning with the first point; one more frame would repeat it.
    """
    places = np.arange(frames) * len(points) / frames
    legs = places.astype(np.int64)
    following = np.roll(points, -1, axis=0)
    walked = [
        spherical(points[leg], following[leg], np.array([place - leg]))[0]
        for place, leg in zip(places, legs, strict=True)
    ]
    return np.stack(walked)


def quantile_plane(side: int) -> tuple[NDArray[np.float32], list[float]]:
    """Return points of a plane of two latent dimensions, and the values on a side of it.

    They are at the middles of equal shares of the normal distribution, its quantiles from 0.5/side
    to 1 - 0.5/side: figure 4 of Kingma and Welling, Auto-Encoding Variational Bayes
    (arXiv:1312.6114).

    Args:
        side: how many points a side has.

    Returns:
        (side * side, 2) row by row, as axes are drawn: z 1 grows to the right, z 2 upwards; and the
        values, ascending.
    """
    values = [NormalDist().inv_cdf((step + 0.5) / side) for step in range(side)]
    across, up = np.meshgrid(values, values[::-1])
    return np.stack([across.ravel(), up.ravel()], axis=1).astype(np.float32), values
