"""Small models and losses that show one thing each."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.contracts.model import ExportPart, Model
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.trainer import Trainer
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.noise import NoiseSpec

CPU = torch.device("cpu")


def dataset(train: int = 40, test: int = 6, size: int = 4) -> Dataset:
    """Random images of two classes."""
    generator = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = generator.integers(0, 256, (count, 1, size, size), dtype=np.uint8)
        return Split(images, generator.integers(0, 2, count))

    return Dataset(
        DataSpec("toy", 1, size, size, ConditionSpec(("a", "b"))), split(train), split(test)
    )


class TwoParts(Model):
    """Two linear maps that are trained by an optimizer each; the second has dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = NoiseSpec((2,))
        self.first = nn.Linear(16, 16)
        self.second = nn.Sequential(nn.Dropout(0.5), nn.Linear(16, 1))

    def networks(self) -> dict[str, nn.Module]:
        return {"first": self.first, "second": self.second}

    def parts(self) -> dict[str, nn.Module]:
        return self.networks()

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        return torch.sigmoid(noise).repeat(1, 8).reshape(-1, 1, 4, 4)

    def exports(self) -> dict[str, ExportPart]:
        return {}


class Game(Loss):
    """Two updates a step, the second on what the first has made of the weights."""

    requires: ClassVar[type] = Model
    unit: ClassVar[str] = "points"

    def __init__(self) -> None:
        self.gradients: list[dict[str, bool]] = []

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        flat = batch.images.flatten(1)
        noise = context.noise.normal(*flat.shape)
        score = model.second(model.first(flat + noise)).square().mean()
        yield Update(score, {"score": score}, part="first")
        self.note_gradients(model)
        yield Update(model.second(model.first(flat)).abs().mean(), part="second")
        self.note_gradients(model)

    def note_gradients(self, model: Any) -> None:
        self.gradients.append(
            {name: part.state_dict(keep_vars=True).popitem()[1].grad is not None
             for name, part in model.parts().items()}
        )  # fmt: skip

    def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
        flat = batch.images.flatten(1)
        noisy = flat + context.noise.normal(*flat.shape)
        return {"loss": model.second(model.first(noisy)).square()[:, 0]}


def model() -> TwoParts:
    """Make the model, always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TwoParts()


def trainer(loss: Loss | None = None, network: Model | None = None, **config: Any) -> Trainer:
    """Make a trainer of the toys: 40 images, 4 steps an epoch."""
    settings = TrainConfig(**{"epochs": 3, "batch_size": 10, "log_every": 3, **config})
    return Trainer(network or model(), loss or Game(), dataset(), settings, CPU)


class Normalized(Model):
    """Two parts with batch normalization and dropout, for images of 8x8; built as plugins are."""

    def __init__(self, config: Any, data_spec: DataSpec, conditioner: Any) -> None:
        super().__init__()
        self.noise = NoiseSpec((2,))
        self.first = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 4), nn.BatchNorm1d(4))

    def networks(self) -> dict[str, nn.Module]:
        return {"first": self.first, "second": self.second}

    def parts(self) -> dict[str, nn.Module]:
        return self.networks()

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        return torch.sigmoid(noise).repeat(1, 32).reshape(-1, 1, 8, 8)

    def exports(self) -> dict[str, ExportPart]:
        return {}


class Duel(Loss):
    """The parts pull the score in two directions, on a batch each; no term says who is better."""

    requires: ClassVar[type] = Normalized
    unit: ClassVar[str] = "points"
    criterion: ClassVar[str | None] = None
    batches = 2

    def __init__(self, config: Any) -> None:
        pass

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        one, two = batch.split(2)
        score = self.score(model, one, context)
        yield Update(score.mean(), {"spread": score.std()}, part="first")
        yield Update((self.score(model, two, context) - 1).square().mean(), part="second")

    def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
        score = self.score(model, batch, context)
        return {"first_loss": score, "second_loss": (score - 1).square()}

    def score(self, model: Any, batch: Batch, context: Context) -> Tensor:
        flat = batch.images.flatten(1)
        score: Tensor = model.second(model.first(flat + context.noise.normal(*flat.shape)))
        return score.square().mean(1)


class Judged(Loss):
    """A model's images are near the batch's, and a critic that the loss brings takes them for real.

    It brings a fixed network, too, which measures how near they are.
    """

    requires: ClassVar[type] = Model
    unit: ClassVar[str] = "points"

    def __init__(self, config: Any = None) -> None:
        pass

    def networks(self, model: Any) -> dict[str, nn.Module]:
        sites = model.sample(torch.zeros(1, *model.noise.shape), None)[0].numel()
        critic = nn.Sequential(
            nn.Linear(sites, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1)
        )
        measure = nn.Sequential(nn.Linear(sites, 3), nn.BatchNorm1d(3)).requires_grad_(False)
        return {"critic": critic, "measure": measure}

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        critic, made = context.networks["critic"], self.made(model, batch, context)
        real, false = critic(batch.images.flatten(1)), critic(made.detach())
        yield Update(softplus(-real).mean() + softplus(false).mean(), part="critic")
        yield Update(self.distance(made, batch, context).mean() + softplus(-critic(made)).mean())

    def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
        made = self.made(model, batch, context)
        critic: Any = context.networks["critic"]
        return {
            "loss": self.distance(made, batch, context),
            "score": critic(made)[:, 0],
            "weight": critic[0].weight.mean().expand(len(batch)),
            "age": context.step.float().expand(len(batch)),
        }

    def made(self, model: Any, batch: Batch, context: Context) -> Tensor:
        if isinstance(model, TwoParts):
            return torch.sigmoid(model.first(batch.images.flatten(1)))
        posterior = model.encode(batch.images, batch.condition)
        z = posterior.transform(context.noise.normal(*posterior.mean.shape))
        image: Tensor = model.expected_image(model.decode(z, batch.condition))
        return image.flatten(1)

    def distance(self, made: Tensor, batch: Batch, context: Context) -> Tensor:
        measure = context.networks["measure"]
        difference: Tensor = measure(made) - measure(batch.images.flatten(1))
        return difference.square().sum(1)


class OnePart(TwoParts):
    """The first of the two linear maps alone, with batch normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16))
        self.second = nn.Sequential()

    def parts(self) -> dict[str, nn.Module]:
        return {"model": self}

    def networks(self) -> dict[str, nn.Module]:
        return {"first": self.first}

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        return torch.sigmoid(self.first(noise.repeat(1, 8))).reshape(-1, 1, 4, 4)


def one_part() -> OnePart:
    """Make the model of one part, always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return OnePart()


def install_judged() -> None:
    """Have `gtk.train(plugin="vae")` train with the critic, in this process."""
    import gtk.plugins.losses.elbo

    gtk.plugins.losses.elbo.ELBO = Judged  # type: ignore[misc, assignment]


def install() -> None:
    """Have `gtk.train(plugin="vae")` train these instead of its own, in this process."""
    import gtk.plugins.losses.elbo
    import gtk.plugins.vae.model

    gtk.plugins.vae.model.VariationalAutoencoder = Normalized  # type: ignore[misc, assignment]
    gtk.plugins.losses.elbo.ELBO = Duel  # type: ignore[misc, assignment]


class Notes:
    """A callback that keeps the notes of a training."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @gtk.hookimpl
    def gtk_note(self, note: str) -> None:
        self.notes.append(note)
