"""The model that a loss is tried with is the one that names it, or one that it accepts."""

from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import LOSS, Kind
from gtk.plugins.losses.adversarial import Hinge
from gtk.testing import loss_case
from gtk.testing.check import CheckFailed, Specimen
from gtk.testing.loss_case import candidates, loss_settings


def names(loss: str) -> list[str]:
    return [model.spec.name for model in candidates(find(LOSS, loss))]


def test_models_that_name_the_loss_are_tried_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names("minimax") == ["cgan", "gan"]

    def default(kind: Kind[Any], model: Plugin[Any]) -> Plugin[Any]:
        return find(LOSS, "elbo" if model.spec.name == "vae" else "minimax")

    monkeypatch.setattr(loss_case, "model_default", default)
    assert names("elbo") == ["vae"]
    settings, _ = loss_settings(Specimen(LOSS, "elbo"))
    assert settings.choice.model.spec.name == "vae"


def test_models_of_others_are_imported_only_if_none_else_fits(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def note(kind: Kind[Any], name: str) -> Plugin[Any]:
        tried.append(name)
        return find(kind, name)

    monkeypatch.setattr(loss_case, "find", note)
    loss_settings(Specimen(LOSS, "wrong-rows"))
    assert [name.partition("/")[0] for name in tried] == ["generative-toolkit"] * len(tried)


def test_without_any_all_are_tried_conditional_ones_first() -> None:
    assert names("hinge") == ["cgan", "cvae", "diffusion", "flow", "gan", "vae"]


def test_a_model_that_its_check_refuses_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(self: Hinge, model: Any, total_steps: int) -> None:
        if model.condition is not None:
            raise gtk.InvalidValue("it takes no conditions")

    monkeypatch.setattr(Hinge, "check", check)
    settings, _ = loss_settings(Specimen(LOSS, "hinge"))
    assert settings.choice.model.spec.name == "gan"


def test_where_its_check_refuses_all_the_first_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(self: Hinge, model: Any, total_steps: int) -> None:
        raise gtk.InvalidValue("it takes nothing")

    monkeypatch.setattr(Hinge, "check", check)
    with pytest.raises(CheckFailed, match="refuses it with model 'cgan': it takes nothing"):
        loss_settings(Specimen(LOSS, "hinge"))


def test_options_are_the_losss_or_the_models() -> None:
    options = {"beta": 2.0, "hidden_dims": (5,)}
    settings, _ = loss_settings(Specimen(LOSS, "elbo", options=options))
    assert settings.configs["loss"].beta == 2
    assert settings.configs["model"].hidden_dims == (5,)


def test_an_option_that_neither_has_is_named() -> None:
    with pytest.raises(CheckFailed, match="option of loss 'elbo' 'width'"):
        loss_settings(Specimen(LOSS, "elbo", options={"width": 3}))
