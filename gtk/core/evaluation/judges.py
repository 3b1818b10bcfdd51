"""The judges that gtk has trained: one for each data set, kept in the folder of caches.

A run that is judged while it trains keeps its own, so that it resumes to the same figures.
"""

import logging
from hashlib import sha256
from pathlib import Path

import torch

from gtk.core.evaluation.evaluation import check_better_than_guessing, check_classes
from gtk.core.evaluation.judge import JudgeNetwork, TrainedJudge
from gtk.core.evaluation.judge_training import VERSION, accuracy, train_judge
from gtk.core.models.device import fork_random_state
from gtk.core.storage.cache import cache_folder
from gtk.core.storage.tensor_file import (
    check_tensors,
    decode_sealed,
    encode_sealed,
    encode_tensors,
)
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.core.values.ordinary_file import read_ordinary
from gtk.core.values.output import write_file
from gtk.core.values.text import visible

logger = logging.getLogger("gtk")

#: The folder in that of caches, and the largest file in bytes.
FOLDER, LARGEST = "judges", 1 << 26
#: The tensor that holds a judge's accuracy on the test images.
ACCURACY = "accuracy"


def judge_of(data: Dataset, digest: str, device: torch.device) -> TrainedJudge:
    """Return the judge of a data set; it is trained when it is first asked for, and kept.

    Args:
        data: the data set.
        digest: of its content.
        device: where the judge works.

    Raises:
        InvalidValue: the data have no classes, or some class has no image, or what it learned is
            no better than a guess.
    """
    check_classes(data)
    path = _path(digest)
    judge = None if path is None else read_judge(path, data, device)
    if judge is None:
        network = train_judge(data, device)
        right = accuracy(network, data.test)
        check_better_than_guessing(right, data, f"the judge of {data.spec.name}")
        judge = _judge(network, right)
        if path is not None:
            keep_judge(path, judge)
    return judge


def has_judges() -> bool:
    """Return whether any judge is kept here: without one, no data need be read for a digest."""
    try:
        return any((cache_folder() / FOLDER).glob("*.safetensors"))
    except GtkError:
        return False


def has_judge(digest: str) -> bool:
    """Return whether the judge of data with this digest is kept here."""
    path = _path(digest)
    return path is not None and path.is_file()


def _path(digest: str) -> Path | None:
    """Return the path of a judge's file, None if this machine has no cache folder."""
    try:
        return cache_folder() / FOLDER / f"{digest}-{VERSION}.safetensors"
    except GtkError:
        return None


def read_judge(path: Path, data: Dataset, device: torch.device) -> TrainedJudge | None:
    """Read a judge of the data from a file; None if there is no sound one, with a warning."""
    with fork_random_state(device):
        network = JudgeNetwork(data.spec)
    try:
        tensors = decode_sealed(read_ordinary(path, LARGEST))
        known = tensors.pop(ACCURACY, torch.tensor(float("nan"))).item()
        check_tensors(tensors, network.state_dict())
    except FileNotFoundError:
        return None
    except (OSError, InvalidValue) as error:
        logger.warning("%s is damaged (%s): the judge is trained anew", visible(path), error)
        return None
    network.load_state_dict(tensors)
    return _judge(network.to(device).eval(), float(known))


def _judge(network: JudgeNetwork, right: float) -> TrainedJudge:
    weights = sha256(encode_tensors(network.state_dict())).hexdigest()[:16]
    return TrainedJudge(network, weights, right)


def keep_judge(path: Path, judge: TrainedJudge) -> None:
    """Write a judge to a file; where that fails, a warning says so."""
    right = torch.tensor(judge.accuracy, dtype=torch.float64)
    tensors = {**judge.network.state_dict(), ACCURACY: right}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, encode_sealed(tensors), follow=False, synced=True)
    except (GtkError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        logger.warning("the judge is not kept: %s", visible(str(reason)))
