"""Evaluate a loss on held-out images, the same figure whatever the batch size of the training."""

import torch

from gtk.core.loss import Context, Loss
from gtk.core.model import Model
from gtk.core.noise import Noise
from gtk.core.seeding import derive_seed
from gtk.core.store import ImageStore

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
            for name, values in loss.evaluate(model, store.batch(rows), context).items():
                total = values.to(torch.float64).sum().item()
                totals[name] = totals.get(name, 0.0) + total
    model.train(training)
    return {name: total / len(store) for name, total in totals.items()}
