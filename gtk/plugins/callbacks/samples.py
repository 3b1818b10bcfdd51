"""Pictures of samples, always from the same noise, so that epochs compare."""

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.model import Model
from gtk.core.models.sampling import sample
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset
from gtk.core.values.request import choose_labels
from gtk.pictures.grid import image_grid, write_png
from gtk.plugins.callbacks.picture import EpochPicture, picture_path

#: Images of each class, and images in a row without classes.
ROWS, UNCONDITIONAL_COLUMNS = 5, 10


class SamplePictures(EpochPicture):
    """Writes pictures/samples-0030.png and the like: a column for every class."""

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw samples."""
        write_png(sample_grid(model), picture_path(run, "samples", progress), follow=False)


def sample_grid(model: Model) -> NDArray[np.uint8]:
    """Draw some images for each example of the condition in a grid: (H, W) or (H, W, 3)."""
    condition = model.condition
    columns = len(condition.examples()) if condition else UNCONDITIONAL_COLUMNS
    labels, count = choose_labels(condition, None, ROWS * columns)
    device = next(model.parameters()).device
    images = sample(model, labels=labels, count=count, seed=0, batch_size=256, device=device)
    return image_grid(images, columns)
