"""The loop of the tutorials in plain PyTorch, with the same layers as a row's networks.

It is written as its readers write it: each image through PIL and ToTensor, a DataLoader without
workers, one-hot labels, summed losses, eager Adam. The data set does what torchvision's MNIST and
CIFAR10 do for an image, from the same array as gtk's.
"""

import argparse
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.blocks import Blocks
from benchmarks.rows import CLASSES, SHAPES, read_row


class Images(Dataset[Any]):
    """An array of images as torchvision has them."""

    def __init__(self, path: Path) -> None:
        arrays = np.load(path)
        self.data, self.targets = arrays["images"], torch.from_numpy(arrays["labels"])
        self.transform = transforms.ToTensor()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), int(self.targets[index])


def norm(
    name: str, features: int, table: dict[str, Any], *, spatial: bool = True
) -> list[nn.Module]:
    """Return the normalization of a layer, if it has one."""
    epsilon, momentum = table.get("norm_epsilon", 1e-5), table.get("norm_momentum", 0.1)
    if name == "batch":
        return [(nn.BatchNorm2d if spatial else nn.BatchNorm1d)(features, epsilon, momentum)]
    if name == "group":
        groups = math.gcd(features, 32)
        while features < groups * 4:
            groups //= 2
        return [nn.GroupNorm(groups, features, epsilon)]
    return []


