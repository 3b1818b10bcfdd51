"""Several batches in one step take the step of one batch of all their images."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import toys
from torch import Tensor

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.contracts.noise import Noise
from gtk.core.models.build import build
from gtk.core.settings.choice import Choice
from gtk.core.settings.image_source import load_data
from gtk.core.training.arithmetic import Arithmetic
from gtk.core.training.lockstep import Lockstep, divided
from gtk.core.training.step_noise import BatchNoise, StepDraws
from gtk.core.training.trainer import Trainer
from gtk.core.values.errors import InvalidValue, PluginError

STEPS = 3
SGD = {"optimizer": "sgd", "learning_rate": 0.02}
MLP = {"network": "mlp", "hidden_dims": (12,), "latent_dim": 3}
PLAIN = {"generator_normalization": "none", "discriminator_normalization": "none"}
GAN = {**MLP, "hidden_dims": (16,), **PLAIN}
CONV = {"network": "conv", "channels": (8, 8), "latent_dim": 3, "normalization": "group"}

#: Trainings without batch or spectral normalization, which see whole batches, and without dropout.
SAME: dict[str, tuple[str, dict[str, Any]]] = {
    "elbo": ("vae", MLP),
    "free bits": ("vae", {**MLP, "free_bits": 0.02, "kl_warmup_steps": 2}),
    "classes": ("cvae", {**MLP, "condition_dropout": 0.3, "flip": True, "shift": 2}),
    "learned prior": ("cvae", {**MLP, "prior": "learned", "free_bits": 0.05, "clip_norm": 0.5}),
    "conv": ("vae", CONV),
    "iwae": ("vae", {**MLP, "loss": "iwae", "samples": 3}),
    "flow": ("flow", {"width": 16, "depth": 1, "condition_dropout": 0.2}),
    "edm": ("diffusion", {"width": 16, "depth": 1, "min_snr": 5.0}),
    "minimax": ("gan", GAN),
    "permuted": ("cgan", {**GAN, "condition_dropout": 0.2}),
    "hinge": ("cgan", {**GAN, "loss": "hinge", "r1": 0.5, "r1_every": 2}),
    "relativistic": ("cgan", {**GAN, "loss": "relativistic", "augment": True}),
    "wasserstein": ("cgan", {**GAN, "loss": "wasserstein-gp", "critic_steps": 2, "augment": True}),
    "average": ("gan", {**GAN, "average_decay": 0.9, "balance": True, "loss": "least-squares"}),
}


def trainer(plugin: str, **options: Any) -> Trainer:
    choice = Choice.by_name(plugin, "digits", loss=options.pop("loss", None))
    settings = choice.settle({**SGD, **options}, None)
    data = load_data(settings.choice.dataset, settings.configs["data"], None)
    model, loss = build(settings, data.spec)
    return Trainer(model, loss, data, settings.train, toys.CPU)


def trained(made: Trainer, steps: int = STEPS) -> dict[str, Tensor]:
    """Return the weights after some steps, and the averaged ones and the means of the terms."""
    for rows, _ in zip(made.schedule.batches(made.step), range(steps), strict=False):
        made.train_step(rows)
    means = made.learner.pending.means()
    return {
        **made.learner.model.state_dict(),
        **{f"average.{name}": value for name, value in made.published.state_dict().items()},
        **{f"term.{name}": torch.tensor(value) for name, value in means.items()},
    }


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", SAME)
def test_a_step_is_that_of_one_batch_of_all_images(case: str) -> None:
    plugin, options = SAME[case]
    made = trainer(plugin, batch_size=64, **options)
    first = {name: value.clone() for name, value in made.learner.model.state_dict().items()}
    whole = trained(made)
    assert_close(trained(trainer(plugin, batch_size=16, accumulate=4, **options)), whole)
    with pytest.raises(AssertionError):
        assert_close(first, {name: whole[name] for name in first})


class Told(toys.Game):
    """A game that tells what happens, in the order of the steps of all batches."""

    def __init__(self, *actions: Callable[[Context, Tensor], Any], fails: int = -1) -> None:
        super().__init__()
        self.actions, self.fails = actions, fails
        self.told: list[Any] = []
        self.threads: set[int] = set()

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        flat = batch.images.flatten(1)
        for part in model.parts():
            for action in self.actions:
                self.told.append(action(context, flat))
                self.threads.add(threading.get_ident())
                if len(self.told) == self.fails:
                    raise ValueError("this image")
            score = model.second(model.first(flat)).square().mean()
            yield Update(score, {"rows": len(batch)}, part=part)
            self.told.append(part)


def told(loss: Told, accumulate: int = 2, **config: Any) -> list[Any]:
    made = toys.trainer(loss, batch_size=5, accumulate=accumulate, **config)
    made.train_step(next(made.schedule.batches(0)))
    return loss.told


def test_batches_are_in_lockstep_and_a_part_steps_once() -> None:
    order = told(Told(lambda context, _: context.noise.uniform(5, 1).shape[0]))
    assert order == [5, 5, "first", 5, "first", 5, "second", "second"]


def test_a_loss_that_asks_for_no_mean_has_no_thread() -> None:
    loss = Told(lambda context, _: context.noise.normal(5))
    told(loss)
    assert loss.threads == {threading.get_ident()}


def test_means_are_of_the_whole_step_as_often_as_the_loss_asks() -> None:
    loss = Told(lambda context, flat: context.mean(flat), lambda context, flat: flat.mean(0))
    found = [value for value in told(loss, 4) if isinstance(value, Tensor)]
    assert len(loss.threads) > 1
    # Both updates: each of the four batches comes to its mean, then goes on with that of all.
    for start in (0, 8):
        means = found[start : start + 8]
        whole = torch.stack(means[1::2]).mean(0)
        for mean in means[::2]:
            torch.testing.assert_close(mean, whole)
    assert threading.active_count() == 1


def test_a_mean_of_a_mean_waits_twice() -> None:
    def spread(context: Context, flat: Tensor) -> Tensor:
        return context.mean((flat - context.mean(flat)).square())

    one, four = ([it for it in told(Told(spread), k) if isinstance(it, Tensor)] for k in (1, 2))
    made = toys.trainer(Told(spread), batch_size=10)
    made.train_step(next(made.schedule.batches(0)))
    whole = made.learner.loss.told[0]  # type: ignore[attr-defined]
    for value in four:
        torch.testing.assert_close(value, whole)
    assert not torch.allclose(one[0], whole)


def test_without_several_batches_a_mean_is_the_batchs_own_to_the_bit() -> None:
    values = torch.rand(7, 3)
    context = Context(Noise(toys.CPU), torch.zeros(()), 1)
    assert torch.equal(context.mean(values), values.mean(0))


def test_an_order_is_of_each_batch_and_permuted_rows_are_of_all() -> None:
    def both(context: Context, flat: Tensor) -> tuple[Tensor, Tensor]:
        rows = flat[:, 0].requires_grad_()
        return context.noise.permutation(len(flat)), context.noise.permuted(rows)

    found = [it for it in told(Told(both), 4) if isinstance(it, tuple)][:4]
    for order, rows in found:
        assert order.sort().values.tolist() == list(range(5))
        assert not rows.requires_grad
    made = toys.trainer(batch_size=20)
    batch = made._images.batch(next(made.schedule.batches(0)), 0)
    rows = torch.cat([rows for _, rows in found])
    assert sorted(rows.tolist()) == sorted(batch.images[:, 0, 0, 0].tolist())


def test_an_order_of_a_batch_is_its_numbers_in_the_order_of_the_whole_step() -> None:
    noise, again = Noise(toys.CPU), Noise(toys.CPU)
    noise.seed(3)
    again.seed(3)
    draws, whole = StepDraws(3, noise), again.permutation(3 * 5)
    draws.begin(5)
    for index in range(3):
        order = BatchNoise(draws, index, lambda rows: [rows]).permutation(5)
        expected = [number - 5 * index for number in whole.tolist() if number // 5 == index]
        assert order.tolist() == expected


@pytest.mark.parametrize("where", [1, 2, 3, 4, 5])
def test_an_error_of_a_loss_ends_all_batches(where: int) -> None:
    """In the first batch, in another's thread, before it asks and after."""
    loss = Told(lambda context, flat: context.mean(flat), lambda *_: None, fails=where)
    with pytest.raises(ValueError, match="this image"):
        told(loss, 3)
    assert threading.active_count() == 1


