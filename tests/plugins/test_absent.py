"""Conditions that are left out while a model trains: every kind with every conditioner."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from test_pairs import CONDITIONERS, KINDS, options, refusal
from worlds import CONDITIONS, built, data_spec, dataset, settle, trained

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.conditioner import Conditioner, Site
from gtk.core.contracts.noise import Noise
from gtk.core.contracts.normalization import Normalization
from gtk.core.training.training_images import without_some_conditions
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.exports.candidate import Candidate
from gtk.exports.options import ExportOptions
from gtk.exports.proof import Proof
from gtk.exports.runtime import load
from gtk.plugins.conditioners.modulation import ConditionalNormalization, FiLM
from gtk.plugins.conditioners.onehot import OneHot

TRIALS = [
    (model, conditioner, kind)
    for model in ("cvae", "cgan")
    for conditioner in CONDITIONERS
    for kind in KINDS
    if refusal(model, conditioner, kind) is None
]


def nullable(kind: str) -> ConditionSpec:
    """Return a small condition that may be absent."""
    condition = CONDITIONS[kind]
    assert condition is not None
    return condition.with_absent()


@pytest.mark.parametrize(("model", "conditioner", "kind"), TRIALS)
def test_every_pair_trains_and_samples_with_and_without_a_condition(
    model: str, conditioner: str, kind: str
) -> None:
    chosen = options(model, "mlp", conditioner)
    settings = settle(model, conditioner, condition_dropout=0.5, **chosen)
    networks = trained(settings, dataset(kind), steps=6)
    condition = networks.condition
    assert condition is not None
    assert condition.nullable
    rows = torch.from_numpy(condition.kinds_of_rows())
    noise = torch.from_numpy(np.repeat(networks.noise.draw(1, seed=0), len(rows), axis=0))
    with torch.no_grad():
        drawn = networks.sample(noise, rows)
        alone = networks.sample(noise[:1], rows[-1:])
    assert drawn.isfinite().all()
    assert torch.allclose(drawn[-1:], alone, atol=1e-6)  # whatever rows are beside it
    assert not any(torch.allclose(drawn[-1], other, atol=1e-7) for other in drawn[:-1])
    for name, value in networks.state_dict().items():
        assert value.isfinite().all(), name


@pytest.mark.parametrize("prior", ["standard", "learned"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_off_leaves_no_trace_in_the_weights(kind: str, prior: str) -> None:
    chosen = {**options("cvae", "mlp", "film"), "prior": prior}
    plain, _ = built(settle("cvae", "film", **chosen), data_spec(kind))
    with_none, _ = built(settle("cvae", "film", condition_dropout=0.1, **chosen), data_spec(kind))
    assert not plain.condition.nullable  # type: ignore[union-attr]
    extra = with_none.state_dict().keys() - plain.state_dict().keys()
    assert extra == ({"prior_network.code.absent"} if prior == "learned" else set())
    assert plain.state_dict().keys() <= with_none.state_dict().keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_hands_on_for_an_absent_row_what_it_would_without_a_condition(kind: str) -> None:
    condition, site = nullable(kind), Site("generator", "hidden 0")
    rows = torch.from_numpy(condition.kinds_of_rows())
    hidden = torch.rand(len(rows), 4, generator=torch.Generator().manual_seed(0))
    film = moved(FiLM(None, condition).hidden(site, 4))
    assert torch.equal(film(hidden, rows)[-1], hidden[-1])
    assert not torch.equal(film(hidden, rows)[0], hidden[0])
    group = Normalization("group")
    normalized = ConditionalNormalization(None, condition).normalization(
        site, 4, group, spatial=False
    )
    plain = group.build(4, spatial=False, affine=False)
    assert torch.equal(moved(normalized)(hidden, rows)[-1], plain(hidden)[-1])
    if kind != "continuous":
        beside = OneHot(None, condition).input(site, 4)(hidden, rows)
        assert torch.equal(beside[:, :4], hidden)
        assert not beside[-1, 4:].any()
        assert beside[:-1, 4:].any(1).all()
    learned = Conditioner(None, condition).embed(site, 4)
    assert torch.equal(learned(rows)[-1], learned.absent)
    assert isinstance(learned.absent, torch.nn.Parameter)


def moved(layer: torch.nn.Module) -> torch.nn.Module:
    """Give a layer weights that training might have given it."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.linspace(0.3, 0.9, parameter.numel()).view_as(parameter))
    return layer


@pytest.mark.parametrize("kind", KINDS)
def test_the_share_that_is_left_out_is_drawn_from_the_seed(kind: str) -> None:
    condition, noise = nullable(kind), Noise(torch.device("cpu"))
    rows = torch.from_numpy(condition.cycle(2000))
    batch, absent_row = Batch(torch.zeros(2000, 1, 2, 2), rows), torch.from_numpy(condition.absent)

    def draw(seed: int) -> Any:
        noise.seed(seed)
        changed = without_some_conditions(batch, absent_row, 0.2, noise).condition
        assert changed is not None
        return changed.numpy()

    absent = condition.is_absent(draw(1))
    assert 0.15 < absent.mean() < 0.25
    assert np.array_equal(draw(1), draw(1), equal_nan=kind != "classes")
    assert not np.array_equal(absent, condition.is_absent(draw(2)))
    assert np.array_equal(draw(1)[~absent], rows.numpy()[~absent])


def test_dropping_a_condition_where_none_acts_is_refused() -> None:
    settings = settle("vae", condition_dropout=0.1)
    with pytest.raises(InvalidValue, match="condition_dropout leaves the condition out"):
        built(settings, data_spec("classes"))
    with pytest.raises(InvalidValue, match="condition_dropout must be at least 0 and less than 1"):
        settle("cvae", condition_dropout=1.0)


@pytest.mark.parametrize(
    ("data", "conditioner", "given"),
    [
        ("digits", "onehot", 3),
        ("marks", "embedding", {"roof": 1}),
        ("ramps", "film", {"slope": 20}),
    ],
)
def test_a_run_and_its_exported_file_draw_without_a_condition(
    data: str, conditioner: str, given: Any, tmp_path: Path, outside: Path
) -> None:
    run = gtk.train(
        "generative-toolkit/cvae", data, conditioner=conditioner, runs=tmp_path, quiet=True,
        epochs=1, hidden_dims=(16,), latent_dim=2, condition_dropout=0.3, learning_rate=0.01,
    )  # fmt: skip
    assert "nullable" not in str(run.document["data_spec"])
    condition = run.condition
    assert condition is not None
    labels = [given, None, "none"]
    images = run.sample(labels=labels, seed=1)
    noise = run.load_model().noise.draw(3, seed=1)
    assert np.array_equal(images, run.generate(noise, labels))
    exported = gtk.export(run, tmp_path / "it.onnx")  # which compares absent rows, too
    assert exported.contract["condition"]["absent"] == (10 if data == "digits" else "NaN")
    generator = load(exported.path, "cpu")
    rows = np.stack([condition.encode(label) for label in labels])
    drawn = generator.draw(noise, rows, 256)
    assert np.abs(drawn.astype(int) - images).max() <= 1
    assert not np.array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_is_not_whole_before_a_row_without_a_condition_was_compared(kind: str) -> None:
    condition = nullable(kind)
    part = SimpleNamespace(condition=condition, outputs=(), repeats=False)
    proof = Proof(part, Candidate(None), ExportOptions())  # type: ignore[arg-type]
    assert len(proof.left_out) == len(condition.examples()) + 1
