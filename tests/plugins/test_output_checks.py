"""What a model answers a loss, in training and evaluation: refused where it is something else."""

from typing import Any

import pytest
import torch
from torch import Tensor
from worlds import built, data_spec, dataset, settle

from gtk.core.contracts.loss import Context
from gtk.core.contracts.noise import Noise
from gtk.core.training.store import ImageStore
from gtk.core.values.errors import PluginError

CPU = torch.device("cpu")
LOSSES = ("elbo", "iwae", "minimax", "wasserstein-gp")


def said(loss_name: str, method: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Change what a method gives, and return what a step and an evaluation say."""
    name = "cvae" if loss_name in ("elbo", "iwae") else "cgan"
    model, loss = built(settle(name, loss=loss_name), data_spec("classes"))
    right = getattr(model, method)
    monkeypatch.setattr(model, method, lambda *given: wrong(right(*given)))
    batch = ImageStore(dataset("classes").train, conditional=True, device=CPU).batch(
        torch.arange(4 * loss.batches)
    )
    noise = Noise(CPU)
    noise.seed(0)
    context = Context(noise, torch.zeros((), dtype=torch.int64), 1)
    messages = []
    for play in (lambda: list(loss.updates(model, batch, context)),
                 lambda: [loss.evaluate(model, batch, context)]):  # fmt: skip
        with pytest.raises(PluginError) as error:
            play()
        messages.append(str(error.value))
    return messages


@pytest.mark.parametrize("loss", LOSSES)
def test_a_mean_of_the_batch_is_no_number_for_each_image(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = "log_likelihood" if loss in ("elbo", "iwae") else "discriminate"
    for message in said(loss, method, Tensor.mean, monkeypatch):
        assert message.startswith(f"{method}() of ")
        assert " gives shape () for " in message
        assert message.endswith("images: return one number for each, (B,).")


@pytest.mark.parametrize("loss", ["elbo", "iwae"])
def test_a_posterior_is_a_distribution(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def pair(posterior: Any) -> tuple[Tensor, Tensor]:
        return posterior.mean, posterior.log_variance

    for message in said(loss, "encode", pair, monkeypatch):
        assert "gives tuple: return gtk.DiagonalGaussian(mean, log_variance)." in message
