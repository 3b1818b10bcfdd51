"""Measure and check everything on a CUDA GPU in one call of at most `--minutes`.

    python -m benchmarks.gpu --out FOLDER [--data-root DIR] [--minutes 8]

FOLDER gets gpu.json, a line for each finished part, and pictures. Checks come first, then the
table of `python -m benchmarks` with each precision and memory format by itself, as long as there is
time. A part that fails is a line that says why, and the others follow.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import gtk
from benchmarks.blocks import ask
from benchmarks.rows import LARGER, SYSTEMS, read_row
from benchmarks.table import Protocol, heading, line, measure_row

DEVICE = "cuda"
#: The seconds of a row: it is not begun if fewer are left.
ROW_SECONDS = 120
#: The rows that matter most.
FIRST = ("cvae-mlp", "vae-conv", "cgan-conv", "vae-mlp")
#: Pinned arithmetics of the networks with convolutions.
VARIANTS = tuple(
    {"precision": precision, "memory_format": memory_format}
    for precision in ("fp32", "bf16")
    for memory_format in ("contiguous", "channels-last")
)
#: Small networks for the checks, on digits.
CHECKED: dict[str, dict[str, Any]] = {
    "cvae": {"plugin": "cvae"},
    "vae-conv": {"plugin": "vae", "network": "conv", "normalization": "batch"},
    "cgan": {"plugin": "cgan", "channels": (32, 64), "average_decay": 0.99},
}
QUALITY_EPOCHS, SEEDS = 60, 3
#: What must be set before the first product is computed, for deterministic algorithms.
WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def main(arguments: list[str] | None = None) -> int:
    """Run all parts; return 1 if one failed, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    given = parser.parse_args(arguments)
    os.environ.setdefault(*WORKSPACE)
    import torch

    if not torch.cuda.is_available():
        print("benchmarks.gpu needs a CUDA GPU, and torch finds none here.", file=sys.stderr)
        return 2
    deadline = time.monotonic() + 60 * given.minutes - 10
    given.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with (given.out / "gpu.json").open("w") as file:
        for row in finished(given, deadline):
            failed |= "failed" in row or row.get("holds") is False
            print(json.dumps(row), file=file, flush=True)
    print(f"\n{given.out / 'gpu.json'}")
    return int(failed)


def finished(given: argparse.Namespace, deadline: float) -> Iterator[dict[str, Any]]:
    """Yield the parts, each when it is done."""
    checks: dict[str, Callable[[], dict[str, Any]]] = {
        "machine": machine,
        **{
            f"resume {name} {'bf16' if bf16 else 'fp32'}": partial(
                exact_resume, given.out, name, bf16=bf16
            )
            for name in CHECKED
            for bf16 in (False, True)
        },
        "average": average,
        "clock": partial(truthful_clock, given.out),
        **{f"quality {name}": partial(quality, given.out, name) for name in CHECKED},
    }
    for name, check in checks.items():
        if time.monotonic() < deadline:
            row = tried(name, check)
            print(json.dumps(row), flush=True)
            yield row
    print(heading(), flush=True)
    folder = given.out / "runs"
    for name in dict.fromkeys((*FIRST, *LARGER, *SYSTEMS)):
        left = deadline - time.monotonic()
        if left > ROW_SECONDS:
            row = tried(name, partial(table_row, name, given, folder))
            print(json.dumps(row) if "failed" in row else line(row), flush=True)
            yield row
    shutil.rmtree(folder, ignore_errors=True)


