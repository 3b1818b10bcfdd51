"""One step of a loss on a copy of a model, taken as the trainer takes it."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import torch
from torch import nn

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.models.loss_networks import is_trained, loss_networks
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.optimizer import Optimizers
from gtk.core.training.store import ImageStore
from gtk.core.values.dataset import Dataset
from gtk.testing.process_state import seeded_generators
from gtk.testing.replayed_update import ReplayedUpdate, left_on, take

CPU = torch.device("cpu")
#: Steps of the training that the replayed step belongs to: longer than any warm-up.
TOTAL_STEPS = 100_000
#: Images in each batch that a loss takes.
BATCH_SIZE = 16


@dataclass(frozen=True)
class ReplayedStep:
    """A step that can be repeated: each replay works on a copy of the model.

    Attributes:
        model: before the step.
        loss: yields the updates.
        batch: `loss.batches` times as many images as in a batch of a training.
    """

    model: Model
    loss: Loss
    batch: Batch

    @property
    def name(self) -> str:
        """The name of the loss's class, for messages."""
        return type(self.loss).__name__

    @cached_property
    def networks(self) -> dict[str, nn.Module]:
        """The loss's networks before the step."""
        return loss_networks(self.loss, self.model, seed=0)

    def replay(
        self, *, seed: int = 0, global_seed: int = 0, training: bool = True, step: int = 0
    ) -> list[ReplayedUpdate]:
        """Take the updates of one step, each before the next is computed.

        The step ends with the first update that cannot be taken.

        Args:
            seed: of `context.noise`.
            global_seed: of the generators of torch, numpy and Python.
            training: whether the model is in train mode.
            step: the number of the step in the training.
        """
        model, networks = copy.deepcopy((self.model, self.networks))
        for module in (model, *filter(is_trained, networks.values())):
            module.train(training)
        optimizers = Optimizers(model, TrainConfig(), networks)
        given = context(seed, step, networks, optimizers.rates)
        replayed: list[ReplayedUpdate] = []
        with (
            seeded_generators(global_seed),
            _closed(self.loss.updates(model, self.batch, given)) as updates,
        ):
            for number, update in enumerate(updates, 1):
                leak = left_on()
                with torch.inference_mode(False), torch.enable_grad():
                    replayed.append(take(number, update, leak, model, networks, optimizers))
                if replayed[-1].fault:
                    break
        return replayed


def step_batch(dataset: Dataset, loss: Loss) -> Batch:
    """Return the first training images, as many as one step takes."""
    conditional = dataset.spec.condition is not None
    store = ImageStore(dataset.train, conditional=conditional, device=CPU)
    return store.batch(torch.arange(BATCH_SIZE * loss.batches) % len(store))


def context(
    seed: int,
    step: int = 0,
    networks: Mapping[str, nn.Module] = MappingProxyType({}),
    rates: Mapping[str, float] = MappingProxyType({}),
) -> Context:
    """Return the context of a step of a long training."""
    noise = Noise(CPU)
    noise.seed(seed)
    step_done = torch.tensor(step, dtype=torch.int64)
    return Context(noise, step_done, TOTAL_STEPS, networks, rates)


@contextmanager
def _closed(updates: Iterator[Update]) -> Iterator[Iterator[Update]]:
    """Close a generator that may be unfinished, so that it leaves its with blocks at once."""
    try:
        yield updates
    finally:
        getattr(updates, "close", lambda: None)()
