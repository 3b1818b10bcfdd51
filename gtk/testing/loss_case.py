"""A loss under test with a small model that it is for."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from gtk.core.models.build import build
from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import LOSS, MODEL, Installed, installed
from gtk.core.registry.spec import LossSpec, ModelSpec
from gtk.core.settings.choice import Choice, Settings
from gtk.core.settings.plugin_lookup import model_default
from gtk.core.training.training import load_dataset
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError
from gtk.testing.check import CheckFailed, CheckSkipped, Specimen
from gtk.testing.replayed_step import TOTAL_STEPS, ReplayedStep, step_batch

#: Options that keep gtk's own models small; other models keep their defaults.
SMALL: dict[str, dict[str, Any]] = {
    "vae": {"hidden_dims": (16,), "latent_dim": 2},
    "cvae": {"hidden_dims": (16,), "latent_dim": 2},
    "flow": {"width": 16, "depth": 1},
    "diffusion": {"width": 16, "depth": 1},
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
    """Return a training of a model that the loss is for, chosen once for all checks."""
    return specimen.once("settings", lambda: _choose(specimen))


def candidates(loss: Plugin[LossSpec]) -> Iterator[Plugin[ModelSpec]]:
    """Yield the models that are tried with a loss, in this order.

    They are those of the loss's own package whose specs name it. Without any, all installed ones:
    of the own package, of gtk, then others, which are imported only if they are needed. Conditional
    ones (cvae, cgan) come first, since they test more.
    """
    own = loss.installed.package
    items = sorted(
        installed(MODEL),
        key=lambda item: (item.package != own, item.package != OURS, item.name[0] != "c"),
    )
    models = _usable(item for item in items if item.package == own)
    naming = [model for model in models if _names(model, loss)]
    yield from naming or _usable(items)


def _names(model: Plugin[ModelSpec], loss: Plugin[LossSpec]) -> bool:
    """Return whether a model's spec names the loss."""
    try:
        return model_default(LOSS, model).installed == loss.installed
    except GtkError:  # which the checks of that model report
        return False


def _usable(items: Iterable[Installed]) -> Iterator[Plugin[ModelSpec]]:
    """Yield these models without broken ones, which may be of another package."""
    for item in items:
        with suppress(GtkError):
            yield find(MODEL, f"{item.package}/{item.name}")


def _choose(specimen: Specimen) -> tuple[Settings, Dataset]:
    """Return a training of the first candidate that the loss takes: `Loss.check` may refuse it."""
    requires: Any = specimen.plugin.spec.resolve().requires
    refused = ""
    for model in candidates(specimen.plugin):
        try:
            target: Any = model.spec.resolve()
            if not issubclass(target, requires):
                continue
            settings = settled(specimen, model.installed)
            dataset = load_dataset(settings)
            built, loss = build(settings, dataset.spec)
            loss.check(built, TOTAL_STEPS)
        except GtkError as error:
            refused = refused or f"gtk refuses it with model {model.spec.name!r}: {error}"
        else:
            return settings, dataset
    if refused:
        raise CheckFailed(refused)
    remedy = "install one beside it, best in the same package"
    raise CheckSkipped(f"no installed model is a {requires.__name__}: {remedy}")


def settled(specimen: Specimen, model: Installed, conditioner: str | None = None) -> Settings:
    """Settle a training of a model with the loss, small where the model is gtk's own.

    Options of the specimen that the loss does not have are the model's.
    """
    name = f"{model.package}/{model.name}"
    choice = Choice.by_name(name, specimen.data, conditioner, specimen.name)
    tables = {table: dict(values) for table, values in choice.presets.items()}
    tables["train"] |= {"epochs": EPOCHS, "batch_size": 64, "warmup_steps": 0}
    if conditioner == UNCONDITIONAL:
        tables["train"]["condition_dropout"] = 0.0
    if model.package == OURS:
        tables["model"] |= SMALL[model.name]
    fields = {(item.table, item.field) for item in choice.options}
    for option, value in specimen.options.items():
        loss_lacks_it = ("loss", option) not in fields and ("model", option) in fields
        tables["model" if loss_lacks_it else "loss"][option] = value
    return choice.settle_tables(tables, None)
