"""When pictures of a training are due, and where they go."""

from pathlib import Path

from gtk.core.progress import Progress
from gtk.core.run import Run

#: Pictures in a training, with `sample_every` 0.
PICTURES = 10


def picture_due(run: Run, progress: Progress) -> bool:
    """Say whether this epoch is due for pictures; the last always is."""
    every = run.settings.train.sample_every or max(1, progress.epochs // PICTURES)
    return progress.epoch % every == 0 or progress.epoch == progress.epochs


def picture_path(run: Run, kind: str, progress: Progress) -> Path:
    """Return where this epoch's picture of a kind goes: pictures/kind-0030.png."""
    run.pictures.mkdir(exist_ok=True)
    return run.pictures / f"{kind}-{progress.epoch:04d}.png"
