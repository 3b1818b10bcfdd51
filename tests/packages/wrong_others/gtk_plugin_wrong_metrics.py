"""Metrics that each break one promise."""

import gtk
import numpy as np
import torch


class Right(gtk.Metric):
    """The mean level of generated images: the others differ in one thing."""

    figures = {"level": gtk.FigureSpec("mean level")}  # noqa: RUF012 - as an author may write it

    def __init__(self, config, data_spec):
        super().__init__(config, data_spec)
        self.means = []

    def update(self, images):
        self.means.extend(images.images.mean((1, 2, 3)).tolist())

    def mean(self):
        if not self.means:
            raise gtk.InvalidValue("no image was given")
        return float(np.mean(self.means))

    def compute(self):
        return {"level": self.mean()}


class Plain:
    """Is no metric."""


class Nameless(Right):
    """Has no figures."""

    figures = {}  # noqa: RUF012 - as above


class Everywhere(Right):
    """Wants images that are from nowhere."""

    sources = frozenset({"generated", "validation"})


class Unmet(Right):
    """Requires what is no protocol."""

    requires = ("encode", "decode")


class Shapeless(Right):
    """Lets Python say that there is no condition."""

    def __init__(self, config, data_spec):
        super().__init__(config, data_spec)
        self.classes = len(data_spec.condition.names)


class Silent(Right):
    """Leaves out its figure."""

    def compute(self):
        return {}


class Talkative(Right):
    """Has a figure that it does not describe."""

    def compute(self):
        return {"level": self.mean(), "contrast": 1.0}


class Typed(Right):
    """Gives numpy's numbers."""

    def compute(self):
        return {"level": np.float32(self.mean())}


class Endless(Right):
    """Divides by 0."""

    def compute(self):
        return {"level": float("inf")}


class Outside(Right):
    """Has an interval beside its value."""

    def compute(self):
        return {"level": gtk.Figure(self.mean(), 0.0, 1.0)}


class Unjudged(Right):
    """Reads features, and does not ask for a judge."""

    def update(self, images):
        self.means.extend(images.features.mean(1).tolist())


class Hungry(Right):
    """Takes it that there are several images."""

    def compute(self):
        first, second, *_ = self.means
        return {"level": self.mean() + 0 * (second - first)}


class Uneven(Right):
    """Averages the means of batches."""

    def update(self, images):
        self.means.append(float(images.images.mean()))


class Inverting(Right):
    """Turns images over in place."""

    def update(self, images):
        np.subtract(255, images.images, out=images.images)
        super().update(images)


class Centring(Right):
    """Centres the judge's features in place."""

    judged = True

    def update(self, images):
        super().update(images)
        images.features[:] -= 1


class Training(Right):
    """Sets the model to train mode."""

    requires = gtk.LatentVariableModel

    def update(self, images):
        super().update(images)
        self.model.train()


class Tuning(Right):
    """Changes a weight of the model in which no figure sees it."""

    requires = gtk.LatentVariableModel

    def update(self, images):
        super().update(images)
        with torch.no_grad():
            next(self.model.parameters()).add_(1)


class Rolling(Right):
    """Draws from torch's global generator."""

    def compute(self):
        return {"level": self.mean() + torch.rand(()).item()}


class Detailed(Right):
    """Has details that JSON does not know."""

    def details(self):
        return {"means": np.array(self.means)}


class Undefined(Right):
    """Names by NaN what its figures depend on."""

    def protocol(self):
        return {"threshold": float("nan")}


class Seeding(Right):
    """Seeds numpy's generator for everybody."""

    def compute(self):
        np.random.seed(0)  # noqa: NPY002 - that is what is wrong with it
        return super().compute()


@gtk.hookimpl
def gtk_metrics():
    kinds = (
        Plain, Nameless, Everywhere, Unmet, Shapeless, Silent, Talkative, Typed, Endless, Outside,
        Unjudged, Hungry, Uneven, Inverting, Centring, Training, Tuning, Rolling, Detailed,
        Undefined, Seeding,
    )  # fmt: skip
    return [
        gtk.MetricSpec(name=f"wrong-{kind.__name__.lower()}", summary="Wrong.", target=kind)
        for kind in kinds
    ]
