"""The single file that is made of the runtime: whole, alone, and never over another."""

import ast
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from gtk.exports import runtime
from gtk.exports.runtime import RequestError, graph_file, load
from gtk.exports.single_file import main, single_file


def test_it_offers_what_the_package_offers(drawing: ModuleType) -> None:
    assert drawing.__all__ == runtime.__all__
    assert all(hasattr(drawing, name) for name in drawing.__all__)
    assert drawing.__name__ not in {module.partition(".")[0] for module in runtime.__all__}


def test_it_imports_numpy_and_onnxruntime_alone() -> None:
    modules = set()
    for node in ast.walk(ast.parse(single_file())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").partition(".")[0])
    assert modules - sys.stdlib_module_names == {"numpy", "onnxruntime"}


def test_no_name_of_one_room_hides_that_of_another() -> None:
    names: list[str] = []
    for node in ast.parse(single_file()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [
                item.id for to in targets for item in ast.walk(to) if isinstance(item, ast.Name)
            ]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [alias.asname or alias.name for alias in node.names]
    assert not [name for name, count in Counter(names).items() if count > 1]


def test_it_is_made_alike_each_time_and_never_over_another(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drawing.py"]) == 0
    assert Path("drawing.py").read_text(encoding="utf-8") == single_file()
    Path("drawing.py").write_text("mine")
    for arguments, message in (
        (["drawing.py"], "drawing.py exists: give another name, or remove it first"),
        (["none/drawing.py"], "cannot be written: No such file or directory"),
        ([], "give the file to write"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert Path("drawing.py").read_text() == "mine"


@pytest.mark.usefixtures("each_form")
def test_tests_of_each_form_are_of_each(
    request: pytest.FixtureRequest, drawing: ModuleType
) -> None:
    form = request.node.callspec.params["each_form"]
    alone = form == "single file"
    assert (runtime is graph_file is drawing) == alone
    for name in (load, RequestError):
        assert (name.__module__ == "drawing") == alone
