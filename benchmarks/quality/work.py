"""Train and evaluate one cell, in a process of its own, whose memory is the training's.

    python -m benchmarks.quality.work CELL.json --work DIR --data-root DIR --samples N

prints its row as JSON in the last line.
"""

import argparse
import json
import resource
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import gtk
from benchmarks.quality.cell import Cell
from gtk.core.registry.train_request import TrainRequest
from gtk.core.storage.training_time import read_training_seconds
from gtk.train_function import prepare

#: Of each kind of model those that fit are computed.
METRICS = ("class-accuracy", "frechet-distance", "neighbours", "nearest")
#: So long a training that it has a trial, which measures the rate.
MANY_EPOCHS = 100_000


def main() -> None:
    """Print the row of a cell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cell", type=json.loads)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--samples", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.cell["threads"])
    row = measured(Cell(**given.cell), given.work, given.data_root, given.samples)
    print(json.dumps(row), flush=True)


def measured(cell: Cell, work: Path, data_root: Path | None, samples: int) -> dict[str, Any]:
    """Train a cell, or go on with its run, and return its row."""
    run = trained(cell, work, data_root)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    exported = gtk.export(run, work / f"{cell.name}.onnx", overwrite=True)
    conditional = run.condition is not None
    found = gtk.evaluate(run, metrics=METRICS[not conditional :], samples=samples)
    return {
        **asdict(cell),
        "date": datetime.now(UTC).date().isoformat(),
        "torch": torch.__version__,
        "epochs": run.document["train"]["epochs"],
        "seconds": read_training_seconds(run.path),
        "precision": run.document["train"]["precision"],
        "parameters": sum(run.document["networks"].values()),
        "memory_mib": memory // 1024,
        "file_kib": exported.path.stat().st_size // 1024,
        "evaluations": found.lines[0]["made"]["evaluations"],
        "samples": samples,
        "judge": found.judge_accuracy,
        "figures": {
            f"{line['metric']}.{name}": [table["value"], table.get("low"), table.get("high")]
            for line in found.lines
            for name, table in line["figures"].items()
        },
    }


def trained(cell: Cell, work: Path, data_root: Path | None) -> gtk.Run:
    """Return the finished run of a cell."""
    folder = work / cell.name
    if not (folder / "run.json").exists():
        place = {"name": cell.name, "runs": work, "data_root": data_root}
        options = settings(cell)
        epochs = max(1, int(cell.minutes * 60 / epoch_seconds(options, data_root)))
        return gtk.train(**options, **place, epochs=epochs, quiet=True)
    run = gtk.Run(folder)
    if read_training_seconds(run.path) is None or not finished(run):
        return gtk.train(resume=str(folder), quiet=True)
    return run


def settings(cell: Cell) -> dict[str, Any]:
    """Return what is not left to gtk's defaults."""
    own = {"plugin": cell.family, "data": cell.data, "seed": cell.seed, "threads": cell.threads}
    return {**own, "metric": "none"}  # which would be computed besides the steps


def finished(run: gtk.Run) -> bool:
    """Return whether a run has its figures on the test images, which come last."""
    return any(line["split"] == "test" for line in run.metrics())


def epoch_seconds(options: dict[str, Any], data_root: Path | None) -> float:
    """Return how long an epoch takes, by the trial of a long training."""
    request = TrainRequest(
        **{name: options[name] for name in ("plugin", "data")},
        data_root=data_root,
        quiet=True,
        options={
            **{name: options[name] for name in ("seed", "threads", "metric")},
            "epochs": MANY_EPOCHS,
        },
    )
    training, _ = prepare(request)
    return training.epoch_seconds(*training.choose_arithmetic())


if __name__ == "__main__":
    main()
