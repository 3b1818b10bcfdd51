"""Parts of the table that a process of its own measures once; each prints one line of JSON.

python -m benchmarks.costs images|operations|system|folder ...
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.blocks import peak_mib
from benchmarks.rows import CLASSES, SHAPES, read_row

#: The side of the matrices whose product is the measure of a machine; a GPU is done with smaller
#: ones in the time that starting and waiting take.
SIDES = {"cpu": 2048, "cuda": 8192}


def write_images(given: argparse.Namespace) -> dict[str, Any]:
    """Write the images of a row's data set, or noise of the same shape, as an .npz file."""
    import numpy as np

    data = read_row(given.row)["data"]["name"]
    if given.data_root is None:
        channels, side = SHAPES[data]
        generator = np.random.default_rng(0)
        shape = (given.noise, side, side, channels)
        images = generator.integers(0, 256, shape, np.uint8)
        labels = np.arange(given.noise) % CLASSES
    else:
        from gtk.core.settings.choice import Choice
        from gtk.core.training.training import load_dataset
        from gtk.defaults import find_recipe

        choice = Choice.by_name("vae", data, recipe=find_recipe("vae-mlp"))
        train = load_dataset(choice.settle({}, given.data_root)).train
        images, labels = train.images.transpose(0, 2, 3, 1), train.labels
    if images.shape[3] == 1:
        images = images[..., 0]
    few = {"test_images": images[:256], "test_labels": labels[:256]}
    np.savez(given.out, images=images, labels=labels, **few)
    return {"images": len(images), "data": "noise" if given.data_root is None else data}


def count_operations(given: argparse.Namespace) -> dict[str, Any]:
    """Count the operations of a training step per image, and time large matrix products."""
    import torch

    from gtk.core.models.device import has_bf16

    device = torch.device(given.device)
    rates = {"fp32": product_rate(torch.float32, device)}
    if has_bf16(device):
        rates["bf16"] = product_rate(torch.bfloat16, device)
    return {"operations_per_image": operations(given.row, given.images), "product": rates}


def operations(row: str, images: Path) -> float:
    """Return the operations of products and convolutions in a training step, for each image.

    A multiplication and an addition are two.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.gtk_contender import settle
    from gtk.core.training.training import Training

    trainer = Training(settle(row, images, {}), "cpu", []).trainer
    rows = next(trainer.schedule.batches(0, torch.device("cpu")))
    with FlopCounterMode(display=False) as counter:
        trainer.train_step(rows)
    return counter.get_total_flops() / len(rows)


def product_rate(dtype: Any, device: Any) -> float:  # noqa: ANN401 - torch's
    """Return operations per second of a product of large matrices."""
    import torch

    from gtk.core.models.device import synchronize

    side = SIDES[device.type]
    first, second = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        first @ second
        synchronize(device)

    return round(2 * side**3 / median_seconds(multiply, 0.5), -6)


def median_seconds(work: Callable[[], object], seconds: float) -> float:
    """Return the median of calls that take about so long in all, after one."""
    work()
    times: list[float] = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure_system(given: argparse.Namespace) -> dict[str, Any]:
    """Measure what follows a training: a checkpoint, and sampling, of an almost untrained run."""
    import gtk
    from benchmarks.gtk_contender import settle
    from gtk.core.storage.runs import RunPlace
    from gtk.core.training.training import Training

    batch = read_row(given.row)["train"]["batch_size"]
    options = {"epochs": 1, "batch_size": batch}
    few = given.folder / "few.npz"
    take_few(given.images, few, 2 * batch)
    training = Training(settle(given.row, few, options), given.device, [])
    run = training.start(RunPlace(given.folder / "runs", None, overwrite=False))

    def save() -> None:
        training.trainer.step += 1  # a checkpoint that exists would not be written
        run.checkpoints.save(training.trainer.state(run, None))
        run.checkpoints.prune(3)

    saves = median_seconds(save, given.seconds)
    run = gtk.Run(run.path)
    sampling = median_seconds(lambda: run.sample(count=given.count), given.seconds)
    return {
        "checkpoint_seconds": round(saves, 4),
        "sampled_images_per_second": round(given.count / sampling, 1),
        "peak_mib": peak_mib(),
    }


def take_few(images: Path, out: Path, count: int) -> None:
    """Write the first of a file's images to another."""
    import numpy as np

    with np.load(images) as arrays:
        np.savez(out, **{name: arrays[name][:count] for name in arrays.files})


def decode_folder(given: argparse.Namespace) -> dict[str, Any]:
    """Measure how fast a folder of PNG files of 64x64 pixels is decoded, and opened again."""
    os.environ["GENERATIVE_TOOLKIT_CACHE"] = str(given.folder.resolve() / "cache")
    from benchmarks.folder import generate, settings
    from gtk.core.training.training import load_dataset

    generate(given.folder, given.count)
    chosen, seconds = settings(given.folder), []
    for _ in range(2):
        start = time.perf_counter()
        load_dataset(chosen)
        seconds.append(time.perf_counter() - start)
    return {
        "decoded_images_per_second": round(given.count / seconds[0], 1),
        "opened_again_seconds": round(seconds[1], 3),
    }


def main() -> None:
    """Print what one of them returns."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    works = {
        "images": write_images,
        "operations": count_operations,
        "system": measure_system,
        "folder": decode_folder,
    }
    parser.add_argument("work", choices=works)
    parser.add_argument("--row", default="cvae-mlp")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--noise", type=int, default=50_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    print(json.dumps(works[given.work](given)))


if __name__ == "__main__":
    main()
