"""Settings that nobody chose are those that a model's plugin suggests for the data."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.cli.main import run as run_gtk
from gtk.cli.train_summary import suggested_options
from gtk.core.models.suited_settings import suited_settings
from gtk.core.registry.discovery import _check
from gtk.core.registry.train_config import SUGGESTIBLE, TrainConfig
from gtk.core.settings.choice import Choice, Settings
from gtk.core.settings.recipe import NO_RECIPE
from gtk.core.values.condition_spec import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import PluginError
from gtk.defaults import find_recipe

MNIST = DataSpec("mnist", 1, 28, 28, ConditionSpec(tuple("0123456789")))


def settled(model: str = "flow", data: str = "mnist", **values: Any) -> Settings:
    return Choice.by_name(model, data).settle(values, None)


def suited(images: int = 60_000, spec: DataSpec = MNIST, **values: Any) -> TrainConfig:
    return suited_settings(settled(**values), spec, images).train


def test_a_u_net_is_trained_by_muon_for_as_many_epochs_as_suit_the_images() -> None:
    found = suited()
    assert (found.optimizer, found.learning_rate, found.batch_size) == ("muon", 4e-3, 64)
    assert (found.epochs, suited(600_000).epochs, suited(60_000_000).epochs) == (10, 1, 1)
    photos = DataSpec("photos", 3, 64, 64, MNIST.condition)
    assert suited(1_000, photos).epochs == 117, "four times as many patches as there"
    assert suited(1, photos).epochs == 1_000


def test_what_somebody_chose_stays() -> None:
    found = suited(epochs=3, batch_size=10)
    assert (found.optimizer, found.epochs, found.batch_size) == ("muon", 3, 10)
    adam, slow = suited(optimizer="adam"), suited(learning_rate=1e-4)
    assert (adam.optimizer, adam.learning_rate) == ("adam", 1e-3), "the rate is for Muon"
    assert (slow.optimizer, slow.learning_rate, slow.epochs) == ("adam", 1e-4, 10)


def test_an_option_of_an_optimizer_and_a_losss_defaults_are_choices() -> None:
    found = suited(adam_beta1=0.5)
    assert (found.optimizer, found.learning_rate, found.adam_beta1) == ("adam", 1e-3, 0.5)
    own = settled()
    spec = replace(own.choice.loss.spec, defaults={"learning_rate": 1e-5, "epochs": 7})
    choice = replace(own.choice, loss=replace(own.choice.loss, spec=spec))
    found = suited_settings(choice.settle({}, None), MNIST, 60_000).train
    assert (found.optimizer, found.learning_rate, found.epochs) == ("adam", 1e-5, 7)
    assert found.batch_size == 64


def test_a_recipe_stays_and_so_does_a_run() -> None:
    recipe = find_recipe("flow-mnist")
    own = Choice.by_name(None, recipe=recipe).settle({}, None)
    assert suited_settings(own, MNIST, 5_000_000).train == own.train
    run = Settings.from_document(settled().as_document())
    assert suited_settings(run, MNIST, 60_000) == run


def test_a_network_of_layers_keeps_its_defaults() -> None:
    digits = replace(MNIST, name="digits", height=8, width=8)
    own = settled(data="digits")
    assert suited_settings(own, digits, 1_437).train == own.train
    assert suited(network="transformer") == settled(network="transformer").train


DIGITS = replace(MNIST, name="digits", height=8, width=8)
SMALL = {"hidden_dims": (256, 128), "beta": 0.4}


def suited_digits(**values: Any) -> dict[str, Any]:
    """Return the options of a `cvae` of the digits that its plugin may suggest."""
    loss, recipe = values.pop("loss", None), values.pop("recipe", None)
    found = NO_RECIPE if recipe is None else find_recipe(recipe)
    choice = Choice.by_name("cvae", "digits", loss=loss, recipe=found)
    configs = suited_settings(choice.settle(values, None), DIGITS, 1_437).configs
    return {
        "hidden_dims": configs["model"].hidden_dims,
        "beta": getattr(configs["loss"], "beta", None),
    }


def test_options_of_model_and_loss_suit_small_images() -> None:
    assert suited_digits() == SMALL


def suited_mnist(
    spec: DataSpec = MNIST, sampler: str | None = None, recipe: str | None = None, **values: Any
) -> Settings:
    """Return the settings of a `cvae` of larger images, as its plugin suggests them."""
    found = NO_RECIPE if recipe is None else find_recipe(recipe)
    choice = Choice.by_name("cvae", "mnist", recipe=found, sampler=sampler)
    return suited_settings(choice.settle(values, None), spec, 60_000)


def test_larger_images_have_a_short_code_and_another_sampler() -> None:
    found = suited_mnist()
    model = found.configs["model"]
    assert (model.latent_dim, model.hidden_dims, found.train.epochs) == (10, (512, 512), 20)
    assert found.configs["loss"].beta == 0.5
    assert suited_mnist(likelihood="gaussian").configs["loss"].beta == 1
    assert found.choice.sampler.spec.name == "aggregate"
    assert found.configs["sampler"].components == found.choice.sampler.spec.config().components
    again = Settings.from_document(found.as_document())
    assert again.choice.sampler.spec.name == "aggregate"


def test_a_sampler_that_somebody_chose_stays() -> None:
    assert suited_mnist(sampler="direct").choice.sampler.spec.name == "direct"
    warm = suited_mnist(temperature=0.5)
    assert (warm.choice.sampler.spec.name, warm.configs["sampler"].temperature) == ("direct", 0.5)
    for recipe in ("cvae-mlp", "vae-mlp"):
        assert suited_mnist(recipe=recipe).choice.sampler.spec.name == "direct", "it has a model"


def test_a_mixture_is_suggested_for_classes_alone() -> None:
    numbers = replace(MNIST, condition=gtk.Numbers(("age",), ranges=((0.0, 1.0),)))
    assert suited_mnist(numbers).choice.sampler.spec.name == "direct"
    many = replace(MNIST, condition=ConditionSpec(tuple(map(str, range(101)))))
    assert suited_mnist(many).choice.sampler.spec.name == "direct"
    assert suited_mnist(latent_dim=65).choice.sampler.spec.name == "direct"
    assert suited_mnist(replace(MNIST, condition=None)).configs["model"].latent_dim == 16
    colour = suited_mnist(replace(MNIST, channels=3))
    assert colour.choice.sampler.spec.name == "aggregate"
    assert (colour.configs["model"].latent_dim, colour.configs["loss"].beta) == (16, 1)


def test_chosen_options_and_those_of_another_loss_stay() -> None:
    assert suited_digits(beta=1.0) == SMALL | {"beta": 1.0}
    assert suited_digits(hidden_dims=(64,)) == SMALL | {"hidden_dims": (64,)}
    assert suited_digits(likelihood="gaussian") == SMALL | {"beta": 1.0}
    assert suited_digits(network="conv") == SMALL | {"hidden_dims": (256,)}
    assert suited_digits(loss="iwae")["hidden_dims"] == SMALL["hidden_dims"]


def test_few_small_images_are_shown_as_often_as_the_digits() -> None:
    def epochs(images: int) -> int:
        settings = Choice.by_name("cvae", "digits").settle({}, None)
        return suited_settings(settings, DIGITS, images).train.epochs

    assert [epochs(images) for images in (1, 1_440, 10_000, 10**6)] == [1_000, 250, 36, 1]


def test_a_recipe_of_model_and_loss_stays() -> None:
    assert suited_digits(recipe="cvae-mlp") == {"hidden_dims": (64,), "beta": 1.0}


def test_a_dry_run_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_gtk(["train", "--plugin", "cvae", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "loss option beta: 0.4, for these data" in out
    assert "model option hidden dims: 256,128, for these data" in out
    assert "sampler" not in out
    run_gtk(["train", "--plugin", "cvae", "--beta", "1", "--dry-run"])
    assert "beta" not in capsys.readouterr().out.replace("adam beta", "")


def test_a_dry_run_shows_a_sampler_and_nothing_that_was_not_suggested() -> None:
    assert [*suggested_options(suited_mnist())] == [
        "sampler: aggregate, for these data",
        "loss option beta: 0.5, for these data",
        "model option hidden dims: 512,512, for these data",
        "model option latent dim: 10, for these data",
    ]


def by(suggest: Callable[[Any, DataSpec, int], Mapping[str, Any]]) -> Choice:
    """Choose flow, with another suggestion."""
    choice = Choice.by_name("flow", "mnist")
    names = choice.model.spec.suggests | {"precision"}
    spec = replace(choice.model.spec, suggest=suggest, suggests=names)
    return replace(choice, model=replace(choice.model, spec=spec))


@pytest.mark.parametrize(
    ("suggested", "fault"),
    [
        ({"precision": "bf16"}, r"model 'flow' of .* suggest\(\) failed: 'precision' is none of"),
        ({"seed": 3}, r"'seed' is not in its spec's suggests \(batch_size, epochs, learning_rate"),
        ({"epochs": 0}, "failed: training: epochs must be at least 1"),
        ({"epochs": "3"}, "failed: epochs takes a whole number"),
        ({1: 2}, "failed: '1' is not in its spec's suggests"),
        (3, "failed: TypeError: "),
        ({"loss.coupling": "ot"}, "failed: 'loss.coupling' is not in its spec's suggests"),
    ],
)
def test_a_wrong_suggestion_names_its_plugin(suggested: Any, fault: str) -> None:
    def suggest(config: Any, spec: DataSpec, images: int) -> Mapping[str, Any]:
        return suggested  # type: ignore[no-any-return]

    with pytest.raises(PluginError, match=fault):
        suited_settings(by(suggest).settle({}, None), MNIST, 60_000)


def test_a_run_is_resumed_whatever_a_newer_plugin_suggests() -> None:
    def suggest(config: Any, spec: DataSpec, images: int) -> Mapping[str, Any]:
        raise AssertionError

    run = replace(Settings.from_document(settled().as_document()), choice=by(suggest))
    assert suited_settings(run, MNIST, 60_000) == run


def test_what_a_suggested_optimizer_lacks_is_left_out() -> None:
    settings = by(lambda *_: {"optimizer": "sgd", "learning_rate": 0.5}).settle({}, None)
    found = suited_settings(settings, MNIST, 60_000).train
    assert (found.optimizer, found.learning_rate) == ("sgd", 0.5)
    assert (settings.train.adam_beta2, found.adam_beta2) == (0.99, TrainConfig.adam_beta2)


def test_a_training_takes_them_and_its_run_repeats_them(tmp_path: Path) -> None:
    small: dict[str, Any] = {"network": "unet", "channels": (8,), "quiet": True, "runs": tmp_path}
    run = gtk.train(plugin="flow", epochs=1, name="one", **small)
    train = run.document["train"]
    assert (train["optimizer"], train["batch_size"], train["epochs"]) == ("muon", 64, 1)
    again = gtk.train(recipe=run.path / "run.json", name="again", quiet=True, runs=tmp_path)
    assert again.document["train"] == train
    assert again.metrics()[-1]["terms"] == run.metrics()[-1]["terms"]
    longer = gtk.train(resume=run.path, epochs=2, quiet=True)
    assert longer.document["train"] == {**train, "epochs": 2}


def test_the_help_says_that_the_data_decide(capsys: pytest.CaptureFixture[str]) -> None:
    run_gtk(["train", "--plugin", "flow", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert text.count("[default: by the data: --dry-run shows it]") == len(SUGGESTIBLE)
    run_gtk(["train", "--recipe", "flow-mnist", "--help"])
    assert "by the data" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ("epochs", "its suggests is 'epochs': name in a frozenset"),
        (frozenset(), "give both or neither"),
        ({"seed"}, "its suggests names 'seed': only batch_size, epochs"),
        ({"sampler.steps"}, "its suggests names 'sampler.steps'"),
        ({"model.depth_of_field"}, "its suggests names 'model.depth_of_field'"),
        ({""}, "its suggests names ''"),
    ],
)
def test_what_cannot_be_suggested_is_refused_when_a_plugin_is_loaded(
    names: Any, fault: str
) -> None:
    spec = Choice.by_name("flow", "mnist").model.spec
    _check(spec)
    with pytest.raises(PluginError, match=fault):
        _check(replace(spec, suggests=names))


def test_names_without_a_function_are_refused() -> None:
    spec = Choice.by_name("flow", "mnist").model.spec
    with pytest.raises(PluginError, match="give both or neither"):
        _check(replace(spec, suggest=None))
