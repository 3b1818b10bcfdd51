"""A model that ignores the condition, or is not finished, is refused; it may say where and why."""

from typing import Any

import pytest
from torch import nn
from worlds import built, data_spec, settle

import gtk
from gtk.plugins.vae.model import VariationalAutoencoder

#: FiLM acts on hidden layers, and there are none here; the learned prior embeds the condition.
NO_HIDDEN_LAYERS = {"conditioner": "film", "hidden_dims": (), "prior": "learned"}


def test_networks_without_the_condition_are_refused() -> None:
    with pytest.raises(
        gtk.InvalidValue, match="which the encoder and decoder of model 'cvae' lack"
    ):
        gtk.train(plugin="cvae", epochs=1, quiet=True, **NO_HIDDEN_LAYERS)


def test_networks_that_are_kept_from_it_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VariationalAutoencoder, "unconditioned", ("encoder", "decoder"))
    gtk.train(plugin="cvae", epochs=1, quiet=True, **NO_HIDDEN_LAYERS)


def test_one_network_at_least_has_to_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VariationalAutoencoder, "unconditioned", ("encoder", "decoder"))
    with pytest.raises(gtk.InvalidValue, match="which the encoder and decoder of model"):
        gtk.train(plugin="cvae", epochs=1, quiet=True, **{**NO_HIDDEN_LAYERS, "prior": "standard"})


class Unfinished(VariationalAutoencoder):
    """Lacks what each test takes away."""


@pytest.fixture
def unfinished(monkeypatch: pytest.MonkeyPatch) -> type[Unfinished]:
    """A class that is built instead of the model of `cvae`."""
    monkeypatch.setattr("gtk.plugins.vae.model.VariationalAutoencoder", Unfinished)
    return Unfinished


def refused(loss: str | None = None, **options: Any) -> str:
    with pytest.raises(gtk.UserError) as error:
        built(settle("cvae", loss=loss, **options), data_spec("classes"))
    return str(error.value)


def test_a_model_has_to_say_what_sampling_starts_from(
    unfinished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "noise", None, raising=False)
    monkeypatch.setattr(unfinished, "__setattr__", leave_out("noise"))
    message = refused()
    assert message.startswith("model 'cvae' of generative-toolkit")
    assert (
        "Unfinished does not define the noise that sampling starts from: set self.noise = "
        in message
    )


def leave_out(left_out: str) -> Any:
    def setattr_(self: nn.Module, name: str, value: object) -> None:
        if name != left_out:
            nn.Module.__setattr__(self, name, value)

    return setattr_


@pytest.mark.parametrize("networks", [None, {"encoder": 1}])
def test_networks_are_modules_by_role(
    unfinished: Any, networks: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "networks", lambda self: networks)
    assert "networks() of Unfinished must return a dict of modules by role." in refused()


def test_sites_in_networks_of_other_names_are_named(
    unfinished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "networks", lambda self: {"net": self.encoder})
    message = refused()
    assert message.startswith("model 'cvae' of generative-toolkit")
    assert (
        "asks for a condition in network 'decoder', and networks() returns net. Use one" in message
    )


def test_a_misspelt_role_is_refused_while_no_condition_acts(
    unfinished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        unfinished, "networks", lambda self: {"encoder": self.encoder, "decodr": self.decoder}
    )
    message = refused(conditioner="unconditional")
    assert "in network 'decoder', and networks() returns encoder, decodr. Use one" in message


class Misspelt(gtk.Model):
    """All but one of what `elbo` asks for."""

    encode = decode = log_likelihood = expected_image = sample = print  # type: ignore[assignment]
    priorr = print


def test_a_missing_method_is_named_and_the_refused_loss_is_not_advised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gtk.plugins.vae.model.VariationalAutoencoder", Misspelt)
    message = refused()
    assert message.endswith(
        "'cvae' is not one: Misspelt lacks prior(), and has priorr(). Write what Misspelt lacks, "
        "or use another loss."
    )


def test_another_loss_gives_way_to_the_models_own() -> None:
    assert refused(loss="hinge").endswith("and model 'cvae' is not one. Use loss='elbo'.")


def test_what_is_nearly_there_is_told_from_what_was_never_meant(
    unfinished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "generate", print, raising=False)
    monkeypatch.setattr(unfinished, "discriminate", print, raising=False)
    assert refused(loss="hinge").endswith(
        "not one: Unfinished lacks to_network_range() and scores_alone(). Use loss='elbo'."
    )


def test_a_class_that_is_required_is_derived_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtk.plugins.losses.elbo.ELBO.requires", Misspelt)
    assert refused().endswith("Derive VariationalAutoencoder from Misspelt, or use another loss.")
