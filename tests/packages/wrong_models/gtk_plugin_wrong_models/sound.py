"""A model and a loss with nothing wrong, from which each wrong one differs in one thing."""

import gtk
import torch
from torch import nn


class Painted(nn.Module):
    """One layer from a vector and a condition to pixels."""

    def __init__(self, conditioner, role, features, pixels):
        super().__init__()
        self.entrance = conditioner.input(gtk.Site(role, "input"), features)
        self.layer = nn.Linear(self.entrance.out_features, pixels)

    def forward(self, vector, condition):
        return self.layer(self.entrance(vector, condition))


class Sound(gtk.Model):
    def __init__(self, config, data_spec, conditioner):
        super().__init__()
        self.config = config
        self.noise = gtk.NoiseSpec((3,))
        self.shape = data_spec.image_shape
        self.pixels = data_spec.channels * data_spec.height * data_spec.width
        self.painter = Painted(conditioner, "painter", 3, self.pixels)

    def paint(self, noise, condition):
        return torch.sigmoid(self.painter(noise, condition)).unflatten(1, self.shape)

    def sample(self, noise, condition):
        return self.paint(noise, condition)


class Likeness(gtk.Loss):
    """How far a painting of noise is from an image."""

    requires = Sound
    unit = "squares"

    def __init__(self, config):
        pass

    def updates(self, model, batch, context):
        yield gtk.Update(self.distances(model, batch, context).mean())

    def evaluate(self, model, batch, context):
        return {"loss": self.distances(model, batch, context)}

    def distances(self, model, batch, context):
        noise = context.noise.normal(len(batch), 3)
        condition = None if model.condition is None else batch.condition
        return (model.paint(noise, condition) - batch.images).square().mean((1, 2, 3))
