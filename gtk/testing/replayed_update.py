"""One update of a loss, taken as the trainer takes it, and what is wrong with it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gtk.core.contracts.loss import Update
from gtk.core.contracts.model import Model
from gtk.core.training.optimizer import Optimizers
from gtk.core.values.errors import PluginError
from gtk.testing.weights import listed


@dataclass(frozen=True)
class Move:
    """One update of a step, as it was found.

    Attributes:
        number: which of the step's, from 1.
        part: the part it trains, "" where that cannot be said.
        value: of its loss, None where that is no scalar.
        leak: what was on while it was yielded and should not be, as "torch.no_grad()"; else "".
        fault: what is wrong with it and how to mend it, "" if nothing is.
        unreached: what its loss does not reach and how to mend it, "" if it reaches all; the step
            can be taken all the same.
    """

    number: int
    part: str
    value: Tensor | None
    leak: str
    fault: str
    unreached: str = ""


def left_on() -> str:
    """Return what a generator that has just yielded has left switched on."""
    if torch.is_inference_mode_enabled():
        return "torch.inference_mode()"
    if not torch.is_grad_enabled():
        return "torch.no_grad()"
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        return "torch.autocast()"
    return ""


def take(
    number: int,
    update: object,
    leak: str,
    model: Model,
    optimizers: Optimizers,
) -> Move:
    """Take an update, if it can be taken.

    Args:
        number: which of the step's it is, from 1.
        update: as the loss yielded it.
        leak: what `left_on` said at the yield.
        model: that it is an update of.
        optimizers: of the model.
    """
    if not isinstance(update, Update):
        fault = f"it is {type(update).__name__}: yield gtk.Update(loss)"
        return Move(number, "", None, leak, fault)
    part = update.part
    if part is None and len(optimizers.parts) == 1:
        part = optimizers.parts[0]
    if part not in optimizers.parts:
        names = ", ".join(f"'{name}'" for name in optimizers.parts)
        known = f"the model's parts are {names}: say gtk.Update(loss, part=...)"
        fault = "it names no part, and " if part is None else f"there is no part '{part}': "
        return Move(number, "", None, leak, fault + known)
    fault = _loss_fault(update) or _terms_fault(update)
    value = update.loss.detach().clone() if isinstance(update.loss, Tensor) else None
    if not fault:
        fault = _step_fault(update, part, model, optimizers)
    unreached = "" if fault else _unreached(part, model)
    return Move(number, part, value, leak, fault, unreached)


def _loss_fault(update: Update) -> str:
    loss: Any = update.loss
    if not isinstance(loss, Tensor):
        return f"its loss is {type(loss).__name__}: it should be a tensor with a gradient"
    if loss.shape:
        return f"its loss has shape {tuple(loss.shape)}: take the mean over the batch"
    if not loss.isfinite():
        return f"its loss is {loss.item()} before anything was learned: look for log(0) or 1/0"
    if not loss.requires_grad:
        return (
            "its loss has no gradient: compute it outside of torch.no_grad(), from tensors that "
            "are not detached"
        )
    return ""


def _terms_fault(update: Update) -> str:
    value: Any
    for name, value in update.terms.items():
        if not isinstance(value, Tensor) or value.shape:
            given = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            return f"its term '{name}' is {given}: it should be a scalar tensor, as a mean is"
        if not value.isfinite():
            return f"its term '{name}' is {value.item()} before anything was learned"
    for name, value in update.statistics.items():
        if not isinstance(value, Tensor):
            return f"its statistic '{name}' is {type(value).__name__}: it should be a tensor"
        if value.requires_grad:
            return f"its statistic '{name}' has a gradient: detach() it, or memory grows"
    return ""


def _step_fault(update: Update, part: str, model: Model, optimizers: Optimizers) -> str:
    """Take the step as the trainer does, and say what is wrong with it."""
    try:
        optimizers.step(part, update.loss)
    except PluginError as error:
        return str(error).rstrip(".")
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        return f"its gradient cannot be computed: {reason}"
    if update.statistics:
        with torch.no_grad():
            model.after_update(part, update.statistics)
    return ""


def _unreached(part: str, model: Model) -> str:
    """Say which parameters the gradient of the step just taken has not come to."""
    unreached = [
        name
        for name, parameter in model.parts()[part].named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    if not unreached:
        return ""
    return (
        f"its loss does not reach {listed(unreached)}: use them, take them out of part '{part}', "
        "or make them buffers"
    )
