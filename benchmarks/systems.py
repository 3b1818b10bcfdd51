"""Train the five recipes, or take runs of them, and write their figures and pictures.

For each recipe: parameters, steps, final terms on the test images, and where a label is asked for,
how often the judge of `gtk evaluate` agrees with it on 10,000 samples (1,000 of each digit,
seed 0); its accuracy on the test images is written beside.

    python -m benchmarks.systems --data-root FOLDER --out docs/systems [--epochs vae-conv=3]

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

import gtk
from benchmarks.judge import agreement as agreed, found_judge, load, seen
from gtk.core.evaluation.judge import TrainedJudge
from gtk.core.models.summary import parameter_count

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
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    epochs = {name: int(count) for name, _, count in (item.partition("=") for item in given.epochs)}
    digits = load("mnist", given.data_root)
    judge = found_judge(digits)
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
        "judge_accuracy": judge.accuracy,
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


def describe(run: gtk.Run, recipe: str, judge: TrainedJudge) -> dict[str, Any]:
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


def agreement(run: gtk.Run, judge: TrainedJudge) -> dict[str, float]:
    """Return how often the judge sees the digit that was asked for, and for the worst digit."""
    found = seen(judge, run.sample(count=SAMPLES, seed=0))
    return agreed(found, np.arange(SAMPLES) % 10)


def copy_pictures(run: gtk.Run, recipe: str, out: Path) -> None:
    """Copy the curves and the last picture of every kind, without the epoch in their names."""
    for kind in ("samples", "reconstructions", "latents", "curves"):
        found = sorted(run.pictures.glob(f"{kind}*.png"))
        if found:
            shutil.copy(found[-1], out / f"{recipe}-{kind}.png")


if __name__ == "__main__":
    main()
