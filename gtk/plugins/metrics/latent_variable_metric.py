"""What the metrics of models with a latent code share: encoded test images, and means over them."""

import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.metric import JudgedImages, Metric, Source
from gtk.core.models.tf32 import without_tf32
from gtk.core.registry.installed import describe
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import PluginError, WorkFailed
from gtk.core.values.seeding import derive_seed
from gtk.plugins.families.gaussian import DiagonalGaussian
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.families.observation import binarized, binarizes
from gtk.plugins.families.output_checks import posterior

#: The most values of the images of one block, 1 MiB as float32; a small image counts as WIDTH,
#: since layers are wider. On a CPU with 2 cores blocks of 4 MiB took 1.6 to 2 times as long, with
#: both networks of `vae` at 28x28. A block has ROWS images in any case, fewer than a training's
#: batch.
VALUES, WIDTH, ROWS = 1 << 18, 1 << 10, 8
#: Decides every draw, with its purpose and the number of its image.
SEED = 0


class LatentVariableMetric(Metric):
    """A metric that encodes test images, a few at a time, and keeps numbers of these alone.

    Images are given to the model as a training's evaluation gives them: uint8 / 255 in fp32, not
    dequantized, with their labels. For a model that binarizes they are drawn black or white with
    the probability of their level, each image from (SEED, "binarization", its number), on the CPU:
    models are compared on the same binary images, however these are batched and on any device.

    Args:
        config: the plugin's options.
        data_spec: the images and their condition.

    Attributes:
        count: how many images it has taken in.
        limit: how many it takes in at most, None for all; by default all.
        block_rows: how many images, or codes to decode, are computed at a time.
    """

    sources: ClassVar[frozenset[Source]] = frozenset({"test"})
    requires: ClassVar[type | None] = LatentVariableModel

    def __init__(self, config: Any, data_spec: DataSpec) -> None:  # noqa: ANN401 - the plugin's own class
        super().__init__(config, data_spec)
        self.count = 0
        self.limit: int | None = None
        self.block_rows = max(ROWS, VALUES // max(WIDTH, math.prod(data_spec.image_shape)))

    @property
    def images_at_a_time(self) -> int:
        """How many images are encoded at a time."""
        return self.block_rows

    def update(self, images: JudgedImages) -> None:
        """Encode the images and add them, as far as more are wanted.

        Raises:
            PluginError: the model does not return a posterior over codes (B, D).
            WorkFailed: it returns values that are not finite.
        """
        wanted = len(images) if self.limit is None else min(len(images), self.limit - self.count)
        device = next(self.model.parameters()).device
        with torch.no_grad(), without_tf32(device):
            for start in range(0, wanted, self.images_at_a_time):
                rows = slice(start, min(start + self.images_at_a_time, wanted))
                batch = self._batch(images, rows, device)
                self.add(batch, self._encoded(batch))
                self.count += len(batch)

    def protocol(self) -> dict[str, Any]:
        """Return the number of images, and which likelihood of what condition it is."""
        condition = self.data_spec.condition
        given = None if getattr(self.model, "condition", None) is None else condition
        return {
            "images": self.count,
            "condition": None if given is None else given.kind,
            # Densities, masses and cross-entropies are different units.
            "likelihood": type(getattr(self.model, "likelihood", self.model)).__name__,
        }

    def binarization(self) -> str:
        """Return how the images are binarized, for a protocol."""
        if not binarizes(self.model):
            return "none"
        return f"each pixel 1 with the probability of its level, drawn once by seed {SEED}"

    @abstractmethod
    def add(self, batch: Batch, encoded: DiagonalGaussian) -> None:
        """Add some images and their posteriors, which are finite; there are no gradients."""

    def _batch(self, given: JudgedImages, rows: slice, device: torch.device) -> Batch:
        # torch.tensor copies: torch.from_numpy warns of arrays that are read-only.
        images = torch.tensor(given.images[rows]).to(torch.float32).div_(255)
        if binarizes(self.model):
            images = binarized(images, self._uniform(images))
        images = images.to(device)
        if given.condition is None or self.data_spec.condition is None:
            return Batch(images, None)
        return Batch(images, torch.tensor(given.condition[rows]).to(device))

    def _uniform(self, images: Tensor) -> Tensor:
        """Draw the numbers that binarize images, by the number of each image."""
        drawn = torch.empty_like(images)
        for row, numbers in enumerate(drawn, start=self.count):
            numbers.uniform_(generator=generator_of("binarization", row))
        return drawn

    def _encoded(self, batch: Batch) -> DiagonalGaussian:
        found = posterior(self.model, self.model.encode(batch.images, batch.condition))
        shape = tuple(found.mean.shape)
        if len(shape) != 2 or len(found.mean) != len(batch):
            raise PluginError(
                f"encode() of {describe(self.model)} gives a mean of shape {shape} for "
                f"{len(batch)} images: return one code for each, (B, D)."
            )
        for values in (found.mean, found.log_variance):
            check_finite(values, "posteriors")
        return found


def generator_of(purpose: str, image: int) -> torch.Generator:
    """Return the generator of what is drawn for an image, by its number."""
    return torch.Generator().manual_seed(derive_seed(SEED, purpose, image))


def check_finite(values: Tensor, what: str) -> None:
    """Refuse values of a model that are infinite or NaN.

    Raises:
        WorkFailed: some are.
    """
    if not values.isfinite().all():
        raise WorkFailed(
            f"the model gives test images {what} that are not finite: check whether the training "
            "diverged"
        )
