"""Measure what precision and memory format bring, and that bf16 costs no quality.

Four parts; each prints a line of JSON for each figure, so that a run that is stopped still tells:

- `speed`: images per second of each recipe's step in each arithmetic, on random images of its
  shape. All arithmetics take turns; the figures are medians over the turns.
- `elbo`: the final test figures of the recipes of fully connected VAEs, in fp32 and in bf16, for
  each seed, and the difference.
- `conv`: the same of `vae-conv` after a few epochs.
- `gan`: `cgan-conv`, and how often a judge sees the digit that was asked for.

    python -m benchmarks.precision --parts speed [--recipes vae-conv] [--threads 1,2]
    python -m benchmarks.precision --parts elbo,conv,gan --data-root FOLDER --out FOLDER

Quality does not depend on how fast bf16 is: `--emulated` measures it on a CPU without
(`emulated_bf16.py`).
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gtk
from benchmarks.emulated_bf16 import EmulatedBf16
from benchmarks.judge import found_judge, load
from benchmarks.systems import agreement
from gtk.core.evaluation.judge import TrainedJudge
from gtk.core.models.build import build
from gtk.core.models.device import fork_random_state, has_bf16, resolve_device
from gtk.core.settings.choice import Choice
from gtk.core.training.arithmetic import Arithmetic
from gtk.core.training.trainer import Trainer
from gtk.defaults import find_recipe

PRECISIONS, FORMATS = ("fp32", "bf16"), ("contiguous", "channels-last")
#: Of fully connected VAEs, with the epochs of each recipe.
PERCEPTRONS = ("cvae-mlp", "vae-mlp", "vae-2d")
RECIPES = (*PERCEPTRONS, "cgan-conv", "vae-conv")
#: Random images to measure speed on, by the data set of the recipe.
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
IMAGES = 1_280


def main() -> None:
    """Measure the parts that are asked for."""
    given = arguments()
    device = resolve_device(given.device)
    print_line("machine", torch=torch.__version__, device=str(device), bf16=has_bf16(device))
    if "speed" in given.parts:
        for recipe, threads in product(given.recipes, given.threads):
            for figures in speeds(recipe, threads, device, given):
                print_line("speed", recipe=recipe, threads=threads, **figures)
    if given.emulated:
        vars(torch.cpu)["_is_amx_tile_supported"] = lambda: True
    with EmulatedBf16() if given.emulated else nullcontext():
        compare_quality(given)


def compare_quality(given: argparse.Namespace) -> None:
    """Train in both precisions for the parts that are asked for."""
    if "elbo" in given.parts:
        for recipe in set(PERCEPTRONS) & set(given.recipes):
            compare("elbo", recipe, given, given.epochs)
    if "conv" in given.parts:
        compare("conv", "vae-conv", given, given.epochs or 3)
    if "gan" in given.parts:
        digits = load("mnist", given.data_root)
        judge = found_judge(digits)
        print_line("gan", judge_accuracy=judge.accuracy)
        compare("gan", "cgan-conv", given, given.epochs or 3, judge)


def arguments() -> argparse.Namespace:
    """Read the command line."""

    def listed(text: str) -> list[str]:
        return text.split(",")

    def integers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", type=listed, default=["speed", "elbo", "conv", "gan"])
    parser.add_argument("--recipes", type=listed, default=list(RECIPES))
    parser.add_argument("--threads", type=integers, default=[2])
    parser.add_argument("--turns", type=int, default=7, help="turns of each arithmetic")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a turn, or one step")
    parser.add_argument("--seeds", type=integers, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="instead of the recipe's, or 3 for conv and gan")
    parser.add_argument("--data-root", type=Path, help="where MNIST and CIFAR-10 are")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="a folder for the runs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--emulated", action="store_true", help="have a CPU pass for one with bf16")
    return parser.parse_args()


def speeds(
    recipe: str, threads: int, device: torch.device, given: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Yield the images per second of each arithmetic, in turns."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    known = [name for name in PRECISIONS if name == "fp32" or has_bf16(device)]
    pairs = list(product(known, FORMATS))
    steps = {pair: Step(recipe, Arithmetic(*pair, threads), device) for pair in pairs}
    rates: dict[tuple[str, str], list[float]] = {pair: [] for pair in steps}
    for _ in range(given.turns):
        for pair, step in steps.items():
            rates[pair].append(step.rate(given.seconds))
    torch.set_num_threads(before)
    first = statistics.median(rates["fp32", "contiguous"])
    for (precision, memory_format), found in rates.items():
        median = statistics.median(found)
        yield {
            "precision": precision,
            "memory_format": memory_format,
            "images_per_second": round(median, 1),
            "least": round(min(found), 1),
            "most": round(max(found), 1),
            "ratio": round(median / first, 2),
        }


class Step:
    """A recipe's training step in an arithmetic, on random images."""

    def __init__(self, recipe: str, arithmetic: Arithmetic, device: torch.device) -> None:
        choice = Choice.by_name(None, recipe=find_recipe(recipe))
        settings = choice.settle({"validate_on_test": False}, None)
        dataset = random_images(choice.dataset.spec.name)
        model, loss = build(settings, dataset.spec)
        self._trainer = Trainer(model, loss, dataset, settings.train, device)
        self._trainer.learner.use(arithmetic)
        self._batch = self._trainer.first_batch()
        self._device = device
        self._steps = 0

    def rate(self, seconds: float) -> float:
        """Return the images per second of a turn, after a step to warm up."""
        with fork_random_state(self._device):
            self._take()
            start, steps = time.perf_counter(), 0
            while not steps or time.perf_counter() - start < seconds:
                self._take()
                steps += 1
            return steps * len(self._batch) / (time.perf_counter() - start)

    def _take(self) -> None:
        self._trainer.learner.learn(self._batch, self._steps, 1e-4)
        self._trainer.learner.pending.clear()
        self._steps += 1
        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)


