"""Brings plugins of every kind under names that others have."""

import gtk
from gtk.plugins.losses import ELBOConfig
from gtk.plugins.vae import VAEConfig

SUMMARY = "Another one."


class Noted:
    @gtk.hookimpl
    def gtk_train_start(self, run):
        run.folder("rival")


def model(name):
    return gtk.ModelSpec(
        name=name,
        summary=SUMMARY,
        config=VAEConfig,
        target="gtk.plugins.vae.model:VariationalAutoencoder",
        loss="elbo",
        conditioner="onehot",
    )


@gtk.hookimpl
def gtk_models():
    return [model("painter"), model("vae")]


@gtk.hookimpl
def gtk_conditioners():
    target = "gtk.plugins.conditioners.onehot:OneHot"
    return [gtk.ConditionerSpec(name="onehot", summary=SUMMARY, target=target)]


@gtk.hookimpl
def gtk_losses():
    target = "gtk.plugins.losses.elbo:ELBO"
    return [gtk.LossSpec(name="elbo", summary=SUMMARY, target=target, config=ELBOConfig)]


@gtk.hookimpl
def gtk_datasets():
    target = "gtk.plugins.datasets.digits:load"
    return [gtk.DatasetSpec(name="digits", summary=SUMMARY, target=target, root="none")]


@gtk.hookimpl
def gtk_callbacks():
    return [gtk.CallbackSpec(name="samples", summary=SUMMARY, target=Noted)]
