"""One update of a loss, taken as the trainer takes it, with its faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gtk.core.contracts.loss import Update
from gtk.core.contracts.model import Model
from gtk.core.training.optimizer import Optimizers
from gtk.core.training.pending_terms import as_scalar, terms_fault
from gtk.core.values.errors import PluginError
from gtk.testing.weights import listed


@dataclass(frozen=True)
class ReplayedUpdate:
    """One update of a step, with its faults; each text is empty where there is no such fault.

    Attributes:
        number: in the step, from 1.
        leak: the mode that was switched on at the yield, as "torch.no_grad()".
        fault: why the update cannot be taken, with the remedy.
        part: the part it trains, "" where that is unknown.
        value: of its loss, None where the loss is not a tensor.
        unreached: the parameters that its loss does not reach, with the remedy. The update can be
            taken all the same.
    """

    number: int
    leak: str
    fault: str
    part: str = ""
    value: Tensor | None = None
    unreached: str = ""


def left_on() -> str:
    """Return the mode that a generator left switched on at its yield, "" if there is none."""
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
    networks: Mapping[str, nn.Module],
    optimizers: Optimizers,
) -> ReplayedUpdate:
    """Take an update as the trainer does; `leak` is from `left_on` at the yield.

    `networks` are the loss's.
    """
    if not isinstance(update, Update):
        fault = f"it is of type {type(update).__name__}: yield gtk.Update(loss)"
        return ReplayedUpdate(number, leak, fault)
    part, parts, own = update.part, optimizers.parts, list(model.parts())
    if part is None and len(own) == 1:
        part = own[0]
    if part not in parts:
        brought = [name for name in parts if name not in own]
        more = f", the loss's networks {', '.join(map(repr, brought))}" if brought else ""
        fault = (
            f"{'its part is missing' if part is None else f'part {part!r} is unknown'}, and the "
            f"model's parts are {', '.join(map(repr, own))}{more}: write "
            "gtk.Update(loss, part=...)"
        )
        return ReplayedUpdate(number, leak, fault)
    fault = _loss_fault(update) or _terms_fault(update, parts)
    value = update.loss.detach().clone() if isinstance(update.loss, Tensor) else None
    if not fault and part in networks and update.statistics:
        fault = f"its statistics are for the model, and part {part!r} is the loss's: remove them"
    fault = fault or _step_fault(update, part, model, optimizers)
    unreached = "" if fault else _unreached(part, (model.parts() | dict(networks))[part])
    return ReplayedUpdate(number, leak, fault, part, value, unreached)


def _loss_fault(update: Update) -> str:
    loss: Any = update.loss
    if not isinstance(loss, Tensor):
        return f"its loss is of type {type(loss).__name__}: yield a tensor with a gradient"
    if loss.shape:
        return f"its loss has shape {tuple(loss.shape)}: take the mean over the batch"
    if not loss.isfinite():
        return f"its loss is {loss.item()} with untrained weights: look for log(0) or 1/0"
    if not loss.requires_grad:
        return (
            "its loss lacks a gradient: compute it outside of torch.no_grad(), from tensors that "
            "are not detached"
        )
    return ""


def _terms_fault(update: Update, parts: Sequence[str]) -> str:
    fault = terms_fault(update.terms, parts)
    if fault:
        return fault
    value: Any
    for name, value in update.terms.items():
        number = as_scalar(value, torch.device("cpu"))
        if not number.isfinite():
            return f"its term {name!r} is {number.item()} with untrained weights: look for log(0)"
    for name, value in update.statistics.items():
        if not isinstance(value, Tensor):
            return f"its statistic {name!r} is of type {type(value).__name__}: make it a tensor"
        if value.requires_grad:
            return f"its statistic {name!r} has a gradient: detach() it, or memory grows"
    return ""


def _step_fault(update: Update, part: str, model: Model, optimizers: Optimizers) -> str:
    """Take the update as the trainer does, and return its fault, "" if there is none."""
    try:
        optimizers.step(part, update.loss)
    except PluginError as error:
        return str(error).rstrip(".")
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        return f"its gradient cannot be computed: {reason}"
    if part in model.parts():
        with torch.no_grad():
            model.after_update(part, update.statistics)
    return ""


def _unreached(part: str, module: nn.Module) -> str:
    """Return the parameters that the gradient of the last update did not reach, with the remedy."""
    unreached = [
        name
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    if not unreached:
        return ""
    return (
        f"its loss does not reach {listed(unreached)}: use them, remove them from part {part!r}, "
        "or make them buffers"
    )
