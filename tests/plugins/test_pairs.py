"""Every model with every conditioner and kind of condition: trained, or refused with a reason."""

from typing import Any

import pytest
import torch
from worlds import built, data_spec, dataset, settle, trained

from gtk.core.contracts.model import Model
from gtk.core.values.errors import InvalidValue

SMALL: dict[str, Any] = {
    "channels": (4, 6),
    "hidden_dims": (12,),
    "latent_dim": 3,
    "batch_size": 16,
}
MODELS = ["vae", "cvae", "gan", "cgan"]
CONDITIONERS = ["onehot", "embedding", "film", "conditional-norm", "projection"]
KINDS = ["classes", "attributes", "continuous"]


def options(model: str, network: str, conditioner: str) -> dict[str, Any]:
    """Return sizes, and the normalizations that a conditioner needs."""
    chosen = {**SMALL, "network": network}
    if model.endswith("vae") and conditioner == "conditional-norm":
        chosen["normalization"] = "batch"
    if model.endswith("gan"):  # more than one layer that can be normalized
        chosen["hidden_dims"] = (12, 12)
    return chosen


def refusal(model: str, conditioner: str, kind: str) -> str | None:
    """Return why a pair is refused, None where it is not."""
    if conditioner == "onehot" and kind == "continuous":
        return "'onehot' takes classes or attributes, not numbers (age, angle)"
    if conditioner == "projection" and model.endswith("vae"):
        return (
            "'projection' acts on a generator's normalizations and a discriminator's score, which"
        )
    return None


PAIRS = [
    (model, network, conditioner, kind)
    for model in MODELS
    for network in ("mlp", "conv")
    for conditioner in CONDITIONERS
    for kind in KINDS
]


@pytest.mark.parametrize(("model", "network", "conditioner", "kind"), PAIRS)
def test_every_pair_trains_and_heeds_its_condition_or_says_why_not(
    model: str, network: str, conditioner: str, kind: str
) -> None:
    settings = settle(model, conditioner, **options(model, network, conditioner))
    reason = refusal(model, conditioner, kind)
    if reason is not None:
        with pytest.raises(InvalidValue) as error:
            built(settings, data_spec(kind))
        assert reason in str(error.value)
        return
    networks = trained(settings, dataset(kind), steps=6)
    assert networks.condition is not None
    examples = torch.from_numpy(networks.condition.examples())
    assert heeds(networks, examples[:1], examples[1:2])


def heeds(model: Model, first: torch.Tensor, second: torch.Tensor) -> bool:
    """Say whether another condition changes what every network of a model gives."""
    noise = torch.from_numpy(model.noise.draw(1, seed=0))
    images = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    if hasattr(model, "discriminate"):
        others = [model.discriminate(images, condition) for condition in (first, second)]
    else:
        others = [model.encode(images, condition).mean for condition in (first, second)]
    drawn = [model.sample(noise, condition) for condition in (first, second)]
    return not (torch.allclose(*others, atol=1e-6) or torch.allclose(*drawn, atol=1e-6))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_without_a_condition_every_model_trains(model: str, network: str) -> None:
    settings = settle(model, "unconditional", network=network, **SMALL)
    networks = trained(settings, dataset("none"), steps=3)
    assert networks.condition is None
    assert networks.sample(torch.zeros(2, 3), None).shape == (2, 1, 8, 8)


@pytest.mark.parametrize("conditioner", CONDITIONERS)
def test_data_without_labels_are_refused_by_every_conditioner_that_acts(conditioner: str) -> None:
    with pytest.raises(
        InvalidValue, match=f"'{conditioner}' needs labels, and the images of data set 'world'"
    ):
        built(settle("cvae", conditioner), data_spec("none"))


@pytest.mark.parametrize(
    ("model", "conditioner", "changed", "message"),
    [
        ("cvae", "conditional-norm", {}, "which the encoder and decoder of model 'cvae' lack"),
        (
            "cgan",
            "conditional-norm",
            {"discriminator_normalization": "none"},
            "acts on normalizations, which the discriminator of model 'cgan' lacks",
        ),
        (
            "cgan",
            "projection",
            {"generator_normalization": "none"},
            "which the generator of model 'cgan' lacks",
        ),
        (
            "cvae",
            "film",
            {"hidden_dims": ()},
            "acts on hidden layers, which the encoder",
        ),
        ("vae", "unconditional", {"prior": "learned"}, "a learned prior needs a condition"),
    ],
)
def test_a_network_with_no_place_for_the_condition_is_refused(
    model: str, conditioner: str, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValue) as error:
        built(settle(model, conditioner, **changed), data_spec("classes"))
    assert message in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_conditional_normalization_is_of_the_kind_that_the_model_wants(
    kind: str, normalization: str
) -> None:
    options = {"network": "conv", "normalization": normalization, **SMALL}
    networks = trained(settle("cvae", "conditional-norm", **options), dataset(kind), steps=3)
    name = {"batch": "BatchNorm", "group": "GroupNorm"}[normalization]
    found = [item for item in networks.modules() if "Norm" in type(item).__name__]
    found = [item for item in found if "Conditional" not in type(item).__name__]
    assert found
    assert all(type(item).__name__.startswith(name) for item in found)
    assert all(item.weight is None for item in found), "scale and shift are the condition's"


@pytest.mark.parametrize("conditioner", ["film", "conditional-norm"])
def test_scale_and_shift_start_at_zero(conditioner: str) -> None:
    settings = settle("cvae", conditioner, normalization="batch", **SMALL)
    networks, _ = built(settings, data_spec("classes"))
    networks.eval()
    noise = torch.randn(1, 3).expand(3, -1)
    first, second, third = networks.sample(noise, torch.arange(3))
    assert torch.equal(first, second)
    assert torch.equal(second, third)


def test_the_projection_is_the_inner_product_of_vector_and_features() -> None:
    networks, _ = built(settle("cgan", "projection", **SMALL), data_spec("classes"))
    networks.eval()
    seen: dict[str, torch.Tensor] = {}
    discriminator = networks.discriminator
    discriminator.score.register_forward_pre_hook(
        lambda _, inputs: seen.update(score=inputs[0], features=inputs[1])
    )
    images, labels = torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 1])
    found = networks.discriminate(images, labels)
    vectors = discriminator.score.code.layers.weight[labels]
    expected = seen["score"] + torch.einsum("bf,bf->b", vectors, seen["features"])
    assert torch.allclose(found, expected)
    assert vectors.abs().max() < 0.2, "small at first"


def test_a_continuous_condition_is_scaled_to_its_range() -> None:
    networks, _ = built(settle("cvae", "embedding", **SMALL), data_spec("continuous"))
    code = networks.encoder.layers.input.code
    weight, bias = code.layers[1].weight, code.layers[1].bias
    found = code(torch.tensor([[0.0, 1.0], [50.0, -1.0], [100.0, -3.0]]))
    ends = torch.tensor([[-1.0, 1.0], [0.0, 0.0], [1.0, -1.0]])
    assert torch.allclose(found, ends @ weight.T + bias)
