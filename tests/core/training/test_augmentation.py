"""Mirroring and moving: what comes out, how often, and that a seed decides it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import toys
from torch import Tensor

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.contracts.noise import Noise
from gtk.core.training.training_images import Augmentation
from gtk.core.values.errors import InvalidValue

IMAGE = torch.arange(2 * 3 * 4, dtype=torch.uint8).reshape(1, 2, 3, 4)


def augmented(flip: bool, shift: int, count: int = 400, seed: int = 0) -> Tensor:
    noise = Noise(torch.device("cpu"))
    noise.seed(seed)
    return Augmentation(flip, shift)(IMAGE.expand(count, -1, -1, -1), noise)


def moved(down: int, across: int, *, mirrored: bool = False) -> Tensor:
    """Move the image with numpy, edges repeated."""
    pad = np.pad(IMAGE[0].numpy(), ((0, 0), (2, 2), (2, 2)), mode="edge")
    image = torch.from_numpy(pad[:, 2 + down : 5 + down, 2 + across : 6 + across].copy())
    return image.flip(-1) if mirrored else image


def test_half_of_the_images_are_mirrored_each_for_itself() -> None:
    images = augmented(flip=True, shift=0)
    mirrored = (images == IMAGE.flip(-1)).flatten(1).all(1)
    same = (images == IMAGE).flatten(1).all(1)
    assert bool((mirrored ^ same).all())
    assert 160 < int(mirrored.sum()) < 240
    assert images.dtype == torch.uint8


def test_images_are_moved_by_every_distance_up_to_the_shift_and_edges_repeat() -> None:
    images = augmented(flip=False, shift=2, count=2000)
    expected = torch.stack([moved(y, x) for y in range(-2, 3) for x in range(-2, 3)])
    matches = (images[:, None] == expected[None]).flatten(2).all(2)
    assert bool(matches.any(1).all()), "an image was moved in another way"
    counts = matches.sum(0)
    assert 40 < int(counts.min()) <= int(counts.max()) < 130, "all 25 ways are equally likely"


def test_both_at_once_mirror_the_whole_image() -> None:
    images = augmented(flip=True, shift=1, count=500)
    ways = [
        moved(y, x, mirrored=mirrored)
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
        for mirrored in (False, True)
    ]
    matches = (images[:, None] == torch.stack(ways)[None]).flatten(2).all(2)
    assert bool(matches.any(1).all())
    assert bool(matches.any(0).all())


def test_a_seed_decides() -> None:
    assert torch.equal(augmented(True, 1), augmented(True, 1))
    assert not torch.equal(augmented(True, 1), augmented(True, 1, seed=1))


def test_nothing_asked_for_is_nothing_done() -> None:
    assert not Augmentation(flip=False, shift=0)
    assert Augmentation(flip=True, shift=0)
    assert Augmentation(flip=False, shift=1)


def test_a_training_sees_augmented_images_and_is_judged_on_the_real_ones() -> None:
    trained: list[Tensor] = []
    judged: list[Tensor] = []

    class Watching(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            trained.append(batch.images)
            yield from super().updates(model, batch, context)

        def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
            judged.append(batch.images)
            return super().evaluate(model, batch, context)

    rows = torch.arange(4)
    for _ in range(2):
        settings = {"flip": True, "shift": 1, "validation": 6, "monitor": "loss"}
        trainer = toys.trainer(loss=Watching(), **settings)
        trainer.train_step(rows)
        trainer.train_step(rows)
    data = torch.from_numpy(toys.dataset().train.images) / 255
    assert torch.equal(judged[0], data[trainer.schedule.held_out[:2]])
    assert not torch.equal(trained[0], data[trainer.schedule.kept[:4]])
    assert not torch.equal(trained[0], trained[1]), "the second step draws anew"
    assert torch.equal(trained[0], trained[2]), "the seed decides"


def test_a_shift_out_of_sight_is_refused() -> None:
    with pytest.raises(InvalidValue, match="shift=8 moves images of 8x8 pixels out of sight"):
        gtk.train(plugin="cvae", shift=8, quiet=True)
