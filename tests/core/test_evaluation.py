"""Evaluation: the mean over all images, with noise that no setting moves."""

import pytest
import torch
import toys

from gtk.core.evaluation import BLOCK, evaluate
from gtk.core.loss import Context
from gtk.core.noise import Noise
from gtk.core.seeding import derive_seed
from gtk.core.store import ImageStore

CONTEXT = Context(Noise(toys.CPU), torch.zeros((), dtype=torch.int64), 1)


def store(count: int) -> ImageStore:
    return ImageStore(toys.dataset(train=count).train, conditional=True, device=toys.CPU)


def test_it_is_the_mean_over_all_images_block_by_block() -> None:
    model, game, count = toys.model().eval(), toys.Game(), BLOCK + 44
    found = evaluate(model, game, store(count), CONTEXT, seed=5)
    noise, total = Noise(toys.CPU), 0.0
    for block, rows in enumerate(torch.arange(count).split(BLOCK)):
        noise.seed(derive_seed(5, "evaluate", block))
        context = Context(noise, CONTEXT.step, 1)
        total += game.evaluate(model, store(count).batch(rows), context)["loss"].sum().item()
    assert found == {"loss": pytest.approx(total / count)}


def test_it_is_in_eval_mode_and_gives_the_mode_back() -> None:
    model = toys.model().train()
    first = evaluate(model, toys.Game(), store(30), CONTEXT, seed=0)
    assert model.training
    assert first == evaluate(model, toys.Game(), store(30), CONTEXT, seed=0), "dropout was on"
