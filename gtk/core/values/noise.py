"""Noise: what sampling starts from."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.errors import InvalidValue
from gtk.core.values.value import Value

#: Latents that files are compared on reach this many standard deviations.
SIGMA = 4.0


@dataclass(frozen=True)
class NoiseSpec(Value):
    """Standard normal noise of a given shape, as data, so that a runtime without torch can draw it.

    Attributes:
        shape: of one image's noise, without the batch.
    """

    shape: tuple[int, ...]

    role: ClassVar[str] = "latent"

    @property
    def port(self) -> str:
        """The name that latent codes have in papers."""
        return "z"

    def draw(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw noise for `count` images, image by image: (count, *shape), float32.

        A longer draw begins with the shorter one, so splitting into batches changes nothing.
        `gtk.exports.runtime` draws the same.
        """
        generator = np.random.default_rng(seed)
        return generator.standard_normal((count, *self.shape), dtype=np.float32)

    def given(self, noise: Any) -> NDArray[np.float32]:  # noqa: ANN401 - an array or lists
        """Return a user's own noise as float32 (N, *shape).

        Raises:
            InvalidValue: it has another shape or type, or is not finite.
        """
        wanted = f"noise is numbers of the shape (images, {', '.join(map(str, self.shape))})"
        try:
            array = np.asarray(noise)
        except ValueError as error:
            raise InvalidValue(f"{wanted}, not lists of different lengths") from error
        if array.dtype.kind not in "biuf":
            raise InvalidValue(f"{wanted}, not {array.dtype}")
        if array.ndim == 0 or array.shape[1:] != self.shape:
            raise InvalidValue(f"{wanted}, not {array.shape}")
        with np.errstate(over="ignore"):
            values: NDArray[np.float32] = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise InvalidValue("noise must be finite")
        return values

    def cases(self, count: int, first: int) -> NDArray[np.float32]:
        """Return noise out to 4 standard deviations."""
        noise = self.draw(count, seed=first)
        ends = noise.reshape(-1)[:2]
        ends[:] = [SIGMA, -SIGMA][: len(ends)]
        return np.clip(noise, -SIGMA, SIGMA)
