"""What a model learns without gradients, it learns from updates alone and in their order."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
import toys
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.values.errors import PluginError


class Counting(toys.TwoParts):
    """Keeps an average of the batches' brightness in a buffer."""

    brightness: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("brightness", torch.zeros(()))
        self.heard: list[tuple[str, bool, float]] = []

    def after_update(self, part: str, statistics: Mapping[str, Tensor]) -> None:
        weight = self.first.weight[0, 0].item()
        self.heard.append((part, torch.is_grad_enabled(), weight))
        if statistics:
            self.brightness.lerp_(statistics["brightness"], 0.5)


class Bright(toys.Game):
    """A game whose first update has statistics."""

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        for update in super().updates(model, batch, context):
            given = {"brightness": batch.images.mean()} if update.part == "first" else {}
            yield Update(update.loss, update.terms, update.part, given)


def test_statistics_go_to_the_model_after_its_step_without_gradients() -> None:
    torch.manual_seed(0)
    model = Counting()
    before = model.first.weight[0, 0].item()
    trainer = toys.trainer(Bright(), model)
    rows = next(iter(trainer.schedule.batches(0)))
    trainer.train_step(rows)
    (part, gradients, weight), second = model.heard  # the second update has none
    assert (part, gradients) == ("first", False)
    assert second[:2] == ("second", False)
    assert weight != before
    expected = trainer._images._store.batch(rows).images.mean() / 2
    assert torch.equal(model.brightness, expected)


def test_evaluation_leaves_the_buffers_as_they_are() -> None:
    model = Counting()
    trainer = toys.trainer(Bright(), model)
    trainer.learner.loss.evaluate(
        model, trainer._held_out._test.batch(torch.arange(3)), trainer.learner.context
    )
    assert not model.brightness


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_going_on_gives_the_same_buffers(average_decay: float) -> None:
    whole, begun, rest = (
        toys.trainer(Bright(), Counting(), average_decay=average_decay) for _ in range(3)
    )
    for trainer in (begun, rest):
        trainer.learner.model.load_state_dict(whole.learner.model.state_dict())
        if trainer.learner._averaged is not None:
            trainer.learner._averaged.module.load_state_dict(whole.learner.model.state_dict())
    batches = list(whole.schedule.batches(0))
    for rows in batches:
        whole.train_step(rows)
    for rows in batches[:5]:
        begun.train_step(rows)
    rest.restore(begun.state(_FakeRun(), None))
    for rows in batches[5:]:
        rest.train_step(rows)
    assert torch.equal(whole.published.brightness, rest.published.brightness)
    assert whole.published.brightness != 0


def test_a_model_that_takes_no_statistics_is_named() -> None:
    trainer = toys.trainer(Bright())
    with pytest.raises(PluginError, match="the loss has statistics .brightness. for TwoParts"):
        trainer.train_step(next(iter(trainer.schedule.batches(0))))


class _FakeRun:
    metrics_file = type("File", (), {"digest": staticmethod(lambda: (0, ""))})
