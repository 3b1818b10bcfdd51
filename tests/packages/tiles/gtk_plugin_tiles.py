"""A model from outside whose codes are discrete: four tiles, each one of a set that is learned."""

import gtk
import torch
from torch import nn

COUNT, PLACES, SIDE = 8, 4, 2


class Tiles(gtk.Model):
    """Lays images of tiles; a tile is drawn given the one before it and the class."""

    def __init__(self, config, data_spec, conditioner):
        super().__init__()
        self.noise = gtk.NoiseSpec((PLACES, COUNT))
        self.shape = data_spec.image_shape
        channels, height, width = self.shape
        self.tiles = nn.Parameter(torch.randn(COUNT, channels * height * width // PLACES))
        self.first = nn.Parameter(torch.zeros(COUNT))
        self.after = nn.Parameter(torch.randn(COUNT, COUNT))
        self.wish = (
            conditioner.embed(gtk.Site("wish", "class"), COUNT) if conditioner.conditional else None
        )

    def encode(self, images):
        """Return how near each tile is to each place: (B, 4, K)."""
        channels, height, width = self.shape
        sides = (channels, SIDE, height // SIDE, SIDE, width // SIDE)
        places = images.unflatten(2, sides[1:3]).unflatten(4, sides[3:]).permute(0, 2, 4, 1, 3, 5)
        places = places.reshape(-1, PLACES, 1, self.tiles.shape[1])
        return -(places - torch.sigmoid(self.tiles)).square().sum(3)

    def decode(self, codes):
        """Map codes (B, 2, 2) to images."""
        channels, height, width = self.shape
        places = torch.sigmoid(self.tiles)[codes]
        places = places.reshape(-1, SIDE, SIDE, channels, height // SIDE, width // SIDE)
        return places.permute(0, 3, 1, 4, 2, 5).reshape(-1, *self.shape)

    def draw(self, noise, condition):
        """Return the numbers (B, 4, K) of which each place takes the largest."""
        # The uniform's far end is the normal's near one, where float32 has more numbers.
        gumbel = -torch.log(-torch.log((torch.erf(noise / 2**0.5) / 2 + 0.5).clamp(1e-7, 1 - 1e-7)))
        wish = 0.0 if self.wish is None else self.wish(condition)
        found, logits = [], self.first.expand(len(noise), COUNT)
        for place in range(PLACES):
            found.append(logits + wish + gumbel[:, place])
            logits = self.after[found[-1].argmax(1)]
        return torch.stack(found, 1)

    def sample(self, noise, condition=None):
        return self.decode(self.draw(noise, condition).argmax(2).unflatten(1, (SIDE, SIDE)))

    def find(self, images):
        """Return the nearest tile of each place: (B, 2, 2)."""
        return self.encode(images).argmax(2).unflatten(1, (SIDE, SIDE))

    def exports(self):
        condition = () if self.condition is None else (self.condition.input_name,)
        codes = {"codes": gtk.Codes((SIDE, SIDE), COUNT)}
        return {
            "sampler": gtk.ExportPart(
                Part(self, Tiles.sample), ("noise", *condition), ("image",), margin=sampled_margin
            ),
            "decoder": gtk.ExportPart(
                Part(self, Tiles.decode), ("codes",), ("image",), Tiles.decode, codes=codes
            ),
            "encoder": gtk.ExportPart(
                Part(self, Tiles.find),
                ("image",),
                ("codes",),
                Tiles.find,
                codes=codes,
                margin=encoded_margin,
            ),
        }


def closest(numbers):
    """Return by how much the closest of some choices (B, N, K) is decided: (B,)."""
    best = numbers.topk(2, dim=2).values
    return (best[..., 0] - best[..., 1]).amin(1)


def sampled_margin(model, noise, condition=None):
    return closest(model.draw(noise, condition))


def encoded_margin(model, images):
    return closest(model.encode(images))


class Part(nn.Module):
    def __init__(self, model, method):
        super().__init__()
        self.model = model
        self.method = method

    def forward(self, *inputs):
        return self.method(self.model, *inputs)


class Fit(gtk.Loss):
    """How far each place is from the tile that is nearest, and how probable these tiles are."""

    requires = gtk.Model
    unit = "squares and nats"

    def __init__(self, config):
        pass

    def updates(self, model, batch, context):
        yield gtk.Update(self.evaluate(model, batch, context)["loss"].mean())

    def evaluate(self, model, batch, context):
        nearness = model.encode(batch.images)
        codes = nearness.argmax(2)
        condition = None if model.condition is None else batch.condition
        wish = 0.0 if model.wish is None else model.wish(condition)[:, None]
        first = model.first.expand(len(codes), 1, COUNT)
        logits = torch.cat([first, model.after[codes[:, :-1]]], 1) + wish
        nats = -logits.log_softmax(2).gather(2, codes[..., None]).sum((1, 2))
        return {"loss": nats - nearness.amax(2).sum(1)}


@gtk.hookimpl
def gtk_models():
    return [
        gtk.ModelSpec(
            name="tiles", summary="Tiles.", target=Tiles, loss="fit", conditioner="embedding"
        )
    ]


@gtk.hookimpl
def gtk_losses():
    return [gtk.LossSpec(name="fit", summary="Nearest tiles.", target=Fit)]
