"""FiLM: scale and shift features by the label (Perez et al., arXiv:1709.07871), from outside."""

import gtk
from torch import nn


class Modulate(gtk.ConditioningLayer):
    def __init__(self, features, classes):
        super().__init__()
        self.out_features = features
        self.scale_shift = nn.Embedding(classes, 2 * features)
        nn.init.zeros_(self.scale_shift.weight)

    def forward(self, hidden, condition):
        scale, shift = self.scale_shift(condition).chunk(2, dim=1)
        return hidden * (1 + scale) + shift


class FiLM(gtk.Conditioner):
    def hidden(self, site, features):
        return Modulate(features, self.condition.count)


@gtk.hookimpl
def gtk_conditioners():
    return [gtk.ConditionerSpec(name="film", summary="Scale and shift.", target=FiLM)]
