"""The base of pictures that are drawn after some epochs."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.registry.hooks import hookimpl
from gtk.core.settings.choice import SamplerChoice, sampler_document
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset
from gtk.core.values.decays import each_decay

#: Pictures in a training if `sample_every` is 0, besides some early ones.
PICTURES = 10


class EpochPicture(ABC):
    """Draws after some epochs, and the last weights of a training that has ended by itself."""

    _drawn_at = 0  # the step of the last picture

    @abstractmethod
    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw a picture of this epoch's model, which is in eval mode, or nothing."""

    @hookimpl
    def gtk_epoch_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw if a picture is due."""
        if picture_due(run, progress):
            self.draw(run, model, dataset, progress)
            self._drawn_at = progress.step

    @hookimpl
    def gtk_train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw the last weights if no epoch's end has, as after an early stop or a resume."""
        if ended(progress) and self._drawn_at != progress.step:
            self.draw(run, model, dataset, progress)


def ended(progress: Progress) -> bool:
    """Return whether a training is over by itself, neither interrupted nor failed."""
    return progress.step == progress.total_steps or bool(progress.stopped)


def picture_due(run: Run, progress: Progress) -> bool:
    """Return whether pictures are due after this epoch; after the last they always are.

    If `sample_every` is 0 that is after epochs 1, 2, 4, 8, ..., up to two tenths of the training,
    and from there after every tenth.
    """
    epoch, every = progress.epoch, run.settings.train.sample_every
    if not every:
        every = max(1, progress.epochs // PICTURES)
        if epoch < 2 * every:
            return epoch & (epoch - 1) == 0 or epoch == progress.epochs
    return epoch % every == 0 or epoch == progress.epochs


def picture_path(run: Run, kind: str, progress: Progress) -> Path:
    """Return the path of this epoch's picture of a kind: pictures/kind-0030.png."""
    run.pictures.mkdir(exist_ok=True)
    return run.pictures / f"{kind}-{progress.epoch:04d}.png"


def drawn_with(
    run: Run, progress: Progress, choice: SamplerChoice, sampler: Sampler[Any]
) -> dict[str, Any]:
    """Return what decides the images that a training draws with seed 0, for programs.

    Without the run's name: trainings with the same settings write the same files.
    """
    averages = each_decay(run.settings.train.average_decay)
    return {
        "step": progress.step,
        **({"average": averages[0]} if averages else {}),
        "sampler": sampler_document(choice),
        "evaluations": sampler.evaluations,
        "seed": 0,
    }
