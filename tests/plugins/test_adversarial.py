"""The adversarial losses: their formulas, their penalties, and the order of their updates."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from worlds import built, data_spec, dataset, settle, trained

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.training.trainer import Trainer
from gtk.core.values.errors import InvalidValue
from gtk.plugins.losses import AdversarialConfig, RelativisticConfig, WassersteinConfig
from gtk.plugins.losses.adversarial import (
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Minimax,
    Relativistic,
    other_condition,
    score_gradient,
    scores_of,
    zero_centered_penalty,
)
from gtk.plugins.losses.wasserstein import WassersteinGP, gradient_penalty

REAL = torch.tensor([-2.0, 0.0, 0.3, 5.0])
FAKE = torch.tensor([3.0, -0.5, 0.0, -4.0])
SMALL: dict[str, Any] = {
    "network": "mlp", "hidden_dims": (12,), "latent_dim": 3, "batch_size": 8,
    "discriminator_normalization": "none",
}  # fmt: skip


def context(seed: int = 0) -> Context:
    noise = Noise(torch.device("cpu"))
    noise.seed(seed)
    return Context(noise, torch.tensor(0), 100)


def seen_by(model: Any) -> list[tuple[Tensor, Tensor]]:
    """Return the list that the discriminator's images and conditions are added to."""
    seen: list[tuple[Tensor, Tensor]] = []
    original = model.discriminate

    def discriminate(images: Tensor, condition: Tensor) -> Tensor:
        seen.append((images, condition))
        return original(images, condition)

    model.discriminate = discriminate
    return seen


@pytest.mark.parametrize(
    ("loss", "discriminator", "generator"),
    [
        (
            Minimax(AdversarialConfig()),
            -torch.log(torch.sigmoid(REAL)) - torch.log(1 - torch.sigmoid(FAKE)),
            -torch.log(torch.sigmoid(FAKE)),
        ),
        (
            Hinge(AdversarialConfig()),
            torch.tensor([3 + 4.0, 1 + 0.5, 0.7 + 1, 0]),
            -FAKE,
        ),
        (
            LeastSquares(AdversarialConfig()),
            0.5 * ((REAL - 1) ** 2 + FAKE**2),
            0.5 * (FAKE - 1) ** 2,
        ),
        (
            Relativistic(RelativisticConfig()),
            -torch.log(torch.sigmoid(REAL - FAKE)),
            -torch.log(torch.sigmoid(FAKE)),  # of scores less those of real images
        ),
        (WassersteinGP(WassersteinConfig()), FAKE - REAL, -FAKE),
    ],
    ids=["minimax", "hinge", "least-squares", "relativistic", "wasserstein-gp"],
)
def test_scores_are_worth_what_the_papers_say(
    loss: AdversarialLoss, discriminator: Tensor, generator: Tensor
) -> None:
    assert torch.allclose(loss.discriminator_loss(REAL, FAKE), discriminator, atol=1e-5)
    assert torch.allclose(loss.generator_loss(FAKE), generator, atol=1e-5)


@pytest.mark.parametrize(
    "loss", ["minimax", "hinge", "least-squares", "relativistic", "wasserstein-gp"]
)
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_every_game_moves_both_parts(loss: str, network: str) -> None:
    options = {**SMALL, "network": network, "channels": (4, 6)}
    settings = settle("cgan", "onehot", loss, **options)
    start, _ = built(settings, data_spec("classes"))
    model = trained(settings, dataset("classes", 160), steps=3)
    for part, module in model.parts().items():
        before = dict(start.parts()[part].named_parameters())
        for name, parameter in module.named_parameters():
            # A bias before batch normalization moves nothing but by rounding.
            if not name.endswith("bias"):
                assert not torch.equal(parameter, before[name]), f"{part}.{name}"


def quadratic() -> Model:
    """A conditional model whose score is not linear in the image, in double precision."""
    options = {**SMALL, "network": "conv", "channels": (4,)}
    model, _ = built(settle("cgan", "projection", **options), data_spec("classes"))
    return model.double().eval()


