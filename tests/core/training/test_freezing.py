"""What is frozen stays as it is to the bit, and the rest is trained."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import toys
from torch import Tensor, nn

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.registry.options import as_table, make_config
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.trainer import Trainer
from gtk.core.values.errors import InvalidValue, PluginError, UserError


class FakeRun:
    metrics_file: Any = type("Metrics", (), {"digest": lambda self: (0, "")})()


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def changed(before: Mapping[str, Tensor], model: nn.Module) -> set[str]:
    after = model.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def normalized(**config: Any) -> Trainer:
    """Make a trainer of two parts with batch normalization and dropout, and an average."""
    data = toys.dataset(size=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = toys.Normalized(None, data.spec, None)
    settings = TrainConfig(epochs=4, batch_size=10, average_decay=0.9, **config)
    return Trainer(model, toys.Duel(None), data, settings, toys.CPU)


def train(trainer: Trainer, steps: int | None = None) -> None:
    for done, rows in enumerate(trainer.schedule.batches(trainer.step)):
        if done == steps:
            return
        trainer.train_step(rows)


@pytest.mark.parametrize(("name", "other"), [("first", "second"), ("second", "first")])
def test_a_frozen_part_keeps_weights_average_and_running_statistics(name: str, other: str) -> None:
    trainer = normalized(freeze=(name,))
    learner = trainer.learner
    before = state(learner.model)
    train(trainer, 2)
    learner.model.train()  # as an evaluation leaves it
    train(trainer)
    for model in (learner.model, trainer.published):
        names = changed(before, model)
        assert {item.split(".")[0] for item in names} == {other}
        assert any("running_mean" in item for item in names)
    assert {item.split("/")[1] for item in learner.tensors() if item.startswith("optimizer")} == {
        other
    }
    noted = learner.pending.means()
    assert {"first_loss", "second_loss", "spread"} == noted.keys(), "the loss yields both"


def test_a_training_with_frozen_parts_goes_on_to_the_same_bits() -> None:
    whole, begun, rest = (normalized(freeze=("first",)) for _ in range(3))
    train(whole)
    train(begun, 3)
    rest.restore(begun.state(FakeRun(), None))  # type: ignore[arg-type]
    train(rest)
    for one, other in zip(whole.state(FakeRun(), None).training.items(),  # type: ignore[arg-type]
                          rest.state(FakeRun(), None).training.items(), strict=True):  # type: ignore[arg-type]  # fmt: skip
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    assert not changed(whole.published.state_dict(), rest.published)


@pytest.mark.usefixtures("no_pictures")
def test_a_network_of_a_model_with_one_part_is_frozen() -> None:
    options: dict[str, Any] = {"hidden_dims": (4,), "epochs": 1, "quiet": True}
    run = gtk.train("cvae", freeze="encoder", keep_checkpoints=9, checkpoint_every=11, **options)
    first, last = (run.load_model(step) for step in run.checkpoints.steps())
    names = changed(first.state_dict(), last)
    assert names
    assert all(name.startswith("decoder") for name in names)
    assert run.document["train"]["freeze"] == ["encoder"]
    assert run.document["networks"]["encoder"] > 100
    assert run.settings.train.freeze == ("encoder",)


class Book(toys.TwoParts):
    """Its first part keeps an average that its update changes without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first.register_buffer("average", torch.zeros(2))
        self.updated: list[str] = []

    def after_update(self, part: str, statistics: Mapping[str, Tensor]) -> None:
        self.updated.append(part)
        self.get_buffer("first.average").add_(1)


def test_a_frozen_part_is_not_updated_without_gradients_either() -> None:
    model = Book()
    train(toys.trainer(network=model, freeze=("first",)), 2)
    assert model.updated == ["second", "second"]
    assert model.get_buffer("first.average").tolist() == [0, 0]


@pytest.mark.parametrize("frozen", [["second.1.bias"], ["second.1.bias", "second.1.weight"]])
def test_a_model_may_freeze_parameters_itself(frozen: list[str]) -> None:
    model = toys.model()
    before = state(model)
    for name in frozen:
        model.get_parameter(name).requires_grad_(False)
    train(toys.trainer(network=model), 2)
    assert changed(before, model) == before.keys() - set(frozen)


def test_a_loss_of_frozen_weights_alone_is_named() -> None:
    class Score(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Any:
            yield Update(model.second[1].bias.sum(), part="second")

    class Half(toys.TwoParts):
        def networks(self) -> dict[str, nn.Module]:
            return {**super().networks(), "score": Bias(self.second[1])}  # type: ignore[arg-type]

        def parts(self) -> dict[str, nn.Module]:
            return super().networks()

    class Bias(nn.Module):
        def __init__(self, layer: nn.Linear) -> None:
            super().__init__()
            self.bias = layer.bias

    trainer = toys.trainer(Score(), Half(), freeze=("score",))
    with pytest.raises(PluginError, match=r"detach\(\) or item\(\), or freeze less"):
        train(trainer, 1)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("frst",), "unknown network or part of freeze 'frst'. Did you mean 'first'?"),
        (("first", ""), "unknown network or part of freeze ''. Known: first, second"),
        (("first", "second"), "freeze='first,second' leaves nothing to train. Freeze less."),
    ],
)
def test_what_cannot_be_frozen_is_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as error:
        toys.trainer(freeze=names)
    assert message in str(error.value)


def test_names_are_a_list_or_a_text_with_commas() -> None:
    for given in ("first, second", ["first", "second"], ("first", "second")):
        config = make_config(TrainConfig, {"freeze": given}, "training")
        assert config.freeze == ("first", "second")
        assert as_table(config)["freeze"] == ["first", "second"]
    assert make_config(TrainConfig, {"freeze": ""}, "training").freeze == ()
    for wrong in (3, [3], {"first": 1}, None):
        with pytest.raises(InvalidValue, match="freeze takes words such as one,two, not"):
            make_config(TrainConfig, {"freeze": wrong}, "training")
