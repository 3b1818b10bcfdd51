"""Samplers that each break one promise."""

import gtk
import torch
from torch import nn


class Draw(nn.Module):
    def __init__(self, sampler):
        super().__init__()
        self.model, self.change = sampler.model, sampler.change

    def forward(self, z, condition=None):
        return self.change(self.model.sample(z, condition), z)


class Right(gtk.Sampler):
    """Samples of the model: the others differ in one thing."""

    requires = gtk.SampledModel

    def module(self):
        return Draw(self)

    @staticmethod
    def change(images, z):
        return images.clamp(0, 1)


class Plain:
    """Is no sampler."""


class Idle(Right):
    """Says that it evaluates no network."""

    evaluations = 0


class Bright(Right):
    """Gives whole levels."""

    change = staticmethod(lambda images, z: images * 255)


class Rolling(Right):
    """Draws from torch's global generator."""

    change = staticmethod(lambda images, z: images * torch.rand(()))


class Flat(Right):
    """Draws one grey for all noise."""

    change = staticmethod(lambda images, z: images * 0 + 0.5)


class Guessing(Right):
    """Learns from torch's global generator."""

    def fit(self, batches):
        return {"shade": next(iter(batches)).images.mean() + torch.rand(1)}


class Looking(Right):
    """Looks at numbers, which no graph can."""

    change = staticmethod(lambda images, z: images if z.sum().item() > 0 else images.sqrt())


@gtk.hookimpl
def gtk_samplers():
    return [
        gtk.SamplerSpec(name=f"wrong-{kind.__name__.lower()}", summary="Wrong.", target=kind)
        for kind in (Plain, Idle, Bright, Rolling, Flat, Guessing, Looking)
    ]
