"""A loss with a small model that it is for, which its checks replay."""

from typing import Any

import torch

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Loss
from gtk.core.models.build import build
from gtk.core.registry.discovery import MODEL, Installed, find, installed
from gtk.core.settings.choice import Choice, Settings
from gtk.core.training.store import ImageStore
from gtk.core.training.training import load_dataset
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.testing.check import CheckFailed, CheckSkipped, Specimen
from gtk.testing.replayed_step import CPU, ReplayedStep

#: Options that keep gtk's own models small; other models have their defaults.
SMALL: dict[str, dict[str, Any]] = {
    "vae": {"hidden_dims": (16,), "latent_dim": 2},
    "cvae": {"hidden_dims": (16,), "latent_dim": 2},
    # Not batch normalization: a gradient penalty needs scores that depend on one image each.
    "gan": {"channels": (8, 8), "latent_dim": 8, "discriminator_normalization": "group"},
    "cgan": {"channels": (8, 8), "latent_dim": 8, "discriminator_normalization": "group"},
}
OURS = "generative-toolkit"
UNCONDITIONAL = f"{OURS}/unconditional"
#: Images in a batch.
BATCH = 16
#: Of a training, which is resumed before the last.
EPOCHS = 2


def replayed_step(specimen: Specimen) -> ReplayedStep:
    """Return the loss with a small model that it is for, made once for all checks."""
    return specimen.once("replayed", lambda: new_replayed_step(specimen))


def new_replayed_step(specimen: Specimen) -> ReplayedStep:
    """Return the loss with a new model and batch."""
    settings, dataset = specimen.once("settings", lambda: loss_settings(specimen))
    model, loss = build(settings, dataset.spec)
    batches: Any = loss.batches
    if not isinstance(batches, int) or batches < 1:
        raise CheckFailed(f"its batches is {batches!r}: set it to a whole number, 1 or more")
    return ReplayedStep(model, loss, step_batch(dataset, loss))


def step_batch(dataset: Dataset, loss: Loss) -> Batch:
    """Return a batch with as many images as one step takes."""
    conditional = dataset.spec.condition is not None
    store = ImageStore(dataset.train, conditional=conditional, device=CPU)
    return store.batch(torch.arange(BATCH * loss.batches) % len(store))


def loss_settings(specimen: Specimen) -> tuple[Settings, Dataset]:
    """Choose a model that the loss is for, first of its own package, then of gtk, then any."""
    requires: Any = specimen.plugin.spec.resolve().requires
    own = specimen.plugin.installed.package
    # Conditional models first (cvae, cgan), since they test more.
    models = sorted(
        installed(MODEL),
        key=lambda item: (item.package != own, item.package != OURS, item.name[0] != "c"),
    )
    for item in models:
        try:
            target: Any = find(MODEL, f"{item.package}/{item.name}").spec.resolve()
        except GtkError:  # a broken plugin of another package
            continue
        if not issubclass(target, requires):
            continue
        settings = settled(specimen, item)
        dataset = load_dataset(settings)
        try:
            build(settings, dataset.spec)
        except InvalidValue as error:
            raise CheckFailed(f"gtk refuses it with model '{item.name}': {error}") from error
        return settings, dataset
    raise CheckSkipped(
        f"no installed model is a {requires.__name__}: install one beside it, best in the same "
        "package"
    )


def settled(specimen: Specimen, model: Installed, conditioner: str | None = None) -> Settings:
    """Settle a training of a model with the loss; models of gtk are made small."""
    name = f"{model.package}/{model.name}"
    choice = Choice.by_name(name, specimen.data, conditioner, specimen.name)
    tables = {table: dict(values) for table, values in choice.presets.items()}
    tables["loss"] |= specimen.options
    tables["train"] |= {"epochs": EPOCHS, "batch_size": 64}
    if model.package == OURS:
        tables["model"] |= SMALL[model.name]
    return choice.settle_tables(tables, None)
