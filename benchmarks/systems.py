"""Train the five recipes, or take runs of them, and write their figures and pictures.

For each recipe: parameters, steps, final terms on the test images, and where a label is asked for,
how often an independent judge agrees with it on 10,000 samples (1,000 of each digit, seed 0). The
judge is a small convolutional network, trained here on MNIST's training images alone; its accuracy
on the test images is written beside.

    python benchmarks/systems.py --data-root FOLDER --out docs/systems [--epochs vae-conv=3]

A run in --runs that has a recipe's name is taken as it is, so that a long training may be done
before, and on another machine.
"""

import argparse
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import gtk
from gtk.core.models.summary import parameter_count
from gtk.core.registry.spec import NoConfig
from gtk.plugins.datasets import mnist

RECIPES = ("cvae-mlp", "vae-mlp", "vae-2d", "cgan-conv", "vae-conv")
SAMPLES = 10_000


def main() -> None:
    """Write systems.json and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipes", type=lambda text: text.split(","), default=RECIPES)
    parser.add_argument("--epochs", action="append", default=[], metavar="RECIPE=N")
    parser.add_argument("--judge-epochs", type=int, default=6)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    epochs = {name: int(count) for name, _, count in (item.partition("=") for item in given.epochs)}
    judge, accuracy = train_judge(given.data_root, given.judge_epochs)
    given.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for recipe in given.recipes:
        run = find_or_train(recipe, given, epochs.get(recipe))
        rows.append(describe(run, recipe, judge))
        copy_pictures(run, recipe, given.out)
        print(json.dumps(rows[-1]), flush=True)
    document = {
        "date": datetime.now(UTC).date().isoformat(),
        "torch": torch.__version__,
        "judge_accuracy": accuracy,
        "samples": SAMPLES,
        "systems": rows,
    }
    (given.out / "systems.json").write_text(json.dumps(document, indent=2) + "\n")


def find_or_train(recipe: str, given: argparse.Namespace, epochs: int | None) -> gtk.Run:
    """Return the run of that name, trained now if there is none."""
    if (given.runs / recipe / "run.json").exists():
        return gtk.Run(given.runs / recipe)
    options = {} if epochs is None else {"epochs": epochs}
    place = {"runs": given.runs, "name": recipe, "data_root": given.data_root}
    return gtk.train(recipe=recipe, device=given.device, **place, **options)


def describe(run: gtk.Run, recipe: str, judge: nn.Module) -> dict[str, Any]:
    """Return a run's figures."""
    lines = run.metrics()
    test = [line for line in lines if line["split"] == "test"][-1]
    trained = [line for line in lines if line["split"] == "train"][-1]
    seconds = (run.path / "metrics.jsonl").stat().st_mtime
    seconds -= datetime.fromisoformat(run.document["created"]).timestamp()
    row = {
        "recipe": recipe,
        "parameters": {
            name: parameter_count(network) for name, network in run.load_model().networks().items()
        },
        "device": run.document["device"],
        "threads": run.document["threads"],
        "epochs": trained["epoch"],
        "steps": trained["step"],
        "seconds": round(seconds),
        "unit": test["unit"],
        "train": trained["terms"],
        "test": test["terms"],
        "tested_step": test["step"],
    }
    if run.condition is not None:
        row |= agreement(run, judge)
    return row


def agreement(run: gtk.Run, judge: nn.Module) -> dict[str, Any]:
    """Return how often the judge sees the digit that was asked for, and for the worst digit."""
    asked = np.arange(SAMPLES) % 10
    found = judged(judge, run.sample(count=SAMPLES, seed=0))
    right = found == asked
    return {
        "agreement": float(right.mean()),
        "worst_digit": float(min(right[asked == digit].mean() for digit in range(10))),
    }


class Judge(nn.Module):
    """Two convolutions and two linear maps."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 32, 3)
        self.second = nn.Conv2d(32, 64, 3)
        self.hidden = nn.Linear(64 * 25, 128)
        self.output = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1, 28, 28) to logits (B, 10)."""
        maps = functional.max_pool2d(functional.relu(self.first(images)), 2)
        maps = functional.max_pool2d(functional.relu(self.second(maps)), 2)
        hidden = functional.dropout(maps.flatten(1), 0.3, self.training)
        return self.output(functional.relu(self.hidden(hidden)))


def train_judge(data_root: Path, epochs: int) -> tuple[nn.Module, float]:
    """Train the judge; return it and its accuracy on the test images."""
    torch.manual_seed(0)
    data = mnist.load(NoConfig(), data_root)
    images = torch.from_numpy(data.train.images).float() / 255
    labels = torch.from_numpy(data.train.labels)
    judge = Judge()
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-3)
    steps = epochs * (len(images) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(128)[: len(images) // 128]:
            optimizer.zero_grad()
            functional.cross_entropy(judge(images[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    judge.eval()
    found = judged(judge, data.test.images[:, 0])
    return judge, float((found == data.test.labels).mean())


def judged(judge: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the digits that the judge sees in (N, 28, 28)."""
    with torch.no_grad():
        batches = torch.from_numpy(images).float().div(255).unsqueeze(1).split(500)
        return torch.cat([judge(batch).argmax(1) for batch in batches]).numpy()


def copy_pictures(run: gtk.Run, recipe: str, out: Path) -> None:
    """Copy the curves and the last picture of every kind, without the epoch in their names."""
    for kind in ("samples", "reconstructions", "latents", "curves"):
        found = sorted(run.pictures.glob(f"{kind}*.png"))
        if found:
            shutil.copy(found[-1], out / f"{recipe}-{kind}.png")


if __name__ == "__main__":
    main()
