"""The list of a model's layers."""

import pytest

from gtk.core.models.summary import Layer, summarize
from gtk.core.registry.train_request import TrainRequest
from gtk.train_function import prepare


def test_a_layer_is_listed_once_and_not_compared_with_every_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {"network": "mlp", "hidden_dims": (4,) * 60}
    training, _ = prepare(TrainRequest(plugin="gan", data="digits", quiet=True, options=options))
    compared, equal = [], Layer.__eq__
    monkeypatch.setattr(Layer, "__eq__", lambda *both: compared.append(1) or equal(*both))
    layers = summarize(training.model, training.loss, training.dataset.spec)
    assert len(set(layers)) == len(layers) > 200
    assert len(compared) < 5 * len(layers)
