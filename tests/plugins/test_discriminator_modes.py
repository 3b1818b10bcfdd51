"""A discriminator with batch normalization judges in eval mode nearly as in train mode."""

import copy

import numpy as np
import torch
from torch import Tensor
from worlds import settle

from gtk.core.contracts.model import Model
from gtk.core.training.training import Training
from gtk.core.values.dataset import Dataset

#: Images in a batch, batches that are judged, and steps of the training.
BATCH, BATCHES, STEPS = 64, 20, 400


def accuracy(model: Model, data: Dataset, *, training: bool) -> float:
    """Return how often real images and generated ones are told apart, batch by batch."""
    judge = copy.deepcopy(model).train(training)
    noise = torch.from_numpy(judge.noise.draw(BATCH * BATCHES, 0)).split(BATCH)
    generator = np.random.default_rng(0)
    right: list[Tensor] = []
    with torch.no_grad():
        for z in noise:
            rows = generator.choice(len(data.train), BATCH, replace=False)
            real = torch.from_numpy(data.train.images[rows]).float() / 255
            labels = torch.from_numpy(data.train.labels[rows])
            right += [
                judge.discriminate(judge.to_network_range(real), labels) > 0,
                judge.discriminate(judge.generate(z, labels), labels) <= 0,
            ]
    return torch.cat(right).float().mean().item()


def test_its_accuracy_in_eval_mode_is_near_that_in_train_mode() -> None:
    # With statistics of the generator's passes, too, it was 0.87 against 0.98.
    settings = settle("cgan", "onehot", network="mlp", batch_size=BATCH, epochs=STEPS)
    training = Training(settings, "cpu", [])
    batches = training.trainer.schedule.batches(0)
    for _ in range(STEPS):
        training.trainer.train_step(next(batches))
    model, data = training.trainer.published, training.dataset
    trained, evaluated = (accuracy(model, data, training=mode) for mode in (True, False))
    assert trained > 0.9
    assert abs(trained - evaluated) < 0.08
