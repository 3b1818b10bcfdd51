"""Brings a model under the name of one of gtk's own."""

import gtk
from gtk.plugins.vae import VAEConfig


@gtk.hookimpl
def gtk_models():
    return [
        gtk.ModelSpec(
            name="cvae",
            summary="Another cvae.",
            config=VAEConfig,
            target="gtk.plugins.vae.model:VariationalAutoencoder",
            loss="elbo",
            conditioner="onehot",
        )
    ]
