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
from gtk.core.training.schedule import epoch_due
from gtk.core.values.dataset import Dataset
from gtk.core.values.decays import each_decay


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
    """Return whether pictures are due after this epoch; after the last they always are."""
    return epoch_due(progress.epoch, progress.epochs, run.settings.train.sample_every)


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
