"""Spectral normalization of a discriminator's weights."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from worlds import CONDITIONS, built, data_spec, dataset, settle, trained

import gtk
from gtk.core.contracts.model import Model
from gtk.core.models.summary import summarize
from gtk.core.training.trainer import Trainer
from gtk.core.values.errors import InvalidValue
from gtk.plugins.networks.spectral import SpectralNormalization, fixed_weights, normalize_weights

SMALL: dict[str, Any] = {
    "channels": (4, 6), "hidden_dims": (12, 10), "latent_dim": 3, "batch_size": 8,
    "discriminator_normalization": "spectral", "loss": "hinge",
}  # fmt: skip


def normalized(model: Model) -> dict[str, Tensor]:
    """Return the discriminator's normalized weights, as matrices, by name."""
    return {
        f"{path}.{name}": getattr(module, name).detach().reshape(len(getattr(module, name)), -1)
        for path, module in model.discriminator.named_modules()
        if parametrize.is_parametrized(module)
        for name in module.parametrizations
    }


def norm(weight: Tensor) -> float:
    return torch.linalg.matrix_norm(weight, 2).item()


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("conditioner", ["onehot", "projection", "film", None])
def test_every_layer_up_to_the_score_has_spectral_norm_one(
    network: str, conditioner: str | None
) -> None:
    settings = settle("cgan" if conditioner else "gan", conditioner, network=network, **SMALL)
    model = trained(settings, dataset("classes", 160), steps=20)
    weights = normalized(model)
    names = ["hidden.0.transform", "hidden.1.transform", "head"]
    assert len(weights) == len(names) + (conditioner == "projection")
    assert all(any(name in path for path in weights) for name in names)
    assert ("score.code.layers.weight" in weights) == (conditioner == "projection")
    # One step of power iteration a pass follows weights that a learning rate of 2e-4 moves.
    assert all(norm(weight) == pytest.approx(1, abs=0.06) for weight in weights.values())
    assert not any(parametrize.is_parametrized(item) for item in model.generator.modules())


def test_power_iteration_finds_the_norm_of_weights_that_stand_still() -> None:
    torch.manual_seed(0)
    for layer in (nn.Linear(9, 5), nn.Conv2d(3, 4, 3), nn.Embedding(6, 4)):
        original = layer.weight.detach().clone() * 7
        layer.weight.data.copy_(original)
        normalize_weights([layer])
        for _ in range(100):
            weight = layer.weight
        expected = original / norm(original.flatten(1))
        assert torch.allclose(weight, expected, atol=1e-5)


def test_its_gradient_is_the_papers() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    layer = SpectralNormalization(weight).double()
    for _ in range(200):
        layer(weight)
    layer.eval()
    upstream = torch.randn(4, 6, dtype=torch.float64)
    (layer(weight) * upstream).sum().backward()
    sigma = norm(weight.detach())
    # Equation 12: (E - lambda u v') / sigma, with lambda the mean of E (W h)(h').
    inner = (upstream * weight.detach() / sigma).sum()
    expected = (upstream - inner * torch.outer(layer.u, layer.v)) / sigma
    assert weight.grad is not None
    assert torch.allclose(weight.grad, expected, atol=1e-6)


def test_a_second_pass_leaves_the_gradient_of_the_first() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 6, requires_grad=True)
    layer, upstream = SpectralNormalization(weight), torch.randn(4, 6)
    layer.u.copy_(torch.ones(4) / 2)  # so that the second pass moves it
    other = copy.deepcopy(layer)
    (expected,) = torch.autograd.grad((other(weight) * upstream).sum(), weight)
    first = layer(weight)
    layer(weight)
    (found,) = torch.autograd.grad((first * upstream).sum(), weight)
    assert torch.equal(found, expected)


def test_in_eval_mode_nothing_moves_and_in_train_mode_each_pass_does_one_step() -> None:
    model, _ = built(settle("cgan", "projection", **SMALL), data_spec("classes"))
    images, labels = torch.rand(4, 1, 8, 8), torch.arange(4) % 3
    with torch.no_grad():
        for parameter in model.discriminator.parameters():  # so that u and v have a way to go
            parameter.copy_(torch.randn_like(parameter))
    before = {name: item.clone() for name, item in model.named_buffers()}
    model.eval()
    first, second = (model.discriminate(images, labels) for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(item, before[name]) for name, item in model.named_buffers())
    model.train()
    model.discriminate(images, labels)
    moved = {name for name, item in model.named_buffers() if not torch.equal(item, before[name])}
    assert {name.rpartition(".")[2] for name in moved if "discriminator" in name} == {"u", "v"}


