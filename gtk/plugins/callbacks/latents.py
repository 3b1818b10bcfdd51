"""Draw where the test images lie in latent space."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.model import Model
from gtk.core.registry.hooks import hookimpl
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.training.store import ImageStore
from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Dataset
from gtk.pictures.figure import write_figure
from gtk.pictures.latent_map import write_latent_map
from gtk.pictures.scatter import latent_scatter
from gtk.plugins.callbacks.picture import EpochPicture, picture_path
from gtk.plugins.families.latent_variable import LatentVariableModel

#: Images in one pass through a network.
BLOCK = 256


class LatentPictures(EpochPicture):
    """Writes pictures/latents-0030.png and the like: posterior means, coloured by class.

    At the end also what the report shows of them: points and images.

    Models without a latent code have none.
    """

    def __init__(self) -> None:
        self._drawn: NDArray[np.float32] | None = None

    def draw(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw all test images; principal components of one point are none."""
        self._drawn = _codes(model, dataset)
        if self._drawn is not None:
            figure = latent_scatter(self._drawn, *_classes(dataset))
            write_figure(figure, picture_path(run, "latents", progress))

    @hookimpl
    def gtk_train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Draw where a training stopped early, and keep points and images for the report."""
        super().gtk_train_end(run, model, dataset, progress)
        # The last epoch is always drawn, but an interrupted or failed training has not come to it.
        ended = progress.step == progress.total_steps or progress.stopped
        codes = self._drawn if ended else _codes(model, dataset)
        if codes is None or not np.isfinite(codes).all():  # not those of a training that failed
            return
        run.pictures.mkdir(exist_ok=True)
        labels, classes = _classes(dataset)
        write_latent_map(run.pictures, codes, labels, classes, dataset.test.images, progress.epoch)


def _codes(model: Model, dataset: Dataset) -> NDArray[np.float32] | None:
    """Return the posterior means (N, D) of all test images, None where there are none to draw."""
    if not isinstance(model, LatentVariableModel) or len(dataset.test) < 2:
        return None
    codes, done = np.empty((0, 0), np.float32), 0
    with torch.no_grad():
        for batch in _image_blocks(dataset, model):
            means = model.encode(batch.images, batch.condition).mean
            if not done:
                # All at once: a small array kept for each block would split the room that the
                # block before has left, and memory would grow by a block each time.
                codes = np.empty((len(dataset.test), means.shape[1]), np.float32)
            codes[done : done + len(batch)] = means.cpu().numpy()
            done += len(batch)
    return codes


def _image_blocks(dataset: Dataset, model: Model) -> Iterator[Batch]:
    """Yield the test images block by block, in their order, on the model's device."""
    device = next(model.parameters()).device
    conditional = dataset.spec.condition is not None
    store = ImageStore(dataset.test, conditional=conditional, device=device)
    for start in range(0, len(store), BLOCK):
        yield store.batch(torch.arange(start, min(start + BLOCK, len(store)), device=device))


def _classes(dataset: Dataset) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return each test image's label, and the classes' names; attributes are no colours."""
    condition, labels = dataset.spec.condition, dataset.test.labels
    if isinstance(condition, Classes):
        return labels, condition.names
    return np.zeros(len(labels), np.int64), ()
