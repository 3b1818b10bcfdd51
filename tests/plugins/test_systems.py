"""The published systems: their recipes settle to exactly what the sources say."""

from typing import Any

import pytest
import torch
from torch import nn

from gtk.core.models.build import build
from gtk.core.settings.choice import Choice
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.defaults import find_recipe

TEN = ConditionSpec(tuple("0123456789"))
MNIST = DataSpec("mnist", 1, 28, 28, TEN)
CIFAR10 = DataSpec("cifar10", 3, 32, 32, TEN)

BINARY = {"likelihood": "bernoulli", "prior": "standard"}
MLP = {"network": "mlp", "activation": "relu", "normalization": "none", **BINARY}
ADAM = {"adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "learning_rate": 1e-3}
PLAIN = {"warmup_steps": 0, "decay": "constant", "clip_norm": 0.0, "average_decay": 0.0}
BOUND = {"name": "elbo", "beta": 1.0, "free_bits": 0.0, "kl_warmup_steps": 0}
SYSTEMS: dict[str, dict[str, dict[str, Any]]] = {
    "cvae-mlp": {
        "data": {"name": "mnist"},
        "model": {"name": "cvae", "hidden_dims": [64], "latent_dim": 32, **MLP},
        "conditioner": {"name": "onehot"},
        "loss": BOUND,
        "train": {"epochs": 30, "batch_size": 128, **ADAM, **PLAIN},
    },
    "vae-mlp": {
        "data": {"name": "mnist"},
        "model": {"name": "vae", "hidden_dims": [400], "latent_dim": 20, **MLP},
        "conditioner": {"name": "unconditional"},
        "loss": BOUND,
        "train": {"epochs": 15, "batch_size": 128, **ADAM, **PLAIN},
    },
    "vae-2d": {
        "data": {"name": "mnist"},
        "model": {"name": "vae", "hidden_dims": [400], "latent_dim": 2, **MLP},
        "conditioner": {"name": "unconditional"},
        "loss": BOUND,
        "train": {"epochs": 20, "batch_size": 50, **ADAM, **PLAIN},
    },
    "cgan-conv": {
        "data": {"name": "mnist"},
        "model": {"name": "cgan", "network": "conv", "latent_dim": 100},
        "conditioner": {"name": "onehot"},
        "loss": {"name": "minimax", "r1": 0.0},
        "train": {"batch_size": 128, **ADAM, "learning_rate": 2e-4, "adam_beta1": 0.5, **PLAIN},
    },
    "vae-conv": {
        "data": {"name": "cifar10"},
        "model": {"name": "vae", "network": "conv", "latent_dim": 128, **BINARY},
        "conditioner": {"name": "unconditional"},
        "loss": {**BOUND, "beta": 3.0},
        "train": {"epochs": 100, "batch_size": 128, "validate_on_test": True, **ADAM, **PLAIN},
    },
    "iwae-mnist": {
        "data": {"name": "mnist"},
        "model": {
            "name": "vae",
            "hidden_dims": [200, 200],
            "latent_dim": 50,
            **MLP,
            "activation": "tanh",
            "likelihood": "binarized-bernoulli",
        },
        "conditioner": {"name": "unconditional"},
        "loss": {"name": "iwae", "samples": 5},
        "train": {
            "epochs": 3280,
            "batch_size": 20,
            **ADAM,
            "adam_epsilon": 1e-4,
            **PLAIN,
            "decay": "multistep",
        },
    },
}

RELU, LEAKY, TANH = "ReLU", "LeakyReLU 0.2", "Tanh"
LAYERS = {
    "cgan-conv generator": [
        "T 110 512 k3 s1 p0 o0", "BN 512 1e-05 0.1", RELU,
        "T 512 256 k3 s2 p0 o0", "BN 256 1e-05 0.1", RELU,
        "T 256 128 k4 s2 p1 o0", "BN 128 1e-05 0.1", RELU,
        "T 128 1 k4 s2 p1 o0",
    ],
    "cgan-conv discriminator": [
        "C 11 64 k4 s2 p1", LEAKY,
        "C 64 128 k4 s2 p1", "BN 128 1e-05 0.1", LEAKY,
        "C 128 256 k3 s2 p0", "BN 256 1e-05 0.1", LEAKY,
        "C 256 1 k3 s1 p0",
    ],
    "vae-conv encoder": [
        "C 3 64 k3 s2 p1", RELU, "BN 64 0.001 0.01",
        "C 64 128 k3 s2 p1", RELU, "BN 128 0.001 0.01",
        "C 128 256 k3 s2 p1", RELU, "BN 256 0.001 0.01",
        "C 256 512 k3 s2 p1", RELU, "BN 512 0.001 0.01",
        "L 2048 256",
    ],
    "vae-conv decoder": [
        "L 128 1024", RELU, "BN 1024 0.001 0.01",
        "L 1024 4096", RELU, "BN 4096 0.001 0.01",
        "T 256 256 k3 s2 p1 o1", RELU, "BN 256 0.001 0.01",
        "T 256 256 k3 s1 p1 o0", RELU, "BN 256 0.001 0.01",
        "T 256 128 k3 s2 p1 o1", RELU, "BN 128 0.001 0.01",
        "T 128 128 k3 s1 p1 o0", RELU, "BN 128 0.001 0.01",
        "T 128 64 k3 s2 p1 o1", RELU, "BN 64 0.001 0.01",
        "T 64 64 k3 s1 p1 o0", RELU,
        "T 64 3 k3 s1 p1 o0",
    ],
    "cvae-mlp encoder": ["L 794 64", RELU, "L 64 64"],
    "cvae-mlp decoder": ["L 42 64", RELU, "L 64 784"],
    "vae-mlp encoder": ["L 784 400", RELU, "L 400 40"],
    "vae-mlp decoder": ["L 20 400", RELU, "L 400 784"],
    "vae-2d encoder": ["L 784 400", RELU, "L 400 4"],
    "vae-2d decoder": ["L 2 400", RELU, "L 400 784"],
    "iwae-mnist encoder": ["L 784 200", TANH, "L 200 200", TANH, "L 200 100"],
    "iwae-mnist decoder": ["L 50 200", TANH, "L 200 200", TANH, "L 200 784"],
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_recipe_settles_to_its_source(name: str) -> None:
    document = Choice.by_name(None, recipe=find_recipe(name)).settle({}, None).as_document()
    for table, expected in SYSTEMS[name].items():
        assert {key: document[table][key] for key in expected} == expected


@pytest.mark.parametrize("title", LAYERS)
def test_the_layers_are_the_sources_in_order(title: str) -> None:
    name, network = title.split()
    settings = Choice.by_name(None, recipe=find_recipe(name)).settle({}, None)
    model, _ = build(settings, CIFAR10 if name == "vae-conv" else MNIST)
    leaves = [item for item in model.networks()[network].modules() if not list(item.children())]
    written = [text for item in leaves if (text := write(item))]
    # The networks keep hidden layers in lists, so the order of modules is that of the data.
    assert written == LAYERS[title]


def write(layer: nn.Module) -> str:
    """Write a layer as the sources do."""
    if isinstance(layer, nn.Linear):
        return f"L {layer.in_features} {layer.out_features}"
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        kernel, stride, padding = (
            value[0]
            for value in (layer.kernel_size, layer.stride, layer.padding)
            if len({*value}) == 1 and not isinstance(value, str)
        )
        letter = "T" if isinstance(layer, nn.ConvTranspose2d) else "C"
        text = f"{letter} {layer.in_channels} {layer.out_channels} k{kernel} s{stride} p{padding}"
        return text + (f" o{layer.output_padding[0]}" if letter == "T" else "")
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return f"BN {layer.num_features} {layer.eps:g} {layer.momentum:g}"
    if isinstance(layer, nn.LeakyReLU):
        return f"LeakyReLU {layer.negative_slope:g}"
    return type(layer).__name__ if isinstance(layer, nn.ReLU | nn.Tanh) else ""


def test_the_generator_ends_in_tanh_and_images_reach_it_from_minus_one_to_one() -> None:
    settings = Choice.by_name(None, recipe=find_recipe("cgan-conv")).settle({}, None)
    model: Any = build(settings, MNIST)[0].eval()
    seen: list[torch.Tensor] = []
    model.generator.head.register_forward_hook(lambda *call: seen.append(call[2]))
    images = model.generate(torch.randn(2, 100), torch.tensor([3, 4]))
    assert torch.equal(images, seen[0].tanh())
    assert model.to_network_range(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]
    assert torch.allclose(model.sample(torch.zeros(1, 100), torch.tensor([3])) * 2 - 1,
                          model.generate(torch.zeros(1, 100), torch.tensor([3])))  # fmt: skip


def test_vae_conv_validates_on_the_test_split() -> None:
    settings = Choice.by_name(None, recipe=find_recipe("vae-conv")).settle({}, None)
    assert settings.train.validate_on_test
    assert settings.train.validation == 0
