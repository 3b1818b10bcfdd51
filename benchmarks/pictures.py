"""Judge what runs draw: is it the class that was asked for, and is it like the real images?

    python -m benchmarks.pictures RUN --judge FILE [--draw "guidance=1.5 steps=8" ...] [--nearest]

Prints a line of JSON for each way to draw, the run's own first: how often a judge (`judge.py`), and
for digits a support vector machine, sees the class that was asked for, and for the worst class; the
Frechet distance to the test images, and as a multiple of that of as many training images; the
deviation of a pixel among the images of a class, as a share of the data's; evaluations of the
network for an image, and seconds. --nearest finds, for 500 images, how close the nearest training
image is, as a share of how close it is for test images: far below 1 are copies.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gtk
from benchmarks.judge import Judge, agreement, as_rows, distance, found_judge, seen
from gtk.core.training.training import load_dataset

CLASSES = 10
#: Images whose nearest neighbour is looked for.
LOOKED_AT = 500


def main() -> None:
    """Print the figures of each way to draw."""
    given = arguments()
    run = gtk.Run(given.run)
    data = load_dataset(run.settings)
    judge = found_judge(data, given.judge)
    measure = Measure(data, judge, given.count)
    print_line(draw="real", **measure.real)
    for text in ["", *given.draw]:
        options = parsed(text)
        start = time.perf_counter()
        images = as_rows(run.sample(count=given.count, seed=given.seed, **options))
        seconds = time.perf_counter() - start
        figures = measure.figures(images, np.arange(given.count) % CLASSES)
        if given.nearest:
            figures["nearest"] = nearness(images[:LOOKED_AT], data)
        print_line(draw=text or "the run's own", seconds=round(seconds), **figures)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--judge", type=Path, help="a file that judge.py writes")
    parser.add_argument("--draw", action="append", default=[], help="options of Run.sample")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nearest", action="store_true")
    return parser.parse_args()


def parsed(text: str) -> dict[str, Any]:
    """Return the options of "name=value name=value": numbers where they are."""
    pairs = (item.partition("=") for item in text.split())
    return {name: number(value) for name, _, value in pairs}


def number(text: str) -> int | float | str:
    """Return what a text means."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class Measure:
    """What images of a data set are compared with.

    Args:
        data: the data set.
        judge: of it.
        count: images that will be judged.
    """

    def __init__(self, data: gtk.Dataset, judge: Judge, count: int) -> None:
        self._judge, self._test = judge, data.test
        self._machine = support_vectors(data) if data.spec.name == "digits" else None
        self._spread = deviation(data.train.images, data.train.labels)
        found, self._features = seen(judge, data.test.images)
        _, train = seen(judge, data.train.images[:count])
        self.real = {
            "judge_accuracy": float((found == data.test.labels).mean()),
            "distance": distance(train, self._features),
            "images": len(train),
        }

    def figures(self, images: NDArray[np.uint8], asked: NDArray[np.int64]) -> dict[str, Any]:
        """Return the figures of images (N, C, H, W) of the classes asked for."""
        found, features = seen(self._judge, images)
        away = distance(features, self._features)
        figures = {
            **agreement(found, asked),
            "distance": round(away, 4),
            "times_real": round(away / self.real["distance"], 2),
            "deviation": round(deviation(images, asked) / self._spread, 3),
        }
        if self._machine is not None:
            rows = images.reshape(len(images), -1)
            figures["svm"] = agreement(self._machine.predict(rows / 255), asked)
        return figures


def deviation(images: NDArray[np.uint8], classes: NDArray[np.int64]) -> float:
    """Return the deviation of a pixel among the images of a class, on average."""
    each = [images[classes == name].std(0).mean() for name in np.unique(classes)]
    return float(np.mean(each))


def support_vectors(data: gtk.Dataset) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Return a support vector machine that was trained on the training images."""
    from sklearn.svm import SVC

    rows = data.train.images.reshape(len(data.train.images), -1) / 255
    return SVC(gamma="scale").fit(rows, data.train.labels)


def nearness(images: NDArray[np.uint8], data: gtk.Dataset) -> dict[str, float]:
    """Return how near the nearest training image is, as a share of that of test images."""
    test = data.test.images[: len(images)]
    made, real = nearest(images, data.train.images), nearest(test, data.train.images)
    return {
        "median": round(float(np.median(made) / np.median(real)), 3),
        "copies": round(float((made < np.quantile(real, 0.01)).mean()), 3),
    }


def nearest(images: NDArray[np.uint8], among: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the Euclidean distance of each image to the nearest of others, by pixels."""
    rows, others = (part.reshape(len(part), -1) / 255.0 for part in (images, among))
    lengths = (others**2).sum(1)
    squares = [lengths - 2 * (others @ row) + row @ row for row in rows]
    return np.sqrt([row.min().clip(0) for row in squares])


def print_line(**figures: object) -> None:
    """Print a line of JSON at once."""
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
