"""A model and a loss from outside; its parts for export have names of their own."""

import gtk
import torch
from torch import nn


class Painter(gtk.Model):
    """Paints an image of noise in one layer, in a tone that its class gives."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__()
        self.noise = gtk.NoiseSpec((3,))
        self.shape = data_spec.image_shape
        self.canvas = nn.Linear(3, data_spec.channels * data_spec.height * data_spec.width)
        self.tone = (
            conditioner.embed(gtk.Site("brush", "tone"), 1) if conditioner.conditional else None
        )

    def networks(self):
        return {"brush": nn.ModuleList([self.canvas, self.tone or nn.Identity()])}

    def paint(self, noise, tone):
        return torch.sigmoid(self.canvas(noise) + tone).unflatten(1, self.shape)

    def sample(self, noise, condition):
        return self.paint(noise, 0.0 if self.tone is None else self.tone(condition))

    def measure(self, images):
        return images.flatten(1).matmul(self.canvas.weight), images.mean((1, 2, 3))

    def exports(self):
        condition = () if self.condition is None else (self.condition.input_name,)
        return {
            "brush": gtk.ExportPart(Brush(self), ("z", *condition), ("image",)),
            "gauge": gtk.ExportPart(
                Gauge(self), ("image",), ("strokes", "brightness"), Painter.measure
            ),
        }


class Brush(nn.Module):
    """Compares labels with each class, which a label that is none equals nowhere."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, z, condition=None):
        if condition is None or condition.is_floating_point():
            return self.model.sample(z, condition)
        table = self.model.tone.layers.weight
        chosen = condition[:, None] == torch.arange(len(table))
        return self.model.paint(z, chosen.float() @ table)


class Gauge(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        return self.model.measure(image)


class Likeness(gtk.Loss):
    """How far a painting is from an image."""

    requires = gtk.Model
    unit = "squares"

    def __init__(self, config):
        pass

    def updates(self, model, batch, context):
        yield gtk.Update(self.evaluate(model, batch, context)["loss"].mean())

    def evaluate(self, model, batch, context):
        labels = None if model.condition is None else batch.condition
        painted = model.sample(context.noise.normal(len(batch.images), 3), labels)
        return {"loss": (painted - batch.images).square().mean((1, 2, 3))}


@gtk.hookimpl
def gtk_models():
    return [
        gtk.ModelSpec(
            name="painter",
            summary="One layer.",
            target=Painter,
            loss="likeness",
            conditioner="embedding",
        )
    ]


@gtk.hookimpl
def gtk_losses():
    return [gtk.LossSpec(name="likeness", summary="Squares.", target=Likeness)]
