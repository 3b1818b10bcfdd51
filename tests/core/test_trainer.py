"""The trainer takes what a loss yields, and goes on to the same bits wherever it was stopped."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import toys
from torch import Tensor, nn

from gtk.core.checkpoint import Checkpoint
from gtk.core.errors import NonFiniteLoss, PluginError
from gtk.core.events import Events
from gtk.core.loss import Context, Update
from gtk.core.store import Batch


def rows(trainer: Any) -> Iterator[Tensor]:
    return trainer.schedule.batches(trainer.step)


class FakeRun:
    """Keeps what a run would write."""

    def __init__(self, tmp_path: Any) -> None:
        self.metrics_file = self
        self.lines: list[dict[str, Any]] = []
        self.saved: list[Checkpoint] = []
        self.checkpoints = self

    def size(self) -> int:
        return 0

    def append(self, record: dict[str, Any]) -> None:
        self.lines.append(record)

    def save(self, checkpoint: Checkpoint) -> None:
        self.saved.append(checkpoint)

    def choose(self, which: None) -> int:
        return self.saved[-1].step

    def load_model(self, step: int) -> nn.Module:
        model = toys.model()
        model.load_state_dict(dict(self.saved[-1].model))
        return model


def test_an_update_trains_its_part_and_no_other() -> None:
    game = toys.Game()
    trainer = toys.trainer(game)
    before = {name: value.clone() for name, value in trainer.published.state_dict().items()}
    trainer.train_step(next(rows(trainer)))
    assert game.gradients == [{"first": True, "second": False}, {"first": True, "second": True}]
    after = trainer.published.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in after)


def test_the_second_update_sees_what_the_first_changed() -> None:
    class SeeingGame(toys.Game):
        seen: list[Tensor]

        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            self.seen = [model.first.weight.detach().clone()]
            for update in super().updates(model, batch, context):
                yield update
                self.seen.append(model.first.weight.detach().clone())

    game = SeeingGame()
    trainer = toys.trainer(game)
    trainer.train_step(next(rows(trainer)))
    start, after_first, after_second = game.seen
    assert not torch.equal(start, after_first)
    assert torch.equal(after_first, after_second)


def test_one_step_is_one_step_of_adam() -> None:
    model = toys.model()
    parameter = nn.Parameter(model.first.weight.detach().clone())
    game = toys.Game()
    trainer = toys.trainer(game, model, learning_rate=0.01)
    batch = trainer._train.batch(next(rows(trainer)))
    trainer.train_step(next(rows(trainer)))
    # Adam's first step moves every weight by the learning rate, against its gradient's sign.
    moved = model.first.weight.detach() - parameter.detach()
    assert batch.images.shape == (10, 1, 4, 4)
    assert torch.allclose(moved.abs(), torch.full_like(moved, 0.01), rtol=1e-3)


def test_the_same_seed_gives_the_same_bits_and_another_others() -> None:
    def weights(seed: int) -> Tensor:
        trainer = toys.trainer(seed=seed)
        for batch in rows(trainer):
            trainer.train_step(batch)
        return trainer.published.state_dict()["first.weight"]

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_noise_for_dropout_does_not_depend_on_what_was_drawn_before() -> None:
    first, second = toys.trainer(), toys.trainer()
    first.train_step(next(rows(first)))
    torch.rand(1000)
    second.train_step(next(rows(second)))
    for one, other in zip(first.published.parameters(), second.published.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
@pytest.mark.parametrize("stop", [4, 5])
def test_going_on_gives_the_same_bits(tmp_path: Any, stop: int, average_decay: float) -> None:
    straight = toys.trainer(average_decay=average_decay)
    for batch in rows(straight):
        straight.train_step(batch)
    stopped = toys.trainer(average_decay=average_decay)
    for batch in rows(stopped):
        stopped.train_step(batch)
        if stopped.step == stop:
            break
    resumed = toys.trainer(average_decay=average_decay)
    resumed.restore(stopped.state(FakeRun(tmp_path), None))  # type: ignore[arg-type]
    for batch in rows(resumed):
        resumed.train_step(batch)
    assert resumed.step == straight.step == 12
    states = [item.state(FakeRun(tmp_path), None) for item in (straight, resumed)]  # type: ignore[arg-type]
    for group in ("model", "training"):
        one, other = (getattr(state, group) for state in states)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_average_follows_the_weights_by_its_decay() -> None:
    trainer = toys.trainer(average_decay=0.75)
    assert trainer._averaged is not None
    batches = rows(trainer)
    trainer.train_step(next(batches))  # the first step begins the average
    expected = trainer._model.state_dict()["first.weight"].clone()
    trainer.train_step(next(batches))
    expected = 0.75 * expected + 0.25 * trainer._model.state_dict()["first.weight"]
    assert torch.allclose(trainer.published.state_dict()["first.weight"], expected, atol=1e-7)


def test_fit_reports_means_validation_and_test(tmp_path: Any) -> None:
    run = FakeRun(tmp_path)
    trainer = toys.trainer(validation=8, checkpoint_every=4)
    seen: list[float] = []
    original = trainer._pending.note

    def note(name: str, value: Tensor) -> None:
        if name == "score":
            seen.append(value.item())
        original(name, value)

    trainer._pending.note = note  # type: ignore[method-assign]
    trainer.fit(run, Events([]))  # type: ignore[arg-type]
    train = [line for line in run.lines if line["split"] == "train"]
    assert [line["step"] for line in train] == [3, 6, 9]
    assert train[0]["terms"].keys() == {"first_loss", "score", "second_loss"}
    assert train[1]["terms"]["score"] == pytest.approx(sum(seen[3:6]) / 3)
    assert train[1]["images"] == 30
    assert train[1]["unit"] == "points"
    validation = [line for line in run.lines if line["split"] == "validation"]
    assert [line["step"] for line in validation] == [4, 8, 9]
    assert [line["images"] for line in validation] == [8, 8, 8]
    assert [item.state["validation"] for item in run.saved] == [
        line["terms"]["loss"] for line in validation
    ]
    assert run.lines[-1]["split"] == "test"
    assert run.lines[-1]["images"] == 6


def test_fit_gives_the_global_generator_back(tmp_path: Any) -> None:
    before = torch.get_rng_state()
    toys.trainer().fit(FakeRun(tmp_path), Events([]))  # type: ignore[arg-type]
    assert torch.equal(before, torch.get_rng_state())


def test_a_loss_that_is_not_finite_stops_and_saves_nothing(tmp_path: Any) -> None:
    class Diverging(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            for update in super().updates(model, batch, context):
                factor = math.nan if context.step >= 5 else 1.0
                yield Update(update.loss * factor, update.terms, update.part)

    run = FakeRun(tmp_path)
    with pytest.raises(NonFiniteLoss, match="first_loss .train. is no longer .* at step 6"):
        toys.trainer(Diverging(), checkpoint_every=4).fit(run, Events([]))  # type: ignore[arg-type]
    assert [item.step for item in run.saved] == [4]


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Any) -> None:
    run = FakeRun(tmp_path)
    trainer = toys.trainer(log_every=100, checkpoint_every=2)
    with torch.no_grad():
        trainer._model.get_parameter("first.bias").fill_(math.inf)
    with pytest.raises(NonFiniteLoss, match=r"first\.\w+ is no longer a finite number at step 2"):
        trainer.fit(run, Events([]))  # type: ignore[arg-type]
    assert not run.saved


def test_a_loss_that_updates_an_unknown_part_is_named() -> None:
    class Lost(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            yield Update(model.first.weight.sum(), part="third")

    trainer = toys.trainer(Lost())
    with pytest.raises(
        PluginError, match="Lost updates part 'third', the model's parts are first, second"
    ):
        trainer.train_step(next(rows(trainer)))


def test_a_loss_must_say_which_of_several_parts(tmp_path: Any) -> None:
    class Vague(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            yield Update(model.first.weight.sum())

    trainer = toys.trainer(Vague())
    with pytest.raises(PluginError, match="updates part 'None', the model's parts are first, sec"):
        trainer.train_step(next(rows(trainer)))


def test_a_loss_that_is_not_finite_on_held_out_images_is_not_the_best(tmp_path: Any) -> None:
    class Blind(toys.Game):
        def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
            return {"loss": super().evaluate(model, batch, context)["loss"] * math.nan}

    run = FakeRun(tmp_path)
    with pytest.raises(NonFiniteLoss, match=r"loss \(validation\) is no longer a finite number"):
        toys.trainer(Blind(), validation=8).fit(run, Events([]))  # type: ignore[arg-type]
    assert not run.saved


@pytest.mark.parametrize("wrong", ["overlapping", "incomplete", "empty"])
def test_parts_must_be_disjoint_and_complete(wrong: str) -> None:
    class Wrong(toys.TwoParts):
        def parts(self) -> dict[str, nn.Module]:
            parts: dict[str, dict[str, nn.Module]] = {
                "overlapping": {"first": self.first, "all": self},
                "incomplete": {"first": self.first},
                "empty": {"first": self.first, "second": self.second, "third": nn.ReLU()},
            }
            return parts[wrong]

    with pytest.raises(PluginError, match="must hold each parameter of the model once"):
        toys.trainer(network=Wrong())
