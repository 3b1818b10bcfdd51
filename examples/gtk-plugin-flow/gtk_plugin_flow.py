"""Flow matching: a network that moves noise to images (Lipman et al., arXiv:2210.02747)."""

import math
from dataclasses import dataclass, field

import gtk
import torch
from torch import nn


@dataclass(frozen=True)
class FlowConfig:
    width: int = field(default=256, metadata={"help": "Features of the hidden layers."})


class Flow(gtk.Model):
    def __init__(self, config, data_spec, conditioner):
        super().__init__()
        self.noise, self.path = gtk.NoiseSpec(data_spec.image_shape), gtk.StraightPath()
        pixels, width = math.prod(data_spec.image_shape), config.width
        self.entry = conditioner.input(gtk.Site("flow", "input"), pixels + 1)
        self.first = nn.Linear(self.entry.out_features, width)
        self.middle = nn.Sequential(nn.SiLU(), nn.Linear(width, width))
        self.hidden = conditioner.hidden(gtk.Site("flow", "hidden"), width)
        self.last = nn.Sequential(nn.SiLU(), nn.Linear(width, pixels))

    def networks(self):
        return {"flow": self}

    def velocity(self, x, time, condition):
        hidden = self.entry(torch.cat([x.flatten(1), time[:, None]], 1), condition)
        hidden = self.hidden(self.middle(self.first(hidden)), condition)
        return self.last(hidden).view_as(x)


class FlowMatching(gtk.Loss):
    requires, unit = gtk.VelocityModel, "mean squared error"

    def updates(self, model, batch, context):
        yield gtk.Update(self.evaluate(model, batch, context)["loss"].mean())

    def evaluate(self, model, batch, context):
        images, noise = batch.images * 2 - 1, context.noise.normal(*batch.images.shape)
        time, path = context.noise.uniform(len(batch)), model.path
        found = model.velocity(path.mix(images, noise, time), time, batch.condition)
        return {"loss": (found - path.velocity(images, noise, time)).square().mean((1, 2, 3))}


@gtk.hookimpl
def gtk_models():
    return [
        gtk.ModelSpec(
            name="straight-flow",
            summary="Flow matching.",
            target=Flow,
            config=FlowConfig,
            loss="straight-flow",
            conditioner="onehot",
            sampler="heun",
        )
    ]


@gtk.hookimpl
def gtk_losses():
    return [
        gtk.LossSpec(
            name="straight-flow", summary="Squared error of the velocity.", target=FlowMatching
        )
    ]
