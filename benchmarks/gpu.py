"""Measure and check everything on a CUDA GPU in one call of at most `--minutes`.

    python -m benchmarks.gpu --out FOLDER [--data-root DIR] [--minutes 8]

FOLDER gets gpu.json, a line for each finished part, and pictures; everything else lies in a
temporary folder. Checks come first, then the most important rows of the table of
`python -m benchmarks` with each precision and memory format by itself, figures of quality, and the
other rows, as long as there is time. A part that fails is a line that says why, and the others
follow.
"""

import argparse
import json
import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gtk
from benchmarks.blocks import ask
from benchmarks.rows import LARGER, SYSTEMS, read_row
from benchmarks.table import Protocol, heading, line, measure_row

DEVICE = "cuda"
#: The seconds of a row: it is not begun if fewer are left.
ROW_SECONDS = 150
#: Likewise of a part that compiles; one that resumes does so in each of three trainings.
COMPILED_SECONDS = 60
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
    "flow-unet": {"plugin": "flow", "network": "unet", "channels": (32, 64)},
}
#: Trainings whose steps must not wait for the GPU: model, conditioner, loss, options.
STEPS: dict[str, tuple[str, str | None, str | None, dict[str, Any]]] = {
    "cvae": ("cvae", None, None, {}),
    "average": ("cvae", None, None, {"average_decay": 0.999}),
    "cgan, average": ("cgan", None, None, {"average_decay": 0.999}),
    "onehot, dropout": ("cvae", "onehot", None, {"condition_dropout": 0.1}),
    "embedding, dropout": ("cvae", "embedding", None, {"condition_dropout": 0.1}),
    "conditional-norm, dropout": ("cgan", "conditional-norm", None, {"condition_dropout": 0.1}),
    "projection, dropout": ("cgan", "projection", None, {"condition_dropout": 0.1}),
    "flip, shift": ("vae", None, None, {"flip": True, "shift": 1}),
    "accumulate": ("cgan", None, None, {"accumulate": 2}),
    "clip": ("cgan", None, None, {"clip_norm": 1.0}),
    "bf16, channels-last": ("vae", None, None, {"network": "conv", "precision": "bf16"}),
    "wasserstein-gp": ("gan", None, "wasserstein-gp", {"discriminator_normalization": "group"}),
    "r1, r2": ("gan", None, None, {"r1": 1.0, "r2": 1.0, "discriminator_normalization": "group"}),
    "spectral": ("gan", None, None, {"discriminator_normalization": "spectral"}),
    "augment": ("cgan", None, None, {"augment": True}),
    "iwae": ("cvae", None, "iwae", {}),
    "flow": ("flow", None, None, {}),
    "flow, unet, bf16": ("flow", None, None, {"network": "unet", "precision": "bf16"}),
    "diffusion, transformer, dropout": (
        "diffusion",
        None,
        None,
        {"network": "transformer", "condition_dropout": 0.1},
    ),
    **{
        name: ("cvae", None, None, {"optimizer": name})
        for name in ("adamw", "sgd", "rmsprop", "radam", "muon")
    },
}
#: The compiled trainings that are resumed: name, and whether in bf16.
RESUMED_COMPILED = (("vae-conv", False), ("cgan", True), ("flow-unet", False))
#: The compiled trainings whose CUDA graphs are counted.
GRAPHS = ("vae-conv", "flow-unet")
QUALITY = ("cvae", "vae-conv", "cgan")
QUALITY_EPOCHS, SEEDS = 60, 3
#: What must be set before the first product is computed, for deterministic algorithms.
WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def main(arguments: list[str] | None = None) -> int:
    """Run all parts; return 1 if one failed, 2 without a GPU or where gtk cannot train."""
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
    if reason := tried("setup", check_setup).get("failed"):
        print(
            f"benchmarks.gpu needs gtk as docs/benchmarks.md installs it: {reason}", file=sys.stderr
        )
        return 2
    deadline = time.monotonic() + 60 * given.minutes - 10
    given.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with (given.out / "gpu.json").open("w") as file, TemporaryDirectory() as folder:
        for row in finished(given, Path(folder), deadline):
            failed |= "failed" in row or row.get("holds") is False
            print(json.dumps(row), file=file, flush=True)
    print(f"\n{given.out / 'gpu.json'}")
    return int(failed)


