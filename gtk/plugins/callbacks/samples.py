"""Pictures of samples, always from the same noise, so that epochs compare."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.models.build import build_sampler, own_sampler
from gtk.core.models.sampling import sample
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.pictures.grid import image_grid, most_columns, write_png
from gtk.plugins.callbacks.picture import EpochPicture, picture_path

#: Steps of a sampler in the pictures before the last.
FEW_STEPS = 4
#: Images of each class, and images in a row without classes.
ROWS, UNCONDITIONAL_COLUMNS = 5, 10


class SamplePictures(EpochPicture):
    """Writes pictures/samples-0030.png and the like: a column for every class, or the first 100."""

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw samples."""
        sampler = own_sampler(run.settings, model)
        few = min(FEW_STEPS, getattr(sampler.config, "steps", 0))
        if few and progress.step < progress.total_steps:
            sampler = build_sampler(*run.settings.sampler_choice(None, {"steps": few}), model)
        grid = sample_grid(sampler, dataset.spec)
        write_png(grid, picture_path(run, "samples", progress), follow=False)


def sample_grid(sampler: Sampler[Any], spec: DataSpec) -> NDArray[np.uint8]:
    """Draw some images for each example of the condition in a grid: (H, W) or (H, W, 3).

    There are as many columns as `most_columns` allows.
    """
    columns, labels, model = UNCONDITIONAL_COLUMNS, None, sampler.model
    if model.condition:
        examples = model.condition.examples()
        examples = examples[: most_columns((spec.height, spec.width), ROWS)]
        columns, labels = len(examples), np.concatenate([examples] * ROWS)
    count = ROWS * columns
    device = next(model.parameters()).device
    images = sample(sampler, labels=labels, count=count, seed=0, batch_size=256, device=device)
    return image_grid(images, columns)
