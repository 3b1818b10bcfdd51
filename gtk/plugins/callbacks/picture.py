"""A picture that is drawn again and again as a training goes on."""

from abc import ABC, abstractmethod
from pathlib import Path

from gtk.core.contracts.model import Model
from gtk.core.registry.hooks import hookimpl
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset

#: Pictures in a training, with `sample_every` 0.
PICTURES = 10


class EpochPicture(ABC):
    """Draws after some epochs, after the last, and where a training stops early."""

    @abstractmethod
    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw what this model, in eval mode, makes of this epoch; or nothing."""

    @hookimpl
    def gtk_epoch_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw if this epoch is due for a picture."""
        if picture_due(run, progress):
            self.draw(run, model, dataset, progress)

    @hookimpl
    def gtk_train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw if the training has stopped early, in an epoch that was not due for a picture."""
        if progress.stopped and not picture_due(run, progress):
            self.draw(run, model, dataset, progress)


def picture_due(run: Run, progress: Progress) -> bool:
    """Say whether this epoch is due for pictures; the last always is."""
    every = run.settings.train.sample_every or max(1, progress.epochs // PICTURES)
    return progress.epoch % every == 0 or progress.epoch == progress.epochs


def picture_path(run: Run, kind: str, progress: Progress) -> Path:
    """Return where this epoch's picture of a kind goes: pictures/kind-0030.png."""
    run.pictures.mkdir(exist_ok=True)
    return run.pictures / f"{kind}-{progress.epoch:04d}.png"
