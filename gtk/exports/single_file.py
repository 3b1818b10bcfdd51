"""Write the runtime as one file for an app to copy: `python -m gtk.exports.single_file FILE.py`."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from gtk.core.values.errors import GtkError, UserError
from gtk.core.values.output import write_file
from gtk.core.values.text import visible

#: The package that the file offers; the file also holds what this imports of gtk.
START = "gtk.exports.runtime"
#: Names that stand for two things in one file, by the module of one: what that is called there.
OTHER_NAMES = {"gtk.core.values.path": ("Path", "NoisePath")}
HEADER = '''"""{title}

Made of gtk {version} by `python -m gtk.exports.single_file`; to change it, make it again. It needs
numpy and onnxruntime, and nothing of gtk. Licence: Apache-2.0.
"""
'''


def single_file() -> str:
    """Return the source of one module with the runtime and all that it imports of gtk.

    Each module follows those that it imports; imports from other packages are at the top.
    """
    modules: dict[str, tuple[str, ast.Module]] = {}
    _collect(START, modules)
    title = (ast.get_docstring(modules[START][1]) or "").partition("\n")[0]
    header = HEADER.format(title=title, version=version("generative-toolkit"))
    imports = _imports(tree for _, tree in modules.values())
    bodies = [_body(name, source, tree) for name, (source, tree) in modules.items()]
    return "\n\n\n".join([f"{header}\n{imports}", *filter(None, bodies)]) + "\n"


def _collect(name: str, modules: dict[str, tuple[str, ast.Module]]) -> None:
    """Add a module's source behind the sources of the modules that it imports."""
    spec = find_spec(name)
    assert spec is not None  # noqa: S101 - it is one of ours
    source = Path(spec.origin or "").read_text(encoding="utf-8")
    tree = ast.parse(source)
    for node in tree.body:
        other = _ours(node)
        if other and other not in modules:
            _collect(other, modules)
    modules[name] = source, tree


def _ours(node: ast.AST) -> str:
    """Return the module of gtk that a statement imports from, an empty string for any other."""
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
    return module if module.startswith("gtk.") else ""


def _imports_from(tree: ast.Module, module: str, name: str) -> bool:
    """Return whether a module imports a name from another."""
    found = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return any(
        alias.name == name for node in found if node.module == module for alias in node.names
    )


def _imports(trees: Iterable[ast.Module]) -> str:
    """Return the imports from other packages, each name once."""
    plain: set[str] = set()
    named: dict[str, set[str]] = defaultdict(set)
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.Import):
                plain |= {ast.unparse(alias) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not _ours(node):
                named[node.module or ""] |= {ast.unparse(alias) for alias in node.names}
    lines = [f"import {name}" for name in sorted(plain)]
    lines += [f"from {name} import {', '.join(sorted(named[name]))}" for name in sorted(named)]
    return "\n".join(lines)


def _body(name: str, source: str, tree: ast.Module) -> str:
    """Return a module's lines under its name, without docstring and imports."""
    lines = source.splitlines()
    for origin, (old, new) in OTHER_NAMES.items():
        if name == origin or _imports_from(tree, origin, old):
            lines = [re.sub(rf"\b{old}\b", new, line) for line in lines]
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if text or isinstance(node, ast.Import | ast.ImportFrom):
            for number in range(node.lineno - 1, node.end_lineno or 0):
                lines[number] = ""
    rest = "\n".join(lines).strip()
    return f"# {name} {'-' * (97 - len(name))}\n\n{rest}" if rest else ""


def main(arguments: list[str]) -> int:
    """Write the named file, and return the exit code."""
    try:
        if len(arguments) != 1:
            raise UserError("give the file to write: python -m gtk.exports.single_file FILE.py")
        path = Path(arguments[0])
        if path.exists():
            raise UserError(f"{path} exists: give another name, or remove it first")
        write_file(path, single_file().encode())
    except GtkError as error:
        sys.stderr.write(f"gtk: error: {visible(error)}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
