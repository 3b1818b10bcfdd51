"""Draw what is left of test images on their way through a latent code and back."""

import numpy as np
import torch

from gtk.core.data import Dataset
from gtk.core.model import Model
from gtk.core.progress import Progress
from gtk.core.run import Run
from gtk.core.sampler import to_pixels
from gtk.pictures.grid import image_grid, write_png
from gtk.plugins.callbacks.blocks import image_blocks
from gtk.plugins.callbacks.picture import EpochPicture, picture_path
from gtk.plugins.vae.protocol import LatentVariableModel

#: Images side by side.
COLUMNS = 10


class ReconstructionPictures(EpochPicture):
    """Writes pictures/reconstructions-0030.png and the like: images above, what is left below.

    Models without a latent code to go through have none.
    """

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw the first test images."""
        if not isinstance(model, LatentVariableModel):
            return
        batch = next(image_blocks(dataset, model), None)
        if batch is None:  # a data set without test images
            return
        with torch.no_grad():
            means = model.encode(batch.images, batch.condition).mean
            expected = model.expected_image(model.decode(means, batch.condition))
        rows = [to_pixels(images[:COLUMNS].cpu().numpy()) for images in (batch.images, expected)]
        picture = image_grid(np.concatenate(rows), columns=len(rows[0]))
        write_png(picture, picture_path(run, "reconstructions", progress))