def test_the_critics_penalty_matches_finite_differences() -> None:
    model = quadratic()
    labels = torch.tensor([0, 2])
    torch.manual_seed(0)
    real, generated = torch.rand(2, 2, 1, 8, 8, dtype=torch.float64)
    place = context().noise.uniform(2, 1, 1, 1).double()
    between = generated + place * (real - generated)
    gradients = torch.zeros(2, 64, dtype=torch.float64)
    step = 1e-5
    for pixel in range(64):
        shift = torch.zeros(64, dtype=torch.float64)
        shift[pixel] = step
        shift = shift.reshape(1, 1, 8, 8)
        with torch.no_grad():
            above = model.discriminate(between + shift, labels)
            below = model.discriminate(between - shift, labels)
        gradients[:, pixel] = (above - below) / (2 * step)
    expected = ((gradients.norm(dim=1) - 1) ** 2).mean().item()

    class Doubled(Noise):
        def uniform(self, *shape: int) -> Tensor:
            return super().uniform(*shape).double()

    noise = Doubled(torch.device("cpu"))
    noise.seed(0)
    found = gradient_penalty(model, real, generated, labels, noise)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    found.backward()  # type: ignore[no-untyped-call]
    assert all(
        torch.isfinite(item.grad).all()
        for item in model.discriminator.parameters()
        if item.grad is not None
    ), "it can be differentiated again"


def test_r1_is_half_the_squared_gradient_at_real_images() -> None:
    model, loss = built(settle("cgan", "onehot", "hinge", **SMALL, r1=3.0), data_spec("classes"))
    images = torch.rand(8, 1, 8, 8)
    batch = Batch(images, torch.arange(8) % 3)
    update = next(iter(loss.updates(model, batch, context())))
    real = model.to_network_range(images).requires_grad_()
    scores = model.discriminate(real, batch.condition)
    penalty = score_gradient(scores, real).square().sum(1).mean() / 2
    assert update.terms["r1"].item() == pytest.approx(penalty.item(), rel=1e-5)
    plain = Hinge(AdversarialConfig())
    without = next(iter(plain.updates(model, batch, context())))
    expected = without.loss.item() + 3 * penalty.item()
    assert update.loss.item() == pytest.approx(expected, rel=1e-5)


def linear(model: Model) -> Tensor:
    """Make the score 1 + <w, image> of a model for images of 8x8, and return w."""
    weight = torch.linspace(-1, 1, 64)

    def discriminate(images: Tensor, condition: Tensor | None) -> Tensor:
        return 1 + images.flatten(1) @ weight + 0 * model.discriminator.head.bias

    model.discriminate = discriminate
    return weight


def test_penalties_of_a_linear_score_are_half_its_squared_weight() -> None:
    options = {**SMALL, "r1": 2.0, "r2": 3.0}
    model, loss = built(settle("cgan", "onehot", "minimax", **options), data_spec("classes"))
    weight = linear(model)
    batch = Batch(torch.rand(8, 1, 8, 8), torch.arange(8) % 3)
    update = next(iter(loss.updates(model, batch, context())))
    half = weight.square().sum().item() / 2
    assert update.terms["r1"].item() == pytest.approx(half)
    assert update.terms["r2"].item() == pytest.approx(half)
    plain, _ = update_without_penalty(model, batch)
    assert update.loss.item() == pytest.approx(plain + 5 * half, rel=1e-5)


def update_without_penalty(model: Model, batch: Batch) -> tuple[float, dict[str, Any]]:
    update = next(iter(Minimax(AdversarialConfig()).updates(model, batch, context())))
    return update.loss.item(), dict(update.terms)