def finished(given: argparse.Namespace, folder: Path, deadline: float) -> Iterator[dict[str, Any]]:
    """Yield the parts, each when it is done."""
    for name, part, seconds in parts(given, folder, deadline):
        if deadline - time.monotonic() > seconds:
            row = tried(name, part)
            if "contenders" not in row:  # else it has been printed as a row of the table
                print(json.dumps(row), flush=True)
            yield row


def parts(
    given: argparse.Namespace, folder: Path, deadline: float
) -> Iterator[tuple[str, Callable[[], dict[str, Any]], float]]:
    """Yield name and work of each part, and the seconds without which it is not begun."""
    yield "machine", machine, 0
    for name in STEPS:
        yield f"step {name}", partial(unwatched_step, name), 0
    yield "draw", partial(unwatched_draw, folder), 0
    yield "clock", truthful_clock, 0
    for name, bf16 in product(CHECKED, (False, True)):
        work = partial(exact_resume, folder, name, bf16=bf16)
        yield f"resume {name} {'bf16' if bf16 else 'fp32'}", work, 0
    for name in CHECKED:
        yield f"compiled {name}", partial(compiled_steps, name), COMPILED_SECONDS
    for name in GRAPHS:
        yield f"graphs {name}", partial(kept_graphs, folder, name), COMPILED_SECONDS
    for name, bf16 in RESUMED_COMPILED:
        work = partial(exact_resume, folder, name, bf16=bf16, compiled=True)
        yield f"resume {name} compiled", work, 2 * COMPILED_SECONDS

    def row(name: str) -> tuple[str, Callable[[], dict[str, Any]], float]:
        return name, partial(table_row, name, given, folder, deadline), ROW_SECONDS

    yield from map(row, FIRST)
    for name in QUALITY:
        yield f"quality {name}", partial(quality, given.out, folder, name), 0
    yield from map(row, dict.fromkeys(name for name in (*LARGER, *SYSTEMS) if name not in FIRST))


def check_setup() -> dict[str, Any]:
    """Find a recipe and begin a training, which fails at once where gtk is not installed whole."""
    from gtk.defaults import find_recipe

    find_recipe(FIRST[0])
    trainer_of(*STEPS["cvae"])
    return {}


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


def table_row(
    name: str, given: argparse.Namespace, folder: Path, deadline: float
) -> dict[str, Any]:
    """Print and return a row of the table, with every arithmetic if there are convolutions."""
    table = read_row(name)
    images = folder / f"{table['data']['name']}.npz"
    if not images.exists():
        arguments = ["benchmarks.costs", "images", "--row", name, "--out", str(images)]
        root = [] if given.data_root is None else ["--data-root", str(given.data_root.resolve())]
        ask([*arguments, *root], {}, deadline - time.monotonic())
    variants = VARIANTS[1:] if table["model"]["network"] == "conv" else ()
    threads = os.cpu_count() or 1
    protocol = Protocol(
        0.7, 5, threads, device=DEVICE, best=not variants, variants=variants, deadline=deadline
    )
    row = measure_row(name, images, folder, protocol)
    print(f"{heading()}\n{line(row)}", flush=True)
    return row


def train(folder: Path, name: str, run: str, **options: Any) -> Any:  # noqa: ANN401 - gtk's Run
    """Train a small network on digits on the GPU."""
    place = {"runs": folder, "name": run, "overwrite": True, "device": DEVICE, "quiet": True}
    return gtk.train(**{**CHECKED[name], "data": "digits", **place, **options})


def exact_resume(folder: Path, name: str, *, bf16: bool, compiled: bool = False) -> dict[str, Any]:
    """Compare a training of four epochs with one that stops after two and is resumed."""
    options = {"deterministic": True, "compile": compiled, **VARIANTS[3 if bf16 else 0]}
    whole = train(folder, name, "whole", epochs=4, **options)
    half = train(folder, name, "half", epochs=2, **options)
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


