"""A classifier of a data set's images: what it sees in generated ones, and how far they lie apart.

A small residual network is trained on the training images alone, with its accuracy on the test
images stated. Agreement is how often it sees the class that was asked for; the distance is
Frechet's between Gaussians of its features: Heusel et al., GANs Trained by a Two Time-Scale Update
Rule (arXiv:1706.08500), equation 6, with these features instead of Inception's. Distances
compare only for one judge and one number of images.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, autocast, nn
from torch.nn import functional

import gtk
from gtk.core.settings.choice import Choice
from gtk.core.training.arithmetic import has_bf16
from gtk.core.training.training import load_dataset

BATCH = 128


@dataclass(frozen=True)
class Schooling:
    """How a judge is trained.

    Attributes:
        widths: channels at the image's size and at each half of it.
        epochs: passes over the training images.
        shift: pixels that an image is moved at most.
        flip: whether half of the images are mirrored.
    """

    widths: tuple[int, int, int, int] = (16, 32, 64, 128)
    epochs: int = 8
    shift: int = 2
    flip: bool = False


SCHOOLINGS = {
    "digits": Schooling(widths=(32, 64, 64, 128), epochs=60, shift=1),
    "mnist": Schooling(),
    "fashion-mnist": Schooling(epochs=12, flip=True),
    "cifar10": Schooling(widths=(24, 48, 96, 192), epochs=14, shift=4, flip=True),
}


def convolution(features: int, width: int, *after: nn.Module) -> nn.Sequential:
    """Return a normalized 3x3 convolution with its activation."""
    layer = nn.Conv2d(features, width, 3, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(width), nn.ReLU(), *after)


class Judge(nn.Module):
    """Convolutions on four sizes, with two residual pairs (He et al., arXiv:1512.03385)."""

    def __init__(self, channels: int, classes: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        a, b, c, d = widths
        self.first = convolution(channels, a)
        self.second = convolution(a, b, nn.MaxPool2d(2))
        self.second_pair = nn.Sequential(convolution(b, b), convolution(b, b))
        self.third = convolution(b, c, nn.MaxPool2d(2))
        self.fourth = convolution(c, d, nn.MaxPool2d(2, ceil_mode=True))
        self.fourth_pair = nn.Sequential(convolution(d, d), convolution(d, d))
        self.output = nn.Linear(d, classes)

    def features(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) in 0..1 to (B, F)."""
        maps = self.second(self.first(images * 2 - 1))
        maps = self.fourth(self.third(maps + self.second_pair(maps)))
        return (maps + self.fourth_pair(maps)).amax((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) in 0..1 to logits (B, classes)."""
        return self.output(self.features(images))


def train_judge(data: gtk.Dataset, schooling: Schooling) -> Judge:
    """Train a judge on the training images."""
    torch.manual_seed(0)
    images, labels = torch.from_numpy(data.train.images), torch.from_numpy(data.train.labels)
    judge = Judge(images.shape[1], int(labels.max()) + 1, schooling.widths)
    judge = judge.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=0.05)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 4e-3, total_steps=schooling.epochs * steps
    )
    for _ in range(schooling.epochs):
        for rows in torch.randperm(len(images)).split(BATCH)[:steps]:
            batch = moved(images[rows].float() / 255, schooling)
            optimizer.zero_grad()
            with autocast("cpu", torch.bfloat16, enabled=has_bf16(torch.device("cpu"))):
                logits = judge(batch)
            loss = functional.cross_entropy(logits.float(), labels[rows], label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            schedule.step()
    return judge.eval()


def moved(images: Tensor, schooling: Schooling) -> Tensor:
    """Return images that are moved, and mirrored, by chance."""
    count, _, height, width = images.shape
    if schooling.flip:
        images = torch.where(torch.rand(count, 1, 1, 1) < 0.5, images.flip(3), images)
    shift = schooling.shift
    padded = functional.pad(images, (shift,) * 4)
    down, across = torch.randint(0, 2 * shift + 1, (2, count, 1))
    rows, columns = down + torch.arange(height), across + torch.arange(width)
    which = torch.arange(count)[:, None, None]
    moved = padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return moved.contiguous(memory_format=torch.channels_last)


def found_judge(data: gtk.Dataset, file: Path | None = None, epochs: int | None = None) -> Judge:
    """Return the judge in a file, or train it and write the file."""
    schooling = SCHOOLINGS[data.spec.name]
    if file is None or not file.exists():
        judge = train_judge(data, replace(schooling, epochs=epochs or schooling.epochs))
        if file is not None:
            save_file({k: v.contiguous() for k, v in judge.state_dict().items()}, file)
        return judge
    classes = int(data.train.labels.max()) + 1
    judge = Judge(data.train.images.shape[1], classes, schooling.widths)
    judge.load_state_dict(load_file(file))
    return judge.eval()


@torch.no_grad()
def seen(judge: Judge, images: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the classes that a judge sees in images (N, C, H, W), and its features (N, F)."""
    features = torch.cat(
        [judge.features(part.float() / 255) for part in torch.from_numpy(images).split(500)]
    )
    return judge.output(features).argmax(1).numpy(), features.double().numpy()


def accuracy(judge: Judge, data: gtk.Dataset) -> float:
    """Return the share of test images whose class a judge sees."""
    return float((seen(judge, data.test.images)[0] == data.test.labels).mean())


def agreement(found: NDArray[np.int64], asked: NDArray[np.int64]) -> dict[str, float]:
    """Return how often what is found is what was asked for, in all and for the worst class."""
    right = found == asked
    worst = min(right[asked == name].mean() for name in np.unique(asked))
    return {"agreement": round(float(right.mean()), 4), "worst_class": round(float(worst), 4)}


def distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the Frechet distance of two sets of features (N, F)."""
    root = square_root(np.cov(one.T))
    mixed = square_root(root @ np.cov(other.T) @ root)
    means = one.mean(0) - other.mean(0)
    return float(
        means @ means + np.trace(np.cov(one.T)) + np.trace(np.cov(other.T)) - 2 * np.trace(mixed)
    )


def square_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return root


def load(name: str, root: Path | None) -> gtk.Dataset:
    """Return a data set by its name."""
    return load_dataset(Choice.by_name("vae", name).settle({}, root))


def as_rows(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, C, H, W) of what a run draws: (N, H, W) if grey, else (N, H, W, C)."""
    return images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)


def main() -> None:
    """Train a judge, write it, and print its accuracy."""
    parser = argparse.ArgumentParser(description="Train the judge of a data set.")
    parser.add_argument("data", choices=SCHOOLINGS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args()
    data = load(given.data, given.data_root)
    judge = found_judge(data, given.file)
    print(f"right about {accuracy(judge, data):.2%} of the test images")


if __name__ == "__main__":
    main()
