"""Networks that a loss brings are trained, saved and evaluated beside the model's."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
import toys
from torch import Tensor, nn

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.models.loss_networks import loss_networks, network_state
from gtk.core.storage.checkpoint import Checkpoint
from gtk.core.training.evaluation import evaluate
from gtk.core.training.trainer import Trainer
from gtk.core.values.errors import InvalidValue, NonFiniteLoss, PluginError


class FakeRun:
    """What the state of a trainer asks of a run."""

    def __init__(self) -> None:
        self.metrics_file = self.checkpoints = self

    def digest(self) -> tuple[int, str]:
        return 0, ""

    def steps(self) -> list[int]:
        return []


def trainer(loss: toys.Loss | None = None, model: Any = None, **config: Any) -> Trainer:
    return toys.trainer(loss or toys.Judged(), model or toys.one_part(), **config)


def take(made: Trainer, count: int) -> None:
    for rows, _ in zip(made.schedule.batches(made.step), range(count), strict=False):
        made.train_step(rows)


def state(made: Trainer) -> Checkpoint:
    return made.state(FakeRun(), None)  # type: ignore[arg-type]


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[it], second[it]) for it in first)


def test_weights_are_drawn_from_the_seed_and_change_nothing_else() -> None:
    model = toys.one_part()
    before, generator = copied(model.state_dict()), torch.get_rng_state()
    one, again, other = (
        network_state(loss_networks(toys.Judged(), model, seed)) for seed in (0, 0, 1)
    )
    assert same(one, again)
    assert not torch.equal(one["critic.0.weight"], other["critic.0.weight"])
    assert same(before, model.state_dict()), "networks() has called it, in eval mode"
    assert torch.equal(generator, torch.get_rng_state())
    assert model.training


def test_each_is_a_part_and_an_update_trains_its_own() -> None:
    made = trainer()
    critic = made.learner.context.networks["critic"]
    modes: list[bool] = []
    critic.register_forward_hook(lambda module, *_: modes.append(module.training))
    seen: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []
    updates = toys.Judged.updates

    def watched(*given: Any) -> Iterator[Update]:
        for update in updates(made.learner.loss, *given):
            yield update
            seen.append((copied(made.learner.model.state_dict()), copied(critic.state_dict())))

    made.learner.loss.updates = watched  # type: ignore[method-assign]
    start = copied(made.learner.model.state_dict()), copied(critic.state_dict())
    take(made, 1)
    (model_1, critic_1), (model_2, critic_2) = seen
    assert same(model_1, start[0])
    assert not same(critic_1, start[1])
    assert not same(model_2, model_1)
    assert same(critic_2, critic_1), "its buffers are its own update's, too"
    assert modes == [True] * 3
    assert list(made.learner.pending.means()) == ["critic_loss", "loss"]
    assert made.learner.pending.tensors().keys() == {"critic_loss", "loss"}


def test_a_fixed_network_stays_as_it_is() -> None:
    made = trainer()
    measure = made.learner.context.networks["measure"]
    before = copied(measure.state_dict())
    take(made, 2)
    assert not measure.training
    assert same(before, measure.state_dict())
    assert "measure" not in made.learner._optimizers.parts


def test_evaluation_has_them_in_eval_mode_and_changes_nothing() -> None:
    made = trainer(validation=6)  # finding the monitored term has evaluated once
    learner = made.learner
    before = copied(network_state(learner.context.networks))
    modes = [it.training for it in learner.context.networks.values()]
    store = made._held_out._test
    first, again = (
        evaluate(made.published, learner.loss, store, learner.context, seed=0) for _ in range(2)
    )
    assert first == again
    assert same(before, network_state(learner.context.networks))
    assert [it.training for it in learner.context.networks.values()] == modes == [True, False]


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_a_resumed_training_comes_to_the_same_bits(average_decay: float) -> None:
    whole, rest = (trainer(average_decay=average_decay) for _ in range(2))
    take(whole, 3)
    saved = state(whole)
    saved = replace(saved, training=copied(saved.training), model=copied(saved.model))
    take(whole, 4)
    rest.restore(saved)
    take(rest, 4)
    assert same(state(whole).training, state(rest).training)
    assert same(state(whole).model, state(rest).model)


def test_a_checkpoint_has_them_where_only_training_reads_them() -> None:
    made = trainer(average_decay=0.9)
    take(made, 1)
    saved = state(made)
    names = {name for name in saved.training if "critic" in name or "measure" in name}
    assert {"networks/critic.1.running_mean", "networks/measure.0.weight"} <= names
    assert "optimizer/critic/0.weight/exp_avg" in names
    assert not any("critic" in name for name in saved.model)
    assert saved.model.keys() == toys.one_part().state_dict().keys()
    plain = toys.trainer()
    take(plain, 1)
    groups = {name.partition("/")[0] for name in state(plain).training}
    assert groups == {"optimizer", "pending"}, "as an older gtk wrote it"


def test_weights_of_another_step_are_copies() -> None:
    made = trainer()
    take(made, 1)
    saved = state(made)
    saved = replace(saved, training=copied(saved.training))
    take(made, 1)
    earlier, now = made.learner.networks_of(saved), made.learner.context.networks
    assert torch.equal(
        earlier["critic"].state_dict()["0.weight"], saved.training["networks/critic.0.weight"]
    )
    assert not torch.equal(
        earlier["critic"].state_dict()["0.weight"], now["critic"].state_dict()["0.weight"]
    )


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("networks/critic.0.weight", None, "'critic.0.weight' is missing"),
        ("networks/critic.0.weight", torch.ones(8, 15), r"'critic.0.weight' is float32 \(8, 15\)"),
        ("networks/judge.0.weight", torch.ones(8, 16), "'judge.0.weight' is unknown"),
        ("optimizer/critic/0.weight/exp_avg", None, "'critic/0.weight/exp_avg' is missing"),
        ("optimizer/measure/0.weight/step", torch.ones(()), "'measure/0.weight/step' is unknown"),
    ],
)
def test_no_tensor_is_used_that_is_not_as_it_should_be(
    name: str, tensor: Tensor | None, message: str
) -> None:
    made = trainer()
    take(made, 1)
    saved = state(made)
    tensors = {key: it for key, it in {**saved.training, name: tensor}.items() if it is not None}
    with pytest.raises(InvalidValue, match=message):
        trainer().restore(replace(saved, training=tensors))


def shared(model: Any) -> dict[str, nn.Module]:
    return {"critic": nn.Sequential(model.first, nn.Linear(16, 1))}


def twice(model: Any) -> dict[str, nn.Module]:
    layer = nn.Linear(16, 1)
    return {"critic": layer, "judge": nn.Sequential(layer)}


def kept(model: Any) -> dict[str, nn.Module]:
    model.critic = nn.Linear(16, 1)
    return {"critic": model.critic}


class Noting(nn.Linear):
    def get_extra_state(self) -> str:
        return "no tensor"


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        (lambda model: [nn.Linear(16, 1)], "list: return a dict of modules by name"),
        (lambda model: None, "NoneType: return a dict of modules by name"),
        (lambda model: {3: nn.Linear(16, 1)}, "a network called 3: name it by letters"),
        (lambda model: {"a/b": nn.Linear(16, 1)}, "a network called 'a/b': name it by letters"),
        (lambda model: {"critic": nn.Linear}, "type as 'critic': make it a torch.nn.Module"),
        (lambda model: {"model": nn.Linear(16, 1)}, "'model', which OnePart has, too: choose"),
        (lambda model: {"first": nn.Linear(16, 1)}, "'first', which OnePart has, too: choose"),
        (lambda model: {"critic": nn.LazyLinear(1)}, "'critic' with a lazy layer: give all layers"),
        (lambda model: {"critic": Noting(16, 1)}, "'critic' with a state that is not of tensors:"),
        (shared, "'critic', which shares a tensor with the model: make a new one"),
        (kept, "'critic', which shares a tensor with the model: make a new one"),
        (twice, "'judge', which shares a tensor with 'critic': make a new one"),
    ],
)
def test_networks_that_cannot_be_used_are_named(networks: Any, message: str) -> None:
    loss = type("Bad", (toys.Judged,), {"networks": lambda self, model: networks(model)})()
    with pytest.raises(PluginError, match=rf"networks\(\) of .*Bad returns {message}") as error:
        trainer(loss)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("part", "statistics", "message"),
    [
        ("judge", {}, "'judge', the model's parts are model, and the loss's networks are critic"),
        ("measure", {}, "'measure', the model's parts are model, and the loss's networks are"),
        ("critic", {"mean": torch.ones(())}, "statistics are for the model, and 'critic' is the"),
    ],
)  # fmt: skip
def test_updates_that_cannot_be_taken_are_named(
    part: str, statistics: dict[str, Tensor], message: str
) -> None:
    class Bad(toys.Judged):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            for update in super().updates(model, batch, context):
                yield replace(update, part=part, statistics=statistics)

    with pytest.raises(PluginError, match=message):
        take(trainer(Bad()), 1)


def test_a_model_of_two_parts_has_no_only_part() -> None:
    with pytest.raises(PluginError, match="part 'None', the model's parts are first, second, and"):
        take(trainer(model=toys.model()), 1)


def test_after_update_is_for_the_models_own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(toys.OnePart, "after_update", lambda self, part, _: heard.append(part))
    take(trainer(), 2)
    assert heard == ["model", "model"]


def test_weights_that_are_not_finite_are_named() -> None:
    made = trainer()
    with torch.no_grad():
        made.learner.context.networks["critic"][4].bias.fill_(torch.nan)  # type: ignore[index, union-attr]
    with pytest.raises(NonFiniteLoss, match=r"critic\.4\.bias is not finite at step 3"):
        made._reporter.check_weights(FakeRun(), 3)  # type: ignore[arg-type]


def test_batch_normalization_in_one_needs_a_batch() -> None:
    model = toys.one_part()
    model.first = nn.Sequential(nn.Linear(16, 16))
    with pytest.raises(InvalidValue, match="batch normalization needs more than one image"):
        trainer(model=model, batch_size=1)
