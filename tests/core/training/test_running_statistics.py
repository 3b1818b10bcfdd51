"""Running statistics of a part come from the passes of its own updates, and from no others."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
import toys
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.training.running_statistics import RunningStatistics


class Uncounted(nn.Module):
    """A batch normalization of a plugin's own, which counts no passes."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, values: Tensor) -> Tensor:
        return batch_norm(values, self.running_mean, self.running_var, training=self.training)


class Assigned(nn.Module):
    """It assigns new tensors to its buffer."""

    mean: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))

    def forward(self, values: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * values.detach().mean(0)
        return values - values.mean(0)


class Networks(toys.TwoParts):
    """A generator and a discriminator of vectors, with a normalization each."""

    seen: Tensor

    def __init__(self, norm: Callable[[int], nn.Module] = nn.BatchNorm1d) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(16, 16), norm(16))
        self.second = nn.Sequential(nn.Linear(16, 8), norm(8), nn.Linear(8, 1))
        self.second.register_buffer("seen", torch.zeros(()))

    def after_update(self, part: str, statistics: Mapping[str, Tensor]) -> None:
        self.second.seen += 1


def generator(model: Any, images: Tensor) -> Tensor:
    generated: Tensor = model.first(images.flip(0))
    return generated


def discriminator_loss(model: Any, images: Tensor, generated: Tensor) -> Update:
    scores = model.second(images) - model.second(generated.detach())
    return Update(scores.square().mean(), part="second")


def shared(model: Any, images: Tensor) -> Iterator[Update]:
    """As usual: the generator is trained on the images that the discriminator has seen."""
    generated = generator(model, images)
    yield discriminator_loss(model, images, generated)
    yield Update(model.second(generated).mean(), part="first")


def anew(model: Any, images: Tensor) -> Iterator[Update]:
    """Every update has generated images of its own, the discriminator's without gradients."""
    for _ in range(2):
        with torch.no_grad():
            generated = generator(model, images)
        yield discriminator_loss(model, images, generated)
    yield Update(model.second(generator(model, images)).mean(), part="first")


def reversed_order(model: Any, images: Tensor) -> Iterator[Update]:
    """The generator comes first."""
    generated = generator(model, images)
    yield Update(model.second(generated).mean(), part="first")
    yield discriminator_loss(model, images, generated)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, Uncounted, Assigned])
@pytest.mark.parametrize(("updates", "own"), [(shared, 1), (anew, 2), (reversed_order, 1)])
def test_each_part_has_the_statistics_of_its_own_passes(
    updates: Any, own: int, norm: Callable[[int], nn.Module]
) -> None:
    seen: list[tuple[str, Tensor]] = []

    class Game(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            yield from updates(model, batch.images.flatten(1))

    torch.manual_seed(0)
    model = Networks(norm)
    for name, module in (("first", model.first[1]), ("second", model.second[1])):
        module.register_forward_pre_hook(lambda _, given, name=name: seen.append((name, given[0])))
    trainer = toys.trainer(Game(), model)
    for _, rows in zip(range(3), trainer.schedule.batches(0), strict=False):
        trainer.train_step(rows)
    first = [values for name, values in seen if name == "first"]
    second = [values for name, values in seen if name == "second"]
    each = len(second) // 3  # passes of a step
    start = 1 if updates is reversed_order else 0
    counted = {
        "first": [first[(step + 1) * len(first) // 3 - 1] for step in range(3)],
        "second": [
            values for step in range(3) for values in second[step * each + start :][: 2 * own]
        ],
    }
    for name, module in (("first", model.first[1]), ("second", model.second[1])):
        expected = norm(len(counted[name][0][0]))
        for values in counted[name]:
            expected(values.detach())
        for key, value in expected.named_buffers():
            found = dict(module.named_buffers())[key]
            assert torch.allclose(found.float(), value.float(), atol=1e-6), (name, key)
    assert model.second.seen == 3 * (own + 1), "what after_update changes stays"


def test_a_model_with_one_part_is_left_alone() -> None:
    statistics = RunningStatistics({"model": nn.BatchNorm1d(3)})
    assert not list(statistics._all())


def test_a_module_of_two_parts_is_left_alone() -> None:
    norm = nn.BatchNorm1d(3, affine=False)
    first, second = nn.Sequential(nn.Linear(3, 3), norm), nn.Sequential(nn.Linear(3, 3), norm)
    statistics = RunningStatistics({"first": first, "second": second})
    statistics.begin_step()
    first(torch.rand(4, 3) + 5)
    changed = norm.running_mean.clone()
    statistics.assign("second")
    assert torch.equal(norm.running_mean, changed)
