"""A contender of the table: pythae's own trainer, in an environment with pythae 0.1.2.

    python -m benchmarks.pythae_contender ROW --images FILE

Only unconditional VAEs of fully connected layers: the networks are a row's, given to pythae's VAE
as encoder and decoder of one's own.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn

from benchmarks.blocks import Blocks
from benchmarks.rows import read_row


class Encoder(BaseEncoder):
    """Fully connected layers from an image to mean and log variance."""

    def __init__(self, pixels: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(hidden, latent), nn.Linear(hidden, latent)

    def forward(self, images: Tensor) -> ModelOutput:
        """Return pythae's output."""
        values = self.layers(images.flatten(1))
        return ModelOutput(embedding=self.mean(values), log_covariance=self.log_variance(values))


class Decoder(BaseDecoder):
    """Fully connected layers from a code to an image."""

    def __init__(self, shape: tuple[int, ...], hidden: int, latent: int) -> None:
        super().__init__()
        self.shape = shape
        pixels = int(np.prod(shape))
        self.layers = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, pixels), nn.Sigmoid()
        )

    def forward(self, z: Tensor) -> ModelOutput:
        """Return pythae's output."""
        return ModelOutput(reconstruction=self.layers(z).reshape(-1, *self.shape))


class Timer(TrainingCallback):
    """Counts the images of each step."""

    def __init__(self, blocks: Blocks, batch: int) -> None:
        self.blocks, self.batch = blocks, batch

    def on_train_step_end(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - pythae's
        """End the block if it has been long enough."""
        self.blocks.trained(self.batch)


def main() -> None:
    """Train until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("row")
    parser.add_argument("--images", type=Path, required=True)
    given = parser.parse_args()
    blocks = Blocks()
    row = read_row(given.row)
    (hidden,), latent = row["model"]["hidden_dims"], row["model"]["latent_dim"]
    batch = row["train"]["batch_size"]
    arrays = np.load(given.images)
    images = torch.from_numpy(arrays["images"]).unsqueeze(1).float() / 255
    shape = tuple(images.shape[1:])
    model = VAE(
        VAEConfig(input_dim=shape, latent_dim=latent, reconstruction_loss="bce"),
        encoder=Encoder(int(np.prod(shape)), hidden, latent),
        decoder=Decoder(shape, hidden, latent),
    )
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=10_000,
            learning_rate=row["train"]["learning_rate"],
            per_device_train_batch_size=batch,
            no_cuda=True,
        )
        dataset = BaseDataset(images, torch.from_numpy(arrays["labels"]))
        trainer = BaseTrainer(
            model, dataset, training_config=config, callbacks=[Timer(blocks, batch)]
        )
        trainer.train()


if __name__ == "__main__":
    main()
