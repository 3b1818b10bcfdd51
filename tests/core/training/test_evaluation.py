"""Evaluation: the mean over all images, with noise that no setting moves."""

from typing import Any

import pytest
import torch
import toys
from torch import Tensor

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss
from gtk.core.contracts.noise import Noise
from gtk.core.training.evaluation import BLOCK, evaluate, monitored_term
from gtk.core.training.store import ImageStore
from gtk.core.values.errors import InvalidValue, PluginError, UnknownName
from gtk.core.values.seeding import derive_seed

CONTEXT = Context(Noise(toys.CPU), torch.zeros((), dtype=torch.int64), 1)


def store(count: int) -> ImageStore:
    return ImageStore(toys.dataset(train=count).train, conditional=True, device=toys.CPU)


def test_it_is_the_mean_over_all_images_block_by_block() -> None:
    model, game, count = toys.model().eval(), toys.Game(), BLOCK + 44
    found = evaluate(model, game, store(count), CONTEXT, seed=5)
    noise, total = Noise(toys.CPU), 0.0
    for block, rows in enumerate(torch.arange(count).split(BLOCK)):
        noise.seed(derive_seed(5, "evaluate", block))
        context = Context(noise, CONTEXT.step, 1)
        total += game.evaluate(model, store(count).batch(rows), context)["loss"].sum().item()
    assert found == {"loss": pytest.approx(total / count)}


def test_it_is_in_eval_mode_and_gives_the_mode_back() -> None:
    model = toys.model().train()
    first = evaluate(model, toys.Game(), store(30), CONTEXT, seed=0)
    assert model.training
    assert first == evaluate(model, toys.Game(), store(30), CONTEXT, seed=0), "dropout was on"


class Adversarial(toys.Game):
    """Has no term that chooses, and draws from everything that it should leave as it was."""

    criterion = None

    def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
        torch.rand(1)
        score = super().evaluate(model, batch, context)["loss"]
        return {"generator_loss": score, "discriminator_loss": -score}


def monitored(loss: Loss, wanted: str, count: int = 30) -> str:
    return monitored_term(toys.model(), loss, store(count), CONTEXT, wanted)


def test_the_loss_says_what_is_monitored_unless_the_user_does() -> None:
    assert monitored(toys.Game(), "") == "loss"
    assert monitored(Adversarial(), "generator_loss") == "generator_loss"
    assert monitored(toys.Game(), "loss", count=1) == "loss"


def test_a_loss_without_a_criterion_wants_to_be_told() -> None:
    with pytest.raises(
        InvalidValue, match="monitor=TERM: discriminator_loss, generator_loss$"
    ) as error:
        monitored(Adversarial(), "")
    assert "loss Adversarial has no criterion. Choose a figure of a metric with" in str(error.value)


def test_an_unknown_term_has_a_nearest_one() -> None:
    with pytest.raises(UnknownName, match="'generator_los'. Did you mean 'generator_loss'"):
        monitored(Adversarial(), "generator_los")


def test_a_criterion_that_is_not_evaluated_is_the_plugins_mistake() -> None:
    class Wrong(toys.Game):
        criterion = "score"

    with pytest.raises(PluginError, match="criterion of Wrong is 'score', and it evaluates only l"):
        monitored(Wrong(), "")


def test_asking_for_the_terms_leaves_no_trace() -> None:
    model = toys.model().train()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    noise = CONTEXT.noise._generator.get_state()
    state = torch.get_rng_state()
    monitored_term(model, Adversarial(), store(30), CONTEXT, "generator_loss")
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(noise, CONTEXT.noise._generator.get_state())
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        ({"loss": torch.ones(())}, "gives 'loss' as shape () for {} images: return one number"),
        ({"loss": torch.ones(2, 1)}, "gives 'loss' as shape (2, 1) for {} images: return one nu"),
        ({"loss": 1.5}, "gives 'loss' as 1.5 for {} images: return one number for each, (B,)."),
        (torch.ones(2), "evaluate() of Mean gives Tensor: return a dict of terms, (B,) each."),
    ],
)
def test_a_term_is_one_number_for_each_image(terms: Any, found: str) -> None:
    class Mean(toys.Game):
        def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
            return terms  # type: ignore[no-any-return]

    with pytest.raises(PluginError) as error:
        evaluate(toys.model(), Mean(), store(30), CONTEXT, seed=0)
    assert found.format(30) in str(error.value)
    with pytest.raises(PluginError) as error:
        monitored(Mean(), "")
    assert found.format(2) in str(error.value)


class OnApple(Tensor):
    """A tensor on a GPU without float64: only a copy on the CPU can have that type."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.cpu:
            return args[0].as_subclass(Tensor)
        if any(item is torch.float64 for item in (*args, *(kwargs or {}).values())):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return super().__torch_function__(func, types, args, kwargs or {})


def test_terms_leave_the_device_before_they_become_float64() -> None:
    class Apple(toys.Game):
        def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
            terms = super().evaluate(model, batch, context)
            return {name: value.as_subclass(OnApple) for name, value in terms.items()}

    model = toys.model()
    expected = evaluate(model, toys.Game(), store(30), CONTEXT, seed=0)
    assert evaluate(model, Apple(), store(30), CONTEXT, seed=0) == expected