@pytest.mark.parametrize("step", [0, 1, 3, 4, 8])
def test_lazy_penalties_count_for_the_steps_that_leave_them_out(step: int) -> None:
    options = {**SMALL, "r1": 2.0, "r2": 3.0, "r1_every": 4}
    model, loss = built(settle("cgan", "onehot", "minimax", **options), data_spec("classes"))
    weight = linear(model)
    batch = Batch(torch.rand(8, 1, 8, 8), torch.arange(8) % 3)
    plain, terms = update_without_penalty(model, batch)
    here = Context(context().noise, torch.tensor(step), 100)
    update = next(iter(loss.updates(model, batch, here)))
    if step % 4:
        assert update.terms.keys() == terms.keys()
        assert update.loss.item() == plain
    else:
        expected = plain + 4 * 5 * weight.square().sum().item() / 2
        assert update.loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_trainer_says_which_step_it_is_without_reading_the_tensor() -> None:
    data = dataset("classes", 160)
    settings = settle("cgan", "onehot", "hinge", **SMALL, r1=1.0, r1_every=3)
    model, loss = built(settings, data.spec)
    trainer = Trainer(model, loss, data, settings.train, torch.device("cpu"))
    penalized = []
    for _, rows in zip(range(7), trainer.schedule.batches(0), strict=False):
        trainer.learner.pending.clear()
        trainer.train_step(rows)
        penalized.append("r1" in trainer.learner.pending.means())
    assert penalized == [True, False, False, True, False, False, True]
    here = trainer.learner.context
    here.step.fill_(5)  # which would mislead a loss that reads it
    assert here.is_due(3)
    assert Context(here.noise, torch.tensor(9), 100).is_due(3)
    assert not Context(here.noise, torch.tensor(10), 100).is_due(3)


def test_both_images_of_a_pair_have_the_real_ones_condition() -> None:
    options = {**SMALL, "loss": "relativistic"}
    model, loss = built(settle("cgan", "onehot", **options), data_spec("classes"))
    images, labels = torch.rand(8, 1, 8, 8), torch.randint(3, (8,))
    seen = seen_by(model)
    asked: list[Tensor] = []
    model.generator.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[1]))
    batch = Batch(images, labels)
    updates = list(loss.updates(model, batch, context()))
    assert [update.part for update in updates] == ["discriminator", "generator"]
    assert torch.equal(asked[0], labels)
    assert all(torch.equal(condition, labels) for _, condition in seen)
    (real, _), (generated, _), (again, _), (moving, _) = seen
    assert torch.equal(real, again)
    assert torch.equal(real, images * 2 - 1)
    assert torch.equal(generated, moving)
    assert moving.requires_grad
    real, generated = (item.detach().requires_grad_() for item in (real, generated))
    scores = [scores_of(model, item, labels) for item in (real, generated)]
    difference = scores[0] - scores[1]
    penalties = [
        zero_centered_penalty(*pair) for pair in zip(scores, (real, generated), strict=True)
    ]
    expected = torch.log(1 + torch.exp(-difference)).mean()
    assert torch.allclose(updates[0].loss, expected + sum(penalties))
    assert torch.allclose(updates[1].loss, torch.log(1 + torch.exp(difference)).mean())
    terms = loss.evaluate(model, batch, context())
    assert torch.allclose(terms["discriminator_loss"], torch.log(1 + torch.exp(-difference)))
    assert torch.allclose(terms["generator_loss"], torch.log(1 + torch.exp(difference)))


def test_the_relativistic_generators_gradient_is_of_its_own_images_alone() -> None:
    settings = settle("cgan", "onehot", "relativistic", **SMALL)
    model, loss = built(settings, data_spec("classes"))
    batch = Batch(torch.rand(8, 1, 8, 8), torch.arange(8) % 3)
    updates = list(loss.updates(model, batch, context()))
    updates[1].loss.backward()  # type: ignore[no-untyped-call]
    assert all(item.grad is not None for item in model.generator.parameters())


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (
            "wasserstein-gp",
            {},
            "loss 'wasserstein-gp' penalizes the gradient of each image",
        ),
        ("hinge", {"r1": 1.0}, "r1 penalizes the gradient of each image's score"),
        ("minimax", {"r2": 1.0}, "r2 penalizes the gradient of each image's score"),
        ("relativistic", {}, "r1 penalizes the gradient of each image's score"),
        ("relativistic", {"r1": 0.0}, "r2 penalizes the gradient of each image's score"),
    ],
)
def test_a_penalty_on_batch_normalized_scores_is_refused(
    loss: str, options: dict[str, Any], message: str
) -> None:
    data = dataset("classes", 160)
    settings = settle("cgan", "onehot", loss, batch_size=8, **options)
    model, game = built(settings, data.spec)
    with pytest.raises(InvalidValue, match=message) as error:
        Trainer(model, game, data, settings.train, torch.device("cpu"))
    assert "discriminator_normalization group or none" in str(error.value)


