"""`gtk plugins check`: the kit from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gtk.cli import plugins_check
from gtk.cli.plugins import COMMANDS
from gtk.core.registry.installed import LOSS, MODEL, installed
from gtk.testing import kit
from gtk.testing.check import Check, CheckFailed, CheckSkipped, Specimen

Command = Callable[..., Any]


def check_fine(specimen: Specimen) -> None:
    print("the plugin prints")  # noqa: T201 - as a plugin may


def check_empty(specimen: Specimen) -> None:
    raise CheckSkipped("nothing is there")


def check_broken(specimen: Specimen) -> None:
    raise CheckFailed("it is broken [bold]\x1b: mend it")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    """What every plugin is checked for here; the checks themselves are tested elsewhere."""
    found: list[Check] = [check_fine, check_empty]
    monkeypatch.setattr(
        kit, "checks_of", lambda kind: {check.__name__[6:]: check for check in found}
    )
    return found


def test_checks_are_listed(gtk_command: Command, checks: list[Check]) -> None:
    result = gtk_command("plugins", "check", "cvae")
    assert (result.code, result.err) == (0, "the plugin prints\n")
    assert result.out.splitlines() == [
        "model 'cvae' of generative-toolkit 0.1.0",
        "passed   fine",
        "skipped  empty",
        "         nothing is there",
        "1 of 2 checks passed, 1 had nothing to look at",
    ]


def test_a_check_that_fails_is_exit_code_1(gtk_command: Command, checks: list[Check]) -> None:
    checks.append(check_broken)
    result = gtk_command("plugins", "check", "generative-toolkit/elbo")
    assert result.code == 1
    assert "failed   broken\n" in result.out
    assert "it is broken [bold]" in result.out
    assert "\x1b" not in result.out
    assert result.err.splitlines()[-1] == (
        "gtk: error: 1 of 3 checks failed for loss 'generative-toolkit/elbo' of "
        "generative-toolkit 0.1.0: broken"
    )


def test_results_for_programs(gtk_command: Command, checks: list[Check]) -> None:
    checks.append(check_broken)
    result = gtk_command("plugins", "check", "film", "--json")
    assert result.code == 1
    assert json.loads(result.out) == {
        "kind": "conditioner",
        "name": "film",
        "checks": [
            {"check": "fine", "status": "passed", "message": ""},
            {"check": "empty", "status": "skipped", "message": "nothing is there"},
            {"check": "broken", "status": "failed", "message": "it is broken [bold]\x1b: mend it"},
        ],
        "passed": False,
    }
    checks.pop()
    result = gtk_command("plugins", "check", "film", "--json")
    assert (result.code, json.loads(result.out)["passed"]) == (0, True)


def test_the_data_are_handed_on(gtk_command: Command, checks: list[Check]) -> None:
    Path("own.npz").touch()
    Path("photos").mkdir()
    seen = []
    checks.append(lambda specimen: seen.append(specimen.data))
    checks[-1].__name__ = "check_data"
    for arguments in (
        ("elbo",),
        ("elbo", "--data", "npz:own.npz"),
        ("folder", "--data", "folder:photos"),
        ("generative-toolkit/folder", "--data", "folder:photos"),
    ):
        assert gtk_command("plugins", "check", *arguments).code == 0
    assert seen == ["digits", "npz:own.npz", "folder:photos", "folder:photos"]


def test_options_are_handed_on_as_values_of_their_types(
    gtk_command: Command, checks: list[Check]
) -> None:
    seen = []
    checks.append(lambda specimen: seen.append(specimen.options))
    checks[-1].__name__ = "check_options"
    given = ["latent_dim=4", "--hidden-dims=32,16", "network=conv"]
    arguments = [part for text in given for part in ("--option", text)]
    assert gtk_command("plugins", "check", "cvae", *arguments).code == 0
    assert gtk_command("plugins", "check", "cvae").code == 0
    assert seen == [{"latent_dim": 4, "hidden_dims": (32, 16), "network": "conv"}, {}]


def test_options_of_a_loss_may_be_those_of_its_model(
    gtk_command: Command, checks: list[Check]
) -> None:
    seen = []
    checks.append(lambda specimen: seen.append(specimen.options))
    checks[-1].__name__ = "check_options"
    arguments = ["--option", "beta=2", "--option", "hidden_dims=32,16"]
    assert gtk_command("plugins", "check", "elbo", *arguments).code == 0
    assert seen == [{"beta": 2.0, "hidden_dims": (32, 16)}]
    result = gtk_command("plugins", "check", "elbo", "--option", "latent_dim=0")
    assert "the model of loss 'elbo': latent_dim must be at least 1" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cvea",), "unknown plugin 'cvea'. Did you mean 'cvae'?"),
        (("cvae", "--kind", "loss"), "unknown loss 'cvae'. generative-toolkit 0.1.0 has it under"),
        (("mine",), "If 'mine' is your own, install it again (pip install -e .)"),
        (("quite-new",), "(pip install -e .). gtk plugins lists all."),
        (("cvae", "--kind", "lose"), "'lose' is not one of"),
        (("cvae", "--data", "digitz"), "unknown data set 'digitz'. Did you mean 'digits'?"),
        (("cvae", "--data", "npz:"), "'npz:' has no path. Write npz:PATH."),
        (("folder", "--data", "npz:own.npz"), "is another data set: give the place of the files"),
        (
            ("folder", "--data", "folder:nowhere"),
            "folder:nowhere: 'nowhere' does not exist: give the place of the files",
        ),
        (
            ("elbo", "--data", "npz:nowhere.npz"),
            "'nowhere.npz' does not exist: give the place of the files",
        ),
        (("cvae", "--option", "latent_dim"), "--option takes NAME=VALUE, not 'latent_dim'"),
        (("cvae", "--option", "latent_dims=4"), "Did you mean 'latent_dim'?"),
        (
            ("cvae", "--option", "latent_dim=few"),
            "latent_dim=few: 'few' is not a valid integer",
        ),
        (("cvae", "--option", "latent_dim=0"), "model 'cvae': "),
        (("cvae", *(2 * ("--option", "latent_dim=4"))), "--option gives latent_dim twice"),
        (("samples", "--option", "count=4"), "'samples' has no options: leave --option out"),
        ((), "Missing argument 'NAME'"),
    ],
)
def test_mistakes(
    gtk_command: Command, checks: list[Check], arguments: tuple[str, ...], message: str
) -> None:
    result = gtk_command("plugins", "check", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def check_endless(specimen: Specimen) -> None:
    raise KeyboardInterrupt


def test_what_is_interrupted_says_in_which_check(gtk_command: Command, checks: list[Check]) -> None:
    checks.append(check_endless)
    result = gtk_command("plugins", "check", "cvae")
    assert result.code == 130
    assert "passed   fine\n" in result.out
    assert result.err.splitlines()[1:-1] == ["Stopped by KeyboardInterrupt in the check 'endless'"]


def test_a_name_of_several_kinds_is_asked_about(
    gtk_command: Command, monkeypatch: pytest.MonkeyPatch, checks: list[Check]
) -> None:
    found = {MODEL: installed(MODEL), LOSS: installed(MODEL)}
    monkeypatch.setattr(plugins_check, "installed", lambda kind: found.get(kind, ()))
    result = gtk_command("plugins", "check", "cvae")
    assert (result.code, result.out) == (2, "")
    assert "'cvae': say --kind model or --kind loss" in result.err
    assert gtk_command("plugins", "check", "cvae", "--kind", "model").code == 0


def test_the_list_of_commands_says_what_each_says_of_itself(gtk_command: Command) -> None:
    listing = " ".join(gtk_command("plugins", "--help").out.split())
    for name, summary in COMMANDS.items():
        assert f"{name} {summary}" in listing
        assert f" {summary}" in " ".join(gtk_command("plugins", name, "--help").out.split())
    assert "Did you mean 'check'?" in gtk_command("plugins", "chekc").err


def test_a_plugin_in_a_group_that_is_not_read_is_told(gtk_command: Command, outside: Path) -> None:
    result = gtk_command("plugins", "check", "misplaced")
    assert (result.code, result.out) == (2, "")
    assert "gtk-plugin-misplaced 0.3 has it under 'gtk.model', not 'gtk.models': if" in result.err


def test_a_plugin_that_cannot_be_loaded_is_checked_all_the_same(
    gtk_command: Command, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gtk.testing.package import check_owner, check_spec

    monkeypatch.setattr(kit, "checks_of", lambda kind: {"owner": check_owner, "spec": check_spec})
    result = gtk_command("plugins", "check", "broken")
    assert result.code == 1
    assert result.out.splitlines()[0] == "model 'broken'"
    assert "passed   owner\nfailed   spec\n" in result.out
    assert "gtk-plugin-broken 0.3" in result.out
