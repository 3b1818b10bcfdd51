"""Conditioning layers, and the record of where they acted."""

import pytest
import torch
from torch import nn

from gtk.core.contracts.conditioner import ConditioningRecord, PassThrough, Site
from gtk.core.registry.spec import NoConfig
from gtk.core.values.condition import ConditionSpec
from gtk.plugins.conditioners import EmbeddingConfig
from gtk.plugins.conditioners.embedding import Embedding
from gtk.plugins.conditioners.onehot import OneHot
from gtk.plugins.conditioners.unconditional import Unconditional

CLASSES = ConditionSpec(("a", "b", "c"))
SITE = Site("encoder", "input")


def test_onehot_puts_the_label_beside_a_vector() -> None:
    layer = OneHot(NoConfig(), CLASSES).input(SITE, 2)
    assert layer.out_features == 5
    found = layer(torch.tensor([[7.0, 8.0], [9.0, 6.0]]), torch.tensor([2, 0]))
    assert found.tolist() == [[7, 8, 0, 0, 1], [9, 6, 1, 0, 0]]
    assert not list(layer.parameters())
    assert not layer.state_dict(), "the unit matrix need not be saved"


def test_onehot_puts_the_label_into_every_pixel_of_an_image() -> None:
    layer = OneHot(NoConfig(), CLASSES).input(SITE, 1)
    found = layer(torch.full((1, 1, 2, 2), 7.0), torch.tensor([1]))
    assert found[0].tolist() == [
        [[7, 7], [7, 7]],
        [[0, 0], [0, 0]],
        [[1, 1], [1, 1]],
        [[0, 0], [0, 0]],
    ]


@pytest.mark.parametrize("label", [-1, 3])
def test_onehot_refuses_a_label_out_of_range(label: int) -> None:
    layer = OneHot(NoConfig(), CLASSES).input(SITE, 2)
    with pytest.raises((IndexError, RuntimeError), match="out of range"):
        layer(torch.zeros(1, 2), torch.tensor([label]))


def test_embedding_learns_a_vector_for_each_network() -> None:
    conditioner = Embedding(EmbeddingConfig(embedding_dim=4), CLASSES)
    first, second = (conditioner.input(Site(role, "input"), 2) for role in ("encoder", "decoder"))
    assert first.out_features == 6
    assert sum(item.numel() for item in first.parameters()) == 12
    found = first(torch.ones(2, 2), torch.tensor([1, 1]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(*(next(layer.parameters()) for layer in (first, second)))


def test_the_record_knows_where_a_strategy_acted() -> None:
    record = ConditioningRecord(OneHot(NoConfig(), CLASSES))
    networks: dict[str, nn.Module] = {"encoder": nn.Identity(), "decoder": nn.Identity()}
    assert isinstance(record.hidden(Site("decoder", "hidden 0"), 5), PassThrough)
    assert record.idle_networks(networks) == ["encoder", "decoder"]
    record.input(SITE, 5)
    assert record.acted == [SITE]
    assert record.idle_networks(networks) == ["decoder"]


def test_a_network_may_be_left_out_as_long_as_another_is_conditioned() -> None:
    record = ConditioningRecord(OneHot(NoConfig(), CLASSES))
    networks: dict[str, nn.Module] = {"encoder": nn.Identity(), "prior": nn.Identity()}
    assert record.idle_networks(networks, ("encoder", "prior")) == ["encoder", "prior"]
    record.input(Site("prior", "input"), 5)
    assert record.idle_networks(networks, ("encoder",)) == []
    assert record.idle_networks(networks) == ["encoder"]


def test_the_unconditional_acts_nowhere_and_need_not() -> None:
    record = ConditioningRecord(Unconditional(NoConfig(), None))
    assert record.input(SITE, 5)(torch.ones(2, 5), None).tolist() == [[1] * 5] * 2
    assert record.idle_networks({"encoder": nn.Identity()}) == []
