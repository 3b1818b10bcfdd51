"""What is wrong with a package that is named: one line with package, version and remedy."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import gtk
from gtk.cli.main import run as run_gtk

pytestmark = pytest.mark.usefixtures("surroundings")
GTK = version("generative-toolkit")
UNRULY = "of gtk-plugin-unruly 0.3"


#: What is said of a model that is named.
MODELS = f"""
broken: model 'broken' of gtk-plugin-broken 0.3: importing gtk_plugin_broken failed with
  ModuleNotFoundError: No module named 'a_module_that_is_not_installed'. Fix, update or
  uninstall it.
misspelt: model 'misspelt' of gtk-plugin-misspelt 0.3: unknown hook 'gtk_model'. Did you mean
  'gtk_models'? Hooks are listed in docs/hooks.md.
wrong_spec: model 'wrong_spec' of gtk-plugin-wrong-spec 0.3: gtk_models() must return ModelSpec,
  not dict.
exiting: model 'exiting' {UNRULY}: importing gtk_plugin_exiting failed with SystemExit: this
  package has moved. Fix, update or uninstall it.
curious: model 'curious' {UNRULY}: gtk_models() has no argument 'config'; it takes none. Hooks are
  listed in docs/hooks.md.
escaping: model 'escaping' {UNRULY}: importing gtk_plugin_escaping failed with Escape: over the
  wall. Fix, update or uninstall it.
nowhere: model 'nowhere' {UNRULY}: importing gtk_plugin_nowhere failed with ModuleNotFoundError:
  No module named 'gtk_plugin_nowhere'. Fix, update or uninstall it.
refusing: model 'refusing' {UNRULY}: gtk_models() failed with RuntimeError: not today.
astray: model 'astray' {UNRULY}: importing gtk_plugin_gone failed with ModuleNotFoundError: No
  module named 'gtk_plugin_gone'. Fix, update or uninstall it.
unwritten: model 'unwritten' {UNRULY}: its target is gtk_plugin_astray:Model, and the module
  gtk_plugin_astray has no 'Model'. Fix, update or uninstall it.
untrue: model 'untrue' {UNRULY}: its target gtk_plugin_astray:Other is not a Model.
hollow: model 'hollow' belongs to a package whose metadata cannot be read: reinstall or remove
  the package with the module gtk_plugin_hollow.
nameless: model 'nameless' belongs to a package whose metadata cannot be read: reinstall or
  remove the package with the module gtk_plugin_nameless.
a: model 'a' of shapeless 1: importing ?! failed with ModuleNotFoundError: No module named '?!'.
  Fix, update or uninstall it.
cvae: model 'cvae' is claimed by generative-toolkit {GTK} and gtk-plugin-twin 0.3. Use
  generative-toolkit/cvae or gtk-plugin-twin/cvae.
painter: model 'painter' is claimed by gtk-plugin-painter 0.3 and gtk-plugin-rival 0.3. Use
  gtk-plugin-painter/painter or gtk-plugin-rival/painter.
"""
BOTH = f"is claimed by generative-toolkit {GTK} and gtk-plugin-rival 0.3. Use"
#: What is said of another plugin that is named, by its option.
OTHERS = f"""
loss newer: loss 'newer' of gtk-plugin-newer 0.3: it was written for version 3 of gtk's
  contracts, this is 2. Update gtk.
conditioner never: conditioner 'never' {UNRULY}: gtk_conditioners() failed with BaseException:
  never.
loss alone: loss 'alone' {UNRULY}: gtk_losses() must return a list of gtk.LossSpec, not LossSpec.
data leaving: data set 'leaving' {UNRULY}: gtk_datasets() failed with SystemExit: 1.
callback unbuilt: callback 'unbuilt' {UNRULY} failed with RuntimeError: no ink at all.
callback misheard: callback Misheard {UNRULY} cannot be used: unknown hook 'gtk_step_ends'. Did
  you mean 'gtk_step_end'? Events are listed in docs/hooks.md.
loss elbo: loss 'elbo' {BOTH} generative-toolkit/elbo or gtk-plugin-rival/elbo.
conditioner onehot: conditioner 'onehot' {BOTH} generative-toolkit/onehot or
  gtk-plugin-rival/onehot.
data digits: data set 'digits' {BOTH} generative-toolkit/digits or gtk-plugin-rival/digits.
callback samples: callback 'samples' {BOTH} generative-toolkit/samples or
  gtk-plugin-rival/samples.
"""  # noqa: S608 - updating a data set is no SQL
#: The beginning of what is said of a loss that raises in the middle of a training.
RAISING = f"""
raising: loss 'raising' {UNRULY} failed in Raising.updates (gtk_plugin_raising.py, line LINE) with
  RuntimeError:
late: loss 'late' {UNRULY} failed in Late.evaluate (gtk_plugin_raising.py, line LINE) with KeyError:
  'losses\\nand more'. GENERATIVE_TOOLKIT_TRACEBACK=1 shows the traceback; fix or update the
  package, or tell its author.
leaving: loss 'leaving' {UNRULY} failed in Leaving.updates (gtk_plugin_raising.py, line LINE) with
  SystemExit: 0.
