"""The messages of the checks of a step."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import toys

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.testing.check import CheckFailed
from gtk.testing.replayed_step import (
    ReplayedStep,
)
from gtk.testing.step_checks import (
    expect_clean_yields,
    expect_own_noise,
    expect_repeatable_updates,
    expect_sound_evaluation,
    expect_sound_updates,
)
from gtk.testing.weights import differing, listed, same_bits, weights_of

Updates = Callable[[Any, Batch, Context], Iterator[Update]]
EXPECTATIONS = (
    expect_clean_yields,
    expect_sound_updates,
    expect_repeatable_updates,
    expect_own_noise,
    expect_sound_evaluation,
)


def replayed(updates: Updates | None = None, **members: Any) -> ReplayedStep:
    """Play a game of toys, with other updates or members where these are given."""
    if updates is not None:
        members["updates"] = lambda self, *given: updates(*given)
    loss = type("Played", (toys.Game,), members)()
    images = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return ReplayedStep(toys.model(), loss, Batch(images, torch.arange(8) % 2))


def score(model: Any, batch: Batch, noise: torch.Tensor | float = 0.0) -> torch.Tensor:
    return model.second(model.first(batch.images.flatten(1) + noise)).square()


def test_a_sound_game_is_refused_nothing_and_left_as_it_was() -> None:
    step = replayed()
    before = weights_of(step.model)
    for expect in EXPECTATIONS:
        expect(step)
    assert not differing(before, weights_of(step.model))
    assert [update.part for update in step.replay()] == ["first", "second"]


def unnamed(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    yield Update(score(model, batch).mean())


def unknown(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    yield Update(score(model, batch).mean(), part="third")


def vector(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    yield Update(score(model, batch)[:, 0], part="first")


def infinite(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    yield Update(score(model, batch).mean() / 0, part="first")


def detached(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    yield Update(score(model, batch).mean().detach(), part="first")


def blind(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    yield Update(model.first(batch.images.flatten(1)).mean(), part="second")


def wide_term(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    values = score(model, batch)
    yield Update(values.mean(), {"each": values}, part="first")


def learning_statistic(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    loss = score(model, batch).mean()
    yield Update(loss, part="first", statistics={"mean": loss})


def in_advance(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    first = score(model, batch).mean()
    second = score(model, batch).mean() * 2
    yield Update(first, part="second")
    yield Update(second, part="first")


def bare(model: Any, batch: Batch, context: Context) -> Iterator[Any]:
    yield score(model, batch).mean()


def number(model: Any, batch: Batch, context: Context) -> Iterator[Any]:
    yield Update(0.5, part="first")


def endless_term(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    yield Update(score(model, batch).mean(), {"far": torch.tensor(torch.inf)}, part="first")


def number_statistic(model: Any, batch: Batch, context: Context) -> Iterator[Any]:
    yield Update(score(model, batch).mean(), part="first", statistics={"count": 3})


def nothing(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
    return iter(())


@pytest.mark.parametrize(
    ("updates", "message"),
    [
        (unnamed, "its part is missing, and the model's parts are 'first', 'second'"),
        (unknown, "part 'third' is unknown, and the model's parts are"),
        (vector, "its loss has shape (8,): take the mean over the batch"),
        (infinite, "its loss is inf with untrained weights"),
        (detached, "its loss lacks a gradient"),
        (blind, "does not reach 1.weight, 1.bias"),
        (wide_term, "its term 'each' is (8, 1): make it a scalar tensor"),
        (learning_statistic, "its statistic 'mean' has a gradient: detach() it"),
        (in_advance, "compute each loss after the yield before it"),
        (bare, "it is of type Tensor: yield gtk.Update(loss)"),
        (number, "its loss is of type float: yield a tensor with a gradient"),
        (endless_term, "its term 'far' is inf with untrained weights"),
        (number_statistic, "its statistic 'count' is of type int: make it a tensor"),
        (nothing, "yields nothing"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_an_unsound_update_is_told_with_its_remedy(updates: Updates, message: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        expect_sound_updates(replayed(updates))
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("block", "named"),
    [
        (torch.no_grad, "torch.no_grad()"),
        (torch.inference_mode, "torch.inference_mode()"),
        (lambda: torch.autocast("cpu"), "torch.autocast()"),
    ],
)
def test_a_yield_inside_a_with_block_is_told(block: Callable[[], Any], named: str) -> None:
    def leaking(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        loss = score(model, batch).mean()
        with block():
            yield Update(loss, part="first")

    with pytest.raises(CheckFailed, match="leave the with block, then yield") as failure:
        expect_clean_yields(replayed(leaking))
    assert named in str(failure.value)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_draws_from_numpy_are_told_where_a_step_is_repeated() -> None:
    def dice(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        yield Update(score(model, batch, np.random.rand()).mean(), part="first")  # noqa: NPY002

    before = np.random.get_state()[1]  # noqa: NPY002
    with pytest.raises(CheckFailed, match="repeated with the same seed has other losses"):
        expect_repeatable_updates(replayed(dice))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_draws_from_torch_are_told_though_the_trainer_seeds_them() -> None:
    def loud(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        yield Update(score(model, batch, torch.randn(())).mean(), part="first")

    expect_repeatable_updates(replayed(loud))
    with pytest.raises(CheckFailed, match="depend on a global generator"):
        expect_own_noise(replayed(loud))


def test_what_is_kept_from_step_to_step_is_told() -> None:
    steps = iter(range(100))

    def counting(model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        yield Update(score(model, batch, next(steps)).mean(), part="first")

    with pytest.raises(CheckFailed, match="keep state only in parameters and buffers"):
        expect_repeatable_updates(replayed(counting))


def evaluated(terms: Callable[[Any, Batch], Any]) -> ReplayedStep:
    return replayed(evaluate=lambda self, model, batch, context: terms(model, batch))


def moving(model: Any, batch: Batch) -> dict[str, Any]:
    model.first.bias.add_(1)
    return {"loss": score(model, batch)[:, 0] * 0}


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (lambda model, batch: {}, "return a dict of one term or more"),
        (lambda model, batch: {"loss": score(model, batch).mean()}, "return a number for"),
        (lambda model, batch: {"loss": batch.condition}, "in torch.int64"),
        (lambda model, batch: {"loss": torch.full((8,), torch.nan)}, "not finite everywhere"),
        (lambda model, batch: {"error": torch.zeros(8)}, "the criterion of Played is 'loss'"),
        (lambda model, batch: {"loss": torch.rand(8)}, "another 'loss' when it is called again"),
        (moving, "changes first.bias of the model"),
    ],
)
def test_an_unsound_evaluation_is_told(terms: Callable[[Any, Batch], Any], message: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        expect_sound_evaluation(evaluated(terms))
    assert message in str(failure.value)


def test_bits_are_compared_not_values() -> None:
    zeros, nans = torch.zeros(2), torch.full((2,), torch.nan)
    assert not same_bits(zeros, -zeros)
    assert same_bits(nans, nans)
    assert not same_bits(zeros, zeros.double())
    assert same_bits(torch.zeros(()), torch.zeros(()))
    assert differing({"a": zeros}, {"a": zeros, "b": nans}) == ["b"]
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
