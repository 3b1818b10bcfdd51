"""Updates that no step can be taken with: the error says what to yield instead."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import toys

from gtk.core.contracts.loss import Update
from gtk.core.values.errors import PluginError


def scores(model: Any) -> torch.Tensor:
    return model.first(torch.ones(10, 16)).square().mean(1)


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
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_named(make: Any, message: str) -> None:
    class Bad(toys.Game):
        def updates(self, model: Any, batch: Any, context: Any) -> Iterator[Update]:
            yield make(model)

    trainer = toys.trainer(Bad())
    with pytest.raises(PluginError, match=message):
        trainer.train_step(torch.arange(10))
