"""The times at which a solver steps from noise, 0, to an image, 1."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.path import Path

#: Karras et al. (arXiv:2206.00364), table 1: ratios sigma/alpha of the first and of the last time
#: with noise, and the exponent.
MOST_RATIO, LEAST_RATIO, RHO = 80.0, 0.002, 7.0

Times = NDArray[np.float32]


def uniform(steps: int, path: Path) -> Times:  # noqa: ARG001 - grids have one signature
    """Return `steps` + 1 times, evenly apart, from 0 to 1."""
    return np.linspace(0, 1, steps + 1, dtype=np.float32)


def cosine(steps: int, path: Path) -> Times:  # noqa: ARG001 - grids have one signature
    """Return `steps` + 1 times from 0 to 1 that are denser at both ends: (1 - cos(pi i/N)) / 2."""
    times = (1 - np.cos(np.pi * np.arange(steps + 1) / steps)) / 2
    return times.astype(np.float32)


def rho(steps: int, path: Path) -> Times:
    """Return `steps` + 1 times from 0 to 1 whose ratios sigma/alpha are those of EDM.

    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models
    (arXiv:2206.00364), equation 5: the ratio's root of order `RHO` is evenly spaced. The first time
    is 0 instead of that of the ratio `MOST_RATIO`, since a draw starts from noise alone.
    """
    final = float(path.ratio(np.float64(1)))
    # A path that leaves noise at time 1 ends there; the others take one more step to no noise.
    points = steps + 1 if final > LEAST_RATIO else steps
    ends = MOST_RATIO ** (1 / RHO), max(final, LEAST_RATIO) ** (1 / RHO)
    times = np.ones(steps + 1, np.float32)
    times[:points] = path.time_of(np.linspace(*ends, points) ** RHO)
    times[0], times[-1] = 0, 1
    return times


#: By the name that options have.
TIME_GRIDS: Mapping[str, Callable[[int, Path], Times]] = MappingProxyType(
    {"uniform": uniform, "cosine": cosine, "rho": rho}
)