def test_the_critic_plays_five_times_on_fresh_images_and_the_generator_once() -> None:
    data = dataset("classes", 160)
    settings = settle("cgan", "onehot", "wasserstein-gp", **SMALL)
    model, loss = built(settings, data.spec)
    trainer = Trainer(model, loss, data, settings.train, torch.device("cpu"))
    assert trainer.schedule.steps_per_epoch == 160 // (8 * 5)
    rows = next(trainer.schedule.batches(0))
    assert len(rows) == 40
    batch = Batch(torch.rand(40, 1, 8, 8), torch.arange(40) % 3)
    parts = [update.part for update in loss.updates(model, batch, context())]
    assert parts == ["discriminator"] * 5 + ["generator"]


@pytest.mark.parametrize("name", ["minimax", "hinge", "least-squares"])
def test_a_step_of_a_game_is_what_the_papers_say(name: str) -> None:
    model, loss = built(settle("cgan", "onehot", name, **SMALL), data_spec("classes"))
    batch = Batch(torch.rand(8, 1, 8, 8), torch.arange(8) % 3)
    updates = list(loss.updates(model, batch, context()))
    noise = context().noise  # drawn again as the loss draws it
    condition = other_condition(model, batch, noise)
    generated = model.generate(noise.normal(8, 3), condition)
    real = model.discriminate(batch.images * 2 - 1, batch.condition)
    scores = model.discriminate(generated, condition)
    assert [update.part for update in updates] == ["discriminator", "generator"]
    expected = loss.discriminator_loss(real, scores).mean()
    assert torch.allclose(updates[0].loss, expected)
    assert torch.allclose(updates[1].loss, loss.generator_loss(scores).mean())
    assert updates[1].loss.grad_fn is not None
    terms = loss.evaluate(model, batch, context())
    assert torch.allclose(terms["discriminator_loss"].mean(), expected)
    assert torch.allclose(terms["generator_loss"].mean(), updates[1].loss)


def test_every_critic_step_sees_images_of_its_own_with_their_conditions() -> None:
    model, loss = built(settle("cgan", "onehot", "wasserstein-gp", **SMALL), data_spec("classes"))
    images, labels = torch.rand(40, 1, 8, 8), torch.randint(3, (40,))
    score, seen = model.discriminate, seen_by(model)
    updates = list(loss.updates(model, Batch(images, labels), context()))
    for step in range(5):
        (real, first), (generated, second), (between, third) = seen[3 * step : 3 * step + 3]
        rows = slice(8 * step, 8 * step + 8)
        assert torch.allclose(real, images[rows] * 2 - 1)
        for condition in (first, second, third):
            assert torch.equal(condition, labels[rows])
        assert not generated.requires_grad
        assert between.requires_grad
        terms = updates[step].terms
        distance = terms["generated_score"] - terms["real_score"]
        assert torch.allclose(updates[step].loss, distance + 10 * terms["penalty"], atol=1e-5)
    assert torch.allclose(updates[5].loss, -score(*seen[15]).mean())


def test_the_projection_takes_maps_summed_over_their_pixels() -> None:
    options = {**SMALL, "network": "conv", "channels": (4, 5)}
    model, _ = built(settle("cgan", "projection", **options), data_spec("classes"))
    seen: dict[str, Tensor] = {}
    model.discriminator.hidden[-1].register_forward_hook(lambda *call: seen.update(maps=call[2]))
    model.discriminator.score.register_forward_pre_hook(lambda *call: seen.update(sums=call[1][1]))
    model.discriminate(torch.rand(2, 1, 8, 8), torch.tensor([0, 1]))
    assert seen["maps"].shape == (2, 5, 2, 2)
    assert torch.allclose(seen["sums"], seen["maps"].sum((2, 3)))


