"""Draw where the test images lie in latent space."""

import numpy as np
import torch

from gtk.core.data import Dataset
from gtk.core.model import Model
from gtk.core.progress import Progress
from gtk.core.run import Run
from gtk.pictures.figure import write_figure
from gtk.pictures.scatter import latent_scatter
from gtk.plugins.callbacks.blocks import image_blocks
from gtk.plugins.callbacks.picture import EpochPicture, picture_path
from gtk.plugins.vae.protocol import LatentVariableModel


class LatentPictures(EpochPicture):
    """Writes pictures/latents-0030.png and the like: posterior means, coloured by class.

    Models without a latent code have none.
    """

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw all test images; principal components of one point are none."""
        if not isinstance(model, LatentVariableModel) or len(dataset.test) < 2:
            return
        with torch.no_grad():
            means = [
                model.encode(batch.images, batch.condition).mean.cpu().numpy()
                for batch in image_blocks(dataset, model)
            ]
        condition, labels = dataset.spec.condition, dataset.test.labels
        classes = condition.names if condition and condition.kind == "classes" else ()
        if not classes:  # attributes and numbers are no colours
            labels = np.zeros(len(labels), np.int64)
        figure = latent_scatter(np.concatenate(means), labels, classes)
        write_figure(figure, picture_path(run, "latents", progress))
