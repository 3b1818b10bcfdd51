"""The signatures on the pages of contracts, hooks and figures are those of the code."""

import ast
import inspect
import re
import textwrap

import pages
import pytest

import gtk
from gtk.core.contracts import metric, model, normalization
from gtk.core.contracts.noise import Noise
from gtk.core.registry.spec import Spec
from gtk.core.values import figure

PAGE = pages.ROOT / "docs" / "contracts.md"
HOOKS = pages.ROOT / "docs" / "hooks.md"
FIGURES = pages.ROOT / "docs" / "evaluate.md"
NODES = [
    node
    for page in (PAGE, HOOKS, FIGURES)
    for block in pages.blocks(page)
    if any("signatures, which a test compares" in comment for comment in block.comments)
    for node in ast.parse(block.text).body
]
CLASSES = {node.name: node for node in NODES if isinstance(node, ast.ClassDef)}
FUNCTIONS = {node.name: node for node in NODES if isinstance(node, ast.FunctionDef)}
TYPES = {
    ast.unparse(node.targets[0]): ast.unparse(node.value)
    for node in NODES
    if isinstance(node, ast.Assign)
}
#: Classes on the page that have no public name, and where its types are.
UNNAMED = {"Noise": Noise, "Spec": Spec}
HOMES = {
    "NormalizationName": normalization, "Prior": model, "Source": metric, "Better": figure,
}  # fmt: skip
#: What gtk itself calls, and the data records' way to JSON and back.
INTERNAL = {
    "Noise": {"seed"},
    "Context": {"start_step", "compile_with"},
    "DataSpec": {"image_shape", "with_absent", "as_json", "from_json"},
    "Codes": {"limits", "choices", "cases"},
    "NoiseSpec": {"cases"},
    "ConditionSpec": {
        "count", "port", "input_name", "encode", "example_names", "check", "is_absent", "default",
        "with_absent", "cycle", "kinds_of_rows", "cases", "name", "summary", "as_json",
        "from_json", "manifest", "unlearnable", "described_names",
        "typical", "written", "domain",
    },
    "Spec": {"resolve"},
    "Run": {
        "create", "check_removable", "check_links", "locked", "metrics_file", "checkpoints",
        "replace_settings", "drawing",
    },
}  # fmt: skip


def signature(node: ast.FunctionDef) -> str:
    """Return a function's arguments and result."""
    assert node.returns is not None
    return f"({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"


def methods(node: ast.ClassDef) -> dict[str, str]:
    """Return the public methods with their arguments and results."""
    return {
        item.name: signature(item)
        for item in node.body
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and item.returns
    }


def attributes(node: ast.ClassDef) -> dict[str, str]:
    """Return the public annotated attributes with their types, and defaults that are not texts."""
    return {
        item.target.id: ast.unparse(item.annotation)
        + (f" = {ast.unparse(item.value)}" if item.value and item.target.id != "acts_on" else "")
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and not item.target.id.startswith("_")
    }


def class_definition(kind: type) -> ast.ClassDef:
    """Return a class's source."""
    source = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(source, ast.ClassDef)
    return source


@pytest.mark.parametrize("name", CLASSES)
def test_signatures_are_the_code_s(name: str) -> None:
    real = UNNAMED.get(name) or getattr(gtk, name)
    source = class_definition(real)
    internal = INTERNAL.get(name, set())
    found = methods(source)
    for base in real.__mro__[1:]:  # a page has a class whose base it does not name in one piece
        if base.__module__.startswith("gtk.") and not {base.__name__} & (
            CLASSES.keys() | {*gtk.__all__}
        ):
            found |= methods(class_definition(base))
    public = {key: value for key, value in found.items() if key not in internal}
    assert methods(CLASSES[name]) == public
    assert attributes(CLASSES[name]) == attributes(source)
    for base in CLASSES[name].bases:
        assert ast.unparse(base) in [kind.__name__ for kind in real.__mro__]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_the_code_s(name: str) -> None:
    source = ast.parse(inspect.getsource(getattr(gtk, name))).body[0]
    assert isinstance(source, ast.FunctionDef)
    assert signature(FUNCTIONS[name]) == signature(source)


@pytest.mark.parametrize("name", TYPES)
def test_types_have_the_code_s_values(name: str) -> None:
    assert TYPES[name] == ast.unparse(
        ast.parse(repr(getattr(HOMES[name], name)).replace("typing.", ""))
    )


def test_every_type_that_lists_its_values_is_on_the_page() -> None:
    assert TYPES.keys() == HOMES.keys()


def test_every_spec_and_all_that_the_contracts_hand_over_have_signatures() -> None:
    specs = {name for name in gtk.__all__ if name.endswith("Spec")}
    assert (
        specs | {"DiagonalGaussian", "StandardGaussian", "Normalization", "Progress", "Run"}
        <= CLASSES.keys()
    )


def test_the_five_contracts_are_there() -> None:
    assert {"Model", "Conditioner", "Loss", "Sampler", "Metric"} <= CLASSES.keys()


def test_every_public_class_of_the_contracts_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8") + (pages.ROOT / "docs" / "plugins.md").read_text()
    spoken_of = set(gtk.__all__) - {"GtkError", "UserError", "WorkFailed", "export", "export_all",
                                    "load", "train", "Run", "Progress", "evaluate",
                                    "EvaluationResult"}  # fmt: skip
    missing = {name for name in spoken_of if f"{name}" not in text}
    assert not missing


def test_pages_send_nobody_to_what_may_move() -> None:
    """Only `gtk` itself, `gtk.testing` and `gtk.exports.runtime` are promised to stay."""
    for path in pages.pages():
        found = re.findall(r"\bgtk\.(?:core|plugins|cli|pictures)\.\w+", path.read_text("utf-8"))
        assert not found, f"{pages.page_name(path)} speaks of {found[0]}"
