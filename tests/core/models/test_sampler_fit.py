"""The stream of training images that a sampler is fitted to, and what it may return."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gtk
from gtk.core.models.sampler_fit import fit
from gtk.core.values.dataset import Split
from gtk.core.values.errors import PluginError, WorkFailed

COUNT = 600
#: Each image is its own number, in two pixels, and half of that is its label.
SPLIT = Split(
    np.stack([np.arange(COUNT) // 256, np.arange(COUNT) % 256], 1).astype(np.uint8)[:, None, None],
    np.arange(COUNT) // 2,
)


class Learning(gtk.Sampler[Any]):
    """A sampler that is fitted by a function of the batches."""

    requires = nn.Module
    learn: Callable[[Iterable[gtk.Batch]], Any]

    def fit(self, batches: Iterable[gtk.Batch]) -> dict[str, Tensor]:
        assert not self.model.training
        assert not torch.is_grad_enabled()
        found: dict[str, Tensor] = self.learn(batches)
        return found

    def module(self) -> nn.Module:
        raise NotImplementedError


def learning(
    learn: Callable[[Iterable[gtk.Batch]], Any], condition: gtk.ConditionSpec | None = None
) -> Learning:
    """Return a sampler of a model in train mode, with a condition or without."""
    model: Any = nn.Linear(1, 1)
    model.condition = condition
    sampler = Learning(gtk.NoConfig(), model)
    sampler.learn = learn
    return sampler


def numbers(batches: Iterable[gtk.Batch]) -> dict[str, Tensor]:
    """Return which images there are, by their pixels and by their labels."""
    kept = list(batches)
    pixels = torch.cat([255 * batch.images.flatten(1) for batch in kept]).round().long()
    labels = [batch.condition for batch in kept if batch.condition is not None]
    found = {"images": pixels[:, 0] * 256 + pixels[:, 1]}
    return {**found, "labels": torch.cat(labels)} if labels else found


def test_each_of_the_rows_comes_once_in_an_order_of_the_seed() -> None:
    rows = torch.arange(0, COUNT, 2)
    found = []
    for seed in (3, 3, 4):
        sampler = learning(numbers, gtk.Classes(tuple(map(str, range(300)))))
        assert fit(sampler, SPLIT, rows, seed) == 300
        assert sampler.model.training, "its mode is restored"
        assert torch.equal(sampler.fitted["images"].sort().values, rows)
        assert torch.equal(sampler.fitted["labels"], sampler.fitted["images"] // 2)
        found.append(sampler.fitted["images"])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert 200 < found[0][:100].double().mean() < 400, "the first are a fair choice"


def test_a_model_without_a_condition_gets_none_and_may_take_a_few_images() -> None:
    def first(batches: Iterable[gtk.Batch]) -> dict[str, Tensor]:
        batch = next(iter(batches))
        assert batch.condition is None
        return {"mean": batch.images.mean()}

    assert fit(learning(first), SPLIT, torch.arange(COUNT), 0) == 256


@pytest.mark.parametrize(
    ("learned", "error", "message"),
    [
        ([torch.ones(1)], PluginError, r"fit\(\) of Learning must return a dict of tensors"),
        ({"mean": 1.5}, PluginError, r"fit\(\) of Learning must return a dict of tensors"),
        ({"mean": torch.tensor([1, torch.nan])}, WorkFailed, "'mean' with numbers that are not"),
    ],
)
def test_what_is_no_dict_of_finite_tensors_is_one_line(
    learned: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(learning(lambda _: learned), SPLIT, torch.arange(COUNT), 0)
