"""What the tests share: an empty folder to work in, small models for each kind of condition."""

from collections.abc import Callable

import pytest
import torch
from gtk_plugin_vqvae import VQVAEConfig
from gtk_plugin_vqvae.model import VQVAE

import gtk

#: A condition of each kind, and one image's.
CONDITIONS = {
    "classes": (gtk.ConditionSpec(("a", "b", "c")), [2, 0]),
    "attributes": (gtk.ConditionSpec(("hat", "beard"), "attributes"), [[1.0, 0.0], [1.0, 1.0]]),
    "continuous": (
        gtk.ConditionSpec(("age",), "continuous", ((0.0, 100.0),)),
        [[20.0], [70.0]],
    ),
    "none": (None, None),
}


class Unconditional(gtk.Conditioner):
    conditional = False


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


@pytest.fixture
def make() -> Callable[..., VQVAE]:
    """A function that makes a small model, whose codebook has seen a batch."""

    def make(condition=None, shape=(1, 8, 8), **options) -> VQVAE:
        given = {"codes": 5, "code_dim": 3, "channels": 4, "prior_features": 8} | options
        strategy = Unconditional if condition is None else gtk.Conditioner
        spec = gtk.DataSpec("made up", *shape, condition)
        model = VQVAE(VQVAEConfig(**given), spec, strategy(None, condition))
        model.condition = condition
        quantized = model.autoencode(torch.rand(16, *shape))
        order = torch.arange(quantized.codes.numel())
        with torch.no_grad():
            model.after_update("autoencoder", model.codebook_statistics(quantized, order))
        return model

    return make
