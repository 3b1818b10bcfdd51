"""VAE/GAN: a discriminator judges the images of a VAE (Larsen et al., arXiv:1512.09300)."""

from dataclasses import dataclass, field

import gtk
import torch
from torch import nn
from torch.nn.functional import softplus


@dataclass(frozen=True)
class VAEGANConfig:
    adversarial: float = field(default=1.0, metadata={"help": "Weight of the verdict on samples."})
    similarity: float = field(default=0.1, metadata={"help": "Weight of the features' distance."})


class Discriminator(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(shape[0], 32, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.score = nn.Linear(self.features(torch.zeros(1, *shape)).shape[1], 1)

    def forward(self, images):
        features = self.features(images)
        return features, self.score(features)[:, 0]


class VAEGAN(gtk.Loss):
    requires, unit = gtk.LatentVariableModel, "nats per image"

    def networks(self, model):
        given = None if model.condition is None else torch.tensor(model.condition.examples()[:1])
        image = model.sample(torch.zeros(1, *model.noise.shape), given)
        return {"discriminator": Discriminator(image.shape[1:])}

    def updates(self, model, batch, context):
        discriminator, images = context.networks["discriminator"], batch.images
        bound, copies = self.bound(model, batch, context)
        samples = self.draw(model, batch, context)
        _, real = discriminator(images)
        _, made = discriminator(torch.cat([copies, samples]).detach())
        yield gtk.Update(softplus(-real).mean() + softplus(made).mean(), part="discriminator")

        terms = {name: values.mean() for name, values in bound.items()}
        distance = discriminator(copies)[0] - discriminator(images)[0]
        terms["similarity"] = distance.square().sum(1).mean() / 2
        terms["adversarial"] = softplus(-discriminator(samples)[1]).mean()
        loss = terms.pop("loss") + self.config.adversarial * terms["adversarial"]
        yield gtk.Update(loss + self.config.similarity * terms["similarity"], terms)

    def evaluate(self, model, batch, context):
        bound, _ = self.bound(model, batch, context)
        _, verdict = context.networks["discriminator"](self.draw(model, batch, context))
        return bound | {"adversarial": softplus(-verdict)}

    def bound(self, model, batch, context):
        posterior = model.encode(batch.images, batch.condition)
        z = posterior.transform(context.noise.normal(*posterior.mean.shape))
        parameters = model.decode(z, batch.condition)
        reconstruction = -model.log_likelihood(parameters, batch.images)
        kl = model.prior(batch.condition).divergence(posterior).sum(1)
        terms = {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
        return terms, model.expected_image(parameters)

    def draw(self, model, batch, context):
        noise = context.noise.normal(len(batch), *model.noise.shape)
        return model.sample(noise, batch.condition)


@gtk.hookimpl
def gtk_losses():
    summary = "The ELBO, and the features and the verdict of a discriminator."
    return [gtk.LossSpec(name="vae-gan", summary=summary, target=VAEGAN, config=VAEGANConfig)]
