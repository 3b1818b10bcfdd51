"""Measure images per second of gtk's trainer against the tutorial's loop, side by side.

Both train the networks of `cvae-mlp` (784+10-64-32, 32+10-64-784) on MNIST with batches of 128 and
Adam. The tutorial's loop is written as its readers write it: torchvision's MNIST with ToTensor, a
DataLoader without workers, one-hot labels, summed binary cross-entropy and KL, eager Adam. gtk's is
the real `Trainer.fit`, with its metrics and callbacks; a callback runs a block of the tutorial's
steps after each block of gtk's, so the two alternate in one process and share its threads. Blocks
are short because the speed of exp and log drifts on shared machines.

    python benchmarks/throughput.py --data-root FOLDER [--blocks 60] [--threads 1,2]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import gtk
from gtk.core.settings.choice import Choice
from gtk.core.storage.runs import RunPlace
from gtk.core.training.training import Training

BLOCK = 25
BATCH = 128
WARM_UP = 8


class TutorialCVAE(nn.Module):
    """The tutorial's networks."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(784 + 10, 64)
        self.mean = nn.Linear(64, 32)
        self.log_variance = nn.Linear(64, 32)
        self.decode = nn.Linear(32 + 10, 64)
        self.output = nn.Linear(64, 784)

    def forward(self, images: Tensor, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction and the posterior."""
        hidden = functional.relu(self.encode(torch.cat([images, code], 1)))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        hidden = functional.relu(self.decode(torch.cat([z, code], 1)))
        return torch.sigmoid(self.output(hidden)), mean, log_variance


def tutorial_steps(root: Path) -> Iterator[float]:
    """Train without end, a step at a time."""
    data = datasets.MNIST(root, train=True, transform=transforms.ToTensor(), download=False)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True)
    model = TutorialCVAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    while True:
        for images, labels in loader:
            if len(images) < BATCH:
                continue
            code = functional.one_hot(labels, 10).float()
            flat = images.view(-1, 784)
            reconstruction, mean, log_variance = model(flat, code)
            bce = functional.binary_cross_entropy(reconstruction, flat, reduction="sum")
            kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
            loss = bce + kl
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()


class Alternate:
    """A callback that times blocks: gtk's between two calls, the tutorial's within one."""

    def __init__(self, root: Path) -> None:
        self.tutorial = tutorial_steps(root)
        self.gtk: list[float] = []
        self.other: list[float] = []
        self.start = 0.0

    @gtk.hookimpl
    def gtk_train_start(self) -> None:
        """Begin gtk's first block."""
        self.start = time.perf_counter()

    @gtk.hookimpl
    def gtk_step_end(self) -> None:
        """Close gtk's block, run one of the tutorial's, begin gtk's next."""
        now = time.perf_counter()
        self.gtk.append(BLOCK * BATCH / (now - self.start))
        for _ in range(BLOCK):
            next(self.tutorial)
        self.start = time.perf_counter()
        self.other.append(BLOCK * BATCH / (self.start - now))


def measure(root: Path, blocks: int, threads: int) -> dict[str, float]:
    """Return the medians of both and of the ratio pair by pair."""
    torch.set_num_threads(threads)
    steps_per_epoch = 60_000 // BATCH
    epochs = -(-(blocks + WARM_UP) * BLOCK // steps_per_epoch)
    settings = Choice.by_name("cvae", "mnist").settle(
        {
            "latent_dim": 32,
            "hidden_dims": (64,),
            "batch_size": BATCH,
            "log_every": BLOCK,
            "epochs": epochs,
            # Neither loop saves while it is timed; the tutorial never does.
            "checkpoint_every": 10**9,
        },
        root,
    )
    timer = Alternate(root)
    training = Training(settings, "cpu", [timer])
    with tempfile.TemporaryDirectory() as folder:
        training.start(RunPlace(Path(folder), "run", overwrite=False))
    ours, theirs = timer.gtk[WARM_UP:][:blocks], timer.other[WARM_UP:][:blocks]
    ratios = [first / second for first, second in zip(ours, theirs, strict=True)]
    quartiles = statistics.quantiles(ratios, n=4)
    return {
        "threads": threads,
        "blocks": len(ratios),
        "gtk_images_per_second": round(statistics.median(ours)),
        "tutorial_images_per_second": round(statistics.median(theirs)),
        "ratio_median": round(quartiles[1], 2),
        "ratio_lower_quartile": round(quartiles[0], 2),
        "ratio_upper_quartile": round(quartiles[2], 2),
    }


def main() -> None:
    """Print one JSON line for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True, help="folder with MNIST/raw in it")
    parser.add_argument("--blocks", type=int, default=60, help="pairs of blocks to count")
    parser.add_argument("--threads", default="2", help="torch threads, several with commas")
    arguments = parser.parse_args()
    for threads in arguments.threads.split(","):
        print(json.dumps(measure(arguments.data_root, arguments.blocks, int(threads))), flush=True)


if __name__ == "__main__":
    main()
