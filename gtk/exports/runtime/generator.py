"""An exported part that makes images from noise."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.noise import NoiseRows, NoiseSpec, other_rows
from gtk.core.values.request import check_at_least, check_count
from gtk.core.values.setting import setting
from gtk.core.values.solvers import STEP_NOISE
from gtk.exports.runtime.denoiser import Images, Plan, in_unit_range, plan_of
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


NO_NOISE: Mapping[str, NDArray[np.float32]] = MappingProxyType({})


class Generator(Part):
    """An exported part that makes images from noise or latent codes.

    Attributes:
        noise_input: the name of the noise among the inputs.
        noise_shape: of one image's noise.
        noise: all that a draw takes by name: this noise, then what a sampler draws besides.
        denoises: whether it is one evaluation of a flow, from which images are drawn by the steps
            of any solver.
    """

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        super().__init__(path, device)
        self.denoises = "denoiser" in self.contract
        if not (self.denoises or makes_images(self.contract)):
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
        sampler: str | None = None,
        **options: float | str,
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
            sampler: of a denoiser, the solver, such as "heun", with its defaults; by default as the
                run draws.
            options: of that: `steps`, `grid`, `guidance`, `guidance_from`, `guidance_until`.

        Raises:
            RequestError: a label, count, seed, batch size or option out of range, labels for a
                model without a condition, or a sampler or its options for a file that is no
                denoiser; or the file takes codes of a learned distribution.
        """
        chosen, total = self._labels(labels, count)
        with requested():
            check_at_least("batch_size", batch_size, 1)
        plan, noise = self.plan(sampler, options), self.draw_noise(total, seed)
        others = self.other_noise(total, seed, plan)
        return self.draw(noise, chosen, batch_size, others, plan)

    def states(
        self,
        labels: Sequence[Any] | None = None,
        count: int | None = None,
        *,
        seed: int = 0,
        batch_size: int = 256,
        sampler: str | None = None,
        **options: float | str,
    ) -> Iterator[NDArray[np.uint8]]:
        """Return noise as it becomes images, of a denoiser: what `sample` draws comes last.

        Args:
            labels: as in `sample`.
            count: as in `sample`.
            seed: as in `sample`.
            batch_size: as in `sample`.
            sampler: as in `sample`.
            options: as in `sample`.

        Raises:
            RequestError: as in `sample`, or the file is no denoiser.
        """
        chosen, total = self._labels(labels, count)
        with requested():
            check_at_least("batch_size", batch_size, 1)
        plan = self.plan(sampler, options)
        if plan is None:
            raise RequestError(
                f"{self.path.name} is the {self.contract['part']} of a model, which shows no steps"
                ": export the part denoiser"
            )
        noise, others = self.draw_noise(total, seed), self.other_noise(total, seed, plan)
        drawn = {name: rows[0:total] for name, rows in others.items()}
        states = self._states(noise, chosen, batch_size, drawn, plan)
        return (self._pixels(in_unit_range(x)) for x in states)

    def generate(
        self,
        noise: NDArray[np.float32],
        labels: Sequence[Any] | None = None,
        *,
        seed: int = 0,
        batch_size: int = 256,
        sampler: str | None = None,
        **options: float | str,
    ) -> NDArray[np.uint8]:
        """Make images from given noise: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        Args:
            noise: (N, *noise_shape), standard normal for images like those in training.
            labels: as in `sample`, one for each row of noise.
            seed: of what a sampler draws besides, if anything.
            batch_size: images in one pass; it does not change the images.
            sampler: as in `sample`.
            options: as in `sample`.

        Raises:
            RequestError: noise of another shape or not finite, or as in `sample`.
        """
        with requested():
            values = NoiseSpec(self.noise_shape).rows(noise, "noise", least=0)
            check_at_least("seed", seed, 0)
        chosen, _ = self._labels(labels, len(values))
        plan = self.plan(sampler, options)
        others = self.other_noise(len(values), seed, plan)
        return self.draw(values, chosen, batch_size, others, plan)

    def plan(self, sampler: str | None, options: Mapping[str, Any]) -> Plan | None:
        """Return how to draw from a denoiser, None for any other part.

        Raises:
            RequestError: an unknown sampler or option, or one out of range, or any of them for
                another part.
        """
        if self.denoises:
            with requested():
                return plan_of(self.contract, self.condition, sampler, options)
        given = [*(["sampler"] if sampler is not None else []), *options]
        if given:
            raise RequestError(
                f"{self.path.name} is the {self.contract['part']} of a model, whose way of drawing "
                f"is fixed: leave {setting(given[0])} out, or export the part denoiser"
            )
        return None

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

    def other_noise(
        self, count: int, seed: int, plan: Plan | None = None, *, same: bool = False
    ) -> dict[str, NoiseRows]:
        """Return what a sampler takes besides the noise, by name, for `count` images.

        It is drawn when it is sliced; with `same` all images have that of the first.
        """
        more = {} if plan is None else plan.noise(self.noise_shape)
        return other_rows({**self.noise, **more}, count, seed, same=same)

    def draw(
        self,
        noise: NDArray[np.float32],
        chosen: NDArray[Any] | None,
        batch_size: int,
        others: Mapping[str, NDArray[np.float32] | NoiseRows] = NO_NOISE,
        plan: Plan | None = None,
    ) -> NDArray[np.uint8]:
        """Return the images of noise and encoded conditions, with one batch as floats at a time."""
        image = self.contract["image"]
        colours = () if image["channels"] == 1 else (image["channels"],)
        pixels = np.empty((len(noise), image["height"], image["width"], *colours), np.uint8)
        if plan is not None:
            chunks = self._denoised(noise, chosen, batch_size, others, plan)
        else:
            name, feeds = self.contract["outputs"][0]["name"], self._fed(noise, chosen)
            found = self._chunks({**feeds, **others}, batch_size)
            chunks = ((rows, outputs[name]) for rows, outputs in found)
        for rows, images in chunks:
            pixels[rows] = self._pixels(images)
        return pixels

    def _denoised(
        self,
        noise: Images,
        chosen: NDArray[Any] | None,
        batch_size: int,
        others: Mapping[str, Images | NoiseRows],
        plan: Plan,
    ) -> Iterator[tuple[slice, Images]]:
        """Yield images in 0..1, drawn from a denoiser, of one batch of rows after another."""
        with requested():
            check_at_least("batch_size", batch_size, 1)
        for start in range(0, len(noise), batch_size):
            rows = slice(start, start + batch_size)
            condition = None if chosen is None else chosen[rows]
            own = {name: drawn[rows] for name, drawn in others.items()}
            *_, x = self._states(noise[rows], condition, batch_size, own, plan)
            yield rows, in_unit_range(x)

    def _states(
        self,
        noise: Images,
        chosen: NDArray[Any] | None,
        batch_size: int,
        others: Mapping[str, Images],
        plan: Plan,
    ) -> Iterator[Images]:
        """Yield the states of a denoiser's draw, of all rows."""
        name, time_input = self.contract["outputs"][0]["name"], self.contract["inputs"][1]["name"]

        def evaluate(x: Images, time: float, condition: NDArray[Any] | None) -> Images:
            times = np.full(len(x), time, np.float32)
            feeds = {**self._fed(x.astype(np.float32), condition), time_input: times}
            velocity: Images = self._outputs(feeds, batch_size)[name]
            return velocity

        return plan.states(evaluate, noise, chosen, others.get(STEP_NOISE))

    def _fed(self, noise: Images, chosen: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
        """Return noise and the condition under the names of the graph's inputs."""
        feeds: dict[str, NDArray[Any]] = {self.noise_input: noise}
        if chosen is not None and self.condition_input is not None:
            feeds[self.condition_input] = chosen
        return feeds

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