"""


def entries(table: str) -> list[tuple[str, str]]:
    """Return what is named and what is said of it, from such a table."""
    lines = table.replace("\n  ", " ").strip().splitlines()
    return [(name, line) for name, _, line in (line.partition(": ") for line in lines)]


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    """Run a command that fails, and return the one line that it says."""
    assert run_gtk(words) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line.removeprefix("gtk: error: ")


@pytest.mark.parametrize(("model", "line"), entries(MODELS))
def test_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: str, line: str) -> None:
    assert said(capsys, "train", "--plugin", model) == line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("named", "line"), entries(OTHERS))
def test_another_kind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, named: str, line: str
) -> None:
    option, name = f"--{named}".split()
    assert said(capsys, "train", "--plugin", "generative-toolkit/vae", option, name) == line
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_it_is_imported_ends_quietly_and_leaves_nothing_half_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        assert run_gtk(["train", "--plugin", "interrupted"]) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == "", "the ends of two lines that a terminal shows as ^C"
    assert "gtk_plugin_interrupted" not in sys.modules
    assert run_gtk(["train", "--plugin", "generative-toolkit/vae", "--help"]) == 0


def test_what_a_package_prints_as_it_is_imported_is_no_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["train", "--plugin", "generative-toolkit/vae", "--conditioner", "loud"]
    assert run_gtk([*command, "--epochs", "1", "--quiet"]) == 0
    assert capsys.readouterr() == ("runs/vae-digits-0001\n", "Thank you for choosing loud!\n")


@pytest.mark.parametrize("owner", ["generative-toolkit", "gtk-plugin-rival"])
def test_an_owner_is_chosen_for_every_kind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, owner: str
) -> None:
    command = ["train", "--plugin", f"{owner}/vae", "--conditioner", f"{owner}/onehot"]
    command += ["--loss", f"{owner}/elbo", "--data", f"{owner}/digits"]
    command += ["--callback", f"{owner.upper().replace('-', '_')}/samples", "--epochs", "1"]
    assert run_gtk([*command, "--name", "mine", "--quiet"]) == 0
    packages = gtk.load("mine").document["packages"]
    assert {item["package"] for table, item in packages.items() if table != "sampler"} == {owner}
    rival = Path("runs/mine/rival")
    assert rival.exists() == (owner == "gtk-plugin-rival")
    recipe = tmp_path / "mine.toml"
    names = {"model": "vae", "conditioner": "onehot", "loss": "elbo", "data": "digits"}
    tables = [f'[{table}]\nname = "{owner}/{name}"\n' for table, name in names.items()]
    recipe.write_text("".join([*tables, "[train]\nepochs = 1\n"]))
    assert run_gtk(["train", "--recipe", "mine.toml", "--name", "again", "--quiet"]) == 0
    assert gtk.load("again").document["packages"] == gtk.load("mine").document["packages"]
    assert run_gtk(["train", "--resume", "again", "--epochs", "2", "--quiet"]) == 0
    assert gtk.load("again").document["packages"] == gtk.load("mine").document["packages"]


def test_a_name_that_several_have_is_refused_in_a_recipe_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text('[model]\nname = "vae"\n')
    line = said(capsys, "train", "--recipe", "mine.toml")
    assert line.startswith("mine.toml, line 2: [model] name: model 'vae' is claimed by")


@pytest.mark.parametrize(("loss", "line"), entries(RAISING))
def test_one_that_raises_in_the_middle_of_a_training(
    packages: Path, capsys: pytest.CaptureFixture[str], loss: str, line: str
) -> None:
    guilty = {"raising": "torch.zeros(2, 3) @", "late": "raise KeyError", "leaving": "sys.exit(0)"}[
        loss
    ]
    source = (packages / "gtk_plugin_raising.py").read_text()
    number = source[: source.index(guilty)].count("\n") + 1
    command = ["train", "--plugin", "generative-toolkit/vae", "--loss", loss, "--epochs", "1"]
    assert said(capsys, *command, "--quiet").startswith(line.replace("LINE", str(number)))


def test_the_traceback_is_shown_to_those_who_ask_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENERATIVE_TOOLKIT_TRACEBACK", "1")
    command = ["train", "--plugin", "generative-toolkit/vae", "--loss", "raising", "--quiet"]
    assert run_gtk(command) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback (most recent call last):")
    assert "torch.zeros(2, 3) @ torch.zeros(2, 3)" in shown
    assert shown.splitlines()[-1].startswith("gtk: error: loss 'raising' of")


@pytest.mark.parametrize("loss", ["late", "leaving"])
def test_programs_hear_of_it_too(capsys: pytest.CaptureFixture[str], loss: str) -> None:
    command = ["train", "--plugin", "generative-toolkit/vae", "--loss", loss, "--epochs", "1"]
    assert run_gtk([*command, "--json"]) == 2
    captured = capsys.readouterr()
    failed = json.loads(captured.out.splitlines()[-1])
    assert failed == {
        "event": "failed",
        "message": captured.err.removeprefix("gtk: error: ").strip(),
        "exit_code": 2,
    }


def test_other_commands_name_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--plugin", "unsampled", "--epochs", "1", "--name", "mine", "--quiet"]
    assert run_gtk(command) == 0
    capsys.readouterr()
    line = said(capsys, "sample", "mine", "-n", "1", "--out", "one.png")
    assert line.startswith(f"model 'unsampled' {UNRULY} failed in Unsampled.sample (gtk_plugin_")


def test_from_python_an_error_arrives_as_it_was_raised() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        gtk.train(plugin="generative-toolkit/vae", loss="raising", epochs=1, quiet=True)


def test_what_is_wrong_in_gtk_itself_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gtk.core.training.trainer.Trainer.train_step", bug)
    with pytest.raises(ZeroDivisionError):
        run_gtk(["train", "--plugin", "generative-toolkit/vae", "--quiet"])


def test_a_callback_that_raises_is_left_out_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    run = gtk.train(
        plugin="generative-toolkit/vae", epochs=1, quiet=True, callbacks=["failing"], log_every=5
    )
    (record,) = caplog.records
    assert record.getMessage() == (
        f"callback Failing {UNRULY} failed in gtk_step_end and is left out from here on: "
        "RuntimeError: no more ink"
    )
    assert run.checkpoints.steps()