def trainer_of(
    model: str, conditioner: str | None, loss: str | None, options: dict[str, Any]
) -> Any:  # noqa: ANN401 - gtk's Trainer
    """Return the trainer of a training on digits that has just begun, in its arithmetic."""
    from gtk.core.settings.choice import Choice
    from gtk.core.training.arithmetic import Arithmetic
    from gtk.core.training.training import Training

    settings = Choice.by_name(model, "digits", conditioner, loss).settle(options, None)
    trainer = Training(settings, DEVICE, []).trainer
    pair = VARIANTS[3 if settings.train.precision == "bf16" else 0]
    trainer.learner.use(Arithmetic(pair["precision"], pair["memory_format"], 1))  # type: ignore[arg-type]
    if settings.train.compile:
        trainer.learner.compile()
    return trainer


def step_of(trainer: Any) -> Callable[[], None]:  # noqa: ANN401 - gtk's Trainer
    """Return a call that takes the next step, always on the images of the first one."""
    import torch

    rows = next(trainer.schedule.batches(0, torch.device(DEVICE)))
    return partial(trainer.train_step, rows)


def unwatched_step(name: str) -> dict[str, Any]:
    """Take a step of a training while torch refuses to wait for the GPU."""
    step = step_of(trainer_of(*STEPS[name]))
    step_seconds(step, 10)
    microseconds = round(1e6 * step_seconds(step, 50), 1)
    waits = waiting(step)
    return {"holds": not waits, "microseconds": microseconds, **waits}


def unwatched_draw(folder: Path, count: int = 64) -> dict[str, Any]:
    """Draw from a flow while torch refuses to wait for the GPU, and compare it with the CPU's."""
    import torch

    from gtk.core.models.build import own_sampler

    run = train(folder, "flow-unet", "drawn", epochs=5)
    images = [run.sample(count=count, device=device).astype(int) for device in (DEVICE, "cpu")]
    levels = int(abs(images[0] - images[1]).max())
    sampler = own_sampler(run.settings, run.load_model().to(gpu()))
    noise = torch.randn(count, *sampler.noise["z"].shape, device=DEVICE)
    labels = torch.arange(count, device=DEVICE) % 10
    with torch.no_grad():
        draw = partial(sampler.module(), noise, condition=labels)
        seconds = step_seconds(draw, 3)
        waits = waiting(draw)
    return {"holds": not waits and levels <= 1, "levels": levels, "seconds": seconds, **waits}


def waiting(work: Callable[[], object]) -> dict[str, str]:
    """Return what in some work waits for the GPU, or nothing."""
    try:
        with refusing_to_wait():
            work()
    except RuntimeError as error:
        return {"waits": str(error).partition("\n")[0]}
    return {}


@contextmanager
def refusing_to_wait() -> Iterator[None]:
    """Have torch raise an error inside where it would wait for the GPU."""
    import torch

    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def compiled_steps(name: str, steps: int = 5, timed: int = 50) -> dict[str, Any]:
    """Compare terms of compiled and eager steps, in fp32 without TF32, and the time of both."""
    import torch

    from gtk.core.models.tf32 import without_tf32

    options = {key: value for key, value in CHECKED[name].items() if key != "plugin"}
    terms, found = {}, {}
    for kind in ("eager", "compiled"):
        given = {**options, "compile": kind == "compiled"}
        trainer = trainer_of(CHECKED[name]["plugin"], None, None, given)
        step = step_of(trainer)
        with without_tf32(torch.device(DEVICE)), recorded_graphs() as graphs:
            begun = time.perf_counter()
            for _ in range(steps):
                step()
            terms[kind] = trainer.learner.pending.means()
            found[f"{kind}, first steps, seconds"] = round(time.perf_counter() - begun, 1)
            found[f"{kind}, microseconds"] = round(1e6 * step_seconds(step, timed), 1)
        found[f"{kind}, graphs"] = len(graphs)
    eager, compiled = terms["eager"], terms["compiled"]
    same = eager.keys() == compiled.keys() and all(
        math.isclose(eager[key], compiled[key], rel_tol=1e-3, abs_tol=1e-4) for key in eager
    )
    return {"holds": same, "terms": terms, **found}