def test_only_the_discriminators_own_update_moves_u_and_v() -> None:
    data = dataset("classes", 160)
    settings = settle("cgan", "projection", **SMALL)
    model, loss = built(settings, data.spec)
    trainer = Trainer(model, loss, data, settings.train, torch.device("cpu"))
    rows = next(trainer.schedule.batches(0))
    learner = trainer.learner
    found: list[dict[str, Tensor]] = []
    follow = learner._follow

    def note(part: str, update: Any, *, frozen: bool) -> None:
        follow(part, update, frozen=frozen)
        found.append({name: item.clone() for name, item in model.discriminator.named_buffers()})

    learner._follow = note  # type: ignore[method-assign]
    trainer.train_step(rows)
    own, generators = found
    assert any(name.endswith(".u") for name in own)
    assert all(torch.equal(own[name], generators[name]) for name in own)


def test_averages_have_the_models_own_vectors_and_stay_near_norm_one() -> None:
    settings = settle("cgan", "projection", average_decay=0.99, **SMALL)
    data = dataset("classes", 160)
    model, loss = built(settings, data.spec)
    trainer = Trainer(model, loss, data, settings.train, torch.device("cpu"))
    for _, rows in zip(range(60), trainer.schedule.batches(0), strict=False):
        trainer.train_step(rows)
    published = trainer.published.eval()
    own, averaged = (dict(item.named_buffers()) for item in (model, published))
    assert all(torch.equal(own[name], averaged[name]) for name in own)
    originals = [name for name, _ in model.named_parameters() if name.endswith("original")]
    states = model.state_dict(), published.state_dict()
    assert originals
    assert all(not torch.equal(states[0][name], states[1][name]) for name in originals)
    weights = normalized(published)
    assert all(norm(weight) == pytest.approx(1, abs=0.1) for weight in weights.values())


def test_an_absent_conditions_vector_is_normalized_too() -> None:
    condition = replace(CONDITIONS["classes"], nullable=True)  # type: ignore[type-var]
    spec = replace(data_spec("classes"), condition=condition)
    model, _ = built(settle("cgan", "projection", **SMALL), spec)
    vector = model.discriminator.score.code.absent
    assert vector.detach().norm().item() == pytest.approx(1)


def test_a_copy_has_weights_of_its_own() -> None:
    model, _ = built(settle("cgan", "projection", **SMALL), data_spec("classes"))
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.discriminator.parameters():
            parameter.add_(torch.randn_like(parameter))
    images, labels = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    model.eval(), other.eval()
    scores = model.discriminate(images, labels)
    assert not torch.allclose(scores, other.discriminate(images, labels))
    other.load_state_dict(model.state_dict())
    assert torch.equal(scores, other.discriminate(images, labels))


def test_an_exported_discriminator_has_its_weights_divided_and_the_model_keeps_its_own() -> None:
    model, _ = built(settle("cgan", "projection", **SMALL), data_spec("classes"))
    before = {name: item.clone() for name, item in model.state_dict().items()}
    part = model.exports()["discriminator"].module
    assert not any(parametrize.is_parametrized(item) for item in part.modules())
    assert all(torch.equal(item, before[name]) for name, item in model.state_dict().items())
    images, labels = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    model.eval()
    assert torch.allclose(part.eval()(images, labels), model.discriminate(images * 2 - 1, labels))
    plain, _ = built(settle("cgan", **{**SMALL, "loss": "minimax"}), data_spec("classes"))
    plain.discriminator = nn.Linear(2, 2)
    assert fixed_weights(plain.discriminator) is plain.discriminator


def test_an_exported_discriminator_has_no_power_iteration(outside: Path, tmp_path: Path) -> None:
    run = gtk.train(
        plugin="cgan", conditioner="projection", network="mlp", quiet=True, epochs=1,
        **{**SMALL, "batch_size": 64},
    )  # fmt: skip
    exported = gtk.export(run, tmp_path / "judge.onnx", part="discriminator")
    assert exported.parity.largest < 1e-5
    graph = onnx.load(exported.path).graph
    assert not {"Div", "Sqrt", "ReduceL2"} & {node.op_type for node in graph.node}


def test_a_summary_lists_the_layers_and_not_what_divides_their_weights() -> None:
    listed = []
    for name in ("spectral", "none"):
        options = {**SMALL, "discriminator_normalization": name}
        model, loss = built(settle("cgan", "projection", **options), data_spec("classes"))
        listed.append(summarize(model, loss, data_spec("classes")))
    assert listed[0] == listed[1]


def test_conditional_norm_finds_no_normalization_in_it() -> None:
    with pytest.raises(InvalidValue, match="acts on normalizations, which the discriminator"):
        built(settle("cgan", "conditional-norm", **SMALL), data_spec("classes"))


@pytest.mark.parametrize("options", [{"r1": 1.0}, {"loss": "wasserstein-gp", "penalty": 1.0}])
def test_gradient_penalties_take_it(options: dict[str, Any]) -> None:
    settings = settle("cgan", "projection", **{**SMALL, **options})
    model = trained(settings, dataset("classes", 160), steps=3)
    assert all(item.isfinite().all() for item in model.parameters())
