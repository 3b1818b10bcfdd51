"""Raises in the middle of a training, or after it."""

import sys

import gtk
import torch
from gtk.plugins.vae import VAEConfig
from gtk.plugins.vae.model import VariationalAutoencoder


class Raising(gtk.Loss):
    """Multiplies matrices that do not fit, in torch, at the third step."""

    requires = gtk.LatentVariableModel
    unit = "nats per image"

    def __init__(self, config):
        pass

    def updates(self, model, batch, context):
        if context.step == 3:
            torch.zeros(2, 3) @ torch.zeros(2, 3)
        yield gtk.Update(self.evaluate(model, batch, context)["loss"].mean())

    def evaluate(self, model, batch, context):
        return {"loss": model.encode(batch.images, batch.condition).mean.square().mean(1)}


class Late(Raising):
    def updates(self, model, batch, context):
        yield gtk.Update(self.evaluate(model, batch, context)["loss"].mean())

    def evaluate(self, model, batch, context):
        if not model.training:
            raise KeyError("losses\nand more")
        return super().evaluate(model, batch, context)


class Leaving(Raising):
    def updates(self, model, batch, context):
        sys.exit(0)


class Unsampled(VariationalAutoencoder):
    def sample(self, noise, condition):
        raise NotImplementedError


@gtk.hookimpl
def gtk_models():
    return [
        gtk.ModelSpec(
            name="unsampled",
            summary="Cannot be sampled.",
            config=VAEConfig,
            target=Unsampled,
            loss="elbo",
            conditioner="unconditional",
        )
    ]


@gtk.hookimpl
def gtk_losses():
    return [
        gtk.LossSpec(name="raising", summary="Raises.", target=Raising),
        gtk.LossSpec(name="late", summary="Raises when it is evaluated.", target=Late),
        gtk.LossSpec(name="leaving", summary="Ends the program.", target=Leaving),
    ]
