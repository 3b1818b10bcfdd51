"""A sampler that blends each image with one of nearer noise."""

from dataclasses import dataclass, field

import gtk
from torch import nn


@dataclass(frozen=True)
class Config:
    share: float = field(default=0.5, metadata={"help": "Share of the second image."})


class Blend(nn.Module):
    def __init__(self, model, share):
        super().__init__()
        self.model, self.share = model, share

    def forward(self, z, condition=None):
        first, second = self.model.sample(z, condition), self.model.sample(z / 2, condition)
        return first.lerp(second, self.share)


class Soften(gtk.Sampler):
    requires, evaluations = gtk.SampledModel, 2

    def module(self):
        return Blend(self.model, self.config.share)


@gtk.hookimpl
def gtk_samplers():
    summary = "Blend with an image of nearer noise."
    return [gtk.SamplerSpec(name="soften", summary=summary, target=Soften, config=Config)]