class Differing(toys.Game):
    """What it does depends on the batch: the first of a step is marked."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.seen = kind, 0

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        first, self.seen = not self.seen % 2, self.seen + 1
        flat, kind, statistics, terms = batch.images.flatten(1), self.kind, {}, {}
        if kind == "noise":
            context.noise.normal(5, 2 + first)
        if (kind, first) in {("mean", True), ("late mean", False)}:
            context.mean(flat)
        if kind == "shape":
            context.mean(flat[:, first:])
        if kind == "terms" and first:
            terms = {"a": 1.0}
        if kind == "statistics":
            statistics = {"a": flat[0, first:]}
        part = "second" if kind == "part" and first else "first"
        score = model.second(model.first(flat)).square().mean()
        yield Update(score, terms, part, statistics)
        if kind == "count" and first:
            yield Update(model.second(model.first(flat)).square().mean(), part="first")


@pytest.mark.parametrize(
    "kind", ["noise", "mean", "late mean", "shape", "terms", "statistics", "part", "count"]
)
def test_a_loss_that_treats_batches_differently_is_refused(kind: str) -> None:
    made = toys.trainer(Differing(kind), batch_size=5, accumulate=2)
    message = "yields other things in one batch of a step than in the next, so that accumulate"
    with pytest.raises(PluginError, match=message):
        made.train_step(next(made.schedule.batches(0)))
    assert threading.active_count() == 1


class Counting(toys.OnePart):
    """Gets the statistics of each update."""

    def after_update(self, part: str, statistics: Any) -> None:
        self.got = part, dict(statistics)


class Counted(toys.Game):
    """Its statistics and terms are of the batch."""

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        flat = batch.images.flatten(1)
        counts = torch.tensor([len(batch), int(flat[0, 0] > flat[0, 1])])
        statistics = {"mean": flat.mean(0), "counts": counts, "bright": flat[:2].mean(0) > 0.5}
        yield Update(model.first(flat).square().mean(), {"mean": flat.mean()}, None, statistics)


def test_statistics_and_terms_are_averaged() -> None:
    model = Counting()
    made = toys.trainer(Counted(), model, batch_size=5, accumulate=4)
    rows = next(made.schedule.batches(0))
    images = made._images.batch(rows, 0).images.flatten(1)
    made.train_step(rows)
    part, got = model.got
    assert part == "model"
    torch.testing.assert_close(got["mean"], images.mean(0))
    assert got["counts"][0] == 5
    bright = torch.stack([images[start : start + 2].mean(0) > 0.5 for start in range(0, 20, 5)])
    assert torch.equal(got["bright"], bright.all(0))
    means = made.learner.pending.means()
    assert means["mean"] == pytest.approx(images.mean().item())
    assert means.keys() == {"loss", "mean"}


@pytest.mark.parametrize("sizes", [MLP, {**CONV, "normalization": "none"}])
def test_bf16_and_channels_last_take_the_step_of_one_batch(sizes: dict[str, Any]) -> None:
    """To the rounding of bf16, where the weights went."""
    steps_taken: list[Tensor] = []
    for size in ({"batch_size": 64}, {"batch_size": 16, "accumulate": 4}):
        made = trainer("vae", free_bits=0.02, **size, **sizes)
        made.learner.use(Arithmetic("bf16", "channels-last", 1))
        first = torch.cat([value.flatten() for value in made.learner.model.parameters()]).detach()
        trained(made)
        last = torch.cat([value.flatten() for value in made.learner.model.parameters()])
        steps_taken.append(last.detach() - first)
    assert (steps_taken[0] - steps_taken[1]).norm() < 0.02 * steps_taken[0].norm()


def test_groups_of_a_loss_are_divided_among_the_batches() -> None:
    rows = torch.arange(12)
    batch = Batch(rows.float().reshape(12, 1, 1, 1), rows)
    one, two, three = divided(batch, 2, 3)
    conditions = [own.condition for own in (one, two, three)]
    assert [it.tolist() for it in conditions if it is not None] == [
        [0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11],
    ]  # fmt: skip
    assert one.images.flatten().tolist() == [0, 1, 6, 7]
    assert divided(Batch(batch.images, None), 2, 3)[0].condition is None


@pytest.mark.parametrize("samples", [1, 3])
def test_each_batch_gets_its_rows_of_a_draw(samples: int) -> None:
    """Several rows of each image are all images once, then all of them again."""
    whole, noise = Noise(toys.CPU), Noise(toys.CPU)
    lockstep = Lockstep(2, Context(noise, torch.zeros((), dtype=torch.int64), 1))
    for source in (whole, noise):
        source.seed(1)
    lockstep.start_step(0, 4)
    one, two = (context.noise for context in lockstep.contexts)
    expected = whole.normal(samples * 8, 2).reshape(samples, 2, 4, 2)
    later = whole.labels(6, 9)
    first = one.normal(samples * 4, 2)
    assert torch.equal(first, expected[:, 0].reshape(-1, 2))
    first.zero_()  # a loss may write into it
    assert torch.equal(one.labels(3, 9), later[:3])
    assert torch.equal(two.normal(samples * 4, 2), expected[:, 1].reshape(-1, 2))
    assert torch.equal(two.labels(3, 9), later[3:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate": 0}, "accumulate must be at least 1, not 0"),
        (
            {"accumulate": 2000},
            r"accumulate=2000 makes 2000 batches a step, more than the 1440 training images",
        ),
        (
            {"accumulate": 4, "batch_size": 400},
            r"batch_size=400, 4 times in a step with accumulate=4, is more than the 1440 training",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        gtk.train("vae", quiet=True, **options)


def test_a_run_counts_steps_of_all_batches_and_goes_on_to_the_same_bits(
    no_pictures: None,
) -> None:
    options: dict[str, Any] = {
        **GAN, "batch_size": 90, "accumulate": 4, "log_every": 3, "average_decay": 0.5,
        "quiet": True, "loss": "wasserstein-gp", "critic_steps": 2, "checkpoint_every": 1,
    }  # fmt: skip
    straight = gtk.train("cgan", "digits", name="straight", epochs=2, **options)
    assert straight.checkpoints.steps()[-1] == 4
    assert straight.document["train"]["accumulate"] == 4
    gtk.train("cgan", "digits", name="again", epochs=1, **options)
    again = gtk.train(resume="again", epochs=2, quiet=True)
    one, other = (run.checkpoints.load(4) for run in (straight, again))
    for tensors, others in ((one.model, other.model), (one.training, other.training)):
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[name], others[name]) for name in tensors)


def test_a_batch_that_nobody_chose_fits(no_pictures: None) -> None:
    run = gtk.train("vae", "digits", epochs=1, accumulate=100, quiet=True, **MLP)
    assert run.document["train"]["batch_size"] == 14
    assert run.checkpoints.steps() == [1]
