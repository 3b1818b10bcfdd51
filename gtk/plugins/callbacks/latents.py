"""Pictures of where the test images lie in latent space."""

import numpy as np
from numpy.typing import NDArray

from gtk.core.contracts.model import Model
from gtk.core.models.sampling import to_pixels
from gtk.core.registry.hooks import hookimpl
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Dataset
from gtk.core.values.interpolation import quantile_plane
from gtk.pictures.figure import write_figure
from gtk.pictures.latent_map import SIDE, write_latent_map, write_manifold
from gtk.pictures.scatter import latent_scatter
from gtk.plugins.callbacks.picture import EpochPicture, ended, picture_path
from gtk.plugins.families.latent_variable import LatentVariableModel
from gtk.plugins.families.reconstruction import LatentSpace


class LatentPictures(EpochPicture):
    """Writes pictures/latents-0030.png and the like: posterior means, coloured by class.

    At the end it also writes the points and images of the report's latent map, and of a code of two
    dimensions the manifold. It draws nothing for models without a latent code.
    """

    def __init__(self) -> None:
        self._drawn: NDArray[np.float32] | None = None

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw all test images, if there are two or more: one point has no principal components."""
        self._drawn = _codes(model, dataset)
        if self._drawn is not None:
            figure = latent_scatter(self._drawn, *_classes(dataset))
            write_figure(figure, picture_path(run, "latents", progress))

    @hookimpl
    def gtk_train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw the last weights, and write what the report shows of latent space."""
        super().gtk_train_end(run, model, dataset, progress)
        # Drawn by now, but of an interrupted or failed training.
        codes = self._drawn if ended(progress) else _codes(model, dataset)
        if codes is None or not np.isfinite(codes).all():  # not finite where a training failed
            return
        run.pictures.mkdir(exist_ok=True)
        if codes.shape[1] == 2:  # before the points, without which the report does not show it
            write_manifold(run.pictures, manifold(model))
        labels, classes = _classes(dataset)
        write_latent_map(run.pictures, codes, labels, classes, dataset.test.images, progress.epoch)


def _codes(model: Model, dataset: Dataset) -> NDArray[np.float32] | None:
    """Return the posterior means (N, D) of all test images, None where there are none to draw."""
    test = dataset.test
    if not isinstance(model, LatentVariableModel) or len(test) < 2:
        return None
    labels = test.labels if dataset.spec.condition else None
    return LatentSpace(model).encode(test.images, labels)


def manifold(model: Model) -> NDArray[np.uint8]:
    """Return the images of a plane of codes, row by row as `quantile_plane` has them.

    Of a conditional model they are of the condition's default, the first class.

    Args:
        model: with a latent code of two dimensions, in eval mode.

    Returns:
        (SIDE * SIDE, H, W) if grey, (SIDE * SIDE, H, W, C) in colour.
    """
    noise, _ = quantile_plane(SIDE)
    labels = None
    if model.condition is not None:
        labels = np.repeat(model.condition.default()[None], len(noise), axis=0)
    return to_pixels(LatentSpace(model).decode_noise(noise, labels))


def _classes(dataset: Dataset) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return each test image's label and the classes' names; only classes have colours."""
    condition, labels = dataset.spec.condition, dataset.test.labels
    if isinstance(condition, Classes):
        return labels, condition.names
    return np.zeros(len(labels), np.int64), ()