class VAE(nn.Module):
    """Fully connected or convolutional, conditional by one-hot codes, or not."""

    def __init__(self, table: dict[str, Any], channels: int, side: int) -> None:
        super().__init__()
        self.conv = table["network"] == "conv"
        self.classes = CLASSES if table["name"] == "cvae" else 0
        latent, hidden = table["latent_dim"], table["hidden_dims"]
        if self.conv:
            widths, small = self._convolutions(table, channels, side)
            features, self.small = widths * small**2, None
            small = side // 2 ** len(table["decoder_channels"])
            self.small = (table["decoder_channels"][0], small, small)
            hidden = [*hidden, math.prod(self.small)]
        else:
            sizes = [channels * side**2 + self.classes, *hidden]
            self.encoder = self._linear(sizes, table)
            features = sizes[-1]
        self.mean = nn.Linear(features, latent)
        self.log_variance = nn.Linear(features, latent)
        decoder = self._linear([latent + self.classes, *hidden], table)
        if not self.conv:
            decoder.append(nn.Linear(hidden[-1], channels * side**2))
        self.decoder = decoder

    @staticmethod
    def _linear(sizes: list[int], table: dict[str, Any]) -> nn.Sequential:
        name, layers = table.get("normalization", "none"), nn.Sequential()
        for inner, outer in pairwise(sizes):
            layers.extend([nn.Linear(inner, outer), nn.ReLU()])
            layers.extend(norm(name, outer, table, spatial=False))
        return layers

    def _convolutions(self, table: dict[str, Any], channels: int, side: int) -> tuple[int, int]:
        name = table.get("normalization", "none")
        self.encoder, features = nn.Sequential(), channels + self.classes
        for width in table["channels"]:
            self.encoder.extend([nn.Conv2d(features, width, 3, 2, 1), nn.ReLU()])
            self.encoder.extend(norm(name, width, table))
            features, side = width, (side + 1) // 2
        self.stages, inner = nn.Sequential(), table["decoder_channels"][0]
        for width in table["decoder_channels"]:
            self.stages.extend([nn.ConvTranspose2d(inner, width, 3, 2, 1, 1), nn.ReLU()])
            self.stages.extend(norm(name, width, table))
            self.stages.extend([nn.ConvTranspose2d(width, width, 3, 1, 1), nn.ReLU()])
            self.stages.extend(norm(name, width, table))
            inner = width
        if name != "none":
            del self.stages[-1]  # the last layer is not normalized
        self.stages.append(nn.ConvTranspose2d(inner, channels, 3, 1, 1))
        return features, side

    def forward(self, images: Tensor, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction and the posterior."""
        values = images if self.conv else images.flatten(1)
        if self.classes:
            planes = code[:, :, None, None].expand(-1, -1, *images.shape[2:])
            values = torch.cat([values, planes if self.conv else code], 1)
        hidden = self.encoder(values).flatten(1)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        decoded = self.decoder(torch.cat([z, code], 1) if self.classes else z)
        if self.conv:
            decoded = self.stages(decoded.view(-1, *self.small))
        return torch.sigmoid(decoded).view_as(images), mean, log_variance


def train_vae(model: VAE, batches: Iterator[Any], rate: float, beta: float) -> Iterator[int]:
    """Train without end; yield the images of each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for images, labels in batches:
        code = functional.one_hot(labels, CLASSES).float()
        reconstruction, mean, log_variance = model(images, code)
        bce = functional.binary_cross_entropy(reconstruction, images, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        loss = bce + beta * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        yield len(images)


def make_gan(table: dict[str, Any], channels: int, side: int) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator."""
    classes = CLASSES if table["name"] == "cgan" else 0
    stages = list(zip(table["kernels"], table["strides"], table["paddings"], strict=True))
    discriminator, features = nn.Sequential(), channels + classes
    for index, (width, stage) in enumerate(zip(table["channels"], stages, strict=True)):
        discriminator.append(nn.Conv2d(features, width, *stage))
        if index:
            discriminator.extend(norm(table["discriminator_normalization"], width, table))
        discriminator.append(nn.LeakyReLU(0.2))
        kernel, stride, padding = stage
        features, side = width, (side + 2 * padding - kernel) // stride + 1
    discriminator.extend([nn.Conv2d(features, 1, side), nn.Flatten(0)])
    widths = table["generator_channels"]
    generator = nn.Sequential(nn.ConvTranspose2d(table["latent_dim"] + classes, widths[0], side))
    outer = [*widths[1:], channels]
    for width, after, stage in zip(widths, outer, reversed(stages), strict=True):
        generator.extend([*norm(table["generator_normalization"], width, table), nn.ReLU()])
        generator.append(nn.ConvTranspose2d(width, after, *stage))
    generator.append(nn.Tanh())
    return generator, discriminator


def train_gan(
    networks: tuple[nn.Module, nn.Module],
    batches: Iterator[Any],
    table: dict[str, Any],
    rate: float,
) -> Iterator[int]:
    """Train without end; yield the images of each step."""
    generator, discriminator = networks
    conditional, latent = table["name"] == "cgan", table["latent_dim"]
    criterion = nn.BCEWithLogitsLoss()
    of_generator, of_discriminator = (
        torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999)) for network in networks
    )
    for pixels, labels in batches:
        real, count, device = pixels * 2 - 1, len(pixels), pixels.device
        code = functional.one_hot(labels, CLASSES).float()[:, :, None, None]
        ones, zeros = torch.ones(count, device=device), torch.zeros(count, device=device)

        def with_code(images: Tensor, code: Tensor = code) -> Tensor:
            planes = code.expand(-1, -1, *images.shape[2:])
            return torch.cat([images, planes], 1) if conditional else images

        noise = torch.randn(count, latent, 1, 1, device=device)
        fake = generator(with_code(noise))
        of_discriminator.zero_grad()
        loss = criterion(discriminator(with_code(real)), ones)
        loss = loss + criterion(discriminator(with_code(fake.detach())), zeros)
        loss.backward()
        of_discriminator.step()
        of_generator.zero_grad()
        generator_loss = criterion(discriminator(with_code(fake)), ones)
        generator_loss.backward()
        of_generator.step()
        loss.item(), generator_loss.item()
        yield count


def make_networks(table: dict[str, Any], channels: int, side: int) -> nn.ModuleList:
    """Return the networks of a row's [model] for images of this shape."""
    if table["name"].endswith("gan"):
        return nn.ModuleList(make_gan(table, channels, side))
    return nn.ModuleList([VAE(table, channels, side)])


def steps(row: dict[str, Any], shape: tuple[int, int], path: Path, device: str) -> Iterator[int]:
    """Train a row's networks without end; yield the images of each step."""
    table, batch = row["model"], row["train"]["batch_size"]
    loader = DataLoader(Images(path), batch_size=batch, shuffle=True)

    def batches() -> Iterator[Any]:
        while True:
            for images, labels in loader:
                yield images.to(device), labels.to(device)

    networks = make_networks(table, *shape).to(device).train()
    rate = row["train"]["learning_rate"]
    if table["name"].endswith("gan"):
        return train_gan((networks[0], networks[1]), batches(), table, rate)
    return train_vae(networks[0], batches(), rate, row["loss"].get("beta", 1.0))


def main() -> None:
    """Train until the input ends, in blocks (`blocks.py`)."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("row")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    blocks = Blocks()
    row = read_row(given.row)
    shape = SHAPES[row["data"]["name"]]
    for images in steps(row, shape, given.images, given.device):
        blocks.trained(images)


if __name__ == "__main__":
    main()
