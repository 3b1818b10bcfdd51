"""The import rules of the house, and that starting up does not import torch."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gtk

ROOT = Path(gtk.__file__).parent
ALLOWED = {
    "core": {"core"},
    "pictures": {"core", "pictures"},
    "plugins": {"core", "plugins"},
    "exports": {"core", "exports"},
    "testing": {"core", "plugins", "exports", "testing"},
    "cli": {"core", "plugins", "exports", "pictures", "testing", "cli"},
}
TORCH_FREE = [
    "__init__.py",
    "__main__.py",
    *(f"{room}/__init__.py" for room in ALLOWED),
    *(f"core/{name}.py" for name in ("spec", "hooks", "discovery", "config", "errors", "settings")),
    *(
        f"core/{name}.py"
        for name in ("assembly", "data", "run", "runs", "output", "progress", "recipe")
    ),
    *(f"core/{name}.py" for name in ("cache", "command", "comparison", "source")),
    *(f"core/{name}.py" for name in ("entry_points", "failure", "importing")),
    *(f"testing/{name}.py" for name in ("check", "kit")),
    "exports/options.py",
    "exports/runtime.py",
    *(f"exports/{name}.py" for name in ("bench", "inspection", "snippet", "timing")),
    *(f"pictures/{path.name}" for path in (ROOT / "pictures").glob("*.py")),
    *(f"plugins/datasets/{path.name}" for path in (ROOT / "plugins/datasets").glob("*.py")),
    *(f"cli/{path.name}" for path in (ROOT / "cli").glob("*.py")),
    *(str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/*/__init__.py")),
]


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every module imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def at_start(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that importing a file imports."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/**/*.py")), ids=str)
def test_rooms_import_only_what_they_may(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    allowed = set(ALLOWED[room])
    if path.is_relative_to(ROOT / "plugins" / "callbacks"):
        allowed.add("pictures")
    for module in imports(ast.parse(path.read_text())):
        parts = module.split(".")
        if parts[0] == "gtk":
            assert len(parts) > 1, f"{path} imports the package root"
            assert parts[1] in allowed, f"{path} imports {module}"


def test_nothing_imports_the_command_line() -> None:
    for path in ROOT.rglob("*.py"):
        if not path.is_relative_to(ROOT / "cli") and path.name != "__main__.py":
            assert not any(
                name.startswith("gtk.cli") for name in imports(ast.parse(path.read_text()))
            )


def test_runtime_imports_nothing_of_ours() -> None:
    tree = ast.parse((ROOT / "exports" / "runtime.py").read_text())
    roots = {name.split(".")[0] for name in imports(tree)}
    assert roots - sys.stdlib_module_names == {"numpy", "onnxruntime"}


@pytest.mark.parametrize("name", TORCH_FREE)
def test_torch_free_files_do_not_name_torch(name: str) -> None:
    for module in at_start(ast.parse((ROOT / name).read_text())):
        heavy = ("torch", "torchvision", "sklearn", "onnxruntime", "matplotlib")
        assert module.split(".")[0] not in heavy


def modules_after(*arguments: str) -> set[str]:
    """Run gtk with these arguments in a new process and return what it imported."""
    code = (
        "import json, sys, gtk\n"
        f"arguments = {list(arguments)!r}\n"
        "if arguments:\n"
        "    from gtk.cli.main import run\n"
        "    assert run(arguments) == 0\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--help",),
        ("plugins",),
        ("plugins", "check", "--help"),
        ("plugins", "new", "tiny", "--kind", "model"),
        ("recipes",),
        ("data",),
        ("data", "mnist", "--help"),
        ("recipes", "cvae-mlp"),
        ("runs",),
        ("export", "--help"),
        ("report", "--help"),
        ("inspect", "--help"),
        ("bench", "--help"),
        ("compare", "--help"),
        ("train", "--plugin", "cvae", "--help"),
        ("train", "--recipe", "cvae-mlp", "--help"),
    ],
    ids=" ".join,
)
def test_starting_up_does_not_import_torch(arguments: tuple[str, ...]) -> None:
    heavy = {"torch", "torchvision", "sklearn", "onnx", "onnxruntime", "matplotlib"}
    assert not heavy & modules_after(*arguments)


@pytest.mark.parametrize("command", ["plugins", "recipes"])
def test_listing_plugins_and_recipes_imports_no_plugin(command: str) -> None:
    assert not any(name.startswith("gtk.plugins") for name in modules_after(command))


def test_every_public_name_exists() -> None:
    for name in gtk.__all__:
        assert getattr(gtk, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = gtk.nonsense
