"""Where the images of a picture come from: a run, or an exported file without torch."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.errors import InvalidValue, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gtk.core.contracts.model import Model
    from gtk.core.storage.run import Run

Result = TypeVar("Result")


class Source(ABC):
    """A trained model that makes images.

    Attributes:
        reference: what the user called it.
        condition: what its samples are conditioned on, None where they are not.
        batch_size: images in one pass; changes no image.
    """

    reference: str
    condition: ConditionSpec | None
    batch_size: int = 256

    @property
    @abstractmethod
    def noise_shape(self) -> tuple[int, ...]:
        """The shape of one image's noise."""

    @abstractmethod
    def draw_noise(self, count: int, seed: int) -> "NDArray[np.float32]":
        """Draw the noise that `gtk sample` starts from with this seed: (count, *noise_shape)."""

    @abstractmethod
    def generate(
        self, noise: "NDArray[np.float32]", labels: "NDArray[Any] | None"
    ) -> "NDArray[np.uint8]":
        """Make images of noise (N, *noise_shape): (N, H, W) if grey, (N, H, W, 3) in colour.

        Args:
            noise: of each image.
            labels: an image's condition each, encoded; None where there is no condition, or to
                cycle through its examples.
        """

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of its classes, None where the condition is none or something else."""
        return self.condition.names if isinstance(self.condition, Classes) else None

    @property
    def numbers(self) -> tuple[str, ...] | None:
        """The names of its attributes or numbers, None where there are none."""
        return None if self.condition is None or self.classes else self.condition.names

    def sample(self, labels: "NDArray[Any] | None", count: int, seed: int) -> "NDArray[np.uint8]":
        """Draw images, the same for the same seed."""
        return self.generate(self.draw_noise(count, seed), labels)


class RunSource(Source):
    """A run.

    Args:
        reference: what the user called it.
        run: the run.
        checkpoint: of which checkpoint the weights are; by default as `Run.load_model` chooses.
        device: "auto" or a torch device; by default the CPU.
    """

    def __init__(
        self, reference: str, run: "Run", checkpoint: str | None, device: str | None
    ) -> None:
        self.reference, self.run = reference, run
        self.condition = run.condition
        self._checkpoint, self._device = checkpoint, device or "cpu"

    @cached_property
    def model(self) -> "Model":
        """The model, in eval mode on its device."""
        from gtk.core.models.device import resolve_device

        place = resolve_device(self._device)
        return self.run.load_model(self._checkpoint).to(place)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """As the model says."""
        return self.model.noise.shape

    def draw_noise(self, count: int, seed: int) -> "NDArray[np.float32]":
        """Draw noise."""
        return self.model.noise.draw(count, seed)

    def generate(
        self, noise: "NDArray[np.float32]", labels: "NDArray[Any] | None"
    ) -> "NDArray[np.uint8]":
        """Make images."""
        from gtk.core.models.sampling import generate

        if labels is None and self.condition is not None:
            labels = self.condition.cycle(len(noise))
        return generate(
            self.model,
            noise,
            labels=labels,
            batch_size=self.batch_size,
            device=next(self.model.parameters()).device,
        )

    def blend(
        self, noise: "NDArray[np.float32]", classes: "NDArray[Any]", shares: "NDArray[np.float64]"
    ) -> "NDArray[np.uint8]":
        """Make images between two classes: the first for a share of 0, the second for 1.

        Args:
            noise: (N, *noise_shape).
            classes: both, encoded: (2,).
            shares: of the second class, for each image: (N,).

        Raises:
            InvalidValue: the model has nothing between classes.
        """
        import numpy as np
        import torch

        from gtk.core.models.blend import blended
        from gtk.core.models.sampling import generate

        start, end = classes.repeat(len(noise)).reshape(2, -1)
        place = next(self.model.parameters()).device
        batches = []
        for first in range(0, len(noise), self.batch_size):
            rows = slice(first, first + self.batch_size)
            other = torch.from_numpy(end[rows]).to(place)
            share = torch.from_numpy(shares[rows].astype(np.float32)).to(place)
            with blended(self.model, other, share):
                batch = generate(
                    self.model,
                    noise[rows],
                    labels=start[rows],
                    batch_size=self.batch_size,
                    device=place,
                )
            batches.append(batch)
        images = np.concatenate(batches)
        # A model may take its condition in some other way than through its conditioner's layers.
        last = np.flatnonzero(shares == 1)
        expected = self.generate(noise[last], end[last])
        if np.abs(images[last].astype(int) - expected).max(initial=0) > 1:
            raise InvalidValue(
                f"{self.reference} takes its class in a way that has nothing in between: compare "
                "classes with gtk sample"
            )
        return images


class FileSource(Source):
    """An exported file, which onnxruntime runs.

    Args:
        reference: the file.
        device: "auto", "cpu" or "cuda"; by default the CPU.

    Raises:
        UserError: it cannot be read, was not exported by gtk, or there is no such device.
    """

    def __init__(self, reference: str, device: str | None) -> None:
        from gtk.exports.runtime import load

        self.reference = reference
        self._generator = _asked(lambda: load(reference, device or "cpu"))
        self.condition = self._generator.condition

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """As the file's manifest says."""
        return self._generator.noise_shape

    def draw_noise(self, count: int, seed: int) -> "NDArray[np.float32]":
        """Draw noise."""
        return _asked(lambda: self._generator.draw_noise(count, seed))

    def generate(
        self, noise: "NDArray[np.float32]", labels: "NDArray[Any] | None"
    ) -> "NDArray[np.uint8]":
        """Make images."""
        size, generator = self.batch_size, self._generator
        if labels is None:
            return _asked(lambda: generator.generate(noise, batch_size=size))
        return _asked(lambda: generator.draw(noise, labels, size))


def is_exported(reference: str) -> bool:
    """Say whether a reference is that of an exported file, and not of a run."""
    return reference.lower().endswith(".onnx")


def open_source(reference: str, runs: Path, checkpoint: str | None, device: str | None) -> Source:
    """Open an exported file, without torch, or a run.

    Raises:
        GtkError: there is none of that name, or an option that it does not take.
    """
    if is_exported(reference):
        if checkpoint is not None:
            raise InvalidValue(
                f"{reference} is an exported file, which holds one checkpoint: --checkpoint is for "
                "runs"
            )
        return FileSource(reference, device)
    from gtk.core.storage.runs import find_run

    return RunSource(reference, find_run(reference, runs), checkpoint, device)


def _asked(request: Callable[[], Result]) -> Result:
    """Return what the runtime answers; its errors are the user's."""
    from gtk.exports.runtime import DeviceError, ExportFileError, RequestError

    try:
        return request()
    except RequestError as error:
        raise InvalidValue(str(error)) from error
    except (DeviceError, ExportFileError) as error:
        raise UserError(str(error)) from error
