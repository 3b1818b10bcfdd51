"""`gtk.train` from Python: refusals come before anything is written."""

from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, PassThrough, Site
from gtk.core.models.build import build
from gtk.core.models.summary import parameter_count, summarize
from gtk.core.registry.spec import NoConfig
from gtk.core.settings.choice import Choice
from gtk.core.training.training import find_callbacks
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.defaults import own_callbacks
from gtk.plugins.datasets.digits import load


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "name the model to train: plugin=NAME. Installed: cgan, cvae, diffusion, flow, gan"),
        ({"plugin": "cvae", "data": "digit"}, "unknown data set 'digit'. Did you mean 'digits'?"),
        ({"plugin": "cvae", "loss": "elb"}, "unknown loss 'elb'. Did you mean 'elbo'?"),
        ({"plugin": "cvae", "conditioner": "hot"}, "unknown conditioner 'hot'"),
        ({"plugin": "cvae", "latent": 3}, "unknown option 'latent'"),
        ({"plugin": "cvae", "latent_dim": 0}, "model 'cvae': latent_dim must be at least 1"),
        ({"plugin": "cvae", "latent_dim": "3"}, "latent_dim takes a whole number, not '3'"),
        ({"plugin": "cvae", "hidden_dims": (0,)}, "hidden_dims must be widths of at least 1"),
        ({"plugin": "cvae", "beta": -1}, "loss 'elbo': beta must be 0 or more"),
        ({"plugin": "cvae", "batch_size": 0}, "training: batch_size must be at least 1"),
        ({"plugin": "cvae", "batch_size": 1441}, "more than the 1440 training images of digits"),
        (
            {"plugin": "cvae", "adam_beta1": 1.0},
            "adam_beta1 must be at least 0 and less than 1, not 1.0",
        ),
        ({"plugin": "cvae", "adam_beta2": -0.1}, "adam_beta2 must be at least 0 and less than 1"),
        ({"plugin": "cvae", "clip_norm": -1}, "clip_norm must be 0 or more, not -1"),
        ({"plugin": "cvae", "keep_checkpoints": 0}, "keep_checkpoints must be at least 1, not 0"),
        (
            {"plugin": "cvae", "decay": "linear"},
            "decay must be one of constant, cosine, multistep, not 'linear'",
        ),
        ({"plugin": "cvae", "warmup_steps": -1}, "warmup_steps must be 0 or more, not -1"),
        (
            {"plugin": "cvae", "epochs": 30, "warmup_steps": 5000},
            "warmup_steps=5000 is longer than the training of 660 steps. Use fewer, or more",
        ),
        ({"plugin": "cvae", "patience": 2}, "patience=2 needs a validation to look at"),
        ({"plugin": "cvae", "patience": -2}, "patience must be 0 or more, not -2"),
        ({"plugin": "cvae", "monitor": "kl"}, "monitor='kl' needs a validation to look at"),
        (
            {"plugin": "cvae", "monitor": "los", "validation": 9},
            "unknown term of monitor 'los'. Did you mean 'loss'?",
        ),
        (
            {"plugin": "cvae", "monitor": "nonsense", "validate_on_test": True},
            "unknown term of monitor 'nonsense'. Known: kl, loss, reconstruction.",
        ),
        (
            {"plugin": "cvae", "validation": 9, "validate_on_test": True},
            "validation holds out training images and validate_on_test takes .* one of the two",
        ),
        ({"plugin": "cvae", "device": "cuda:77"}, "device 'cuda:77' cannot be used here"),
        ({"plugin": "cvae", "name": "a/b"}, "cannot name a run"),
        ({"resume": "nothing"}, "unknown run 'nothing'"),
        ({"plugin": "cvae", "callbacks": ["nothing"]}, "unknown callback 'nothing'"),
        ({"plugin": "vae", "conditioner": "embedding", "embedding_dim": 0}, "embedding_dim must"),
    ],
)
def test_a_refused_training_leaves_nothing_behind(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(GtkError, match=message) as error:
        gtk.train(**arguments, quiet=True)
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        GtkError, match="cannot be written: .*file is not a folder you can write to"
    ):
        gtk.train(plugin="cvae", runs=tmp_path / "file" / "runs", quiet=True)


