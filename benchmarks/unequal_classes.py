"""Train conditional GANs on two classes of unequal size, and say how often a sample has its class.

The data are MNIST's ones and zeros, 300 and 5,700 of them: 5% and 95%. For each seed a `cgan` is
trained, 2,000 images of each class are drawn, and the judge of `gtk evaluate`, which knows all ten
digits, says what they show. Beside it stands how often the discriminator tells real images from
generated ones, half and half, in train mode and in eval mode.

    python -m benchmarks.unequal_classes --data-root FOLDER --out FOLDER [--seeds 3] [--balance]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import gtk
from benchmarks.judge import found_judge, load, seen
from gtk.core.evaluation.judge import TrainedJudge

#: How many training images there are of each digit.
COUNTS = {1: 300, 0: 5_700}
#: Images drawn of each class.
SAMPLES = 2_000
#: Images in a batch of the discriminator, as in the training, and the number of batches.
BATCH, BATCHES = 32, 80


def main() -> None:
    """Print a line of figures for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--balance", action="store_true")
    given = parser.parse_args()
    digits = load("mnist", given.data_root)
    judge = found_judge(digits)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "unequal.npz"
    write_data(digits, path)
    options = {"balance": True} if given.balance else {}
    for seed in range(given.seeds):
        run = gtk.train(
            "cgan",
            f"npz:{path}",
            runs=given.out,
            name=f"seed-{seed}",
            overwrite=True,
            device="cpu",
            quiet=True,
            channels=(32, 64, 128),
            epochs=given.epochs,
            seed=seed,
            **options,
        )
        figures = {"seed": seed, **agreement(run, judge), **told_apart(run, path)}
        print(json.dumps(figures), flush=True)


def write_data(data: gtk.Dataset, path: Path) -> None:
    """Write the images of both classes, and test images of about the same mix."""
    arrays = {}
    for prefix, split, part in (("", data.train, 1), ("test_", data.test, 6)):
        rows = [
            np.flatnonzero(split.labels == digit)[: count // part]
            for digit, count in COUNTS.items()
        ]
        arrays[f"{prefix}images"] = split.images[np.concatenate(rows), 0]
        arrays[f"{prefix}labels"] = np.repeat(np.arange(len(rows)), [len(some) for some in rows])
    np.savez(path, **arrays)


def agreement(run: gtk.Run, judge: TrainedJudge) -> dict[str, float]:
    """Return the share of samples of each class that show its digit."""
    found = {
        digit: seen(judge, run.sample(labels=[label] * SAMPLES, seed=0))
        for label, digit in enumerate(COUNTS)
    }
    return {f"right_{digit}": float((shown == digit).mean()) for digit, shown in found.items()}


def told_apart(run: gtk.Run, path: Path) -> dict[str, float]:
    """Return how often the discriminator is right about training images and generated ones."""
    arrays = np.load(path)
    return {
        f"accuracy_{mode}": accuracy(run, arrays["images"], arrays["labels"], mode == "train")
        for mode in ("train", "eval")
    }


def accuracy(
    run: gtk.Run, images: NDArray[np.uint8], labels: NDArray[np.int64], training: bool
) -> float:
    """Return the share of scores with the right sign, in batches as the training has them."""
    model, right = run.load_model(), []
    model.train(training)
    generator = np.random.default_rng(0)
    noise = torch.from_numpy(model.noise.draw(BATCH * BATCHES, 0)).split(BATCH)
    with torch.no_grad():
        for z in noise:
            rows = generator.choice(len(images), BATCH, replace=False)
            condition = torch.from_numpy(labels[rows])
            real = torch.from_numpy(images[rows, None]).float() / 255
            right += [
                model.discriminate(model.to_network_range(real), condition) > 0,
                model.discriminate(model.generate(z, condition), condition) <= 0,
            ]
    return float(torch.cat(right).float().mean())


if __name__ == "__main__":
    main()
