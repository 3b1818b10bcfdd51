"""What a data set's judge sees in images: `gtk evaluate`'s, which is trained once and kept."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import gtk
from gtk.core.evaluation.judge import TrainedJudge
from gtk.core.evaluation.judges import judge_of
from gtk.core.evaluation.protocol import content_digest
from gtk.core.settings.choice import Choice
from gtk.core.training.training import load_dataset
from gtk.core.values.picture_rows import as_rows


def load(name: str, root: Path | None) -> gtk.Dataset:
    """Return a data set by its name."""
    return load_dataset(Choice.by_name("vae", name).settle({}, root))


def found_judge(data: gtk.Dataset) -> TrainedJudge:
    """Return the judge of a data set."""
    return judge_of(data, content_digest(data.train, data.test), torch.device("cpu"))


def seen(judge: TrainedJudge, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the class that a judge sees in each image that a run draws, (N,)."""
    classes: NDArray[np.int64] = judge.look(as_rows(images))[1].argmax(1)
    return classes


def agreement(found: NDArray[np.int64], asked: NDArray[np.int64]) -> dict[str, float]:
    """Return how often what is found is what was asked for, in all and for the worst class."""
    right = found == asked
    worst = min(right[asked == name].mean() for name in np.unique(asked))
    return {"agreement": round(float(right.mean()), 4), "worst_class": round(float(worst), 4)}
