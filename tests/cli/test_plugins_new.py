"""`gtk plugins new`: a package of somebody's own that works as it stands."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from gtk.cli.plugins_new import LONGEST_NAME
from gtk.core.registry.installed import KINDS

Command = Callable[..., object]
NAMES = [kind.name for kind in KINDS]
LONG = "a" + "-b" * 19  # so many letters change how lines break, if any line has the name in it


@pytest.mark.parametrize("kind", NAMES)
def test_a_package_of_each_kind(gtk_command: Command, workplace: Path, kind: str) -> None:
    result = gtk_command("plugins", "new", "own-words", "--kind", kind)
    assert result.code == 0
    folder = workplace / "gtk-plugin-own-words"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "pyproject.toml", "gtk_plugin_own_words.py", "test_plugin.py", "README.md", ".gitignore",
        ".github/workflows/test.yml",
    }  # fmt: skip
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    group = next(item.group for item in KINDS if item.name == kind)
    assert project["project"]["name"] == "gtk-plugin-own-words"
    assert project["project"]["entry-points"] == {group: {"own-words": "gtk_plugin_own_words"}}
    assert f'@plugin_checks("own-words", kind="{kind}")' in (folder / "test_plugin.py").read_text()
    assert (
        "python-version: ${{ matrix.python }}"
        in (folder / ".github/workflows/test.yml").read_text()
    )
    for command in ("cd gtk-plugin-own-words", "pip install -e '.[test]'", "gtk plugins check"):
        assert command in result.out
    assert [path.name for path in workplace.iterdir()] == ["gtk-plugin-own-words"]


@pytest.mark.parametrize("name", ["x", LONG])
def test_what_is_written_is_as_ruff_wants_it(
    gtk_command: Command, workplace: Path, name: str
) -> None:
    pytest.importorskip("ruff")
    for kind in NAMES:
        assert gtk_command("plugins", "new", name, "--kind", kind, "--out", folder(kind)).code == 0
    rules = "A,B,C4,E,F,I,N,NPY,PIE,PTH,RET,RUF,S,SIM,UP,W"
    for arguments in (["check", "--select", rules, "."], ["format", "--check", "."]):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", arguments[0], "--isolated", *arguments[1:]],
            check=False,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout


def folder(kind: str) -> Path:
    path = Path(kind)
    path.mkdir()
    return path


@pytest.mark.parametrize("kind", NAMES)
def test_it_uses_public_names_alone(gtk_command: Command, workplace: Path, kind: str) -> None:
    assert gtk_command("plugins", "new", "own", "--kind", kind).code == 0
    text = (workplace / "gtk-plugin-own" / "gtk_plugin_own.py").read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert not str(node.module).startswith("gtk")
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("gtk.") for alias in node.names)


def test_nothing_is_overwritten(gtk_command: Command, workplace: Path) -> None:
    for make in (Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")):
        path = workplace / "gtk-plugin-own"
        make(path)
        result = gtk_command("plugins", "new", "own", "--kind", "loss")
        assert result.code == 2
        assert "gtk-plugin-own exists, and nothing in it is replaced" in result.err
        assert not path.is_dir() or not list(path.iterdir())
        path.rmdir() if path.is_dir() else path.unlink()
    result = gtk_command("plugins", "new", "own", "--kind", "loss", "--out", "nowhere")
    assert (result.code, list(workplace.iterdir())) == (2, [])
    assert "nowhere is not a folder you can write to" in result.err


@pytest.mark.parametrize(
    "name",
    ["Own", "own_words", "own--words", "own-", "-own", "2d", "own words", "../own", "öwn", "own\n",
     "", "a" * (LONGEST_NAME + 1)],
)  # fmt: skip
def test_bad_names_are_refused(gtk_command: Command, workplace: Path, name: str) -> None:
    result = gtk_command("plugins", "new", "--kind", "model", "--", name)
    assert (result.code, list(workplace.iterdir())) == (2, [])
    assert "cannot name a plugin" in result.err
    assert result.err.count("\n") == 1


def test_names_that_mean_something_else_are_refused(
    gtk_command: Command, workplace: Path, outside: Path
) -> None:
    own = gtk_command("plugins", "new", "vae", "--kind", "model")
    assert "model 'vae' is installed already, from generative-toolkit" in own.err
    package = gtk_command("plugins", "new", "gtk-plugin-mine", "--kind", "model")
    assert "gtk plugins new mine" in package.err
    assert own.code == package.code == 2
    assert gtk_command("plugins", "new", "vae", "--kind", "loss").code == 0  # another kind
    assert gtk_command("plugins", "new", "shift", "--kind", "conditioner").code == 0  # its own


def test_a_failure_leaves_nothing(
    gtk_command: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = gtk_command("plugins", "new", "own", "--kind", "model")
    assert (result.code, list(workplace.iterdir())) == (1, [])
    assert "No space left on device" in result.err


def test_only_what_this_call_has_made_is_removed(
    gtk_command: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = workplace / ".gtk-plugin-own.partial" / "mine.txt"
    theirs.parent.mkdir()
    theirs.write_text("precious")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        assert gtk_command("plugins", "new", "own", "--kind", "model").code == 1
    assert list(workplace.iterdir()) == [theirs.parent]
    assert gtk_command("plugins", "new", "own", "--kind", "model").code == 0
    assert theirs.read_text() == "precious"
    package = workplace / "gtk-plugin-own"
    assert package.stat().st_mode == theirs.parent.stat().st_mode, "others may read it, too"


@pytest.mark.long
@pytest.mark.parametrize("kind", NAMES)
def test_it_is_installed_and_passes_its_own_test(
    gtk_command: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    assert gtk_command("plugins", "new", "own", "--kind", kind).code == 0
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", "site"]
    install += ["--no-build-isolation", "--disable-pip-version-check", "--no-compile"]
    python(*install, "./gtk-plugin-own")
    monkeypatch.setenv("PYTHONPATH", str(workplace / "site"))
    monkeypatch.chdir("gtk-plugin-own")
    output = python("-m", "pytest", "-q", "-rs", "-W", "error", "-p", "no:cacheprovider")
    skipped = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    # The class is in the entry point's module, and imports torch with gtk's but for a metric's; the
    # images are drawn, and not read from files.
    assert len(skipped) == {"dataset": 2, "metric": 0, "callback": 0}.get(kind, 1), skipped


def python(*arguments: str) -> str:
    """Run Python, and return what it prints."""
    result = subprocess.run(
        [sys.executable, *arguments], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
