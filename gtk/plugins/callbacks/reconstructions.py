"""Draw what is left of test images on their way through a latent code and back."""

import numpy as np
import torch

from gtk.core.contracts.model import Model
from gtk.core.models.sampling import to_pixels
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.training.store import ImageStore
from gtk.core.values.dataset import Dataset, spread
from gtk.pictures.grid import image_grid, write_png
from gtk.plugins.callbacks.picture import EpochPicture, picture_path
from gtk.plugins.families.reconstruction import reconstruction_of

#: Images side by side.
COLUMNS = 10


class ReconstructionPictures(EpochPicture):
    """Writes pictures/reconstructions-0030.png and the like: images above, what is left below.

    Models that encode no images have none.
    """

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw some test images, evenly chosen."""
        reconstruct = reconstruction_of(model)
        if reconstruct is None or not len(dataset.test):
            return
        device = next(model.parameters()).device
        conditional = dataset.spec.condition is not None
        store = ImageStore(dataset.test, conditional=conditional, device=device)
        batch = store.batch(torch.from_numpy(spread(len(store), COLUMNS)).to(device))
        with torch.no_grad():
            expected = reconstruct(batch.images, batch.condition)
        rows = [to_pixels(images.cpu().numpy()) for images in (batch.images, expected)]
        picture = image_grid(np.concatenate(rows), columns=len(rows[0]))
        write_png(picture, picture_path(run, "reconstructions", progress))