@contextmanager
def recorded_graphs() -> Iterator[list[int]]:
    """Give a list that grows with each CUDA graph that is recorded inside.

    Without any, torch.compile has skipped them, and says so nowhere else.
    """
    from torch._inductor.cudagraph_trees import CUDAGraphTreeManager

    recorded: list[int] = []
    record = CUDAGraphTreeManager.record_function

    def counted(self: Any, *arguments: Any) -> Any:  # noqa: ANN401 - torch's
        recorded.append(1)
        return record(self, *arguments)

    CUDAGraphTreeManager.record_function = counted  # type: ignore[method-assign]
    try:
        yield recorded
    finally:
        CUDAGraphTreeManager.record_function = record  # type: ignore[method-assign]


def kept_graphs(folder: Path, name: str) -> dict[str, Any]:
    """Count the CUDA graphs that are recorded in each epoch of a compiled training.

    Its convolutions are channels-last. A VAE has no average: what callbacks get at an epoch's end,
    and a checkpoint between, is the model itself, put into contiguous memory.
    """
    with recorded_graphs() as recorded:
        counts = Epochs(recorded)
        train(
            folder, name, "graphs", epochs=5, compile=True, validation=128, checkpoint_every=10,
            callbacks=[counts], **VARIANTS[1],
        )  # fmt: skip
    anew = counts.recorded[-1] - counts.recorded[1]
    return {
        "holds": bool(recorded) and anew == 0,
        "recorded": counts.recorded,
        "seconds": [round(after - before, 2) for before, after in pairwise(counts.times)],
    }


class Epochs:
    """A callback that notes, at each epoch's end, how much a list has grown, and the time."""

    def __init__(self, growing: list[int]) -> None:
        self.growing = growing
        self.recorded: list[int] = []
        self.times: list[float] = []

    @gtk.hookimpl
    def gtk_epoch_end(self) -> None:
        """Note both."""
        self.recorded.append(len(self.growing))
        self.times.append(time.perf_counter())


def step_seconds(step: Callable[[], object], count: int) -> float:
    """Return seconds of a step, with the GPU's work done at both ends."""
    from gtk.core.models.device import synchronize

    device = gpu()
    synchronize(device)
    begun = time.perf_counter()
    for _ in range(count):
        step()
    synchronize(device)
    return (time.perf_counter() - begun) / count


def gpu() -> Any:  # noqa: ANN401 - torch is imported late
    """Return the device that everything is computed on."""
    from gtk.core.models.device import resolve_device

    return resolve_device(DEVICE)


def truthful_clock(side: int = 8192, count: int = 100) -> dict[str, Any]:
    """Compare the seconds of a training's clock with those that the GPU's own events tell."""
    import torch

    from gtk.core.training.clock import Clock

    matrix = torch.ones(side, side, device=DEVICE, dtype=torch.bfloat16)
    matrix @ matrix  # cuBLAS makes its workspace
    events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    torch.cuda.synchronize()
    clock, begun = Clock(gpu()), time.perf_counter()
    events[0].record()
    for _ in range(count):
        matrix @ matrix
    events[1].record()
    launched = time.perf_counter() - begun
    clock.images = count
    clock.stop()
    told, computed = count / clock.take_speed(), events[0].elapsed_time(events[1]) / 1e3
    # Without waiting it would tell the time of launching, so that has to be much shorter.
    return {
        "holds": 0.95 < told / computed < 1.2 and launched < 0.5 * computed,
        "seconds": {"clock": told, "events": computed, "launching": launched},
    }


def quality(out: Path, folder: Path, name: str) -> dict[str, Any]:
    """Train in fp32 and in bf16 with several seeds; return the final terms of the test images."""
    import torch

    found: dict[str, Any] = {"epochs": QUALITY_EPOCHS}
    torch.cuda.reset_peak_memory_stats()
    for precision in ("fp32", "bf16"):
        terms = []
        for seed in range(SEEDS):
            run = train(
                folder, name, f"{name}-{precision}", seed=seed, epochs=QUALITY_EPOCHS,
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
