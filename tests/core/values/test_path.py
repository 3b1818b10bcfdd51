"""The paths of flow and diffusion: derivatives, inverses and conversions, in numpy and torch."""

from typing import Any

import numpy as np
import pytest
import torch

from gtk.core.values.path import LEAST, PATHS, Path, VariancePreservingPath

TIMES = np.linspace(0.01, 0.99, 99)
ROW = np.random.default_rng(0)
IMAGE, NOISE = ROW.standard_normal((2, 5, 3, 2, 2))
T = np.array([0.02, 0.3, 0.5, 0.8, 0.99])
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


@each_path
def test_rates_are_the_derivatives(path: Path) -> None:
    step = 1e-6
    for value, rate in ((path.alpha, path.alpha_rate), (path.sigma, path.sigma_rate)):
        slope = (value(TIMES + step) - value(TIMES - step)) / (2 * step)
        np.testing.assert_allclose(rate(TIMES), slope, rtol=1e-6, atol=1e-8)


@each_path
def test_paths_run_from_noise_to_images(path: Path) -> None:
    ends = np.array([0.0, 1.0])
    np.testing.assert_allclose(path.alpha(ends), [0, 1], atol=0.007)
    np.testing.assert_allclose(path.sigma(ends), [1, 0], atol=0.011)
    assert (np.diff(path.ratio(TIMES)) < 0).all()
    np.testing.assert_allclose(path.half_log_snr(TIMES), -np.log(path.ratio(TIMES)), rtol=1e-9)
    assert np.isfinite(path.half_log_snr(ends)).all()
    assert np.isfinite(path.ratio(ends)).all()


def test_what_the_paths_are() -> None:
    """The figures of the papers' own equations, by other formulas than the code's."""
    s = VariancePreservingPath().end + (1 - VariancePreservingPath().end) * (1 - TIMES)
    rates = 0.1 + np.linspace(0, s, 20001) * 19.9  # beta(s), integrated by the trapezoidal rule
    integral = np.trapezoid(rates, np.linspace(0, s, 20001), axis=0)
    path = PATHS["variance-preserving"]
    np.testing.assert_allclose(path.alpha(TIMES) ** 2, np.exp(-integral), rtol=1e-6)
    for circle in (path, PATHS["cosine"]):
        np.testing.assert_allclose(circle.alpha(TIMES) ** 2 + circle.sigma(TIMES) ** 2, 1)
    np.testing.assert_allclose(
        PATHS["cosine"].alpha(TIMES) ** 2, np.cos((1 - TIMES) * np.pi / 2) ** 2, rtol=1e-12
    )
    np.testing.assert_array_equal(PATHS["straight"].alpha(TIMES), TIMES)


@each_path
def test_a_time_is_found_by_its_ratio(path: Path) -> None:
    np.testing.assert_allclose(path.time_of(path.ratio(TIMES)), TIMES, atol=1e-12)
    single = torch.tensor(TIMES, dtype=torch.float32)
    torch.testing.assert_close(path.time_of(path.ratio(single)), single, atol=1e-4, rtol=0)


@each_path
def test_velocity_image_and_noise_follow_from_each_other(path: Path) -> None:
    x, velocity = path.mix(IMAGE, NOISE, T), path.velocity(IMAGE, NOISE, T)
    assert x.shape == velocity.shape == IMAGE.shape
    np.testing.assert_allclose(path.image_from_velocity(x, velocity, T), IMAGE, atol=1e-10)
    np.testing.assert_allclose(path.noise_from_velocity(x, velocity, T), NOISE, atol=1e-10)
    np.testing.assert_allclose(path.noise_from_image(x, IMAGE, T), NOISE, atol=1e-10)
    np.testing.assert_allclose(path.image_from_noise(x, NOISE, T), IMAGE, atol=1e-10)
    # An error of the image alone, x being given, is one of the velocity.
    wrong = path.velocity(IMAGE + 1, path.noise_from_image(x, IMAGE + 1, T), T)
    factor = (path.determinant(T) / path.sigma(T)).reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(wrong - velocity, np.broadcast_to(factor, x.shape), rtol=1e-8)


@each_path
def test_the_velocity_moves_along_the_path(path: Path) -> None:
    step = 1e-6
    slope = (path.mix(IMAGE, NOISE, T + step) - path.mix(IMAGE, NOISE, T - step)) / (2 * step)
    np.testing.assert_allclose(path.velocity(IMAGE, NOISE, T), slope, rtol=1e-5, atol=1e-7)


@each_path
def test_both_ends_give_finite_numbers(path: Path) -> None:
    for end in (np.float64(0), np.float64(1), torch.zeros(5), torch.ones(5)):
        image, noise = (
            (torch.tensor(rows) if isinstance(end, torch.Tensor) else rows)
            for rows in (IMAGE, NOISE)
        )
        x, velocity = path.mix(image, noise, end), path.velocity(image, noise, end)
        found: list[Any] = [
            velocity,
            path.image_from_velocity(x, velocity, end), path.noise_from_image(x, image, end),
            path.noise_from_velocity(x, velocity, end), path.image_from_noise(x, noise, end),
        ]  # fmt: skip
        assert all(np.isfinite(np.asarray(rows)).all() for rows in found)
    none = np.float64(0)
    if path.alpha(none) == 0:
        assert np.abs(path.image_from_noise(NOISE + 1, NOISE, none)).max() <= 1.1 / LEAST


@each_path
def test_numpy_and_torch_compute_the_same(path: Path) -> None:
    given, x = torch.tensor(T), torch.tensor(IMAGE)
    for name in ("alpha", "sigma", "alpha_rate", "sigma_rate", "ratio", "half_log_snr"):
        np.testing.assert_allclose(getattr(path, name)(given), getattr(path, name)(T), rtol=1e-12)
    other = path.image_from_velocity(x, torch.tensor(NOISE), given)
    np.testing.assert_allclose(other, path.image_from_velocity(IMAGE, NOISE, T), rtol=1e-12)
