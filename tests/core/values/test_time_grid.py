"""The grids of times."""

import numpy as np
import pytest

from gtk.core.values.path import PATHS, Path
from gtk.core.values.time_grid import LEAST_RATIO, MOST_RATIO, TIME_GRIDS

each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


@each_path
@pytest.mark.parametrize("grid", TIME_GRIDS)
def test_times_rise_from_noise_to_an_image(grid: str, path: Path) -> None:
    for steps in (1, 2, 3, 18, 200):
        times = TIME_GRIDS[grid](steps, path)
        assert times.dtype == np.float32
        assert times.shape == (steps + 1,)
        assert (times[0], times[-1]) == (0, 1)
        assert (np.diff(times) > 0).all()


def test_grids_are_what_their_names_say() -> None:
    path = PATHS["straight"]
    np.testing.assert_allclose(np.diff(TIME_GRIDS["uniform"](8, path)), 1 / 8)
    cosine = TIME_GRIDS["cosine"](6, path)
    np.testing.assert_allclose(cosine[1:4], [0.0669873, 0.25, 0.5], rtol=1e-6)
    np.testing.assert_allclose(cosine + cosine[::-1], 1, rtol=1e-6)


@each_path
def test_rho_has_the_ratios_of_edm(path: Path) -> None:
    """Ratios of inner times, by the paper's equation."""
    steps, final = 18, float(path.ratio(np.float64(1)))
    inner = path.ratio(TIME_GRIDS["rho"](steps, path).astype(np.float64))[1:-1]
    last = steps if final > LEAST_RATIO else steps - 1
    index = np.arange(1, steps)
    low, high = max(final, LEAST_RATIO) ** (1 / 7), MOST_RATIO ** (1 / 7)
    np.testing.assert_allclose(inner, (high + index / last * (low - high)) ** 7, rtol=1e-3)
