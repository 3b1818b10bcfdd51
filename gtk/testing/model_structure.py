"""The checks of a model's constructor, networks and parts."""

from typing import Any

from torch import nn

from gtk.core.contracts.model import Model
from gtk.core.values.noise import NoiseSpec
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.model_case import ModelCase, build_loss, for_each_case
from gtk.testing.package import check_config, check_spec
from gtk.testing.weights import listed


@needs(check_spec, check_config)
def check_construction(specimen: Specimen) -> None:
    """The model can be constructed, defines its noise and networks, and fits its loss."""
    for_each_case(specimen, _construction)


def _construction(case: ModelCase) -> None:
    spec = case.settings.choice.model.spec
    target: Any = spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Model)):
        raise CheckFailed(f"{spec.target} is not a gtk.Model: derive it from gtk.Model")
    requires = build_loss(case.settings).requires
    if not issubclass(target, requires):
        raise CheckFailed(
            f"its spec's loss '{spec.loss}' is for models of type {requires.__name__}, and "
            f"{target.__name__} is not one: give it the methods of {requires.__name__}, or name "
            "another loss"
        )
    try:
        model, _ = case.construct()
    except AttributeError as error:
        if "before Module.__init__" in str(error):
            raise CheckFailed(
                f"{target.__name__} sets modules before super().__init__(): call that first"
            ) from error
        raise
    noise: Any = getattr(model, "noise", None)
    if not isinstance(noise, NoiseSpec):
        raise CheckFailed(
            f"{target.__name__} does not define the noise that sampling starts from: set "
            "self.noise = gtk.NoiseSpec((16,)), with the shape of its noise"
        )
    networks: Any = model.networks()
    if not isinstance(networks, dict) or not networks:
        raise CheckFailed(
            f"networks() of {target.__name__} returns {networks!r:.40}: return a dict of one "
            "network or more by role"
        )
    for name, network in networks.items():
        if not isinstance(network, nn.Module):
            raise CheckFailed(
                f"network '{name}' of {target.__name__} is {type(network).__name__}: make it an "
                "nn.Module"
            )


@needs(check_construction)
def check_conditioning(specimen: Specimen) -> None:
    """The conditioner acts in every network, and every site names a network."""
    for_each_case(specimen, _conditioning)


def _conditioning(case: ModelCase) -> None:
    model, record = case.construct()
    networks, name = model.networks(), type(model).__name__
    unknown = record.unknown_roles(networks)
    if unknown:
        raise CheckFailed(
            f"{name} asks its conditioner for a layer in '{unknown[0]}', and networks() has only "
            f"{', '.join(networks)}: use one of these as the role of its gtk.Site"
        )
    idle = record.idle_networks(networks, model.unconditioned)
    if idle:
        conditioner = case.settings.choice.conditioner.spec.name
        raise CheckFailed(
            f"conditioner '{conditioner}' does not act in {listed(idle)} of {name}, so the "
            "condition is ignored there: ask for a layer where it acts, as "
            f"conditioner.input(gtk.Site('{idle[0]}', 'input'), features), and pass the condition "
            "to it"
        )


@needs(check_conditioning)
def check_parts(specimen: Specimen) -> None:
    """Every parameter is in one part, and no part is empty."""
    for_each_case(specimen, _parts)


def _parts(case: ModelCase) -> None:
    model, _ = case.construct()
    name, parts = type(model).__name__, model.parts()
    given: Any = parts
    if not isinstance(given, dict) or not given:
        raise CheckFailed(
            f"parts() of {name} returns {given!r:.40}: return a dict of one module or more"
        )
    for part, module in parts.items():
        if not list(module.parameters()):
            raise CheckFailed(
                f"part '{part}' of {name} has no parameters to train: leave it out of parts()"
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
            "it a buffer"
        )


STRUCTURE_CHECKS: tuple[Check, ...] = (check_construction, check_conditioning, check_parts)
