"""Pictures of test images above their reconstructions."""

import numpy as np

from gtk.core.contracts.model import Model
from gtk.core.models.sampling import to_pixels
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset, spread
from gtk.pictures.grid import image_grid, write_png
from gtk.plugins.callbacks.picture import EpochPicture, picture_path
from gtk.plugins.families.reconstruction import map_batches, reconstruction_of

#: Images side by side.
COLUMNS = 10


class ReconstructionPictures(EpochPicture):
    """Writes pictures/reconstructions-0030.png and the like, of models that encode images."""

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw some test images, evenly chosen, and their reconstructions below."""
        reconstruct = reconstruction_of(model)
        if reconstruct is None or not len(dataset.test):
            return
        rows = spread(len(dataset.test), COLUMNS)
        images = dataset.test.images[rows]
        labels = dataset.test.labels[rows] if dataset.spec.condition else None
        expected = map_batches(reconstruct, model, images, labels)
        pixels = np.concatenate(
            [to_pixels(np.divide(images, 255, dtype=np.float32)), to_pixels(expected)]
        )
        picture = image_grid(pixels, columns=len(rows))
        write_png(picture, picture_path(run, "reconstructions", progress), follow=False)
