"""What is due when, and which images are in which batch."""

import itertools
import math
from typing import Any, cast

import pytest
import torch

from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.schedule import Schedule
from gtk.core.values.by_part import ByPart
from gtk.core.values.errors import InvalidValue


def schedule(images: int = 103, batches: int = 1, **config: Any) -> Schedule:
    settings = TrainConfig(**{"epochs": 3, "batch_size": 10, **config})
    return Schedule(settings, images, "toy", batches)


def test_an_epoch_is_full_batches_of_a_permutation() -> None:
    batches = list(schedule().batches(0))
    assert len(batches) == 30
    assert all(len(rows) == 10 for rows in batches)
    epochs = [torch.cat(batches[start : start + 10]).tolist() for start in (0, 10, 20)]
    assert all(len(set(rows)) == 100 for rows in epochs)
    assert epochs[0] != epochs[1]
    assert set(epochs[0]) != set(epochs[1]), "the same images would always be left over"


@pytest.mark.parametrize("step", [0, 7, 10, 29, 30])
def test_going_on_takes_the_batches_that_are_left(step: int) -> None:
    rest = list(schedule().batches(step))
    expected = list(schedule().batches(0))[step:]
    assert len(rest) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(rest, expected, strict=True))


#: Classes of 103 images: 90, 10, none and 3.
CLASSES = torch.tensor([0] * 90 + [1] * 10 + [3] * 3)[torch.randperm(103)]


@pytest.mark.parametrize("validation", [0, 20])
def test_balanced_classes_are_equally_frequent_and_an_epoch_stays_as_long(validation: int) -> None:
    settings = TrainConfig(epochs=2, batch_size=1, validation=validation, balance=True)
    made = Schedule(settings, 103, "toy", classes=CLASSES)
    kept = 103 - validation
    assert made.steps_per_epoch == kept
    rows = torch.cat(list(made.batches(0)))
    for epoch in rows.split(kept):
        drawn = made.kept[epoch]
        times = drawn.bincount(minlength=103)
        counts = CLASSES[drawn].bincount()
        present = counts[CLASSES[made.kept].unique()]
        assert present.sum() == kept
        assert present.max() - present.min() <= 1
        for label in CLASSES[made.kept].unique():
            own = times[made.kept][CLASSES[made.kept] == label]
            assert own.max() - own.min() <= 1, "all are drawn before one is drawn again"
    assert not torch.equal(rows[:kept], rows[kept:])


@pytest.mark.parametrize("step", [0, 7, 10, 29, 30])
def test_balanced_batches_are_the_same_after_resuming(step: int) -> None:
    settings = TrainConfig(epochs=3, batch_size=10, balance=True)
    whole, rest = (
        list(Schedule(settings, 103, "toy", classes=CLASSES).batches(done)) for done in (0, step)
    )
    assert len(rest) == 30 - step
    assert all(torch.equal(*pair) for pair in zip(rest, whole[step:], strict=True))


def test_another_seed_gives_another_order() -> None:
    first, second = (next(schedule(seed=seed).batches(0)) for seed in (0, 1))
    assert not torch.equal(first, second)


def test_held_out_and_kept_images_are_disjoint_and_complete() -> None:
    made = schedule(validation=20)
    assert len(made.held_out) == 20
    assert sorted([*made.held_out.tolist(), *made.kept.tolist()]) == list(range(103))
    assert made.steps_per_epoch == 8


def test_epochs_are_counted_from_one() -> None:
    assert [schedule().epoch(step) for step in (0, 1, 10, 11, 30)] == [0, 1, 1, 2, 3]


