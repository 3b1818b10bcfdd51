"""Shift hidden features by a vector that is learned for each condition, from outside."""

import gtk


class Shifted(gtk.ConditioningLayer):
    def __init__(self, features, code):
        super().__init__()
        self.out_features = features
        self.code = code

    def forward(self, hidden, condition):
        code = self.code(condition)
        return hidden + code.reshape(*code.shape, *[1] * (hidden.dim() - 2))


class Shift(gtk.Conditioner):
    def hidden(self, site, features):
        return Shifted(features, self.embed(site, features, scale=0.1))


@gtk.hookimpl
def gtk_conditioners():
    return [gtk.ConditionerSpec(name="shift", summary="Shift hidden features.", target=Shift)]
