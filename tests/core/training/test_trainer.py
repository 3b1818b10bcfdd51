"""The trainer takes what a loss yields, and goes on to the same bits wherever it was stopped."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
import toys
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils._python_dispatch import TorchDispatchMode

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.checkpoint import Checkpoint
from gtk.core.storage.tensor_file import decode_tensors, encode_tensors
from gtk.core.training.averaged_weights import AveragedWeights
from gtk.core.training.events import Events
from gtk.core.training.trainer import Trainer
from gtk.core.values.by_part import ByPart
from gtk.core.values.errors import InvalidValue, NonFiniteLoss, PluginError


def rows(trainer: Any) -> Iterator[Tensor]:
    return trainer.schedule.batches(trainer.step)


class FakeRun:
    """Keeps what a run would write."""

    def __init__(self, tmp_path: Any) -> None:
        self.path = tmp_path
        self.metrics_file = self
        self.written: list[dict[str, Any]] = []
        self.saved: list[Checkpoint] = []
        self.checkpoints = self

    def digest(self) -> tuple[int, str]:
        return 0, ""

    def append(self, record: dict[str, Any]) -> None:
        self.written.append(record)

    def save(self, checkpoint: Checkpoint) -> None:
        self.saved.append(checkpoint)

    def prune(self, keep: int) -> None:
        pass

    def steps(self) -> list[int]:
        return [item.step for item in self.saved]

    def lines(self) -> list[dict[str, Any]]:
        return self.written

    def choose(self, which: None) -> int:
        measured = [item for item in self.saved if item.state["validation"] is not None]
        best = min(measured, key=lambda item: item.state["validation"], default=self.saved[-1])
        return best.step

    def load_model(self, step: int) -> nn.Module:
        model = toys.model()
        model.load_state_dict(dict(self.saved[self.steps().index(step)].model))
        return model


MOMENT, COUNTER = "optimizer/first/first.weight/exp_avg", "optimizer/first/first.weight/step"
BIASES = "weights/first.bias"


@pytest.mark.parametrize(
    ("group", "name", "tensor", "message"),
    [
        ("training", MOMENT, torch.zeros(3, 16), r"exp_avg' is float32 \(3, 16\) instead of"),
        ("training", MOMENT, torch.zeros(16, 16).double(), "is float64 .* instead of float32"),
        ("training", MOMENT, torch.zeros(256), r"\(256,\) instead of float32 \(16, 16\)"),
        ("training", MOMENT, None, "'first/first.weight/exp_avg' is missing"),
        ("training", COUNTER, torch.tensor(3), "'first/first.weight/step' is int64"),
        ("training", COUNTER, torch.ones(2), r"'first/first.weight/step' is float32 \(2,\)"),
        ("training", COUNTER, torch.tensor(math.nan), "'first/first.weight/step' is nan"),
        ("training", COUNTER, torch.tensor(-1.0), "'first/first.weight/step' is -1.0"),
        ("training", f"{MOMENT}_max", torch.ones(16, 16), "exp_avg_max' is unknown"),
        ("training", "optimizer/third/first.weight/step", torch.ones(()), "third.* is unknown"),
        ("training", "nonsense", torch.ones(()), "'nonsense' is unknown"),
        ("training", BIASES, torch.ones(15), r"'first.bias' is float32 \(15,\) instead of"),
        ("training", BIASES, torch.ones(16).half(), "'first.bias' is float16"),
        ("training", BIASES, None, "'first.bias' is missing"),
        ("training", "weights/third.bias", torch.ones(16), "'third.bias' is unknown"),
        ("training", "pending/score", None, "'pending/score' is missing"),
        ("training", "pending/other", torch.ones(2), "'pending/other' is unknown"),
        ("training", "pending/score", torch.tensor(1.0), "'pending/score' is not a vector"),
        ("training", "pending/score", torch.tensor([1]), "'pending/score' is not a vector"),
        ("model", "first.weight", torch.ones(16, 17), "'first.weight' is float32"),
        ("model", "first.weight", None, "'first.weight' is missing"),
        ("model", "fourth", torch.ones(16), "'fourth' is unknown"),
    ],
)
def test_no_tensor_is_used_that_is_not_as_it_should_be(
    tmp_path: Any, group: str, name: str, tensor: Tensor | None, message: str
) -> None:
    trainer = toys.trainer(average_decay=0.9)
    for batch, _ in zip(rows(trainer), range(2), strict=False):
        trainer.train_step(batch)
    state: Any = trainer.state(FakeRun(tmp_path), None)  # type: ignore[arg-type]
    toys.trainer(average_decay=0.9).restore(state)
    tensors = {**getattr(state, group), name: tensor}
    bad = replace(state, **{group: {key: it for key, it in tensors.items() if it is not None}})
    with pytest.raises(InvalidValue, match=message):
        toys.trainer(average_decay=0.9).restore(bad)


def test_a_training_that_has_begun_has_the_state_of_an_optimizer(tmp_path: Any) -> None:
    trainer = toys.trainer()
    trainer.train_step(next(rows(trainer)))
    state: Any = trainer.state(FakeRun(tmp_path), None)  # type: ignore[arg-type]
    kept = {name: it for name, it in state.training.items() if not name.startswith("optimizer")}
    with pytest.raises(InvalidValue, match="'optimizer' is missing"):
        trainer.restore(replace(state, training=kept))


@pytest.mark.parametrize(
    "config",
    [
        {"optimizer": "adam"}, {"optimizer": "adamw"}, {"optimizer": "radam"}, {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": ByPart({"first": 0.9, "second": 0.0})},
        {"optimizer": "rmsprop"}, {"optimizer": "rmsprop", "momentum": 0.9}, {"optimizer": "muon"},
    ],
    ids=str,
)  # fmt: skip
def test_every_optimizer_resumes_to_the_same_bits(tmp_path: Any, config: dict[str, Any]) -> None:
    config = {**config, "weight_decay": ByPart({"first": 0.1, "second": 0.0}), "decay": "cosine"}
    whole, stopped, resumed = (toys.trainer(average_decay=0.9, **config) for _ in range(3))
    for trainer, count in ((whole, 12), (stopped, 7)):
        for batch, _ in zip(rows(trainer), range(count), strict=False):
            trainer.train_step(batch)
    saved = stopped.state(FakeRun(tmp_path), None)  # type: ignore[arg-type]
    resumed.restore(replace(saved, training=decode_tensors(encode_tensors(saved.training))))
    for batch in rows(resumed):
        resumed.train_step(batch)
    ends = [trainer.learner.tensors() for trainer in (whole, resumed)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_weights_behind_an_average_belong_to_a_training_with_one(tmp_path: Any) -> None:
    averaged, plain = toys.trainer(average_decay=0.9), toys.trainer()
    states: list[Any] = [it.state(FakeRun(tmp_path), None) for it in (averaged, plain)]  # type: ignore[arg-type]
    for trainer, state, message in (
        (averaged, states[1], "missing"),
        (plain, states[0], "unknown"),
    ):
        with pytest.raises(InvalidValue, match=f"'first.weight' is {message}"):
            trainer.restore(state)


def test_an_update_trains_its_part_and_no_other() -> None:
    game = toys.Game()
    trainer = toys.trainer(game)
    before = {name: value.clone() for name, value in trainer.published.state_dict().items()}
    trainer.train_step(next(rows(trainer)))
    assert game.gradients == [{"first": True, "second": False}, {"first": True, "second": True}]
    after = trainer.published.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in after)


def test_the_second_update_sees_what_the_first_changed() -> None:
    class SeeingGame(toys.Game):
        seen: list[Tensor]

        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            self.seen = [model.first.weight.detach().clone()]
            for update in super().updates(model, batch, context):
                yield update
                self.seen.append(model.first.weight.detach().clone())

    game = SeeingGame()
    trainer = toys.trainer(game)
    trainer.train_step(next(rows(trainer)))
    start, after_first, after_second = game.seen
    assert not torch.equal(start, after_first)
    assert torch.equal(after_first, after_second)


def test_one_step_is_one_step_of_adam() -> None:
    model = toys.model()
    parameter = nn.Parameter(model.first.weight.detach().clone())
    game = toys.Game()
    trainer = toys.trainer(game, model, learning_rate=0.01)
    batch = trainer._images._store.batch(next(rows(trainer)))
    trainer.train_step(next(rows(trainer)))
    # Adam's first step moves every weight by the learning rate, against its gradient's sign.
    moved = model.first.weight.detach() - parameter.detach()
    assert batch.images.shape == (10, 1, 4, 4)
    assert torch.allclose(moved.abs(), torch.full_like(moved, 0.01), rtol=1e-3)


def test_the_same_seed_gives_the_same_bits_and_another_others() -> None:
    def weights(seed: int) -> Tensor:
        trainer = toys.trainer(seed=seed)
        for batch in rows(trainer):
            trainer.train_step(batch)
        return trainer.published.state_dict()["first.weight"]

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_noise_for_dropout_does_not_depend_on_what_was_drawn_before() -> None:
    first, second = toys.trainer(), toys.trainer()
    first.train_step(next(rows(first)))
    torch.rand(1000)
    second.train_step(next(rows(second)))
    for one, other in zip(first.published.parameters(), second.published.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
@pytest.mark.parametrize("stop", [4, 5])
def test_going_on_gives_the_same_bits(tmp_path: Any, stop: int, average_decay: float) -> None:
    straight = toys.trainer(average_decay=average_decay)
    for batch in rows(straight):
        straight.train_step(batch)
    stopped = toys.trainer(average_decay=average_decay)
    for batch in rows(stopped):
        stopped.train_step(batch)
        if stopped.step == stop:
            break
    resumed = toys.trainer(average_decay=average_decay)
    resumed.restore(stopped.state(FakeRun(tmp_path), None))  # type: ignore[arg-type]
    for batch in rows(resumed):
        resumed.train_step(batch)
    assert resumed.step == straight.step == 12
    states = [item.state(FakeRun(tmp_path), None) for item in (straight, resumed)]  # type: ignore[arg-type]
    for group in ("model", "training"):
        one, other = (getattr(state, group) for state in states)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_going_on_leaves_out_the_same_conditions() -> None:
    class Seeing(toys.Game):
        """A game that remembers the conditions of every step."""

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Tensor] = []

        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            assert batch.condition is not None
            self.seen.append(batch.condition)
            return super().updates(model, batch, context)

    def make() -> tuple[Seeing, Trainer]:
        model, loss = toys.model(), Seeing()
        condition = toys.dataset().spec.condition
        assert condition is not None
        model.condition = condition.with_absent()
        return loss, toys.trainer(loss, model, condition_dropout=0.4)

    (straight, whole), (begun, first), (resumed, rest) = make(), make(), make()
    for batch in rows(whole):
        whole.train_step(batch)
    for batch in list(rows(first))[:5]:
        first.train_step(batch)
    rest.restore(first.state(FakeRun(None), None))  # type: ignore[arg-type]
    for batch in rows(rest):
        rest.train_step(batch)
    seen = torch.stack(straight.seen)
    assert torch.equal(seen, torch.stack(begun.seen + resumed.seen))
    assert 20 < int((seen == 2).sum()) < 76, "two is the label of none, of 120 about 48"
    assert len(seen.unique(dim=0)) == len(seen)


@pytest.mark.parametrize("average_decay", [0.1, 0.75])
def test_the_average_follows_the_weights_by_its_decay(average_decay: float) -> None:
    trainer = toys.trainer(average_decay=average_decay)
    assert trainer.learner._averaged is not None
    batches = rows(trainer)
    trainer.train_step(next(batches))  # the first step begins the average
    expected = trainer.learner.model.state_dict()["first.weight"].clone()
    trainer.train_step(next(batches))
    keep = min(average_decay, 2 / 11)  # after one step no more is kept
    expected = keep * expected + (1 - keep) * trainer.learner.model.state_dict()["first.weight"]
    assert torch.allclose(trainer.published.state_dict()["first.weight"], expected, atol=1e-7)


@pytest.mark.parametrize("average_decay", [0.3, 0.9995])
def test_the_average_is_torchs_own_to_the_bit_and_waits_for_no_device(average_decay: float) -> None:
    def average(averages: Any, weights: Any, steps: Any) -> None:
        share = 1 - ((1 + steps) / (10 + steps)).clamp(max=average_decay)
        for mean, weight in zip(averages, weights, strict=True):
            mean.lerp_(weight, share)

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            assert "scalar_dense" not in str(func), "a number of a tensor waits for the device"
            assert "_to_copy" not in str(func), "so does a move to it"
            return func(*args, **(kwargs or {}))

    model = toys.model()
    ours = AveragedWeights(model, average_decay)
    torchs = AveragedModel(model, multi_avg_fn=average, use_buffers=False)
    for _ in range(30):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight))
        torchs.update_parameters(model)
        with Watch():
            ours.update(model)
    pairs = zip(ours.module.parameters(), torchs.module.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_training_and_validation_images_are_held_once() -> None:
    trainer = toys.trainer(validation=8)
    training, validation = trainer._images, trainer._held_out._validation
    assert validation._images is training.all._images is training._store._images
    assert (len(training._store), len(validation), len(training.all)) == (32, 8, 40)
    both = torch.cat([training._store.batch(torch.arange(32)).images,
                      validation.batch(torch.arange(8)).images])  # fmt: skip
    rows = torch.cat([trainer.schedule.kept, trainer.schedule.held_out])
    assert torch.equal(both, training.all.batch(rows).images)


def test_fit_reports_means_validation_and_test(tmp_path: Any) -> None:
    run = FakeRun(tmp_path)
    trainer = toys.trainer(validation=8, checkpoint_every=4)
    seen: list[float] = []
    original = trainer.learner.pending.note

    def note(name: str, value: Tensor, part: str | None = None) -> None:
        if name == "score":
            seen.append(value.item())
        original(name, value, part)

    trainer.learner.pending.note = note  # type: ignore[method-assign]
    trainer.fit(run, Events([]))  # type: ignore[arg-type]
    train = [line for line in run.written if line["split"] == "train"]
    assert [line["step"] for line in train] == [3, 6, 9]
    assert train[0]["terms"].keys() == {"first_loss", "score", "second_loss"}
    assert train[1]["terms"]["score"] == pytest.approx(sum(seen[3:6]) / 3)
    assert train[1]["images"] == 30
    assert train[1]["unit"] == "points"
    assert train[1]["learning_rate"] == 1e-3
    validation = [line for line in run.written if line["split"] == "validation"]
    assert [line["step"] for line in validation] == [4, 8, 9]
    assert [line["images"] for line in validation] == [8, 8, 8]
    assert [item.state["validation"] for item in run.saved] == [
        line["terms"]["loss"] for line in validation
    ]
    assert run.written[-1]["split"] == "test"
    assert run.written[-1]["images"] == 6


def test_fit_gives_the_global_generator_back(tmp_path: Any) -> None:
    before = torch.get_rng_state()
    toys.trainer().fit(FakeRun(tmp_path), Events([]))  # type: ignore[arg-type]
    assert torch.equal(before, torch.get_rng_state())


class Diverging(toys.Game):
    """Turns to no number in the update of some part, in the step after `after` steps."""

    def __init__(self, after: int, part: str, factor: float = math.nan) -> None:
        super().__init__()
        self.after, self.part, self.factor = after, part, factor

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        for update in super().updates(model, batch, context):
            bad = context.step >= self.after and update.part == self.part
            yield Update(update.loss * (self.factor if bad else 1.0), update.terms, update.part)


@pytest.mark.parametrize(
    ("after", "part", "factor", "message"),
    [
        (4, "first", math.nan, "first_loss (part first) became nan at step 5, and nothing of"),
        (4, "second", math.inf, "second_loss (part second) became inf at step 5, and nothing of"),
        (6, "second", -math.inf, "second_loss (part second) became -inf at step 7, and noth"),
    ],
)
def test_a_loss_that_is_not_finite_is_named_and_nothing_is_saved(
    tmp_path: Any, after: int, part: str, factor: float, message: str
) -> None:
    run = FakeRun(tmp_path)
    trainer = toys.trainer(Diverging(after, part, factor), checkpoint_every=4)
    with pytest.raises(NonFiniteLoss, match=re.escape(message)) as error:
        trainer.fit(run, Events([]))  # type: ignore[arg-type]
    assert "The checkpoint of step 4 is good to sample and export, but" in str(error.value)
    assert "lower learning_rate or clip_norm=1" in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 1
    assert [item.step for item in run.saved] == [4]
    assert all(math.isfinite(value) for line in run.written for value in line["terms"].values())


def test_a_step_before_the_first_checkpoint_that_is_not_finite_has_other_advice(
    tmp_path: Any,
) -> None:
    run = FakeRun(tmp_path)
    trainer = toys.trainer(Diverging(2, "first"), log_every=100, checkpoint_every=4, clip_norm=2.0)
    with pytest.raises(NonFiniteLoss) as error:
        trainer.fit(run, Events([]))  # type: ignore[arg-type]
    assert str(error.value) == (
        "first_loss (part first) became nan at step 3, and nothing of it was saved. Train anew "
        "with a lower learning_rate or a lower clip_norm."
    )
    assert not run.saved
    assert not run.written


def test_the_step_is_right_after_going_on_between_two_reports(tmp_path: Any) -> None:
    stopped = toys.trainer(Diverging(6, "first"), log_every=100)
    for batch in rows(stopped):
        stopped.train_step(batch)
        if stopped.step == 5:
            break
    resumed = toys.trainer(Diverging(6, "first"), log_every=100)
    resumed.restore(stopped.state(FakeRun(tmp_path), None))  # type: ignore[arg-type]
    with pytest.raises(NonFiniteLoss, match=r"first_loss \(part first\) became nan at step 7,"):
        resumed.fit(FakeRun(tmp_path), Events([]))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["first.bias", "statistics"])
def test_weights_and_buffers_that_are_not_finite_are_not_saved(tmp_path: Any, name: str) -> None:
    run = FakeRun(tmp_path)
    model = toys.model()
    model.register_buffer("statistics", torch.zeros(2))
    trainer = toys.trainer(network=model, log_every=100, checkpoint_every=2)

    class Break:
        @gtk.hookimpl
        def gtk_train_start(self) -> None:
            with torch.no_grad():
                model.state_dict()[name].fill_(math.inf)

    trainer.learner.loss = Quiet()
    with pytest.raises(NonFiniteLoss, match=rf"{name} is not finite at step 2"):
        trainer.fit(run, Events([Break()]))  # type: ignore[arg-type]
    assert not run.saved


class Quiet(toys.Game):
    """Trains one weight of the second part, whatever the others are."""

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        yield Update(model.second[1].bias.sum(), part="second")


def test_a_loss_that_updates_an_unknown_part_is_named() -> None:
    class Lost(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            yield Update(model.first.weight.sum(), part="third")

    trainer = toys.trainer(Lost())
    with pytest.raises(
        PluginError, match="Lost updates part 'third', the model's parts are first, second"
    ):
        trainer.train_step(next(rows(trainer)))


@pytest.mark.parametrize("shared", [True, False])
def test_a_loss_computed_before_the_weights_changed_is_refused(shared: bool) -> None:
    class Hasty(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            flat = batch.images.flatten(1)
            first, second = (model.second(model.first(flat)).square().mean() for _ in range(2))
            yield Update(first, part="second")
            # Its gradient needs the weights of before the step; or it is a graph that is used up.
            yield Update(first + 1 if shared else second, part="first")

    trainer = toys.trainer(Hasty())
    with pytest.raises(PluginError, match="'first' was computed before .* after the yield"):
        trainer.train_step(next(rows(trainer)))


def test_a_loss_must_say_which_of_several_parts(tmp_path: Any) -> None:
    class Vague(toys.Game):
        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            yield Update(model.first.weight.sum())

    trainer = toys.trainer(Vague())
    with pytest.raises(PluginError, match="updates part 'None', the model's parts are first, sec"):
        trainer.train_step(next(rows(trainer)))


def test_a_loss_that_is_not_finite_on_held_out_images_is_not_the_best(tmp_path: Any) -> None:
    class Blind(toys.Game):
        def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
            return {"loss": super().evaluate(model, batch, context)["loss"] * math.nan}

    run = FakeRun(tmp_path)
    with pytest.raises(NonFiniteLoss, match="loss on the validation images is nan at step 9"):
        toys.trainer(Blind(), validation=8).fit(run, Events([]))  # type: ignore[arg-type]
    assert not run.saved


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (
            "overlapping",
            (
                "'first.weight' is in parts 'first' and 'all', "
                "'first.bias' is in parts 'first' and 'all'"
            ),
        ),
        ("incomplete", "'second.1.weight' is in no part, 'second.1.bias' is in no part"),
        ("empty", "part 'third' is empty"),
        ("foreign", "part 'second' has a parameter that the model lacks"),
    ],
)
def test_parts_must_be_disjoint_and_complete(wrong: str, fault: str) -> None:
    class Wrong(toys.TwoParts):
        def parts(self) -> dict[str, nn.Module]:
            second = nn.Sequential(self.second, nn.PReLU())
            parts: dict[str, dict[str, nn.Module]] = {
                "overlapping": {"first": self.first, "all": self},
                "incomplete": {"first": self.first},
                "empty": {"first": self.first, "second": self.second, "third": nn.ReLU()},
                "foreign": {"first": self.first, "second": second},
            }
            return parts[wrong]

    with pytest.raises(PluginError, match="must hold each parameter of the model once") as error:
        toys.trainer(network=Wrong())
    assert str(error.value).endswith(f"once: {fault}. Correct parts().")


def test_of_many_wrong_parameters_the_first_are_named() -> None:
    class Wrong(toys.TwoParts):
        def parts(self) -> dict[str, nn.Module]:
            return {"none": nn.ReLU()}

    with pytest.raises(PluginError) as error:
        toys.trainer(network=Wrong())
    assert str(error.value).endswith(
        "part 'none' is empty, 'first.weight' is in no part, 'first.bias' is in no part "
        "(and 2 more). Correct parts()."
    )


class Scripted(toys.Game):
    """Evaluates to whatever a test wants, validation by validation."""

    def __init__(self, **values: list[float]) -> None:
        super().__init__()
        self.values = values
        self.asked = -1  # the first time is when the trainer looks which terms there are

    def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
        at, self.asked = max(self.asked, 0), self.asked + 1
        count = len(batch)
        return {
            name: torch.full((count,), values[min(at, len(values) - 1)])
            for name, values in self.values.items()
        }


def validations(run: FakeRun) -> list[dict[str, Any]]:
    return [line for line in run.written if line["split"] == "validation"]


@pytest.mark.parametrize(("monitor", "best"), [("", 8), ("loss", 8), ("kl", 4)])
def test_the_monitored_term_chooses_the_best(tmp_path: Any, monitor: str, best: int) -> None:
    run = FakeRun(tmp_path)
    loss = Scripted(loss=[5.0, 3.0, 4.0], kl=[1.0, 2.0, 3.0])
    toys.trainer(loss, validation=8, checkpoint_every=4, monitor=monitor).fit(run, Events([]))  # type: ignore[arg-type]
    assert [line["step"] for line in validations(run)] == [4, 8, 9]
    assert {line["monitor"] for line in validations(run)} == {monitor or "loss"}
    assert run.written[-1]["split"] == "test"
    assert run.written[-1]["step"] == best
    assert run.choose(None) == best


def test_validating_on_test_images_says_so(tmp_path: Any) -> None:
    run = FakeRun(tmp_path)
    trainer = toys.trainer(validate_on_test=True, checkpoint_every=4)
    trainer.fit(run, Events([]))  # type: ignore[arg-type]
    assert [line["step"] for line in validations(run)] == [4, 8, 12], "nothing is held out"
    assert all(line["images"] == 6 for line in validations(run))
    assert all(line["images_from"] == "test" for line in validations(run))
    chosen = min(validations(run), key=lambda line: line["terms"]["loss"])
    assert run.written[-1] == {
        **{name: chosen[name] for name in ("step", "epoch", "images", "unit", "terms")},
        "split": "test",
        "weights_chosen_on": "test",
    }


def test_a_validation_of_held_out_images_chooses_without_the_test_images(tmp_path: Any) -> None:
    run = FakeRun(tmp_path)
    toys.trainer(validation=8).fit(run, Events([]))  # type: ignore[arg-type]
    assert not any("images_from" in line or "weights_chosen_on" in line for line in run.written)


def test_validating_on_test_images_needs_some() -> None:
    config = TrainConfig(epochs=1, batch_size=10, validate_on_test=True)
    with pytest.raises(InvalidValue, match="toy has no test images to validate on. Use valid"):
        Trainer(toys.model(), toys.Game(), toys.dataset(test=0), config, toys.CPU)


class Watch:
    """Remembers how a training ended."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.end: gtk.Progress | None = None

    @gtk.hookimpl
    def gtk_step_end(self, progress: gtk.Progress) -> None:
        self.steps.append(progress.step)

    @gtk.hookimpl
    def gtk_train_end(self, progress: gtk.Progress) -> None:
        self.end = progress


