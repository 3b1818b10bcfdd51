"""How a judge is trained: always by the same recipe, on the training images alone."""

import math
import time
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor, autocast
from torch.nn.functional import cross_entropy, pad

from gtk.core.evaluation.judge import JudgeNetwork, seen
from gtk.core.models.device import fork_random_state, global_generators, has_bf16, synchronize
from gtk.core.models.page_locked import sent
from gtk.core.values.dataset import Dataset, Split
from gtk.core.values.tracking import track

#: Counts changes of the recipe: a judge of another version is trained anew.
VERSION = 1
BATCH = 128
#: Images that a judge is shown, grey and colour ones, and the most times that it is shown each.
GREY_SHOWN, COLOUR_SHOWN, MOST_EPOCHS = 500_000, 700_000, 60
RATE, WEIGHT_DECAY, SMOOTHING = 4e-3, 0.05, 0.05
#: How far images are moved at most, as a share of their side.
SHIFT = 1 / 12
#: The step of a judge's training that is timed: those before it allocate memory.
TIMED = 3


def train_judge(data: Dataset, device: torch.device) -> JudgeNetwork:
    """Train a judge on the training images; moved by chance, and mirrored if in colour.

    By AdamW with one cycle of the rate (Smith and Topin, arXiv:1708.07120) and smoothed labels
    (Szegedy et al., arXiv:1512.00567, section 7), in bf16 where the device has it.
    """
    with fork_random_state(device):
        network, steps, count = _training(data, device)
        for _ in track(steps, "training a judge", count):
            pass
    # As it is when it is read from a file: another format rounds differently.
    return network.to(memory_format=torch.contiguous_format).eval()


def seconds_to_train(data: Dataset, device: torch.device) -> float:
    """Return about how long `train_judge` takes, from a step of it."""
    with fork_random_state(device):
        _, steps, count = _training(data, device)
        for _ in islice(steps, TIMED - 1):
            synchronize(device)
        start = time.perf_counter()
        next(steps, None)
        synchronize(device)
    return count * (time.perf_counter() - start)


def _training(data: Dataset, device: torch.device) -> tuple[JudgeNetwork, Iterator[None], int]:
    """Return a network, its training's steps, and how many these are."""
    split, spec = data.train, data.spec
    for generator in global_generators(device):
        generator.manual_seed(0)
    network = JudgeNetwork(spec).to(device)
    network.to(memory_format=torch.channels_last)
    shown = GREY_SHOWN if spec.channels == 1 else COLOUR_SHOWN
    batch = min(BATCH, len(split))
    steps = len(split) // batch  # of an epoch
    epochs = min(MOST_EPOCHS, math.ceil(shown / len(split)))
    order = (
        rows
        for _ in range(epochs)
        for rows in torch.randperm(len(split))[: steps * batch].reshape(steps, batch)
    )
    return network, _steps(network, data, order, epochs * steps), epochs * steps


def _steps(
    network: JudgeNetwork, data: Dataset, order: Iterable[Tensor], count: int
) -> Iterator[None]:
    """Take a step on each batch of rows (B,), of `count` in all."""
    device, mirrored = network.output.weight.device, data.spec.channels > 1
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=count)
    for rows in order:
        images, labels = _batch(data.train, rows, device)
        images = moved(images, mirrored=mirrored)
        optimizer.zero_grad()
        with autocast(device.type, torch.bfloat16, enabled=has_bf16(device)):
            logits = network(images)
        loss = cross_entropy(logits.float(), labels, label_smoothing=SMOOTHING)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        yield


def _batch(split: Split, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return images in 0..1 and their classes."""
    chosen = rows.sort().values.numpy()  # in order, since they may be mapped from a file
    images = sent(torch.from_numpy(split.images[chosen]), device)
    return images.float() / 255, sent(torch.from_numpy(split.labels[chosen]), device)


def moved(images: Tensor, *, mirrored: bool) -> Tensor:
    """Return images (B, C, H, W) moved by chance, in zeros, and half of them mirrored."""
    count, _, height, width = images.shape
    device = images.device
    if mirrored:
        images = torch.where(
            torch.rand(count, 1, 1, 1, device=device) < 0.5, images.flip(3), images
        )
    most = max(1, round(SHIFT * max(height, width)))
    padded = pad(images, (most,) * 4)
    down, across = torch.randint(0, 2 * most + 1, (2, count, 1), device=device)
    rows = down + torch.arange(height, device=device)
    columns = across + torch.arange(width, device=device)
    which = torch.arange(count, device=device)[:, None, None]
    picked = padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return picked.contiguous(memory_format=torch.channels_last)


def accuracy(network: JudgeNetwork, split: Split) -> float:
    """Return the share of images whose class a network sees."""
    found = np.concatenate([logits.argmax(1) for _, logits in seen(network, split.images)])
    return float((found == split.labels).mean())
