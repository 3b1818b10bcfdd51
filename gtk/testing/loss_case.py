"""A loss under test with a small model that it is for."""

from typing import Any

from gtk.core.models.build import build
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import MODEL, Installed, installed
from gtk.core.settings.choice import Choice, Settings
from gtk.core.training.training import load_dataset
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.testing.check import CheckFailed, CheckSkipped, Specimen
from gtk.testing.replayed_step import ReplayedStep, step_batch

#: Options that keep gtk's own models small; other models keep their defaults.
SMALL: dict[str, dict[str, Any]] = {
    "vae": {"hidden_dims": (16,), "latent_dim": 2},
    "cvae": {"hidden_dims": (16,), "latent_dim": 2},
    # Not batch normalization: a gradient penalty needs scores that depend on one image each.
    "gan": {"channels": (8, 8), "latent_dim": 8, "discriminator_normalization": "group"},
    "cgan": {"channels": (8, 8), "latent_dim": 8, "discriminator_normalization": "group"},
}
OURS = "generative-toolkit"
UNCONDITIONAL = f"{OURS}/unconditional"
#: Epochs of a training, which is resumed before the last.
EPOCHS = 2


def replayed_step(specimen: Specimen) -> ReplayedStep:
    """Return a step of the loss with a small model, made once for all checks."""
    return specimen.once("replayed", lambda: new_replayed_step(specimen))


def new_replayed_step(specimen: Specimen) -> ReplayedStep:
    """Return a step of the loss with a new model and batch."""
    settings, dataset = loss_settings(specimen)
    model, loss = build(settings, dataset.spec)
    batches: Any = loss.batches
    if not isinstance(batches, int) or batches < 1:
        raise CheckFailed(f"its batches is {batches!r}: set it to a whole number, 1 or more")
    return ReplayedStep(model, loss, step_batch(dataset, loss))


def loss_settings(specimen: Specimen) -> tuple[Settings, Dataset]:
    """Return a training of a model that the loss is for, chosen once for all checks.

    Models of the loss's own package come first, then those of gtk, then all others.
    """
    return specimen.once("settings", lambda: _choose(specimen))


def _choose(specimen: Specimen) -> tuple[Settings, Dataset]:
    requires: Any = specimen.plugin.spec.resolve().requires
    own = specimen.plugin.installed.package
    # Conditional models (cvae, cgan) come first, since they test more.
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
            raise CheckFailed(f"gtk refuses it with model {item.name!r}: {error}") from error
        return settings, dataset
    remedy = "install one beside it, best in the same package"
    raise CheckSkipped(f"no installed model is a {requires.__name__}: {remedy}")


def settled(specimen: Specimen, model: Installed, conditioner: str | None = None) -> Settings:
    """Settle a training of a model with the loss, small where the model is gtk's own."""
    name = f"{model.package}/{model.name}"
    choice = Choice.by_name(name, specimen.data, conditioner, specimen.name)
    tables = {table: dict(values) for table, values in choice.presets.items()}
    tables["loss"] |= specimen.options
    tables["train"] |= {"epochs": EPOCHS, "batch_size": 64}
    if model.package == OURS:
        tables["model"] |= SMALL[model.name]
    return choice.settle_tables(tables, None)
