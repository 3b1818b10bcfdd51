"""Measure a folder of images against the same images as an array in memory, and the memory of both.

    python benchmarks/folder.py --work FOLDER [--images 20000,100000] [--threads 1,2]

In FOLDER it generates PNG files of 64x64 pixels in colour, in ten folders, one a class. Then:

- seconds of a first start, which decodes, and of a second, which does not;
- images per second of gtk's real training step on the folder's images, mapped into memory from the
  cache, and on a copy of them in ordinary memory; blocks of steps alternate in one process, and the
  ratio is the median over pairs of blocks. The network is small, so that the way of the images
  counts; batches are shuffled, as always;
- the peak of RssAnon (/proc/self/status: memory that is not a mapped file) of a whole `gtk.train`
  of one epoch, each in a process of its own, for each number of images, decoding first and then
  without decoding.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE, CLASSES = 64, 10
BLOCK, PAIRS, WARM_UP, BATCH = 25, 40, 4, 128
OPTIONS = {"hidden_dims": (64,), "latent_dim": 8}


def generate(folder: Path, count: int) -> None:
    """Write the images, unless they are there: soft blobs whose colour depends on the class."""
    if (folder / "whole").exists():
        return
    generator = np.random.default_rng(0)
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    for kind in range(CLASSES):
        (folder / "images" / f"kind {kind}").mkdir(parents=True, exist_ok=True)
    colors = generator.uniform(80, 255, (CLASSES, 3))
    for number in range(count):
        x, y, width = generator.uniform((10, 10, 5), (54, 54, 20))
        blob = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * width**2))
        pixels = (blob[..., None] * colors[number % CLASSES]).astype(np.uint8)
        place = folder / "images" / f"kind {number % CLASSES}" / f"{number:06d}.png"
        Image.fromarray(pixels).save(place, compress_level=1)
    (folder / "whole").touch()


def settings(folder: Path) -> Any:  # noqa: ANN401 - gtk is imported where the environment is set
    """Return what is trained."""
    from gtk.core.settings.choice import Choice

    choice = Choice.by_name("cvae", f"folder:{folder / 'images'}")
    return choice.settle({**OPTIONS, "batch_size": BATCH}, None)


def speed(folder: Path, threads: int) -> dict[str, Any]:
    """Train on both in turns, and return medians."""
    import torch

    from gtk.core.models.build import build
    from gtk.core.training.trainer import Trainer
    from gtk.core.training.training import load_dataset
    from gtk.core.values.dataset import Dataset, Split

    torch.set_num_threads(threads)
    chosen = settings(folder)
    mapped = load_dataset(chosen)
    train, test = (
        Split(np.array(part.images), part.labels) for part in (mapped.train, mapped.test)
    )
    copied = Dataset(mapped.spec, train, test)
    trainers = []
    for dataset in (mapped, copied):
        config = replace(chosen.train, epochs=10_000)
        trainer = Trainer(*build(chosen, dataset.spec), dataset, config, torch.device("cpu"))
        trainers.append((trainer, trainer.schedule.batches(0)))
    times: list[list[float]] = [[], []]
    for pair in range(WARM_UP + PAIRS):
        for which in (0, 1) if pair % 2 else (1, 0):
            trainer, batches = trainers[which]
            start = time.perf_counter()
            for _ in range(BLOCK):
                trainer.train_step(next(batches))
            if pair >= WARM_UP:
                times[which].append(time.perf_counter() - start)
    images = BLOCK * BATCH
    return {
        "threads": threads,
        "folder_images_per_second": images / statistics.median(times[0]),
        "memory_images_per_second": images / statistics.median(times[1]),
        "ratio": statistics.median(b / a for a, b in zip(*times, strict=True)),
    }


def watched_training(folder: Path) -> dict[str, Any]:
    """Train for one epoch and return the peak of this process's own memory, in MiB."""
    peak, over = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.02):
            status = Path("/proc/self/status").read_text()
            peak = max(peak, int(status.partition("RssAnon:")[2].split()[0]))

    thread = threading.Thread(target=watch)
    thread.start()
    import gtk
    from gtk.core.training import training

    seconds = []
    load = training.load_dataset

    def timed(*arguments: Any) -> Any:  # noqa: ANN401 - whatever it is called with
        start = time.perf_counter()
        dataset = load(*arguments)
        seconds.append(time.perf_counter() - start)
        return dataset

    training.load_dataset = timed
    run = gtk.train(
        plugin="cvae", data=f"folder:{folder / 'images'}", runs=folder / "runs", epochs=1,
        batch_size=BATCH, quiet=True, threads=1, **OPTIONS,
    )  # fmt: skip
    over.set()
    thread.join()
    return {"peak_rss_anon_mib": peak / 1024, "load_seconds": seconds[0], "run": run.name}


def in_new_process(*arguments: str) -> Any:  # noqa: ANN401 - JSON
    """Run a part of this script by itself."""
    command = [sys.executable, __file__, *arguments]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def main() -> None:
    """Run everything and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--images", default="20000,100000")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--part", choices=("speed", "memory"))
    parser.add_argument("--folder", type=Path)
    wanted = parser.parse_args()
    os.environ["GENERATIVE_TOOLKIT_CACHE"] = str(wanted.work.resolve() / "cache")
    if wanted.part == "speed":
        print(json.dumps(speed(wanted.folder, int(wanted.threads))))
        return
    if wanted.part == "memory":
        print(json.dumps(watched_training(wanted.folder)))
        return
    report: dict[str, Any] = {"speed": [], "memory": []}
    common = ["--work", str(wanted.work)]
    for count in map(int, wanted.images.split(",")):
        folder = wanted.work / str(count)
        generate(folder, count)
        for start in ("first", "second"):
            part = in_new_process(*common, "--part", "memory", "--folder", str(folder))
            report["memory"].append({"images": count, "start": start, **part})
        if count == int(wanted.images.partition(",")[0]):
            report["speed"] = [
                in_new_process(
                    *common, "--part", "speed", "--folder", str(folder), "--threads", threads
                )
                for threads in wanted.threads.split(",")
            ]
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
