"""Models and losses that are wrong in one thing each."""

import os

import gtk
import numpy as np
import torch
from torch import nn

from gtk_plugin_wrong_models.sound import Likeness, Painted, Sound


#: No model.
NUMBER = 3


class NoNoise(Sound):
    """Does not say what sampling starts from."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        del self.noise


class Unborn(Sound):
    """Makes a layer before it is a module."""

    def __init__(self, config, data_spec, conditioner):
        self.frame = nn.Linear(3, 3)
        super().__init__(config, data_spec, conditioner)


class Stumbling(Sound):
    """Raises an error of several lines, with what a terminal would act on."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        raise RuntimeError("shapes do not fit:\n\x1b[31m3 and 4")


class Nameless(Sound):
    """Has no network."""

    def networks(self):
        return {}


class Counted(Sound):
    """Has a network that is none."""

    def networks(self):
        return {"painter": self.painter, "layers": 1}


class Seeding(Sound):
    """Begins with the same weights whatever the seed."""

    def __init__(self, config, data_spec, conditioner):
        torch.manual_seed(0)
        super().__init__(config, data_spec, conditioner)


class Misfit(gtk.Model):
    """Is not what its loss is for."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__()
        self.noise = gtk.NoiseSpec((3,))
        self.painter = Painted(conditioner, "painter", 3, 64)

    def sample(self, noise, condition):
        return self.painter(noise, condition)


class Deaf(Sound):
    """Has a second network that the condition does not reach."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.frame = nn.Linear(self.pixels, self.pixels)

    def paint(self, noise, condition):
        painted = super().paint(noise, condition).flatten(1)
        return torch.sigmoid(self.frame(painted)).unflatten(1, self.shape)


class Mixing(Sound):
    """Says that it bears bf16, and mixes types where torch does not."""

    def paint(self, noise, condition):
        painted = super().paint(noise, condition)
        return torch.lerp(painted, torch.zeros_like(painted, dtype=torch.float32), 0.1)


class Polite(Deaf):
    """Asks for a layer in its second network, and never calls it."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.frame.entrance = conditioner.input(gtk.Site("frame", "input"), self.pixels)


class Misnamed(Sound):
    """Asks for a layer in a network that there is not."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.painter = Painted(conditioner, "paintre", 3, self.pixels)


class Partless(Sound):
    """Has no part to train."""

    def parts(self):
        return {}


class Blank(Sound):
    """Begins with zeros everywhere."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


class Absent(Sound):
    """Copies a count from an attribute into a buffer, which going on begins anew."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.steps = 0
        self.register_buffer("count", torch.zeros(()))

    def after_update(self, part, statistics):
        self.steps += 1
        self.count.fill_(self.steps)


class Boxed(Sound):
    """Samples images in a tuple."""

    def sample(self, noise, condition):
        return (self.paint(noise, condition),)


class Partial(Sound):
    """Trains its layer and leaves a bias of its own out."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.tone = nn.Parameter(torch.zeros(self.pixels))

    def parts(self):
        return {"painter": self.painter}

    def paint(self, noise, condition):
        return torch.sigmoid(self.painter(noise, condition) + self.tone).unflatten(1, self.shape)


class Shared(Sound):
    """Trains a layer twice."""

    def parts(self):
        return {"painter": self.painter, "layer": self.painter.layer}


class Hollow(Sound):
    """Has a part with nothing to train."""

    def parts(self):
        return {"painter": self.painter, "frame": nn.Identity()}


class Unused(Sound):
    """Has a layer that nothing goes through."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.painter.spare = nn.Linear(3, 3)


class Dice(Sound):
    """Draws its first weights from numpy."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        first = np.random.standard_normal(self.pixels) * 0.1  # noqa: NPY002 - on purpose
        self.painter.layer.bias.data = torch.from_numpy(first.astype(np.float32))


class Stubborn(Sound):
    """Draws its first weights from a generator of its own."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        generator = torch.Generator().manual_seed(7)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1, generator=generator)


class Loud(Sound):
    """Adds noise of torch's own while it trains and is evaluated."""

    def paint(self, noise, condition):
        if torch.is_grad_enabled():
            noise = noise + torch.randn_like(noise) / 10
        return super().paint(noise, condition)


class Restless(Sound):
    """Keeps an average that moves whenever it paints, not in training alone."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.register_buffer("average", torch.zeros(3))

    def remember(self, noise):
        self.average = self.average.lerp(noise.mean(0).detach(), 0.1)


class Frozen(Sound):
    """Has a part whose gradient is 0."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.tone = nn.Linear(3, self.pixels)

    def networks(self):
        return {"painter": nn.ModuleList([self.painter, self.tone])}

    def parts(self):
        return {"painter": self.painter, "tone": self.tone}

    def paint(self, noise, condition):
        logits = self.painter(noise, condition) + 0 * self.tone(noise)
        return torch.sigmoid(logits).unflatten(1, self.shape)


class Numb(Frozen):
    """Has a part whose gradient is 0, and an average in it that moves all the same."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.tone = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, self.pixels))


class Greedy(Sound):
    """Takes threads and sets a variable for everybody."""

    def paint(self, noise, condition):
        os.environ["WRONG_MODELS_THREADS"] = "4"
        return super().paint(noise, condition)


class Forgetful(Sound):
    """Counts steps in an attribute, which no checkpoint keeps."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.steps = 0

    def strength(self):
        self.steps += 1
        return 1 / self.steps


class Patient(Forgetful):
    """Counts steps in an attribute, and does something about it after more than the kit takes."""

    def strength(self):
        return 1.0 if super().strength() > 1e-3 else 0.5


class Drawn(Sound):
    """Draws a direction when it is constructed, and keeps it in an attribute."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.direction = torch.randn(3)

    def paint(self, noise, condition):
        return super().paint(noise * self.direction, condition)


class Diary(Sound):
    """Has something in its state that is no tensor."""

    def get_extra_state(self):
        return {"painted": "much"}

    def set_extra_state(self, state):
        pass


class Unsaved(Sound):
    """Draws a direction into a buffer that is not saved."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.register_buffer("direction", torch.randn(3), persistent=False)


class Growing(Sound):
    """Has a buffer that is another size when it has been trained."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__(config, data_spec, conditioner)
        self.register_buffer("seen", torch.zeros(1))

    def paint(self, noise, condition):
        if self.training:
            self.seen = torch.zeros(2)
        return super().paint(noise, condition)


class Broken(Sound):
    """Samples pixels that are not numbers."""

    def sample(self, noise, condition):
        return self.paint(noise, condition) / 0 * 0


class Careless(Sound):
    """Writes to the noise that it is given."""

    def sample(self, noise, condition):
        return self.paint(noise.clamp_(-1, 1), condition)


class Dark(Sound):
    """Samples in -1..1."""

    def sample(self, noise, condition):
        return self.paint(noise, condition) * 2 - 1


class Flat(Sound):
    """Samples vectors."""

    def sample(self, noise, condition):
        return self.paint(noise, condition).flatten(1)


class Double(Sound):
    """Samples in float64."""

    def sample(self, noise, condition):
        return self.paint(noise, condition).double()


class Whimsical(Sound):
    """Draws while it samples."""

    def sample(self, noise, condition):
        return self.paint(noise + torch.randn_like(noise), condition)


class Sociable(Sound):
    """Makes an image depend on the others of its batch."""

    def sample(self, noise, condition):
        return self.paint(noise - noise.mean(0, keepdim=True), condition)


class Learner(Restless):
    """Learns from what it samples."""

    def sample(self, noise, condition):
        self.remember(noise)
        return super().sample(noise, condition)


class Dull(Sound):
    """Samples the same whatever the noise."""

    def sample(self, noise, condition):
        return self.paint(noise * 0, condition)


class Heedless(Sound):
    """Asks for a layer and hands it always the same label."""

    def paint(self, noise, condition):
        return super().paint(noise, None if condition is None else condition * 0)


class Brighter(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, z, condition=None):
        return self.model.sample(z, condition) * 0.9


class Bleached(Sound):
    """Exports something else than it samples."""

    def exports(self):
        part = super().exports()["generator"]
        return {"generator": gtk.ExportPart(Brighter(self), part.inputs, part.outputs)}


class Pair(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, z, condition=None):
        images = self.model.sample(z, condition)
        return torch.stack([images[0], images[1]])


class Paired(Sound):
    """Exports a graph that makes two images, however many are asked for."""

    def exports(self):
        part = super().exports()["generator"]
        return {"generator": gtk.ExportPart(Pair(self), part.inputs, part.outputs)}


class Labelled(Sound):
    """Exports a part that takes a label also where there are none."""

    def exports(self):
        part = super().exports()["generator"]
        return {"generator": gtk.ExportPart(part.module, ("z", "label"), ("image",))}


class Leak(Likeness):
    """Yields inside of torch.no_grad()."""

    def updates(self, model, batch, context):
        loss = self.distances(model, batch, context).mean()
        with torch.no_grad():
            brightness = batch.images.mean()
            yield gtk.Update(loss, {"brightness": brightness})


class Each(Likeness):
    """Yields a loss of every image."""

    def updates(self, model, batch, context):
        yield gtk.Update(self.distances(model, batch, context))


class Summed(Likeness):
    """Sums over the batch."""

    def updates(self, model, batch, context):
        yield gtk.Update(self.distances(model, batch, context).sum())


class Mixed(Likeness):
    """Gives every image the mean of the batch."""

    def evaluate(self, model, batch, context):
        distances = self.distances(model, batch, context)
        return {"loss": distances.mean().expand(len(batch))}


class Watching(Likeness):
    """Teaches the model's average also where it is only evaluated."""

    def evaluate(self, model, batch, context):
        model.remember(context.noise.normal(len(batch), 3))
        return super().evaluate(model, batch, context)


class Fading(Likeness):
    """Weighs each step less."""

    def updates(self, model, batch, context):
        yield gtk.Update(self.distances(model, batch, context).mean() * model.strength())


class Reseeding(Likeness):
    """Seeds numpy's generator in every step."""

    def updates(self, model, batch, context):
        np.random.seed(3)  # noqa: NPY002 - on purpose
        noise = float(np.random.rand())  # noqa: NPY002 - on purpose
        yield gtk.Update(self.distances(model, batch, context).mean() * (1 + noise))


class Both(Likeness):
    """Updates two parts."""

    def updates(self, model, batch, context):
        for part in model.parts():
            yield gtk.Update(self.distances(model, batch, context).mean(), part=part)


class Blind(Likeness):
    """Looks at no image and draws no noise."""

    def distances(self, model, batch, context):
        noise = torch.ones(len(batch), 3)
        labels = torch.arange(len(batch)) % 10
        painted = model.paint(noise, None if model.condition is None else labels)
        return (painted - labels[:, None, None, None] / 10).square().mean((1, 2, 3))


class Sowing(Likeness):
    """Seeds torch's generator in every step."""

    def updates(self, model, batch, context):
        torch.manual_seed(3)
        yield from super().updates(model, batch, context)


class Telling(Likeness):
    """Has statistics for the model."""

    def updates(self, model, batch, context):
        loss = self.distances(model, batch, context).mean()
        yield gtk.Update(loss, statistics={"loss": loss.detach()})
