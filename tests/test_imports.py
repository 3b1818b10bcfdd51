"""The import rules of the house, and that starting up does not import torch."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gtk

ROOT = Path(gtk.__file__).parent
#: Who may import whom, a line a folder; a folder that has no line has that of the one it is in.
ALLOWED = {
    "core/values": {"core/values"},
    "core/contracts": {"core/values", "core/contracts"},
    "core/registry": {"core/values", "core/registry"},
    "core/settings": {"core/values", "core/registry", "core/settings"},
    "core/models": {
        "core/values", "core/contracts", "core/registry", "core/settings", "core/models",
    },
    "core/storage": {
        "core/values", "core/contracts", "core/registry", "core/settings", "core/models",
        "core/storage",
    },
    "core/training": {"core"},
    "core/evaluation": {
        "core/values", "core/contracts", "core/registry", "core/settings", "core/models",
        "core/storage", "core/evaluation",
    },
    "pictures": {"core", "pictures"},
    "plugins/families": {"core", "plugins/families"},
    "plugins/networks": {"core/values", "core/contracts", "plugins/networks"},
    "plugins/conditioners": {"core", "plugins/conditioners"},
    "plugins/losses": {"core", "plugins/families", "plugins/losses"},
    "plugins/metrics": {"core", "plugins/families", "plugins/metrics"},
    "plugins/datasets": {"core", "plugins/datasets"},
    "plugins/callbacks": {"core", "plugins/families", "plugins/callbacks", "pictures"},
    "plugins": {"core", "plugins"},
    "exports": {"core", "exports"},
    "exports/runtime": {"core/values", "exports/runtime"},
    "testing": {"core", "plugins", "exports", "testing"},
    "cli": {
        "core", "plugins", "exports", "pictures", "testing", "defaults", "evaluate_function",
        "evaluate_request", "reproduction", "train_function", "cli",
    },
}  # fmt: skip
#: What never imports torch, or anything else that is slow, when it is imported: a line a folder,
#: and a line for each such file of a folder where others do.
TORCH_FREE = [
    "core/values",
    "core/contracts/metric.py",
    "core/evaluation/evaluated.py",
    "core/evaluation/evaluation.py",
    "core/evaluation/evaluation_result.py",
    "core/evaluation/fitting.py",
    "core/models/source.py",
    "core/registry",
    "core/settings",
    "core/storage/cache.py",
    "core/storage/command.py",
    "core/storage/comparison.py",
    "core/storage/early_stop.py",
    "core/storage/evaluated_figure.py",
    "core/storage/metrics_file.py",
    "core/storage/run.py",
    "core/storage/run_cost.py",
    "core/storage/run_document.py",
    "core/storage/run_order.py",
    "core/storage/run_source.py",
    "core/storage/runs.py",
    "core/storage/stored_run.py",
    "core/storage/training_time.py",
    "core/training/progress.py",
    "pictures",
    "plugins/datasets",
    "plugins/metrics/class_accuracy.py",
    "plugins/metrics/diversity.py",
    "plugins/metrics/feature_metric.py",
    "plugins/metrics/frechet_distance.py",
    "plugins/metrics/interval.py",
    "plugins/metrics/kernel_distance.py",
    "plugins/metrics/nearest.py",
    "plugins/metrics/neighbours.py",
    "testing/check.py",
    "testing/kit.py",
    "evaluate_function.py",
    "evaluate_request.py",
    "reproduction.py",
    "exports/bench.py",
    "exports/file_source.py",
    "exports/inspection.py",
    "exports/options.py",
    "exports/runtime",
    "exports/single_file.py",
    "exports/snippet.py",
    "exports/timing.py",
    "cli",
]


def torch_free_files() -> set[Path]:
    """Return the files that `TORCH_FREE` names, and the roots of all packages."""
    found = {ROOT / "__init__.py", ROOT / "__main__.py", *ROOT.glob("*/**/__init__.py")}
    for name in TORCH_FREE:
        found |= {ROOT / name} if name.endswith(".py") else set((ROOT / name).rglob("*.py"))
    return found


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


def allowed_in(folder: Path) -> set[str]:
    """Return what the files of a folder may import: its line, or that of the nearest above."""
    for place in (folder, *folder.parents):
        if place.relative_to(ROOT).as_posix() in ALLOWED:
            return ALLOWED[place.relative_to(ROOT).as_posix()]
    raise AssertionError(f"{folder} has no rule")


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/**/*.py")), ids=str)
def test_rooms_import_only_what_they_may(path: Path) -> None:
    if path.parent == ROOT / "core":
        assert path.name == "__init__.py", "core is made of wings: a file belongs in one of them"
        return
    allowed = allowed_in(path.parent)
    for module in imports(ast.parse(path.read_text())):
        parts = module.split(".")
        if parts[0] == "gtk":
            assert len(parts) > 1, f"{path} imports the package root"
            rooms = tuple(f"gtk.{name.replace('/', '.')}." for name in allowed)
            assert f"{module}.".startswith(rooms), f"{path} imports {module}"


def test_no_two_folders_import_each_other() -> None:
    arrows = set()
    for path in ROOT.glob("*/**/*.py"):
        folder = path.parent.relative_to(ROOT).as_posix()
        for module in imports(ast.parse(path.read_text())):
            parts = module.split(".")[1:]
            target = "/".join(parts if (ROOT / "/".join(parts)).is_dir() else parts[:-1])
            if module.startswith("gtk.") and target != folder:
                arrows.add((folder, target))
    assert not {(a, b) for a, b in arrows if (b, a) in arrows}


def test_no_files_import_each_other_in_a_circle() -> None:
    """Nor in a function: a file is understood after those it imports, and without its users."""
    names = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path
        for path in ROOT.rglob("*.py")
        if path.name != "__init__.py"
    }
    imported = {name: set(imports(ast.parse(path.read_text()))) for name, path in names.items()}
    TopologicalSorter({name: found & names.keys() for name, found in imported.items()}).prepare()


def test_nothing_imports_the_command_line() -> None:
    for path in ROOT.rglob("*.py"):
        if not path.is_relative_to(ROOT / "cli") and path.name != "__main__.py":
            assert not any(
                name.startswith("gtk.cli") for name in imports(ast.parse(path.read_text()))
            )


def test_runtime_imports_numpy_and_onnxruntime_alone() -> None:
    paths = [*(ROOT / "exports" / "runtime").glob("*.py"), *(ROOT / "core" / "values").glob("*.py")]
    roots = {name.split(".")[0] for path in paths for name in imports(ast.parse(path.read_text()))}
    assert roots - sys.stdlib_module_names == {"gtk", "numpy", "onnxruntime"}


@pytest.mark.parametrize("path", sorted(torch_free_files()), ids=str)
def test_torch_free_files_do_not_name_torch(path: Path) -> None:
    for module in at_start(ast.parse(path.read_text())):
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
        ("reproduce", "--help"),
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
