"""A run as a source of images; only drawing needs torch."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.models.source import Source
from gtk.core.values.decays import each_decay
from gtk.core.values.errors import InvalidValue
from gtk.core.values.noise import NoiseRows, other_rows

if TYPE_CHECKING:
    from gtk.core.contracts.model import Model
    from gtk.core.contracts.sampler import Sampler
    from gtk.core.settings.choice import SamplerChoice
    from gtk.core.storage.run import Run


class RunSource(Source):
    """A run, with the checkpoint that `Run.load_model` chooses, on a device, by default the CPU."""

    def __init__(
        self,
        reference: str,
        run: "Run",
        checkpoint: str | int | None,
        device: str | None,
        average: float | None = None,
        sampler: "SamplerChoice | None" = None,
    ) -> None:
        self.reference, self.run = reference, run
        self.condition = run.condition
        self._choice = sampler or run.settings.sampler_choice(None, {})
        self._checkpoint, self._average, self._device = checkpoint, average, device or "cpu"

    @cached_property
    def model(self) -> "Model":
        """The model, in eval mode on its device."""
        from gtk.core.models.device import resolve_device

        device = resolve_device(self._device)
        return self.run.load_model(self.step, self._average).to(device)

    @cached_property
    def step(self) -> int:
        """The step of its weights."""
        return self.run.checkpoints.choose(self._checkpoint)

    @property
    def weights(self) -> dict[str, Any]:
        """The run, the step, and the average of its weights if it has any."""
        averages = each_decay(self.run.settings.train.average_decay)
        averaged = {"average": self._average or averages[0]} if averages else {}
        return {"run": self.run.name, "step": self.step, **averaged}

    @property
    def drawn_with(self) -> dict[str, Any]:
        """The weights, the sampler with its options, and its evaluations for an image."""
        from gtk.core.settings.choice import sampler_document

        return {
            **self.weights,
            "sampler": sampler_document(self._choice),
            "evaluations": self.sampler.evaluations,
        }

    @cached_property
    def sampler(self) -> "Sampler[Any]":
        """How images are drawn from the model."""
        from gtk.core.storage.fitted_sampler import run_sampler

        with self.display.work():
            return run_sampler(self.run, self._choice, self.model, data_root=self.data_root)

    @property
    def how(self) -> str:
        """The sampler's name, and its evaluations for an image."""
        count, name = self.sampler.evaluations, self._choice[0].spec.name
        return f", by {name} with {count} evaluations each" if count > 1 else ""

    def draw_unguided(self) -> None:
        """Leave guidance out, if the sampler has any."""
        plugin, config = self._choice
        if hasattr(config, "guidance"):
            self._choice = plugin, replace(config, guidance=1.0)

    @property
    def image_size(self) -> tuple[int, int]:
        """As the run's data have it."""
        return self.run.data_spec.height, self.run.data_spec.width

    @property
    def channels(self) -> int:
        """As the run's data have it."""
        return self.run.data_spec.channels

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """As the sampler says."""
        return self.sampler.noise["z"].shape

    def draw_noise(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw noise."""
        return self.sampler.noise["z"].draw(count, seed)

    def _batches(
        self,
        noise: NDArray[np.float32] | NoiseRows,
        labels: NDArray[Any] | None,
        seed: int,
        *,
        moving: bool,
    ) -> Iterator[NDArray[np.uint8]]:
        from gtk.core.models.sampling import generated

        others = other_rows(self.sampler.noise, len(noise), seed, same=moving)
        device = next(self.model.parameters()).device
        with self.run.drawing(self.batch_size, self.display.remedy):
            yield from generated(
                self.sampler,
                {"z": noise, **others},
                labels=labels,
                batch_size=self.batch_size,
                device=device,
            )

    def states(self, count: int, labels: NDArray[Any] | None, seed: int) -> list[NDArray[np.uint8]]:
        """Draw `count` images as `gtk sample` does, and return them before and after each step.

        Raises:
            InvalidValue: the sampler takes no steps.
        """
        from gtk.core.models.sampling import draw_noise, generate_states

        noise = draw_noise(self.sampler, count, seed)
        device = next(self.model.parameters()).device
        with self.timed(count), self.run.drawing(count):
            return generate_states(self.sampler, noise, labels=labels, device=device)

    def blend(
        self, noise: NDArray[np.float32], classes: NDArray[Any], shares: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Make images between two classes: the first for a share of 0, the second for 1.

        Args:
            noise: (N, *noise_shape).
            classes: both, encoded: (2,).
            shares: of the second class, for each image: (N,).

        Raises:
            InvalidValue: the model cannot mix classes.
        """
        import torch

        from gtk.core.models.blend import blended

        start, end = classes.repeat(len(noise)).reshape(2, -1)
        device = next(self.model.parameters()).device
        batches, firsts = [], range(0, len(noise), self.batch_size)
        last = np.flatnonzero(shares == 1)
        with self.timed(len(noise), draws=len(firsts) + 1):
            for first in firsts:
                rows = slice(first, first + self.batch_size)
                other = torch.from_numpy(end[rows]).to(device)
                share = torch.from_numpy(shares[rows].astype(np.float32)).to(device)
                with blended(self.model, other, share):
                    batches.append(self.generate(noise[rows], start[rows]))
            # A model may take its condition in some other way than through its conditioner's
            # layers.
            expected = self.generate(noise[last], end[last])
        images = np.concatenate(batches)
        if np.abs(images[last].astype(int) - expected).max(initial=0) > 1:
            raise InvalidValue(
                f"the model of {self.reference!r} cannot mix classes, since it takes its class "
                "without the conditioner's layers. Use gtk sample to compare classes"
            )
        return images
