"""Conditioners that are wrong in one way each, to see that the test kit says in which."""

import gtk
import numpy as np
import torch
from torch import nn


class Added(gtk.ConditioningLayer):
    """Right: the others differ from it in one thing."""

    def __init__(self, features, code):
        super().__init__()
        self.out_features = features
        self.code = code

    def shift(self, hidden, condition):
        code = self.code(condition)
        return code.reshape(*code.shape, *[1] * (hidden.dim() - 2))

    def forward(self, hidden, condition):
        return hidden + self.shift(hidden, condition)


class Acting(gtk.Conditioner):
    Layer = Added

    def hidden(self, site, features):
        return self.Layer(features, self.embed(site, features))


class Idle(gtk.Conditioner):
    """Overrides a method that nobody asks for."""

    def hiden(self, site, features):
        return Added(features, self.embed(site, features))


class Deaf(Acting):
    """Its layer takes the condition, and makes nothing of it."""

    class Layer(Added):
        def forward(self, hidden, condition):
            return hidden + 0 * self.shift(hidden, condition)


class Narrow(Acting):
    """Its layer says another width than it gives."""

    class Layer(Added):
        def __init__(self, features, code):
            super().__init__(features, code)
            self.out_features = features + 1


class Crowded(Acting):
    """Its layer looks at the whole batch."""

    class Layer(Added):
        def forward(self, hidden, condition):
            return super().forward(hidden - hidden.mean(0), condition)


class Hasty(Acting):
    """Its layer changes the features that others still need."""

    class Layer(Added):
        def forward(self, hidden, condition):
            hidden += self.shift(hidden, condition).detach()
            return super().forward(hidden, condition)


class Spare(Acting):
    """Its layer has weights that it does not use."""

    class Layer(Added):
        def __init__(self, features, code):
            super().__init__(features, code)
            self.rest = nn.Linear(features, features)


class Classes(gtk.Conditioner):
    """Takes attributes and numbers when it is constructed, and cannot look them up later."""

    def hidden(self, site, features):
        return Added(features, nn.Embedding(self.condition.count, features))


class Shared(gtk.Conditioner):
    """Has one table for all networks."""

    def __init__(self, config, condition):
        super().__init__(config, condition)
        self.table = self.embed(gtk.Site("encoder", "hidden 0"), 8)

    def hidden(self, site, features):
        return Added(features, Cut(self.table, features))


class Cut(nn.Module):
    def __init__(self, table, features):
        super().__init__()
        self.table = table
        self.features = features

    def forward(self, condition):
        return self.table(condition).repeat(1, -(-self.features // 8))[:, : self.features]


class Untraced(Acting):
    """Its layer decides by values, which no graph can hold."""

    class Layer(Added):
        def forward(self, hidden, condition):
            if hidden.detach().sum() > 1e9:
                return hidden
            return super().forward(hidden, condition)


class Modest(Acting):
    """Its layer says that it does not act."""

    class Layer(Added):
        acts = False

    def score(self, site, features):
        return Shifted(self.embed(site, features))


class Shifted(gtk.ScoreLayer):
    acts = True

    def __init__(self, code):
        super().__init__()
        self.code = code

    def forward(self, score, features, condition):
        return score + torch.linalg.vecdot(features, self.code(condition))


class Seeding(Acting):
    """Seeds numpy's generator for everybody."""

    def hidden(self, site, features):
        np.random.seed(features)  # noqa: NPY002 - that is what is wrong with it
        return super().hidden(site, features)


class Starting(Acting):
    """Seeds torch's generator for everybody."""

    def hidden(self, site, features):
        torch.manual_seed(features)
        return super().hidden(site, features)


class Mixing(Acting):
    """Says that it bears bf16, and mixes types where torch does not."""

    class Layer(Added):
        def forward(self, hidden, condition):
            shift = self.shift(hidden, condition)
            return torch.lerp(hidden, shift.float().expand_as(hidden), 0.5)


class Refusing(Acting):
    """Takes no condition at all."""

    def __init__(self, config, condition):
        raise gtk.InvalidValue(f"not for {condition.kind}. Use another --conditioner")


class Plain(gtk.Conditioner):
    """Gives layers of torch's own."""

    def hidden(self, site, features):
        return nn.Identity()


@gtk.hookimpl
def gtk_conditioners():
    kinds = (
        Idle, Deaf, Narrow, Crowded, Hasty, Spare, Classes, Shared, Untraced, Modest,
        Seeding, Starting, Refusing, Plain, Mixing,
    )  # fmt: skip
    return [
        gtk.ConditionerSpec(
            name=f"wrong-{kind.__name__.lower()}", summary="Wrong.", target=kind,
            bf16=kind is Mixing,
        )
        for kind in kinds
    ]  # fmt: skip