def tried(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a part finds, or why it failed, and the seconds it took."""
    begun = time.monotonic()
    try:
        found = work()
    except Exception as error:  # noqa: BLE001 - the other parts still tell something
        found = {"failed": f"{type(error).__name__}: {error}"}
    return {"row": name, **found, "took_seconds": round(time.monotonic() - begun, 1)}


def machine() -> dict[str, Any]:
    """Return where it is measured."""
    import torch

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "gpu": torch.cuda.get_device_name(),
        "capability": torch.cuda.get_device_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
    }


def table_row(name: str, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return a row of the table, with every arithmetic where networks have convolutions."""
    table = read_row(name)
    images = folder / f"{table['data']['name']}.npz"
    folder.mkdir(exist_ok=True)
    if not images.exists():
        arguments = ["benchmarks.costs", "images", "--row", name, "--out", str(images)]
        root = [] if given.data_root is None else ["--data-root", str(given.data_root.resolve())]
        ask([*arguments, *root], {})
    variants = VARIANTS[1:] if table["model"]["network"] == "conv" else ()
    threads = os.cpu_count() or 1
    protocol = Protocol(0.7, 5, threads, device=DEVICE, best=not variants, variants=variants)
    return measure_row(name, images, folder, protocol)


def train(out: Path, name: str, run: str, **options: Any) -> Any:  # noqa: ANN401 - gtk's Run
    """Train a small network on digits on the GPU."""
    place = {"runs": out / "runs", "name": run, "overwrite": True, "device": DEVICE, "quiet": True}
    return gtk.train(**{**CHECKED[name], "data": "digits", **place, **options})


def exact_resume(out: Path, name: str, *, bf16: bool) -> dict[str, Any]:
    """Compare a training of four epochs with one that stops after two and is resumed."""
    options = {"deterministic": True, **VARIANTS[3 if bf16 else 0]}
    whole = train(out, name, "whole", epochs=4, **options)
    half = train(out, name, "half", epochs=2, **options)
    resumed = gtk.train(resume=half.path, epochs=4, quiet=True)
    first, second = (files(run) for run in (whole, resumed))
    differ = sorted(
        key for key in first.keys() | second.keys() if first.get(key) != second.get(key)
    )
    return {"holds": bool(first) and not differ, "compared": sorted(first), "differ": differ}


def files(run: Any) -> dict[str, bytes]:  # noqa: ANN401 - gtk's Run
    """Return the tensors in a run's last checkpoint, by the file's name."""
    folder = run.checkpoints.folder(run.checkpoints.latest())
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def average() -> dict[str, Any]:
    """Take steps with an average of the weights while torch refuses to wait for the GPU."""
    import torch

    from gtk.core.settings.choice import Choice
    from gtk.core.training.training import Training

    found: dict[str, Any] = {"holds": True}
    for model, decay in (("cvae", 0.0), ("cvae", 0.999), ("cgan", 0.999)):
        settings = Choice.by_name(model, "digits").settle({"average_decay": decay}, None)
        trainer = Training(settings, DEVICE, []).trainer
        batches = trainer.schedule.batches(0, torch.device(DEVICE))
        key, rows = f"{model}, decay {decay}", next(batches)
        step = partial(trainer.train_step, rows)
        step_seconds(step, 20)
        found[f"{key}, microseconds"] = round(1e6 * step_seconds(step, 100), 1)
        torch.cuda.set_sync_debug_mode("error")
        try:
            step()
        except RuntimeError as error:
            found |= {"holds": False, f"{key}, waits": str(error).partition("\n")[0]}
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return found


def step_seconds(step: Callable[[], object], count: int) -> float:
    """Return seconds of a step, with the GPU's work done at both ends."""
    import torch

    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(count):
        step()
    torch.cuda.synchronize()
    return (time.perf_counter() - begun) / count


class Speeds:
    """A callback that keeps the speeds that a training reports, and the wall clock's."""

    def __init__(self) -> None:
        self.reported: list[float] = []
        self.times: list[tuple[int, float]] = []

    @gtk.hookimpl
    def gtk_step_end(self, progress: Any) -> None:  # noqa: ANN401 - gtk's Progress
        """Wait for the GPU, and note both."""
        import torch

        torch.cuda.synchronize()
        self.reported.append(progress.images_per_second)
        self.times.append((progress.step, time.perf_counter()))


def truthful_clock(out: Path) -> dict[str, Any]:
    """Compare the reported images per second with the wall clock's, on a network of some size."""
    speeds, batch = Speeds(), 128
    options = {"epochs": 60, "log_every": 5, "batch_size": batch, "channels": (128, 256)}
    options |= {"checkpoint_every": 10**6, "callbacks": [speeds], **VARIANTS[0]}
    train(out, "vae-conv", "clock", **options)
    wall = [
        (end[0] - start[0]) * batch / (end[1] - start[1]) for start, end in pairwise(speeds.times)
    ]
    share = statistics.median(speeds.reported[1:]) / statistics.median(wall)
    return {"holds": 0.8 < share < 1.3, "reported_to_wall": round(share, 3)}


def quality(out: Path, name: str) -> dict[str, Any]:
    """Train in fp32 and in bf16 with several seeds; return the final terms of the test images."""
    import torch

    found: dict[str, Any] = {"epochs": QUALITY_EPOCHS}
    torch.cuda.reset_peak_memory_stats()
    for precision in ("fp32", "bf16"):
        terms = []
        for seed in range(SEEDS):
            run = train(
                out, name, f"{name}-{precision}", seed=seed, epochs=QUALITY_EPOCHS,
                precision=precision,
            )  # fmt: skip
            terms.append([item for item in run.metrics() if item["split"] == "test"][-1]["terms"])
        found[precision] = {key: [round(term[key], 4) for term in terms] for key in terms[0]}
        for picture in sorted(run.pictures.glob("samples*.png"))[-1:]:
            shutil.copy(picture, out / f"{name}-{precision}-samples.png")
    found["gpu_peak_mib"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return found


if __name__ == "__main__":
    sys.exit(main())
