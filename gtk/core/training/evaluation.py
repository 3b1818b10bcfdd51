"""Evaluate a loss on held-out images, independently of the batch size of the training."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.models.device import fork_random_state
from gtk.core.models.loss_networks import eval_mode
from gtk.core.models.tf32 import without_tf32
from gtk.core.registry.installed import describe
from gtk.core.training.store import ImageStore
from gtk.core.values.errors import InvalidValue, PluginError, unknown_name
from gtk.core.values.seeding import derive_seed
from gtk.core.values.setting import setting

#: Images that share one draw of noise; fixed, so that no setting changes the result.
BLOCK = 256


def evaluate(
    model: Model, loss: Loss, store: ImageStore, context: Context, seed: int, limit: int = 0
) -> dict[str, float]:
    """Return the mean of each of the loss's terms over the images, or the first `limit` of them.

    The model and the loss's networks are evaluated in eval mode, and their modes are restored. The
    noise of block k is drawn from (seed, "evaluate", k), where seed is the training's.

    Raises:
        PluginError: a term is not one number for each image.
    """
    device, count = context.step.device, min(len(store), limit or len(store))
    noise = Noise(device)
    # The step before decides the rates: what an evaluation gives must not depend on it.
    context = replace(context, noise=noise, learning_rates={})
    totals: dict[str, float] = {}
    with eval_mode(model, *context.networks.values()), torch.no_grad(), without_tf32(device):
        for block, start in enumerate(range(0, count, BLOCK)):
            noise.seed(derive_seed(seed, "evaluate", block))
            rows = torch.arange(start, min(start + BLOCK, count), device=store.place)
            for name, values in _terms(model, loss, store.batch(rows), context).items():
                # Moved first: Apple's GPU has no float64.
                total = values.cpu().to(torch.float64).sum().item()
                totals[name] = totals.get(name, 0.0) + total
    return {name: total / count for name, total in totals.items()}


def monitored_term(
    model: Model, loss: Loss, store: ImageStore, context: Context, wanted: str
) -> str:
    """Return the evaluated term that chooses the best checkpoint: `wanted`, else the criterion.

    The terms are found by evaluating the first two images; no weight, mode or generator changes.

    Raises:
        InvalidValue: no term is wanted, and the loss has no criterion.
        UnknownName: the loss evaluates no term of that name.
        PluginError: the loss does not evaluate its own criterion, or a term is not one number for
            each image.
    """
    with fork_random_state(context.step.device):
        known = list(evaluate(model, loss, store, context, seed=0, limit=2))
    if not wanted and loss.criterion is None:
        raise InvalidValue(
            f"loss {type(loss).__name__} has no criterion. Choose a figure of a metric with "
            f"{setting('monitor', example='METRIC.FIGURE')}, or a term with "
            f"{setting('monitor', example='TERM')}: {', '.join(sorted(known))}"
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
    """Return the loss's terms of a batch, (B,) each.

    Raises:
        PluginError: a term has another type or shape, such as the mean of the batch.
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
