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


class NoiseRows:
    """The noise of images, (count, *spec.shape), of which one batch at a time is drawn.

    That of many steps may take more memory than all else. Slices have to follow each other.

    Args:
        spec: of one image's noise.
        count: of the images.
        seed: as in `NoiseSpec.draw`.
        same: whether all images have the noise of the first.
    """

    def __init__(self, spec: NoiseSpec, count: int, seed: int, *, same: bool = False) -> None:
        self._spec, self._count, self._drawn = spec, count, 0
        self._generator = np.random.default_rng(seed)
        self._row = self._next(1) if same else None

    def __len__(self) -> int:
        """Return the number of images."""
        return self._count

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Draw the noise of the next images."""
        if rows.start != self._drawn:
            raise IndexError(f"noise is drawn from row {self._drawn} on, not from {rows.start}")
        self._drawn = min(rows.stop, self._count)
        count = self._drawn - rows.start
        return self._next(count) if self._row is None else self._row.repeat(count, 0)

    def _next(self, count: int) -> NDArray[np.float32]:
        return self._generator.standard_normal((count, *self._spec.shape), dtype=np.float32)


def draw_ports(
    noise: Mapping[str, NoiseSpec], count: int, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Draw all noise that a sampler or a file takes for `count` images, image by image.

    The first, "z", is drawn from the seed itself, so that all samplers start from the same.
    """
    others = {name: rows[0:count] for name, rows in other_rows(noise, count, seed).items()}
    first = next(iter(noise))
    return {first: noise[first].draw(count, seed), **others}


def other_rows(
    noise: Mapping[str, NoiseSpec], count: int, seed: int, *, same: bool = False
) -> dict[str, NoiseRows]:
    """Return all noise but the first, each from (seed, "sample/NAME"), not drawn yet."""
    return {
        name: NoiseRows(spec, count, derive_seed(seed, purpose(name)), same=same)
        for name, spec in list(noise.items())[1:]
    }
