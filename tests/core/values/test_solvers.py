"""Solvers on a field that is known exactly: that of Gaussian images."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from gtk.core.values.path import PATHS, Path
from gtk.core.values.solvers import SOLVERS
from gtk.core.values.time_grid import TIME_GRIDS

#: Images whose pixels are independent, N(MEAN, DEVIATION^2).
MEAN = np.array([0.5, -0.3, 0.0, 0.2]).reshape(1, 1, 2, 2)
DEVIATION = np.array([0.1, 0.3, 0.6, 1.5]).reshape(1, 1, 2, 2)
NOISE = np.random.default_rng(0).standard_normal((3, 1, 2, 2))
ORDERS = {"euler": 1, "ddim": 1, "heun": 2, "midpoint": 2, "dpm++": 2}
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def exact(path: Path, t: Any, noise: Any = NOISE) -> Any:
    """Return where the field brings noise: mean and deviation at a time are known."""
    return path.alpha(t) * MEAN + deviation(path, t) * noise


def deviation(path: Path, t: Any) -> Any:
    """Return the standard deviation of x_t."""
    return ((path.alpha(t) * DEVIATION) ** 2 + path.sigma(t) ** 2) ** 0.5


def field(path: Path, x: Any, t: Any) -> Any:
    """Return the mean velocity at x: linear in x, since image and noise are Gaussian."""
    away = (x - path.alpha(t) * MEAN) / deviation(path, t) ** 2
    image = MEAN + path.alpha(t) * DEVIATION**2 * away
    return path.velocity(image, path.sigma(t) * away, t)


def solve(name: str, path: Path, times: Any, x: Any, draws: Any = None) -> Any:
    """Follow the field through the times from x."""
    solver = SOLVERS[name]
    velocity = partial(field, path)
    state = solver.begin(x)
    shapes = [rows.shape for rows in (x, *state)]
    for index in range(len(times) - 1):
        noise = None if draws is None else draws[index]
        x, state = solver.step(velocity, path, x, times[index], times[index + 1], state, noise)
        assert [rows.shape for rows in (x, *state)] == shapes
    return x


@each_path
def test_the_known_solution_follows_the_field(path: Path) -> None:
    for t in np.array([0.1, 0.5, 0.9]):
        slope = (exact(path, t + 1e-6) - exact(path, t - 1e-6)) / 2e-6
        np.testing.assert_allclose(field(path, exact(path, t), t), slope, rtol=1e-5, atol=1e-7)


@each_path
@pytest.mark.parametrize("name", ORDERS)
def test_each_solver_has_its_order(name: str, path: Path) -> None:
    errors = []
    for steps in (64, 128):
        times = np.linspace(0.1, 0.9, steps + 1)
        found = solve(name, path, times, exact(path, times[0]))
        errors.append(np.abs(found - exact(path, times[-1])).max())
    order = math.log2(errors[0] / errors[1])
    assert order > ORDERS[name] - 0.15  # midpoint has 3 here by symmetry, on a straight path
    assert errors[1] < 0.02


@each_path
@pytest.mark.parametrize("grid", TIME_GRIDS)
@pytest.mark.parametrize("name", ORDERS)
def test_noise_becomes_images_of_the_right_mean_and_covariance(
    name: str, grid: str, path: Path
) -> None:
    """The field is linear, so x's mean and deviation are those of two solutions."""
    times = TIME_GRIDS[grid](200, path).astype(np.float64)
    mean = solve(name, path, times, np.zeros_like(MEAN))
    spread = solve(name, path, times, np.ones_like(MEAN)) - mean
    np.testing.assert_allclose(mean, MEAN, atol=0.03)
    np.testing.assert_allclose(spread, DEVIATION, atol=0.03, rtol=0.03)


@each_path
def test_ancestral_sampling_keeps_the_variance_of_each_time(path: Path) -> None:
    """Its error in the variance halves with twice the steps; its noise is all that it draws."""
    errors = []
    for steps in (100, 200):
        times = np.linspace(0.1, 0.9, steps + 1)
        # Rows: nothing, an x of 1, and for each step noise of 1 in that step alone.
        rows = np.zeros((steps + 2, *MEAN.shape[1:]))
        draws = np.eye(steps, steps + 2, 2)[..., None, None, None] * np.ones_like(MEAN)
        rows[1] = 1
        found = solve("ancestral", path, times, rows, draws)
        gains = (found[1:] - found[0]) ** 2
        variance = gains[0] * deviation(path, times[0]) ** 2 + gains[1:].sum(0)
        errors.append(np.abs(variance**0.5 - deviation(path, times[-1])).max())
    assert errors[1] < 0.02
    assert 1.7 < errors[0] / errors[1] < 2.3


def test_ddim_on_a_straight_path_is_euler() -> None:
    times = TIME_GRIDS["uniform"](7, PATHS["straight"]).astype(np.float64)
    found = [solve(name, PATHS["straight"], times, NOISE) for name in ("euler", "ddim")]
    np.testing.assert_allclose(*found, atol=1e-12)


def test_ancestral_sampling_without_noise_to_add_is_ddim() -> None:
    """To time 1 of a path without noise there."""
    step: Callable[..., Any] = SOLVERS["ancestral"].step
    path, noise = PATHS["cosine"], np.full_like(NOISE, 1e9)
    velocity = partial(field, path)
    arguments = velocity, path, NOISE, np.float64(0.7), np.float64(1), ()
    np.testing.assert_allclose(
        step(*arguments, noise)[0], SOLVERS["ddim"].step(*arguments, None)[0], atol=1e-9
    )


@pytest.mark.parametrize("name", SOLVERS)
def test_numpy_and_torch_take_the_same_steps(name: str) -> None:
    path = PATHS["cosine"]
    times = TIME_GRIDS["rho"](6, path)
    draws = np.random.default_rng(1).standard_normal((6, *NOISE.shape))
    own = solve(name, path, times.astype(np.float64), NOISE, draws)
    torch_field: Any = lambda x, t: torch.from_numpy(field(path, x.numpy(), t.numpy()))  # noqa: E731
    x, state = torch.from_numpy(NOISE), SOLVERS[name].begin(torch.from_numpy(NOISE))
    grid = torch.from_numpy(times).double()
    for index in range(6):
        noise = torch.from_numpy(draws[index])
        x, state = SOLVERS[name].step(
            torch_field, path, x, grid[index], grid[index + 1], state, noise
        )
    np.testing.assert_allclose(x, own, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SOLVERS)
def test_single_precision_stays_single(name: str) -> None:
    """As an exported file and onnxruntime have it."""
    path, noise = PATHS["straight"], NOISE.astype(np.float32)
    times = TIME_GRIDS["uniform"](3, path)
    x, state = noise, SOLVERS[name].begin(noise)
    for index in range(3):
        x, state = SOLVERS[name].step(
            lambda x, t: x * t, path, x, times[index], times[index + 1], state, noise
        )
    assert {rows.dtype for rows in (x, *state)} == {np.dtype(np.float32)}
    assert np.isfinite(x).all()
