"""Draw where the test images lie in latent space."""

import numpy as np
import torch

from gtk.core.data import Dataset
from gtk.core.hooks import hookimpl
from gtk.core.model import Model
from gtk.core.progress import Progress
from gtk.core.run import Run
from gtk.pictures.figure import write_figure
from gtk.pictures.scatter import latent_scatter
from gtk.plugins.callbacks.blocks import image_blocks
from gtk.plugins.callbacks.occasion import picture_due, picture_path
from gtk.plugins.vae.protocol import LatentVariableModel


class LatentPictures:
    """Writes pictures/latents-0030.png and the like: posterior means, coloured by class.

    Models without a latent code have none.
    """

    @hookimpl
    def gtk_epoch_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw a picture if this epoch is due for one; the last always is."""
        due = picture_due(run, progress)
        # Principal components of one point are none.
        if not due or not isinstance(model, LatentVariableModel) or len(dataset.test) < 2:
            return
        with torch.no_grad():
            means = [
                model.encode(batch.images, batch.condition).mean.cpu().numpy()
                for batch in image_blocks(dataset, model)
            ]
        condition = dataset.spec.condition
        classes = condition.names if condition else ()
        figure = latent_scatter(np.concatenate(means), dataset.test.labels, classes)
        write_figure(figure, picture_path(run, "latents", progress))