def test_defaults_flag_beats_model_beats_data_beats_trainer() -> None:
    choice = Choice.by_name("cvae", "digits")
    assert choice.settle({}, None).train.epochs == 300
    assert choice.settle({}, None).train.learning_rate == 1e-3
    assert choice.settle({"epochs": 7}, None).train.epochs == 7
    assert Choice.by_name("cvae", "mnist").settle({}, None).train.epochs == 30


def test_the_environment_says_where_data_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATIVE_TOOLKIT_DATA", "somewhere")
    mnist = Choice.by_name("cvae", "mnist")
    assert mnist.settle({}, None).data_root == Path("somewhere")
    assert mnist.settle({}, Path("here")).data_root == Path("here")
    assert Choice.by_name("cvae", "digits").settle({}, None).data_root is None


def test_vae_and_cvae_are_the_same_networks_with_another_conditioner() -> None:
    spec = load(NoConfig(), None).spec

    def counts(plugin: str, conditioner: str | None) -> int:
        choice = Choice.by_name(plugin, "digits", conditioner)
        return parameter_count(build(choice.settle({}, None), spec)[0])

    assert counts("vae", None) == counts("cvae", "unconditional")
    assert counts("vae", "onehot") == counts("cvae", None)
    assert counts("vae", "embedding") > counts("cvae", None)


def test_first_weights_come_from_the_seed_alone() -> None:
    import torch

    def weights(seed: int) -> torch.Tensor:
        settings = Choice.by_name("cvae", "digits").settle({"seed": seed}, None)
        return next(build(settings, load(NoConfig(), None).spec)[0].parameters())

    first = weights(1)
    torch.rand(10)
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


def test_a_conditioner_needs_labels() -> None:
    spec = DataSpec("flat", 1, 8, 8, None)
    with pytest.raises(
        InvalidValue,
        match="'onehot' needs labels, and the images of data set 'flat' are not labelled",
    ):
        build(Choice.by_name("cvae", "digits").settle({}, None), spec)
    build(Choice.by_name("vae", "digits").settle({}, None), spec)


class EncoderOnly(Conditioner):
    """Forgets the decoder."""

    def input(self, site: Site, features: int) -> ConditioningLayer:
        from gtk.plugins.conditioners.concatenate import Concatenate
        from gtk.plugins.conditioners.onehot import OneHotCode

        if site.role != "encoder":
            return PassThrough(features)
        return Concatenate(features, OneHotCode(10), 10)


def test_a_network_that_would_ignore_the_label_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtk.plugins.conditioners.onehot.OneHot", EncoderOnly)
    with pytest.raises(InvalidValue, match="which the decoder of model 'cvae' lacks"):
        build(Choice.by_name("cvae", "digits").settle({}, None), load(NoConfig(), None).spec)


def test_a_loss_is_refused_for_a_model_it_cannot_play_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import toys

    monkeypatch.setattr("gtk.plugins.vae.model.VariationalAutoencoder", toys.TwoParts)
    with pytest.raises(InvalidValue, match="'elbo' is for models of type LatentVariableModel"):
        build(Choice.by_name("cvae", "digits").settle({}, None), load(NoConfig(), None).spec)


def test_a_target_of_the_wrong_class_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtk.plugins.vae.model.VariationalAutoencoder", dict)
    with pytest.raises(GtkError, match="'cvae' of generative-toolkit .* is not a Model"):
        build(Choice.by_name("cvae", "digits").settle({}, None), load(NoConfig(), None).spec)


