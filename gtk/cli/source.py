"""Where the images of a picture come from: a run, or an exported file without torch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from gtk.cli.memory_advice import memory_advice
from gtk.cli.progress_bar import drawing_shown, work_shown
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.decays import each_decay
from gtk.core.values.errors import InvalidValue, UserError, not_a_run
from gtk.core.values.noise import other_rows
from gtk.core.values.text import counted
from gtk.core.values.tracking import track

if TYPE_CHECKING:
    from gtk.core.contracts.model import Model
    from gtk.core.contracts.sampler import Sampler
    from gtk.core.settings.choice import SamplerChoice
    from gtk.core.storage.run import Run

#: What a file's manifest says of the run that it is from.
FROM_RUN = ("run", "step", "average")


NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Source(ABC):
    """A trained model that makes images.

    Attributes:
        reference: what the user called it.
        condition: what its samples are conditioned on, None where they are not.
        batch_size: images in one pass; changes no image.
        data_root: where a run's data are now, for a sampler that learns from them.
    """

    reference: str
    condition: ConditionSpec | None
    batch_size: int = 256
    data_root: Path | None = None
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
            return self._generate(noise, labels, seed, moving=moving)

    @contextmanager
    def timed(self, images: int, draws: int = 1) -> Iterator[None]:
        """Say how long drawing so many images takes, in `draws` calls of `generate` inside."""
        if self._timed:
            yield
            return
        self._timed = True
        try:
            with drawing_shown(f"{counted(images, 'image')}{self.how}", draws):
                yield
        finally:
            self._timed = False

    @abstractmethod
    def _generate(
        self, noise: NDArray[np.float32], labels: NDArray[Any] | None, seed: int, *, moving: bool
    ) -> NDArray[np.uint8]:
        """Make images; there are labels where there is a condition."""


class RunSource(Source):
    """A run, with the checkpoint that `Run.load_model` chooses, on a device, by default the CPU."""

    def __init__(
        self,
        reference: str,
        run: "Run",
        checkpoint: str | None,
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

        with work_shown():
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
    def noise_shape(self) -> tuple[int, ...]:
        """As the sampler says."""
        return self.sampler.noise["z"].shape

    def draw_noise(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw noise."""
        return self.sampler.noise["z"].draw(count, seed)

    def _generate(
        self, noise: NDArray[np.float32], labels: NDArray[Any] | None, seed: int, *, moving: bool
    ) -> NDArray[np.uint8]:
        from gtk.core.models.sampling import generate

        others = other_rows(self.sampler.noise, len(noise), seed, same=moving)
        device = next(self.model.parameters()).device
        command = click.get_current_context(silent=True)
        remedy = memory_advice(command.info_name if command else None)
        with self.run.drawing(self.batch_size, remedy):
            return generate(
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


@contextmanager
def _user_errors() -> Iterator[None]:
    """Turn the errors of the runtime into errors of the command line."""
    from gtk.exports.runtime import DeviceError, ExportFileError, RequestError

    try:
        yield
    except RequestError as error:
        raise InvalidValue(str(error)) from error
    except (DeviceError, ExportFileError) as error:
        raise UserError(str(error)) from error


class FileSource(Source):
    """An exported file, which onnxruntime runs on a device, by default the CPU.

    Raises:
        UserError: it cannot be read, was not exported by gtk, is not the file that the JSON beside
            it describes, or there is no such device.
    """

    @_user_errors()
    def __init__(
        self,
        reference: str,
        device: str | None,
        sampler: str | None = None,
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> None:
        from gtk.exports.files import check_pair
        from gtk.exports.runtime import load

        self.reference = reference
        self._generator = load(reference, device or "cpu")
        check_pair(Path(reference))
        self.condition = self._generator.condition
        if not self._generator.denoises:
            check_file_options(reference, sampler=sampler)
        self._plan = self._generator.plan(sampler, options)

    @property
    def how(self) -> str:
        """The sampler's name and steps, or of a denoiser its evaluations for an image."""
        plan = self._plan
        if plan is not None:
            return f", by {plan.solver.name} with {plan.evaluations} evaluations each"
        sampler = self._manifest.get("sampler") or {}
        return f", by {sampler['name']} with {sampler['steps']} steps" if "steps" in sampler else ""

    @property
    def weights(self) -> dict[str, Any]:
        """The file, and the run and step that it is from."""
        known = {key: self._manifest[key] for key in FROM_RUN if key in self._manifest}
        return {"exported": Path(self.reference).name, **known}

    @property
    def drawn_with(self) -> dict[str, Any]:
        """The weights, and the sampler if the file has one, or is drawn from by one."""
        plan = self._plan
        if plan is not None:
            solver = {"name": plan.solver.name, **asdict(plan.config)}
            return {**self.weights, "sampler": solver, "evaluations": plan.evaluations}
        sampler = self._manifest.get("sampler")
        return {**self.weights, **({} if sampler is None else {"sampler": sampler})}

    @property
    def _manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = self._generator.contract
        return manifest

    @property
    def image_size(self) -> tuple[int, int]:
        """As the file's manifest says."""
        image = self._generator.contract["image"]
        return image["height"], image["width"]

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """As the file's manifest says."""
        return self._generator.noise_shape

    @_user_errors()
    def draw_noise(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw noise."""
        return self._generator.draw_noise(count, seed)

    @_user_errors()
    def _generate(
        self, noise: NDArray[np.float32], labels: NDArray[Any] | None, seed: int, *, moving: bool
    ) -> NDArray[np.uint8]:
        others = self._generator.other_noise(len(noise), seed, self._plan, same=moving)
        starts = range(0, len(noise), self.batch_size)
        return np.concatenate(
            [
                self._generator.draw(
                    noise[rows],
                    None if labels is None else labels[rows],
                    self.batch_size,
                    {name: own[rows] for name, own in others.items()},
                    self._plan,
                )
                for start in track(starts, "drawing", len(starts))
                for rows in [slice(start, start + self.batch_size)]
            ]
        )


def is_exported(reference: str) -> bool:
    """Say whether a reference names an exported file, not a run.

    Raises:
        UserError: torch is not installed, which would open a run.
    """
    if reference.lower().endswith(".onnx"):
        return True
    if find_spec("torch") is None:  # else find_run says what is wrong, and it knows all runs
        if Path(reference).is_file():
            raise not_a_run(reference)
        raise UserError(
            f"{reference} would be a run, which needs torch, which is not installed here; the name "
            "of an exported file ends in .onnx"
        )
    return False


def check_file_options(reference: str, **given: str | float | None) -> None:
    """Refuse options that choose something in a run, where an exported file is named.

    Raises:
        InvalidValue: it names the first option that is given.
    """
    for name, value in given.items():
        if value is not None:
            raise InvalidValue(
                f"{reference} is an exported file, which holds one {name}. Leave --{name} out, or "
                "name a run"
            )
