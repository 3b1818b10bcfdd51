"""Where generated images come from: a run, or an exported file."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import ConditionSpec
from gtk.core.values.display import Display
from gtk.core.values.noise import NoiseRows, NoiseSpec
from gtk.core.values.text import counted


class Source(ABC):
    """A trained model that makes images.

    Attributes:
        reference: what the user called it.
        condition: what its samples are conditioned on, None where they are not.
        batch_size: images in one pass; changes no image.
        data_root: where a run's data are now, for a sampler that learns from them.
        display: where drawing is shown.
    """

    reference: str
    condition: ConditionSpec | None
    batch_size: int = 256
    data_root: Path | None = None
    display: Display = Display()
    _timed = False

    @property
    def how(self) -> str:
        """How it draws, to add to a sentence, where an image takes several evaluations."""
        return ""

    @property
    @abstractmethod
    def weights(self) -> dict[str, Any]:
        """Where its weights are from, for programs: the run and its step."""

    @property
    @abstractmethod
    def drawn_with(self) -> dict[str, Any]:
        """What decides its images besides the noise, for programs: weights and sampler."""

    @property
    @abstractmethod
    def noise_shape(self) -> tuple[int, ...]:
        """The shape of one image's noise."""

    @property
    @abstractmethod
    def image_size(self) -> tuple[int, int]:
        """Height and width of an image."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""

    @abstractmethod
    def draw_noise(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw the noise that `gtk sample` starts from with this seed: (count, *noise_shape)."""

    def generate(
        self,
        noise: NDArray[np.float32],
        labels: NDArray[Any] | None,
        *,
        seed: int = 0,
        moving: bool = True,
    ) -> NDArray[np.uint8]:
        """Make images of noise (N, *noise_shape): (N, H, W) if grey, (N, H, W, 3) in colour.

        Args:
            noise: of each image.
            labels: the encoded condition of each image, or one for all of them; None to cycle
                through the examples of the condition, if there is one.
            seed: of what a sampler draws besides.
            moving: whether only the noise moves from image to image, and that stays the same.
        """
        if self.condition is not None:
            if labels is None:
                labels = self.condition.cycle(len(noise))
            elif labels.shape == self.condition.shape:
                labels = labels[None].repeat(len(noise), axis=0)
        with self.timed(len(noise)):
            return np.concatenate([*self._batches(noise, labels, seed, moving=moving)])

    def stream(
        self, count: int, labels: NDArray[Any] | None, seed: int
    ) -> Iterator[NDArray[np.uint8]]:
        """Draw images as `gtk sample` does, a batch at a time, so that any number fits in memory.

        Args:
            count: of the images.
            labels: the encoded condition of each; None without one.
            seed: of all noise.
        """
        noise = NoiseRows(NoiseSpec(self.noise_shape), count, seed)
        with self.timed(count):
            yield from self._batches(noise, labels, seed, moving=False)

    @contextmanager
    def timed(self, images: int, draws: int = 1) -> Iterator[None]:
        """Show how long drawing so many images takes, in `draws` calls of `generate` inside."""
        if self._timed:
            yield
            return
        self._timed = True
        try:
            with self.display.drawing(f"{counted(images, 'image')}{self.how}", draws):
                yield
        finally:
            self._timed = False

    @abstractmethod
    def _batches(
        self,
        noise: NDArray[np.float32] | NoiseRows,
        labels: NDArray[Any] | None,
        seed: int,
        *,
        moving: bool,
    ) -> Iterator[NDArray[np.uint8]]:
        """Yield images, `batch_size` at a time; there are labels where there is a condition."""
