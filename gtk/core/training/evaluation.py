"""Evaluate a loss on held-out images, the same figure whatever the batch size of the training."""

from typing import Any

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.models.device import fork_random_state
from gtk.core.registry.discovery import describe
from gtk.core.training.store import ImageStore
from gtk.core.values.errors import InvalidValue, PluginError, unknown_name
from gtk.core.values.seeding import derive_seed
from gtk.core.values.setting import setting

#: Rows of the data that share one draw of noise; fixed, so that no setting changes a figure.
BLOCK = 256


def evaluate(
    model: Model, loss: Loss, store: ImageStore, context: Context, seed: int
) -> dict[str, float]:
    """Return the mean over all images of each of the loss's terms.

    Args:
        model: put in eval mode for the while and then back.
        loss: whose `evaluate` is asked.
        store: the images, on the model's device.
        context: of the training, for its step.
        seed: of the training; the noise of block k is drawn from (seed, "evaluate", k).

    Raises:
        PluginError: a term is not one number for each image.
    """
    device = context.step.device
    noise = Noise(device)
    context = Context(noise, context.step, context.total_steps)
    totals: dict[str, float] = {}
    training = model.training
    model.eval()
    with torch.no_grad():
        for block, start in enumerate(range(0, len(store), BLOCK)):
            noise.seed(derive_seed(seed, "evaluate", block))
            rows = torch.arange(start, min(start + BLOCK, len(store)), device=device)
            for name, values in _terms(model, loss, store.batch(rows), context).items():
                total = values.to(torch.float64).sum().item()
                totals[name] = totals.get(name, 0.0) + total
    model.train(training)
    return {name: total / len(store) for name, total in totals.items()}


def monitored_term(
    model: Model, loss: Loss, store: ImageStore, context: Context, wanted: str
) -> str:
    """Return the evaluated term that chooses the best checkpoint.

    The terms are found by evaluating the first two images; no weight, mode or generator changes.

    Args:
        model: in any mode.
        loss: whose `evaluate` is asked, and whose `criterion` stands where nothing is wanted.
        store: the images of the validation.
        context: of the training.
        wanted: the term that the user named, or an empty text.

    Raises:
        InvalidValue: no term is named, and the loss itself has none to choose by.
        UnknownName: the loss evaluates no term of that name.
        PluginError: the loss evaluates no term of its own criterion's name, or one that is not one
            number for each image.
    """
    device = context.step.device
    rows = torch.arange(min(2, len(store)), device=device)
    noise = Noise(device)
    noise.seed(0)
    training = model.training
    model.eval()
    with fork_random_state(device), torch.no_grad():
        context = Context(noise, context.step, context.total_steps)
        known = list(_terms(model, loss, store.batch(rows), context))
    model.train(training)
    if not wanted and loss.criterion is None:
        raise InvalidValue(
            f"none of the terms of {type(loss).__name__} says by itself which weights are better: "
            f"give {setting('monitor', example='TERM')}: one of {', '.join(sorted(known))}"
        )
    if wanted and wanted not in known:
        raise unknown_name(f"term of {setting('monitor')}", wanted, known)
    term = wanted or str(loss.criterion)
    if term not in known:
        raise PluginError(
            f"the criterion of {type(loss).__name__} is '{term}', and it evaluates only "
            f"{', '.join(known)}."
        )
    return term


def _terms(model: Model, loss: Loss, batch: Batch, context: Context) -> dict[str, Tensor]:
    """Return the loss's terms of a batch, (B,) each; a mean of the batch would count as one image.

    Raises:
        PluginError: it names what is something else.
    """
    terms: Any = loss.evaluate(model, batch, context)
    if not isinstance(terms, dict):
        raise PluginError(
            f"evaluate() of {describe(loss)} gives {type(terms).__name__}: return a dict of terms, "
            "(B,) each."
        )
    for name, values in terms.items():
        if not isinstance(values, Tensor) or values.shape != (len(batch),):
            found = "shape " + str(tuple(values.shape)) if isinstance(values, Tensor) else values
            raise PluginError(
                f"evaluate() of {describe(loss)} gives '{name}' as {found!s:.40} for {len(batch)} "
                "images: return one number for each, (B,)."
            )
    return terms
