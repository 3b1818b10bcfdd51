"""The checks of a model's constructor, networks and parts."""

from typing import Any

from torch import nn

from gtk.core.contracts.model import Model
from gtk.core.values.noise import NoiseSpec
from gtk.testing.check import CheckFailed, checks_in
from gtk.testing.model_case import ModelCase, model_check
from gtk.testing.package import check_config, check_spec
from gtk.testing.weights import listed


@model_check(check_spec, check_config)
def check_construction(case: ModelCase) -> None:
    """The model can be constructed, defines its noise and networks, and fits its loss."""
    spec = case.settings.choice.model.spec
    target: Any = spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Model)):
        raise CheckFailed(f"{spec.target} is not a gtk.Model: derive it from gtk.Model")
    loss: Any = case.settings.choice.loss.spec.resolve()
    requires = loss.requires
    if not issubclass(target, requires):
        raise CheckFailed(
            f"its spec's loss {spec.loss!r} is for models of type {requires.__name__}, and "
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
        remedy = "return a dict of one network or more by role"
        raise CheckFailed(f"networks() of {target.__name__} returns {networks!r:.40}: {remedy}")
    for name, network in networks.items():
        if not isinstance(network, nn.Module):
            raise CheckFailed(
                f"network {name!r} of {target.__name__} is {type(network).__name__}: make it an "
                "nn.Module"
            )


@model_check(check_construction)
def check_conditioning(case: ModelCase) -> None:
    """The conditioner acts in every network, and every site names a network."""
    model, record = case.construct()
    networks, name = model.networks(), case.class_name
    unknown = record.unknown_roles(networks)
    if unknown:
        raise CheckFailed(
            f"{name} asks its conditioner for a layer in {unknown[0]!r}, and networks() has only "
            f"{', '.join(networks)}: use one of these as the role of its gtk.Site"
        )
    idle = record.idle_networks(networks, model.unconditioned)
    if idle:
        conditioner = case.settings.choice.conditioner.spec.name
        raise CheckFailed(
            f"conditioner {conditioner!r} does not act in {listed(idle)} of {name}, so the "
            "condition is ignored there: ask for a layer where it acts, as "
            f"conditioner.input(gtk.Site({idle[0]!r}, 'input'), features), and call it"
        )


@model_check(check_conditioning)
def check_parts(case: ModelCase) -> None:
    """Every parameter is in one part, and no part is empty."""
    model, _ = case.construct()
    name = case.class_name
    parts: Any = model.parts()
    if not isinstance(parts, dict) or not parts:
        remedy = "return a dict of one module or more"
        raise CheckFailed(f"parts() of {name} returns {parts!r:.40}: {remedy}")
    for part, module in parts.items():
        if not list(module.parameters()):
            remedy = "leave it out of parts()"
            raise CheckFailed(f"part {part!r} of {name} has no parameters to train: {remedy}")
    left_out = []
    for path, parameter in model.named_parameters():
        owners = [
            part
            for part, module in parts.items()
            if any(parameter is item for item in module.parameters())
        ]
        if len(owners) > 1:
            remedy = "let one of them train it"
            raise CheckFailed(f"{path} of {name} is in the parts {' and '.join(owners)}: {remedy}")
        if not owners:
            left_out.append(path)
    if left_out:
        remedy = "add to parts(), or make it a buffer"
        raise CheckFailed(f"{listed(left_out)} of {name} in no part, so never trained: {remedy}")


CHECKS = checks_in(globals())
