"""The runtime as one file, for a program to copy: `python -m gtk.exports.single_file FILE.py`."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from gtk.core.values.errors import GtkError, UserError
from gtk.core.values.output import write_file

#: What the file offers; what this imports of gtk is in the file, too.
START = "gtk.exports.runtime"
HEADER = '''"""{title}

Made of gtk {version} by `python -m gtk.exports.single_file`; to change it, make it again. It needs
numpy and onnxruntime, and nothing of gtk. Licence: Apache-2.0.
"""
'''


def single_file() -> str:
    """Return the source of one module that holds the runtime and all that it imports of gtk.

    The modules follow one another, each behind those that it imports. Their imports from elsewhere
    are at the top.
    """
    modules: dict[str, str] = {}
    _collect(START, modules)
    trees = {name: ast.parse(source) for name, source in modules.items()}
    title = (ast.get_docstring(trees[START]) or "").partition("\n")[0]
    header = HEADER.format(title=title, version=version("generative-toolkit"))
    bodies = [_body(name, source, trees[name]) for name, source in modules.items()]
    return "\n\n\n".join([f"{header}\n{_imports(trees.values())}", *filter(None, bodies)]) + "\n"


def _collect(name: str, modules: dict[str, str]) -> None:
    """Add the source of a module, behind those of the modules that it imports."""
    spec = find_spec(name)
    assert spec is not None  # noqa: S101 - it is one of ours
    source = Path(spec.origin or "").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        other = _ours(node)
        if other and other not in modules:
            _collect(other, modules)
    modules[name] = source


def _ours(node: ast.AST) -> str:
    """Return which module of gtk a statement imports from, an empty text if none."""
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
    return module if module.startswith("gtk.") else ""


def _imports(trees: Iterable[ast.Module]) -> str:
    """Return the imports of all modules from elsewhere, each name once."""
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
    """Return a module's lines under its name, without its docstring and imports; empty if none."""
    lines = source.splitlines()
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if text or isinstance(node, ast.Import | ast.ImportFrom):
            for number in range(node.lineno - 1, node.end_lineno or 0):
                lines[number] = ""
    rest = "\n".join(lines).strip()
    return f"# {name} {'-' * (97 - len(name))}\n\n{rest}" if rest else ""


def main(arguments: list[str]) -> int:
    """Write the file that is named, and return the exit code."""
    try:
        if len(arguments) != 1:
            raise UserError("give the file to write: python -m gtk.exports.single_file FILE.py")
        path = Path(arguments[0])
        if path.exists():
            raise UserError(f"{path} exists: give another name, or remove it first")
        write_file(path, single_file().encode())
    except GtkError as error:
        sys.stderr.write(f"gtk: error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
