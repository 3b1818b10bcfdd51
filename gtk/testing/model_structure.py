"""Checks of a model: what it is made of."""

from typing import Any

from torch import nn

from gtk.core.contracts.model import Model
from gtk.core.values.noise import NoiseSpec
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.model_case import Trial, build_loss, for_each_trial
from gtk.testing.package import check_config, check_spec
from gtk.testing.weights import listed


@needs(check_spec, check_config)
def check_construction(specimen: Specimen) -> None:
    """The model is constructed, says what noise it takes, and is what its loss is for."""
    for_each_trial(specimen, _construction)


def _construction(trial: Trial) -> None:
    spec = trial.settings.choice.model.spec
    target: Any = spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Model)):
        raise CheckFailed(f"{spec.target} is no gtk.Model: derive it from gtk.Model")
    requires = build_loss(trial.settings).requires
    if not issubclass(target, requires):
        raise CheckFailed(
            f"its spec's loss '{spec.loss}' is for models that are {requires.__name__}, and "
            f"{target.__name__} is none: give it the methods of {requires.__name__}, or name "
            "another loss"
        )
    try:
        model, _ = trial.construct()
    except AttributeError as error:
        if "before Module.__init__" in str(error):
            raise CheckFailed(
                f"{target.__name__} has modules before it is one: call super().__init__() first"
            ) from error
        raise
    noise: Any = getattr(model, "noise", None)
    if not isinstance(noise, NoiseSpec):
        raise CheckFailed(
            f"{target.__name__} does not say what sampling starts from: set self.noise = "
            "gtk.NoiseSpec((16,)), or whatever its shape is"
        )
    networks: Any = model.networks()
    if not isinstance(networks, dict) or not networks:
        raise CheckFailed(
            f"networks() of {target.__name__} gives {networks!r:.40}: it should be a dict of one "
            "network or more by role"
        )
    for name, network in networks.items():
        if not isinstance(network, nn.Module):
            raise CheckFailed(
                f"network '{name}' of {target.__name__} is {type(network).__name__}: it should be "
                "an nn.Module"
            )


@needs(check_construction)
def check_conditioning(specimen: Specimen) -> None:
    """The conditioner acts in every network, in layers that it was asked for by its role."""
    for_each_trial(specimen, _conditioning)


def _conditioning(trial: Trial) -> None:
    model, record = trial.construct()
    networks, name = model.networks(), type(model).__name__
    strange = sorted({site.role for site in record.acted} - networks.keys())
    if strange:
        raise CheckFailed(
            f"{name} asks its conditioner for a layer in '{strange[0]}', and networks() has only "
            f"{', '.join(networks)}: use one of these as the role of its gtk.Site"
        )
    idle = record.idle_networks(networks, model.unconditioned)
    if idle:
        conditioner = trial.settings.choice.conditioner.spec.name
        raise CheckFailed(
            f"conditioner '{conditioner}' acts nowhere in {listed(idle)} of {name}, so the "
            "condition is ignored there: ask for a layer where it acts, as "
            f"conditioner.input(gtk.Site('{idle[0]}', 'input'), features), and hand the condition "
            "to it"
        )


@needs(check_conditioning)
def check_parts(specimen: Specimen) -> None:
    """Every parameter is in one part, and no part is empty."""
    for_each_trial(specimen, _parts)


def _parts(trial: Trial) -> None:
    model, _ = trial.construct()
    name, parts = type(model).__name__, model.parts()
    given: Any = parts
    if not isinstance(given, dict) or not given:
        raise CheckFailed(
            f"parts() of {name} gives {given!r:.40}: it should be a dict of one module or more"
        )
    for part, module in parts.items():
        if not list(module.parameters()):
            raise CheckFailed(
                f"part '{part}' of {name} has no parameter: leave it out of parts(), there is "
                "nothing to train"
            )
    owners: dict[str, list[str]] = {}
    for path, parameter in model.named_parameters():
        owners[path] = [
            part
            for part, module in parts.items()
            if any(parameter is item for item in module.parameters())
        ]
    shared = {path: names for path, names in owners.items() if len(names) > 1}
    if shared:
        path, names = next(iter(shared.items()))
        raise CheckFailed(
            f"{path} of {name} is in the parts {' and '.join(names)}: let one of them train it"
        )
    left_out = [path for path, names in owners.items() if not names]
    if left_out:
        raise CheckFailed(
            f"{listed(left_out)} of {name} in no part, so never trained: add to parts(), or make "
            "what is not to be trained a buffer"
        )


STRUCTURE_CHECKS: tuple[Check, ...] = (check_construction, check_conditioning, check_parts)
