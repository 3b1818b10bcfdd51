"""Noise: what sampling starts from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.seeding import derive_seed
from gtk.core.values.value import Value

#: Files are proven on noise out to this many standard deviations.
SIGMA = 4.0


@dataclass(frozen=True)
class NoiseSpec(Value):
    """Standard normal noise of a given shape, as data, so that a runtime without torch can draw it.

    Attributes:
        shape: of one image's noise, without the batch.
    """

    shape: tuple[int, ...]

    role: ClassVar[str] = "latent"
    port = "z"

    def draw(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw noise for `count` images, image by image: (count, *shape), float32.

        A longer draw begins with the shorter one, so splitting into batches changes nothing.
        """
        generator = np.random.default_rng(seed)
        return generator.standard_normal((count, *self.shape), dtype=np.float32)

    def cases(self, count: int, first: int) -> NDArray[np.float32]:
        """Return noise out to 4 standard deviations."""
        noise = self.draw(count, seed=first)
        ends = noise.reshape(-1)[:2]
        ends[:] = [SIGMA, -SIGMA][: len(ends)]
        return np.clip(noise, -SIGMA, SIGMA)


def purpose(name: str) -> str:
    """Return the purpose of a port's noise, of which `derive_seed` makes its seed."""
    return f"sample/{name}"


def draw_ports(
    noise: Mapping[str, NoiseSpec], count: int, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Draw all noise that a sampler or a file takes for `count` images, image by image.

    The first, "z", is drawn from the seed itself, so that all samplers start from the same.
    """
    first = next(iter(noise))
    return {first: noise[first].draw(count, seed), **draw_other_ports(noise, count, seed)}


def draw_other_ports(
    noise: Mapping[str, NoiseSpec], count: int, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Draw all noise but the first, each from (seed, "sample/NAME")."""
    return {
        name: spec.draw(count, derive_seed(seed, purpose(name)))
        for name, spec in list(noise.items())[1:]
    }