def test_the_summary_names_layers_shapes_and_counts() -> None:
    settings = Choice.by_name("cvae", "digits").settle({"latent_dim": 3, "hidden_dims": (5,)}, None)
    model, loss = build(settings, load(NoConfig(), None).spec)
    rows = [
        (item.network, item.name, item.kind, item.shape, item.parameters)
        for item in summarize(model, loss, load(NoConfig(), None).spec)
    ]
    assert rows == [
        ("encoder", "layers.input.code", "OneHotCode", (10,), 0),
        ("encoder", "layers.hidden.0.transform", "Linear", (5,), 74 * 5 + 5),
        ("encoder", "layers.hidden.0.activation", "ReLU", (5,), 0),
        ("encoder", "head", "Linear", (6,), 5 * 6 + 6),
        ("decoder", "layers.input.code", "OneHotCode", (10,), 0),
        ("decoder", "layers.hidden.0.transform", "Linear", (5,), 13 * 5 + 5),
        ("decoder", "layers.hidden.0.activation", "ReLU", (5,), 0),
        ("decoder", "head", "Linear", (64,), 5 * 64 + 64),
    ]
    assert sum(row[-1] for row in rows) == parameter_count(model)


def test_a_data_set_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(config: object, root: Path | None) -> None:
        raise KeyError("images")

    monkeypatch.setattr("gtk.plugins.datasets.digits.load", broken)
    with pytest.raises(GtkError, match="'digits' of generative-toolkit .* failed with KeyError"):
        gtk.train(plugin="cvae", quiet=True)


def test_what_a_loss_refuses_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def check(self: object, model: object, total_steps: int) -> None:
        seen.append((type(model).__name__, total_steps))
        raise InvalidValue("critic has batch norm: use --norm none")

    monkeypatch.setattr("gtk.plugins.losses.elbo.ELBO.check", check)
    with pytest.raises(InvalidValue, match="^critic has batch norm"):
        gtk.train(plugin="cvae", epochs=2, quiet=True)
    assert seen == [("VariationalAutoencoder", 44)]
    assert not list(tmp_path.iterdir())


def test_a_loss_without_a_criterion_is_trained_but_not_validated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtk.plugins.losses.elbo.ELBO.criterion", None)
    with pytest.raises(InvalidValue, match="or a term with monitor=TERM: kl, loss, reconstruction"):
        gtk.train(plugin="cvae", epochs=1, validation=9, quiet=True)
    assert not list(tmp_path.iterdir())
    assert gtk.train(plugin="cvae", epochs=1, quiet=True).checkpoints.steps() == [22]


def test_the_summary_plays_a_step_of_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from gtk.plugins.losses.elbo import ELBO

    updates, sizes = ELBO.updates, []

    def play(self: Any, model: Any, batch: Any, context: Any) -> Any:
        for part in batch.split(3):
            sizes.append(len(part))
            yield from updates(self, model, part, context)

    monkeypatch.setattr(ELBO, "updates", play)
    monkeypatch.setattr(ELBO, "batches", 3)
    model, loss = build(
        Choice.by_name("cvae", "digits").settle({}, None), load(NoConfig(), None).spec
    )
    assert len(summarize(model, loss, load(NoConfig(), None).spec)) == 8
    assert sizes == [2, 2, 2]


def test_a_callback_that_is_named_twice_is_there_once() -> None:
    gtks = own_callbacks(quiet=False)
    own = [type(item).__name__ for item in find_callbacks(gtks)]
    assert own[0] == "ProgressDisplay"
    other = object()
    names = ["samples", "generative-toolkit/progress", other, "curves", "curves"]
    found = find_callbacks([*gtks, *names])
    assert [type(item).__name__ for item in found] == [*own, "object"]
    assert found[-1] is other
    assert [type(item).__name__ for item in find_callbacks(own_callbacks(quiet=True))] == own[1:]


@pytest.mark.usefixtures("no_pictures")
def test_a_run_remembers_the_number_of_its_device() -> None:
    options: dict[str, Any] = {"hidden_dims": (4,), "quiet": True}
    run = gtk.train("cvae", epochs=1, device="cpu:0", name="numbered", **options)
    assert run.document["device"] == "cpu:0"
    again = gtk.train(resume=run.path, epochs=2, quiet=True)
    assert again.document["device"] == "cpu:0"