def test_patience_ends_a_training_that_gets_no_better(tmp_path: Any) -> None:
    run, watch = FakeRun(tmp_path), Watch()
    loss = Scripted(loss=[5.0, 3.0, 4.0, 3.0, 1.0])
    trainer = toys.trainer(loss, epochs=9, validation=8, checkpoint_every=4, patience=2)
    trainer.fit(run, Events([watch]))  # type: ignore[arg-type]
    assert [item.step for item in run.saved] == [4, 8, 12, 16]
    assert [line["split"] for line in run.written[-3:]] == ["validation", "train", "test"]
    assert [line["step"] for line in run.written[-3:]] == [16, 16, 8], "the best is tested"
    assert run.written[-2]["images"] == 10, "one step was left to report"
    assert watch.steps == [3, 6, 9, 12, 15, 16]
    assert watch.end is not None
    assert watch.end.stopped == (
        "stopped early at step 16, epoch 6: no better validation loss since step 8"
    )


def test_a_training_that_ends_as_planned_did_not_stop_early(tmp_path: Any) -> None:
    run, watch = FakeRun(tmp_path), Watch()
    loss = Scripted(loss=[5.0, 6.0, 7.0])
    trainer = toys.trainer(loss, validation=8, checkpoint_every=4, patience=2)
    trainer.fit(run, Events([watch]))  # type: ignore[arg-type]
    assert run.saved[-1].step == trainer.schedule.total_steps
    assert watch.end is not None
    assert not watch.end.stopped


