"""Losses that are wrong in one way each, to see that the test kit says in which."""

import random

import gtk
import numpy as np
import torch


class Right(gtk.Loss):
    """How far the mean of a reconstruction is from the image: the others differ in one thing."""

    requires = gtk.LatentVariableModel
    unit = "squares"

    def __init__(self, config):
        pass

    def noise(self, like, context):
        return context.noise.normal(*like.shape)

    def evaluate(self, model, batch, context):
        posterior = model.encode(batch.images, batch.condition)
        z = posterior.transform(self.noise(posterior.mean, context))
        image = model.expected_image(model.decode(z, batch.condition))
        return {"loss": (image - batch.images).square().sum((1, 2, 3))}

    def updates(self, model, batch, context):
        yield gtk.Update(self.evaluate(model, batch, context)["loss"].mean())


class Rows(Right):
    """Its loss is one of every image."""

    def updates(self, model, batch, context):
        yield gtk.Update(self.evaluate(model, batch, context)["loss"])


class Counting(Right):
    """Counts its steps by itself."""

    def __init__(self, config):
        self.steps = 0

    def updates(self, model, batch, context):
        self.steps += 1
        loss = self.evaluate(model, batch, context)["loss"].mean()
        yield gtk.Update(loss * min(1.0, self.steps / 1000))


class Drawing(Right):
    """Draws from torch's own generator."""

    def noise(self, like, context):
        return torch.randn_like(like)

    def evaluate(self, model, batch, context):
        self.noise = super().noise
        terms = super().evaluate(model, batch, context)
        del self.noise
        return terms

    def updates(self, model, batch, context):
        yield gtk.Update(super().evaluate(model, batch, context)["loss"].mean())


class Misnamed(Right):
    """Chooses the best checkpoint by a term that it does not evaluate."""

    criterion = "distance"


class Labelled(Right):
    """Takes it that all images have labels."""

    def updates(self, model, batch, context):
        weights = 1.0 + 0 * batch.condition
        yield gtk.Update((weights * self.evaluate(model, batch, context)["loss"]).mean())


class Scaling(Right):
    """Turns the batch's images over in place."""

    def updates(self, model, batch, context):
        batch.images.neg_().add_(1)
        yield from super().updates(model, batch, context)


class Leaking(Right):
    """Yields where no gradients are computed."""

    def updates(self, model, batch, context):
        loss = self.evaluate(model, batch, context)["loss"].mean()
        with torch.no_grad():
            yield gtk.Update(loss)


class Unmet(Right):
    """Requires what is no protocol."""

    requires = ("encode", "decode")


class Bored(Right):
    """Takes no batch."""

    batches = 0


class Rolling(Right):
    """Draws from Python's generator."""

    def updates(self, model, batch, context):
        loss = self.evaluate(model, batch, context)["loss"].mean()
        yield gtk.Update(loss * random.random())  # noqa: S311 - that is what is wrong with it


class Threading(Right):
    """Sets the number of threads for everybody."""

    def updates(self, model, batch, context):
        torch.set_num_threads(torch.get_num_threads() + 1)
        yield from super().updates(model, batch, context)


class Seeding(Right):
    """Seeds numpy's generator for everybody."""

    def evaluate(self, model, batch, context):
        np.random.seed(0)  # noqa: NPY002 - that is what is wrong with it
        return super().evaluate(model, batch, context)


class Starting(Right):
    """Seeds torch's generator for everybody."""

    def updates(self, model, batch, context):
        torch.manual_seed(0)
        yield from super().updates(model, batch, context)


class Hiding(Right):
    """Hides in the model how many steps there were, where no checkpoint looks."""

    def updates(self, model, batch, context):
        model.steps = getattr(model, "steps", 0) + 1
        yield gtk.Update(self.evaluate(model, batch, context)["loss"].mean() / model.steps)


class Untrained(Right):
    """Brings a network that no update trains."""

    def networks(self, model):
        return {"judge": torch.nn.Linear(2, 1)}


class Mixing(Right):
    """Says that it bears bf16, and sums up in it."""

    def updates(self, model, batch, context):
        posterior = model.encode(batch.images, batch.condition)
        z = posterior.transform(self.noise(posterior.mean, context))
        yield gtk.Update(model.decode(z, batch.condition).square().mean() + 0 * z.sum().bfloat16())


class Claiming(Right):
    """Says that its steps are compiled, and has none."""

    compiles = True


class Recompiling(Right):
    """Gives a new function to compile in each step."""

    compiles = True

    def updates(self, model, batch, context):
        context.compiled(lambda images: images)
        yield from super().updates(model, batch, context)


@gtk.hookimpl
def gtk_losses():
    kinds = (
        Rows, Counting, Drawing, Misnamed, Labelled, Scaling, Leaking, Unmet, Bored, Rolling,
        Hiding, Threading, Seeding, Starting, Untrained, Mixing, Claiming, Recompiling,
    )  # fmt: skip
    return [
        gtk.LossSpec(
            name=f"wrong-{kind.__name__.lower()}", summary="Wrong.", target=kind,
            bf16=kind is Mixing,
        )
        for kind in kinds
    ]  # fmt: skip