def test_checkpoints_are_due_by_steps_or_at_the_end_of_an_epoch() -> None:
    def due(made: Schedule) -> list[int]:
        return [step for step in range(1, made.total_steps + 1) if made.checkpoint_due(step)]

    assert due(schedule(checkpoint_every=7)) == [7, 14, 21, 28, 30]
    assert due(schedule(epochs=70)) == [300, 600, 700]
    assert due(schedule(images=4000, epochs=2)) == [400, 800]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"batch_size": 104}, "batch_size=104 is more than the 103 training images of toy"),
        ({"batch_size": 10, "validation": 94}, "more than the 9 training images of toy. Use 9"),
        ({"validation": 103}, "validation=103 leaves none of the 103 training images"),
        ({"batches": 11}, "batch_size=10, 11 times in a step, is more than .* Use 9 or less"),
        ({"batches": 104}, "takes 104 batches a step, more than the 103 training images of toy"),
        ({"warmup_steps": 31}, "warmup_steps=31 is longer than the training of 30 steps"),
    ],
)
def test_settings_that_leave_no_batch_are_refused(config: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        schedule(**config)


def test_a_step_can_take_several_batches() -> None:
    made = schedule(batches=3)
    assert (made.images_per_step, made.steps_per_epoch, made.total_steps) == (30, 3, 9)
    assert [len(rows) for rows in made.batches(0)] == [30] * 9
    rest = list(made.batches(4))
    assert all(map(torch.equal, rest, list(made.batches(0))[4:]))


def rates(**config: Any) -> list[float]:
    made = schedule(learning_rate=0.2, **config)
    return [cast("float", made.learning_rate(step)) for step in range(made.total_steps)]


def test_the_rate_is_constant_unless_told_otherwise() -> None:
    assert rates() == [0.2] * 30


def test_the_rate_rises_linearly_to_all_of_it() -> None:
    assert rates(warmup_steps=4)[:5] == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.2])
    assert rates(warmup_steps=1) == rates()
    assert rates(warmup_steps=30)[-1] == 0.2


def test_the_rate_falls_along_half_a_cosine() -> None:
    found = rates(decay="cosine")
    assert found[0] == 0.2
    assert found[10] == pytest.approx(0.2 * 0.75), "cos(pi / 3) is 1/2"
    assert found[15] == pytest.approx(0.1)
    assert found[20] == pytest.approx(0.2 * 0.25)
    assert found[29] == pytest.approx(0.1 * (1 - math.cos(math.pi / 30))), "0 after the last"
    assert found == sorted(found, reverse=True)


def test_the_cosine_begins_where_the_warm_up_ends() -> None:
    found = rates(warmup_steps=10, decay="cosine")
    assert found[9] == found[10] == 0.2
    assert found[20] == pytest.approx(0.1)
    assert rates(warmup_steps=30, decay="cosine") == rates(warmup_steps=30)


def test_the_rate_falls_to_a_tenth_in_stages_each_three_times_as_long() -> None:
    found = rates(decay="multistep", epochs=328)
    assert len(found) == 3280
    stages = [list(steps) for _, steps in itertools.groupby(found)]
    assert [len(steps) for steps in stages] == [3**i for i in range(8)]
    for i, steps in enumerate(stages):
        assert steps[0] == pytest.approx(0.2 * 10 ** (-i / 7))
    assert (found[0], found[-1]) == (0.2, pytest.approx(0.02))


def test_stages_are_shares_of_a_training_of_any_length() -> None:
    found = rates(decay="multistep", warmup_steps=2)
    assert found[:2] == [0.1, 0.2]
    # Of 28 steps the last stage begins after 1093 of 3280 shares, which is 9.3 steps.
    assert found[2:].count(found[-1]) == 18
    assert found[-1] == pytest.approx(0.02)
    assert found[1:] == sorted(found[1:], reverse=True)
    assert rates(decay="multistep", warmup_steps=30) == rates(warmup_steps=30)
    few = rates(decay="multistep", epochs=1)
    assert len(set(few)) == 4, "ten steps jump over the stages that are shorter than a step"


@pytest.mark.parametrize(
    "config",
    [{}, {"warmup_steps": 7, "decay": "cosine"}, {"warmup_steps": 7, "decay": "multistep"}],
    ids=str,
)
def test_each_part_has_the_schedule_of_its_own_rate(config: dict[str, Any]) -> None:
    made = schedule(learning_rate=ByPart({"a": 0.2, "b": 0.05}), **config)
    found = [made.learning_rate(step) for step in range(made.total_steps)]
    for part, full in (("a", 0.2), ("b", 0.05)):
        alone = schedule(learning_rate=full, **config)
        assert [rate[part] for rate in found] == [  # type: ignore[index]
            alone.learning_rate(step) for step in range(30)
        ]


def test_equal_rates_are_one_number() -> None:
    assert schedule(learning_rate=ByPart({"a": 0.2, "b": 0.2})).learning_rate(0) == 0.2