def test_the_generator_is_judged_on_the_images_that_the_discriminator_saw() -> None:
    model, loss = built(settle("gan", None, "minimax", **SMALL), data_spec("none"))
    seen: list[Tensor] = []
    original = model.discriminate

    def discriminate(images: Tensor, condition: Tensor | None) -> Tensor:
        seen.append(images)
        return original(images, condition)

    model.discriminate = discriminate
    images = torch.rand(8, 1, 8, 8)
    for _ in loss.updates(model, Batch(images, None), context()):
        pass
    real, detached, generated = seen
    assert torch.equal(detached, generated)
    assert not detached.requires_grad
    assert generated.requires_grad
    assert torch.equal(real, images * 2 - 1), "real images come in the networks' range"


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("classes", torch.tensor([0] * 19 + [2])),
        ("attributes", torch.rand(20, 2).round()),
        ("continuous", torch.rand(20, 2)),
    ],
)
def test_conditions_of_generated_images_are_the_batchs_own(kind: str, rows: Tensor) -> None:
    model, _ = built(settle("cgan", "film", **SMALL), data_spec(kind))
    drawn = [
        other_condition(model, Batch(torch.zeros(20, 1, 1, 1), rows), context(seed).noise)
        for seed in range(3)
    ]
    for some in drawn:
        assert some is not None
        assert some.unique(dim=0, return_counts=True)[1].tolist() == (
            rows.unique(dim=0, return_counts=True)[1].tolist()
        ), "each as often"
    assert not all(torch.equal(some, rows) for some in drawn if some is not None), "disordered"


def test_generated_images_have_no_condition_where_none_acts() -> None:
    model, _ = built(settle("gan", **SMALL), data_spec("classes"))
    batch = Batch(torch.zeros(20, 1, 1, 1), torch.zeros(20, dtype=torch.int64))
    assert other_condition(model, batch, context().noise) is None


@pytest.mark.parametrize("loss", ["minimax", "wasserstein-gp"])
def test_the_generator_is_asked_for_classes_as_often_as_the_data_have_them(loss: str) -> None:
    data = dataset("classes", 160)
    labels = np.where(np.arange(160) % 20, 0, 2)  # 95% and 5%
    data = replace(data, train=replace(data.train, labels=labels))
    settings = settle("cgan", "onehot", loss, **SMALL)
    model, game = built(settings, data.spec)
    asked: list[Tensor] = []
    model.generator.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[1]))
    trainer = Trainer(model, game, data, settings.train, torch.device("cpu"))
    real = []
    for _, rows in zip(range(4), trainer.schedule.batches(0), strict=False):
        trainer.train_step(rows)
        real.append(torch.from_numpy(labels)[rows])
    counts = torch.cat(asked).bincount(minlength=3)
    if loss == "minimax":
        assert counts.tolist() == torch.cat(real).bincount(minlength=3).tolist()
    assert counts[1] == 0
    assert counts[2] < 0.2 * len(torch.cat(asked))


def test_no_term_of_a_game_says_which_weights_are_better() -> None:
    data = dataset("classes", 160)
    settings = settle("cgan", None, "hinge", **SMALL, validation=16)
    model, loss = built(settings, data.spec)
    with pytest.raises(InvalidValue, match="monitor="):
        Trainer(model, loss, data, settings.train, torch.device("cpu"))
    settings = settle("cgan", None, "hinge", **SMALL, validation=16, monitor="discriminator_loss")
    Trainer(model, loss, data, settings.train, torch.device("cpu"))


def test_a_loss_for_another_family_is_refused() -> None:
    with pytest.raises(
        InvalidValue, match="models of type AdversarialModel, and model 'cvae' is not one"
    ):
        built(settle("cvae", None, "hinge"), data_spec("classes"))
    with pytest.raises(
        InvalidValue, match="of type LatentVariableModel, and model 'gan' is not one"
    ):
        built(settle("gan", None, "elbo"), data_spec("none"))
