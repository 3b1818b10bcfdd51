"""The loss plays on the model as the contract says; the codebook moves in training only."""

import pytest
import torch
from conftest import CONDITIONS
from gtk_plugin_vqvae import VQVAELossConfig
from gtk_plugin_vqvae.loss import VQVAELoss

import gtk


def batch(kind: str) -> gtk.Batch:
    values = CONDITIONS[kind][1]
    return gtk.Batch(torch.rand(2, 1, 8, 8), None if values is None else torch.tensor(values))


def context() -> gtk.Context:
    noise = gtk.Noise(torch.device("cpu"))
    noise.seed(3)
    return gtk.Context(noise, torch.tensor(0), 10)


@pytest.mark.parametrize("kind", CONDITIONS)
def test_an_update_of_the_autoencoder_then_one_of_the_prior(make, kind) -> None:
    model, given = make(CONDITIONS[kind][0]), batch(kind)
    first, second = VQVAELoss(VQVAELossConfig()).updates(model, given, context())
    assert (first.part, second.part) == ("autoencoder", "prior")
    quantized = model.autoencode(given.images)
    distance = (quantized.features - quantized.vectors).square().sum() / 2
    torch.testing.assert_close(first.terms["commitment"], distance)
    torch.testing.assert_close(first.loss, first.terms["reconstruction"] + 0.25 * distance)
    assert first.statistics["counts"].sum() == 32
    assert not any(value.requires_grad for value in first.statistics.values())
    assert second.loss is second.terms["prior"]


@pytest.mark.parametrize("kind", CONDITIONS)
def test_evaluation_bounds_the_log_likelihood(make, kind) -> None:
    model, given = make(CONDITIONS[kind][0]).eval(), batch(kind)
    images = (given.images > 0.5).float()  # so that every pixel has a probability
    terms = VQVAELoss(VQVAELossConfig()).evaluate(
        model, gtk.Batch(images, given.condition), context()
    )
    assert set(terms) == {"loss", "reconstruction", "commitment", "prior"}
    assert all(value.shape == (2,) for value in terms.values())
    codes = model.encode(images)
    expected = model.decode(codes)
    probability = torch.where(images > 0, expected, 1 - expected)
    torch.testing.assert_close(terms["reconstruction"], -probability.log().sum((1, 2, 3)))
    torch.testing.assert_close(terms["prior"], model.prior_nats(codes, given.condition))
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + terms["prior"])


def test_the_codebook_moves_with_updates_alone(make) -> None:
    model, loss, given = make(), VQVAELoss(VQVAELossConfig()), batch("none")
    before = {name: value.clone() for name, value in model.codebook.named_buffers()}
    updates = list(loss.updates(model, given, context()))
    loss.evaluate(model, given, context())
    model.sample(torch.randn(2, *model.noise.shape), None)
    after = dict(model.codebook.named_buffers())
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    model.after_update("autoencoder", updates[0].statistics)
    after = dict(model.codebook.named_buffers())
    assert not any(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("options", [{"commitment": -0.1}, {"commitment": float("nan")}])
def test_a_weight_out_of_range_is_refused(options) -> None:
    with pytest.raises(ValueError, match="commitment must be 0 or more"):
        VQVAELossConfig(**options)