def test_every_step_has_the_rate_of_the_schedule() -> None:
    trainer = toys.trainer(warmup_steps=4, decay="cosine", learning_rate=0.01)
    optimizers = trainer.learner._optimizers._optimizers
    for batch in rows(trainer):
        trainer.train_step(batch)
        expected = trainer.schedule.learning_rate(trainer.step - 1)
        rates = [optimizer.param_groups[0]["lr"] for [optimizer] in optimizers.values()]
        assert rates == [expected] * 2


def test_a_step_of_several_batches_gathers_and_counts_them(tmp_path: Any) -> None:
    class Five(toys.Game):
        batches = 2
        sizes: ClassVar[list[int]] = []

        def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
            for part in batch.split(2):
                self.sizes.append(len(part))
                yield from super().updates(model, part, context)

    run = FakeRun(tmp_path)
    trainer = toys.trainer(Five(), log_every=1)
    trainer.fit(run, Events([]))  # type: ignore[arg-type]
    assert trainer.schedule.total_steps == 6
    assert Five.sizes == [10] * 12
    assert [line["images"] for line in run.written] == [20] * 6 + [6]


def test_splitting_a_batch_keeps_images_and_labels_together() -> None:
    batch = Batch(torch.arange(6.0).reshape(6, 1, 1, 1), torch.arange(6))
    parts = batch.split(3)
    assert [part.images.flatten().tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    assert [part.condition.tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]  # type: ignore[union-attr]
    assert [part.condition for part in Batch(batch.images, None).split(2)] == [None, None]


def test_averaged_weights_have_the_running_statistics_of_the_model() -> None:
    def make() -> Trainer:
        config = TrainConfig(epochs=3, batch_size=10, average_decay=0.9)
        data = toys.dataset(size=8)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = toys.Normalized(None, data.spec, None)
        return Trainer(model, toys.Duel(None), data, config, toys.CPU)

    straight, stopped, resumed = make(), make(), make()
    for batch in rows(straight):
        straight.train_step(batch)
    for batch in list(rows(stopped))[:3]:
        stopped.train_step(batch)
    resumed.restore(stopped.state(FakeRun(None), None))  # type: ignore[arg-type]
    for batch in rows(resumed):
        resumed.train_step(batch)
    assert straight.step == resumed.step == 6
    for trainer in (straight, resumed):
        live, averaged = trainer.learner.model.state_dict(), trainer.published.state_dict()
        # Of its two passes in a step, that of its own update counts.
        assert live["first.1.num_batches_tracked"] == 6
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            assert torch.equal(live[f"first.1.{name}"], averaged[f"first.1.{name}"])
        assert not torch.equal(live["first.0.weight"], averaged["first.0.weight"])
    one, other = (item.published.state_dict() for item in (straight, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)
