"""An exported part that makes images from noise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.noise import NoiseSpec, draw_other_ports
from gtk.core.values.request import check_at_least, check_count
from gtk.exports.runtime.errors import ExportFileError, RequestError, requested
from gtk.exports.runtime.manifest_checks import makes_images
from gtk.exports.runtime.part import Part, warn_if_changed


def load(path: str | Path, device: str = "auto") -> "Generator":
    """Open an exported file that makes images from noise.

    A file whose graph was changed since it was proven is opened, with a warning in the log "gtk".

    Args:
        path: the .onnx file.
        device: "cpu"; "cuda" or "cuda:1", an error where CUDA does not run; or "auto" for CUDA
            where it runs and the CPU elsewhere.

    Raises:
        ExportFileError: the file cannot be read, was not exported by gtk, is damaged, or is a part
            that does not make images from noise.
        DeviceError: CUDA was asked for and does not run.
        RequestError: an unknown kind of device.
    """
    generator = Generator(path, device)
    warn_if_changed(generator)
    return generator


class Generator(Part):
    """An exported part that makes images from noise or latent codes.

    Attributes:
        noise_input: the name of the noise among the inputs.
        noise_shape: of one image's noise.
        noise: all that a draw takes by name: this noise, then what a sampler draws besides.
    """

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        super().__init__(path, device)
        if not makes_images(self.contract):
            raise ExportFileError(
                f"{self.path} is the {self.contract['part']} of a model, which does not make "
                "images from noise: open it with gtk.exports.runtime.load_part"
            )
        latent = self.contract["latent"]
        self.noise_shape: tuple[int, ...] = tuple(latent["shape"])
        self.noise_input: str = latent["input"]
        self.noise: Mapping[str, NoiseSpec] = {
            name: value for name, value in self.values.items() if isinstance(value, NoiseSpec)
        }

    def sample(
        self,
        labels: Sequence[Any] | None = None,
        count: int | None = None,
        *,
        seed: int = 0,
        batch_size: int = 256,
    ) -> NDArray[np.uint8]:
        """Draw images: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        The noise is drawn as `gtk.NoiseSpec.draw` does: a run and its exported file give the same
        images for the same seed, to one level in 255. Only a model that chooses codes may choose
        another one where two are almost equally good.

        Args:
            labels: a condition for each image: class numbers or names, or a mapping from names of
                attributes or numbers to values; None cycles through the classes, or through
                examples of attributes and numbers.
            count: the number of images; by default one for each label.
            seed: of the noise.
            batch_size: images in one pass; it does not change the images.

        Raises:
            RequestError: a label, count, seed or batch size out of range, or labels for a model
                without a condition; or the file takes codes of a learned
                distribution.
        """
        chosen, total = self._labels(labels, count)
        with requested():
            check_at_least("batch_size", batch_size, 1)
        noise = self.draw_noise(total, seed)
        return self.draw(noise, chosen, batch_size, self.draw_other_noise(total, seed))

    def generate(
        self,
        noise: NDArray[np.float32],
        labels: Sequence[Any] | None = None,
        *,
        seed: int = 0,
        batch_size: int = 256,
    ) -> NDArray[np.uint8]:
        """Make images from given noise: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        Args:
            noise: (N, *noise_shape), standard normal for images like those in training.
            labels: as in `sample`, one for each row of noise.
            seed: of what a sampler draws besides, if anything.
            batch_size: images in one pass; it does not change the images.

        Raises:
            RequestError: noise of another shape or not finite, or as in `sample`.
        """
        with requested():
            values = NoiseSpec(self.noise_shape).rows(noise, "noise", least=0)
            check_at_least("seed", seed, 0)
        chosen, _ = self._labels(labels, len(values))
        return self.draw(values, chosen, batch_size, self.draw_other_noise(len(values), seed))

    def draw_noise(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw standard normal noise for `count` images: (count, *noise_shape).

        Raises:
            RequestError: a count or seed out of range, or the file takes codes of a learned
                distribution.
        """
        if self.contract["latent"]["prior"] == "learned":
            raise RequestError(
                f"{self.path.name} takes codes {self.noise_input} of a distribution that the model "
                "has learned, not noise: draw with the part 'sampler' (gtk export RUN "
                "--part sampler), or give codes to generate"
            )
        with requested():
            check_count(count)
            check_at_least("seed", seed, 0)
        return NoiseSpec(self.noise_shape).draw(count, seed)

    def draw_other_noise(self, count: int, seed: int) -> dict[str, NDArray[np.float32]]:
        """Draw what a sampler takes besides the noise, by name, for `count` images."""
        return draw_other_ports(self.noise, count, seed)

    def draw(
        self,
        noise: NDArray[np.float32],
        chosen: NDArray[Any] | None,
        batch_size: int,
        others: Mapping[str, NDArray[np.float32]],
    ) -> NDArray[np.uint8]:
        """Return the images of noise and encoded conditions, with one batch as floats at a time."""
        feeds: dict[str, NDArray[Any]] = {self.noise_input: noise, **others}
        if chosen is not None and self.condition_input is not None:
            feeds[self.condition_input] = chosen
        image = self.contract["image"]
        colours = () if image["channels"] == 1 else (image["channels"],)
        pixels = np.empty((len(noise), image["height"], image["width"], *colours), np.uint8)
        name = self.contract["outputs"][0]["name"]
        for rows, outputs in self._chunks(feeds, batch_size):
            pixels[rows] = self._pixels(outputs[name])
        return pixels

    def _pixels(self, images: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the graph's images as (N, H, W) or (N, H, W, C), uint8."""
        if images.dtype != np.uint8:
            if not np.isfinite(images).all():
                raise ExportFileError(
                    f"{self.path} is damaged: it gives values that are not finite"
                )
            images = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
        if self.contract["image"]["layout"] == "NCHW":
            images = images.transpose(0, 2, 3, 1)
        return images[..., 0] if images.shape[3] == 1 else images
