"""A model that ignores the condition is refused, unless it says where and why it may."""

import pytest

import gtk
from gtk.plugins.vae.model import VariationalAutoencoder

#: FiLM acts on hidden layers, and there are none here; the learned prior embeds the condition.
NO_HIDDEN_LAYERS = {"conditioner": "film", "hidden_dims": (), "prior": "learned"}


def test_networks_without_the_condition_are_refused() -> None:
    with pytest.raises(gtk.InvalidValue, match="none in the encoder and decoder of model 'cvae'"):
        gtk.train(plugin="cvae", epochs=1, quiet=True, **NO_HIDDEN_LAYERS)


def test_networks_that_are_kept_from_it_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VariationalAutoencoder, "unconditioned", ("encoder", "decoder"))
    gtk.train(plugin="cvae", epochs=1, quiet=True, **NO_HIDDEN_LAYERS)


def test_one_network_at_least_has_to_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VariationalAutoencoder, "unconditioned", ("encoder", "decoder"))
    with pytest.raises(gtk.InvalidValue, match="none in the encoder and decoder"):
        gtk.train(plugin="cvae", epochs=1, quiet=True, **{**NO_HIDDEN_LAYERS, "prior": "standard"})
