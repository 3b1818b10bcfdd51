"""A small untrained model of each installed family, with which samplers and metrics are checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from gtk.core.contracts.model import Model
from gtk.core.models.build import build
from gtk.core.registry.installed import MODEL, Installed, installed
from gtk.core.settings.choice import Choice, Settings
from gtk.core.training.training import load_dataset
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError
from gtk.testing.check import CheckFailed, CheckSkipped, Specimen
from gtk.testing.loss_case import OURS, SMALL

Made = TypeVar("Made")


@dataclass(frozen=True)
class SmallModel:
    """An untrained model in eval mode, with the settings of a training and its data."""

    settings: Settings
    dataset: Dataset
    model: Model


def make_for_each_family(
    specimen: Specimen, make: Callable[[SmallModel], Made]
) -> tuple[list[Made], str]:
    """Make something of a model of each family that has what the specimen requires of a model.

    Models of one module are a family. It is the first model of each family, of the specimen's
    package and gtk's, or else of another, of which `make` raises no `GtkError`.

    Returns:
        What was made, and why gtk refuses the first model that it refuses; "" if it refuses none.

    Raises:
        CheckSkipped: no installed model has what is required.
    """
    refused, own = "", specimen.plugin.installed.package
    found: dict[tuple[str, str], Made] = {}
    for item in sorted(installed(MODEL), key=lambda it: (it.package not in (own, OURS), it.name)):
        family = (item.package, item.module)
        if found and item.package not in (own, OURS):
            break
        try:
            if family not in found and (small := _small_model(specimen, item)) is not None:
                found[family] = make(small)
        except GtkError as error:
            refused = refused or f"gtk refuses it with model {item.name!r}: {error}"
    if not found and not refused:
        requires: Any = specimen.plugin.spec.resolve().requires
        remedy = "install one beside it, best in the same package"
        raise CheckSkipped(f"no installed model is a {requires.__name__}: {remedy}")
    return [*found.values()], refused


def _small_model(specimen: Specimen, item: Installed) -> SmallModel | None:
    """Build a small model; None if it is not what the specimen requires."""
    choice = Choice.by_name(f"{item.package}/{item.name}", specimen.data)
    target: Any = choice.model.spec.resolve()
    if not issubclass(target, specimen.plugin.spec.resolve().requires):
        return None
    options = SMALL.get(item.name, {}) if item.package == OURS else {}
    settings = choice.settle({**options, "epochs": 1, "warmup_steps": 0}, None)
    dataset = load_dataset(settings)
    model, _ = build(settings, dataset.spec)
    return SmallModel(settings, dataset, model.eval())


def expect_protocol(requires: Any, example: str) -> None:  # noqa: ANN401 - whatever a plugin says
    """Raise `CheckFailed` unless `issubclass` can tell which models have what is required.

    Args:
        requires: of the plugin.
        example: a protocol that it might name.
    """
    try:
        issubclass(torch.nn.Module, requires)
    except TypeError as error:
        raise CheckFailed(
            f"its requires is {requires!r:.60}, and issubclass() cannot use that ({error}): name a "
            f"class, or a protocol of methods marked @runtime_checkable, such as {example}"
        ) from error
