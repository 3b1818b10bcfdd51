"""Updates that no step can be taken with: the error says what to yield instead."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
import toys

from gtk.core.contracts.loss import Update
from gtk.core.values.errors import PluginError


def scores(model: Any) -> torch.Tensor:
    return model.first(torch.ones(10, 16)).square().mean(1)


def with_terms(model: Any, **terms: Any) -> Update:
    return Update(scores(model).mean(), terms, "first")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model: Update(scores(model), part="first"),
         r"Bad yields a loss of shape \(10,\): yield its mean, a scalar."),
        (lambda model: Update(scores(model).mean().detach(), part="first"),
         r"Bad yields a loss without a gradient: compute it from the model's parameters, outside"),
        (lambda model: scores(model).mean(), r"Bad yields Tensor: yield gtk.Update\(loss\)."),
        (lambda model: ("first", scores(model).mean()), r"Bad yields tuple: yield gtk.Update"),
        (lambda model: None, r"Bad yields NoneType: yield gtk.Update"),
        (lambda model: Update(0.5, part="first"), r"a loss of type float: yield a tensor with a"),
        (lambda model: with_terms(model, loss=1.0), "Bad yields an update, and its term 'loss' is"),
        (lambda model: with_terms(model, second_loss=1.0), "term 'second_loss' is named as a loss"),
        (lambda model: with_terms(model, each=scores(model)), r"its term 'each' is \(10,\): make"),
        (lambda model: with_terms(model, each=np.zeros(3)), r"its term 'each' is \(3,\): make it"),
        (lambda model: with_terms(model, word="x"), "its term 'word' is str: make it a scalar"),
        (lambda model: with_terms(model, nothing=None), "its term 'nothing' is NoneType: make it"),
        (lambda model: with_terms(model, spin=1j), "its term 'spin' is complex: make it a scalar"),
        (lambda model: Update(scores(model).mean(), {3: 1.0}, "first"), "term 3 is named by int"),
        (lambda model: Update(scores(model).mean(), [1.0], "first"), "its terms are list: make"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_named(make: Any, message: str) -> None:
    class Bad(toys.Game):
        def updates(self, model: Any, batch: Any, context: Any) -> Iterator[Update]:
            yield make(model)

    trainer = toys.trainer(Bad())
    with pytest.raises(PluginError, match=message) as error:
        trainer.train_step(torch.arange(10))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "value",
    [
        2.0,
        2,
        True + 1,
        np.float64(2),
        np.int32(2),
        np.array(2),
        Fraction(2),
        torch.tensor(2),
        torch.tensor([2.0]),
        torch.tensor([[2.0]], dtype=torch.float64, requires_grad=True),
    ],
)
def test_one_number_of_any_type_is_a_term(value: Any) -> None:
    class Counting(toys.Game):
        def updates(self, model: Any, batch: Any, context: Any) -> Iterator[Update]:
            yield Update(scores(model).mean(), {"two": value}, part="first")

    trainer = toys.trainer(Counting())
    trainer.train_step(torch.arange(10))
    assert trainer.learner.pending.means()["two"] == 2
    again = toys.trainer(Counting())
    again.learner.pending.restore(
        trainer.learner.pending.as_json(), trainer.learner.pending.tensors(), toys.CPU
    )
    again.train_step(torch.arange(10))
    assert again.learner.pending.means()["two"] == 2


def test_a_number_beyond_all_floats_is_reported_as_not_finite() -> None:
    class Huge(toys.Game):
        def updates(self, model: Any, batch: Any, context: Any) -> Iterator[Update]:
            yield Update(scores(model).mean(), {"far": 10**400}, part="first")

    trainer = toys.trainer(Huge())
    trainer.train_step(torch.arange(10))
    found = trainer.learner.pending.first_not_finite()
    assert found == (1, "far (part first) became inf")