def random_images(name: str) -> gtk.Dataset:
    """Return random images of the shape that a data set has, of ten classes."""
    shape, generator = SHAPES[name], np.random.default_rng(0)

    def split(count: int) -> gtk.Split:
        images = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
        return gtk.Split(images, np.arange(count) % 10)

    condition = gtk.ConditionSpec(tuple("0123456789"))
    return gtk.Dataset(gtk.DataSpec(name, *shape, condition), split(IMAGES), split(10))


def compare(
    part: str,
    recipe: str,
    given: argparse.Namespace,
    epochs: int | None,
    judge: TrainedJudge | None = None,
) -> None:
    """Train a recipe in each precision for each seed, and print figures and differences."""
    figures: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed, precision in product(given.seeds, PRECISIONS):
        start = time.perf_counter()
        options = {} if epochs is None else {"epochs": epochs}
        run = gtk.train(
            recipe=recipe, name=f"{recipe}-{precision}-{seed}", runs=given.out, overwrite=True,
            data_root=given.data_root, device=given.device, seed=seed, precision=precision,
            threads=given.threads[-1], quiet=True, sample_every=10**6, **options,
        )  # fmt: skip
        seconds = round(time.perf_counter() - start)
        test = run.metrics()[-1]["terms"]
        found = test if judge is None else test | agreement(run, judge)
        figures[precision].append(found["loss" if judge is None else "agreement"])
        print_line(part, recipe=recipe, seed=seed, precision=precision, seconds=seconds, test=found)
    fp32, bf16 = (figures[precision] for precision in PRECISIONS)
    differences = [after - before for before, after in zip(fp32, bf16, strict=True)]
    print_line(
        part,
        recipe=recipe,
        fp32=statistics.mean(fp32),
        bf16=statistics.mean(bf16),
        difference=statistics.mean(differences),
        standard_error=standard_error(differences),
        spread_of_seeds=max(fp32) - min(fp32),
    )


def standard_error(figures: list[float]) -> float | None:
    """Return how far the mean of figures is expected to be off, None for a single one."""
    return statistics.stdev(figures) / len(figures) ** 0.5 if len(figures) > 1 else None


def print_line(part: str, **figures: object) -> None:
    """Print a line of JSON at once."""
    print(json.dumps({"part": part, **figures}), flush=True)


if __name__ == "__main__":
    main()
