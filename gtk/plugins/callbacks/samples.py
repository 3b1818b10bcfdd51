"""Pictures of samples, always from the same noise, so that epochs compare."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.models.sampling import sample
from gtk.core.registry.hooks import hookimpl
from gtk.core.settings.choice import SamplerChoice
from gtk.core.storage.fitted_sampler import choice_in_training, run_sampler
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.pictures.grid import GAP_LEVEL, image_grid, most_columns, write_png
from gtk.pictures.picture_text import picture_text
from gtk.plugins.callbacks.picture import EpochPicture, drawn_with, ended, picture_path

#: Steps of a sampler in the pictures before the last.
FEW_STEPS = 4
#: The most images of a picture after an interrupt, for which somebody waits.
FEW_IMAGES = 50
#: Images of each class, and images in a row without classes.
ROWS, UNCONDITIONAL_COLUMNS = 5, 10


class SamplePictures(EpochPicture):
    """Writes pictures/samples-0030.png and the like: a column for every class, or the first 100."""

    _hurried = False  # whether the last picture may be by few steps

    @hookimpl
    def gtk_train_start(self, run: Run, progress: Progress) -> None:
        """Remove the picture of an interrupt within an epoch: a training without one has none."""
        if progress.step % (progress.total_steps // progress.epochs):
            picture_path(run, "samples", progress).unlink(missing_ok=True)

    @hookimpl
    def gtk_train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw the last weights by all steps, and by few those of an interrupted training."""
        if self._hurried and has_steps(run) and ended(progress):
            self._drawn_at = 0
        super().gtk_train_end(run, model, dataset, progress)
        if progress.interrupted and self._drawn_at != progress.step:
            self.draw(run, model, dataset, progress)

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw samples."""
        self._hurried = not ended(progress)
        choice = picture_choice(run, hurried=self._hurried)
        sampler = run_sampler(run, choice, model, data=dataset)
        grid = sample_grid(sampler, dataset.spec, few=progress.interrupted)
        facts = drawn_with(run, progress, choice, sampler)
        path = picture_path(run, "samples", progress)
        write_png(grid, path, follow=False, text=picture_text(facts))


def has_steps(run: Run) -> bool:
    """Return whether the sampler of a run takes more steps than pictures before the last do."""
    return getattr(run.settings.configs["sampler"], "steps", 0) > FEW_STEPS


def picture_choice(run: Run, *, hurried: bool) -> SamplerChoice:
    """Return a run's own sampler, by few steps and none that is fitted where `hurried`."""
    few = {"steps": FEW_STEPS} if hurried and has_steps(run) else {}
    return choice_in_training(run.settings, few, last=not hurried)


def sample_grid(sampler: Sampler[Any], spec: DataSpec, *, few: bool = False) -> NDArray[np.uint8]:
    """Draw some images for each example of the condition in a grid: (H, W) or (H, W, 3).

    There are as many columns as `most_columns` allows. With `few` there are at most `FEW_IMAGES`,
    but at least a row, in a picture of the same size.
    """
    columns, labels, model = UNCONDITIONAL_COLUMNS, None, sampler.model
    if model.condition:
        examples = model.condition.examples()
        examples = examples[: most_columns((spec.height, spec.width), ROWS)]
        columns, labels = len(examples), np.concatenate([examples] * ROWS)
    rows = max(1, min(ROWS, FEW_IMAGES // columns)) if few else ROWS
    count, labels = rows * columns, None if labels is None else labels[: rows * columns]
    device = next(model.parameters()).device
    images = sample(sampler, labels=labels, count=count, seed=0, batch_size=256, device=device)
    left_over = np.full((ROWS * columns - count, *images.shape[1:]), GAP_LEVEL, np.uint8)
    return image_grid(np.concatenate([images, left_over]), columns)
