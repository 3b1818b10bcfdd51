"""`gtk.train` and `gtk train` share one list of arguments and one check; each has its spelling."""

import ast
import inspect
import json
import pwd
import re
import shutil
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

import gtk
from gtk.cli.main import run as run_gtk
from gtk.cli.train import train as command
from gtk.core.registry.installed import KINDS, OWN_PACKAGE, installed
from gtk.core.registry.train_config import TrainConfig
from gtk.core.registry.train_request import ARGUMENTS, RESERVED_NAMES, TrainRequest
from gtk.core.settings.image_source import find_root, split_reference
from gtk.core.storage.cache import cache_folder
from gtk.core.values.setting import setting, settings_as_options
from gtk.core.values.user_path import user_path
from gtk.defaults import built_in_names, find_recipe
from gtk.plugins.datasets import gtk_datasets

ROOT = Path(gtk.__file__).parent


def test_python_takes_what_a_request_has() -> None:
    parameters = inspect.signature(gtk.train).parameters
    assert set(parameters) == {item.name for item in fields(TrainRequest)}
    for item in ARGUMENTS:
        default = parameters[item.name].default
        assert item.default is not MISSING
        assert default == (str(item.default) if item.name == "runs" else item.default)


def test_the_command_line_has_an_option_for_each() -> None:
    options = {parameter.name for parameter in command.params}
    assert options == {item.name for item in ARGUMENTS} | {"dry_run", "json"}
    typed = {name.lstrip("-") for parameter in command.params for name in parameter.opts}
    settings = {item.name for item in fields(TrainConfig)}
    assert {name.replace("-", "_") for name in typed} | options | settings <= RESERVED_NAMES


def test_a_setting_is_spelled_as_the_door_spells_it() -> None:
    cases = [
        (("epochs", 60), "epochs=60", "--epochs 60"),
        (("overwrite", True), "overwrite=True", "--overwrite"),
        (("flip", False), "flip=False", "--no-flip"),
        (("data_root",), "data_root", "--data-root"),
        (("name", "my run"), "name='my run'", "--name 'my run'"),
    ]
    for arguments, python, option in cases:
        assert setting(*arguments) == python
        with settings_as_options():
            assert setting(*arguments) == option
    assert setting("plugin", example="NAME") == "plugin=NAME"


@pytest.mark.parametrize(
    ("arguments", "line", "python", "option"),
    [
        (
            {"plugin": "cvae", "name": "taken"},
            "--plugin cvae --name taken",
            "Choose another name, add overwrite=True to replace it",
            "Choose another --name, add --overwrite to replace it",
        ),
        (
            {"plugin": "cvae", "patience": 2},
            "--plugin cvae --patience 2",
            "patience=2 needs a validation to look at: hold training images out with validation=N",
            "--patience 2 needs a validation to look at: hold training images out with --valid",
        ),
        (
            {"resume": "taken", "data": "mnist", "batch_size": 3},
            "--resume taken --data mnist --batch-size 3",
            "leave out data, batch_size (epochs, data_root and device can be given)",
            "leave out --data, --batch-size (--epochs, --data-root and --device can be given)",
        ),
        ({}, "", "name the model to train: plugin=NAME.", "model to train: --plugin NAME."),
    ],
)  # fmt: skip
def test_one_mistake_is_told_in_the_words_of_each_door(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: dict[str, object],
    line: str,
    python: str,
    option: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/taken").mkdir(parents=True)
    with pytest.raises(gtk.GtkError) as error:
        gtk.train(**arguments)  # type: ignore[arg-type]
    assert python in str(error.value)
    assert run_gtk(["train", *line.split()]) == 2
    assert option in capsys.readouterr().err
    with pytest.raises(gtk.GtkError) as error:  # the command line leaves nothing behind
        gtk.train(**arguments)  # type: ignore[arg-type]
    assert python in str(error.value)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_user_s_home_wherever_a_path_comes_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, small_run: gtk.Run
) -> None:
    request = TrainRequest(plugin="vae", data_root="~/photos", runs="~/runs")  # type: ignore[arg-type]
    assert (request.data_root, request.runs) == (home / "photos", home / "runs")
    assert split_reference("folder:~/photos")[1] == home / "photos"
    (home / "mine.toml").write_text('[data]\nname = "folder"\nroot = "~/photos"\n')
    assert find_recipe("~/mine.toml").data_root == home / "photos"
    for variable in ("GENERATIVE_TOOLKIT_CACHE", "GENERATIVE_TOOLKIT_DATA"):
        monkeypatch.setenv(variable, "~/there")
    mnist = next(spec for spec in gtk_datasets() if spec.name == "mnist")
    assert cache_folder() == find_root(mnist, None, None) == home / "there"
    shutil.copytree(small_run.path, home / "runs" / "small")
    for found in (
        gtk.load("~/runs/small"),
        gtk.load("small", "~/runs"),
        gtk.load("latest", "~/runs"),
    ):
        assert found.path == home / "runs" / "small"
    assert user_path("~nobody-is-called-this/x") == Path("~nobody-is-called-this/x")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", dict[int, object]().__getitem__)
    for path in ("~", "~/x"):
        with pytest.raises(gtk.InvalidValue, match=f"'{path}' begins with ~, but there is no home"):
            user_path(path)


@pytest.mark.parametrize(
    "line",
    [
        "data digits --no-preview --out ~/sheet.png",
        "sample ~/runs/small --label 1 --out ~/sheet.png",
        "sample small --runs ~/runs --label 1 --out ~/sheet.png",
        "plugins new own --kind loss --out ~",
    ],
)
def test_commands_write_below_the_user_s_home(home: Path, small_run: gtk.Run, line: str) -> None:
    shutil.copytree(small_run.path, home / "runs" / "small")
    assert run_gtk(line.split()) == 0
    assert (home / "sheet.png").exists() or (home / "gtk-plugin-own").exists()
    assert not list(Path().iterdir())


#: Names that the core's hints suggest: the conditioner without a condition, and the data sets for a
#: path that was given instead of a name. And the sampler of models that name none.
HINTS = {"unconditional", "folder", "npz", "direct"}


def test_core_names_no_plugin_that_comes_with_gtk() -> None:
    own = {item.name for kind in KINDS for item in installed(kind) if item.package == OWN_PACKAGE}
    names = (own | set(built_in_names())) - HINTS
    #: Those that are no words of English, or of the field, besides.
    words = {"cvae", "cgan", "vae", "mnist", "elbo", "iwae", "onehot"}
    for path in (ROOT / "core").rglob("*.py"):
        for text in texts(ast.parse(path.read_text())):
            assert text not in names, f"{path} names {text}"
            assert not words & set(re.findall(r"\w+", text)), f"{path}: {text}"


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a module that are not docstrings."""
    nodes = list(ast.walk(tree))
    described = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and id(node) not in described:
            yield str(node.value)


def test_figures_of_a_plugin_that_is_not_installed_are_compared_without_its_word(
    small_run: gtk.Run, tmp_path: Path
) -> None:
    from gtk.core.storage.comparison import caveats, compared

    path = shutil.copytree(small_run.path, tmp_path / "other")
    document = json.loads((path / "run.json").read_text())
    document["model"]["likelihood"] = "gaussian"
    (path / "run.json").write_text(json.dumps(document))
    assert "likelihood differs" in caveats(compared([small_run, gtk.Run(path)]))[0]
    document["packages"]["model"]["package"] = "gone"
    (path / "run.json").write_text(json.dumps(document))
    other = gtk.Run(path)
    assert caveats(compared([other, other])) == []
