"""The tutorial ends with the example, which is as small as is said and passes the kit."""

import ast
import tomllib

import pages

EXAMPLE = pages.ROOT / "examples" / "gtk-plugin-flow"


def test_the_tutorial_ends_with_the_example() -> None:
    written = {
        block.file: block.text
        for block in pages.blocks(pages.ROOT / "docs" / "tutorial.md")
        if block.file is not None
    }
    assert written == {name: (EXAMPLE / name).read_text() for name in written}
    assert written.keys() == {"gtk_plugin_flow.py", "pyproject.toml", "tests/test_flow.py"}


def test_it_begins_with_eight_lines_and_ends_with_about_thirty() -> None:
    first = next(pages.blocks(pages.ROOT / "docs" / "tutorial.md"))
    assert len([line for line in first.text.splitlines() if line]) == 8
    module = ast.parse((EXAMPLE / "gtk_plugin_flow.py").read_text())
    classes = [
        ast.unparse(node)
        for node in module.body
        if isinstance(node, ast.ClassDef) and not node.decorator_list
    ]
    assert len([line for line in "\n".join(classes).splitlines() if line]) <= 35


def test_its_package_is_seven_lines() -> None:
    text = (EXAMPLE / "pyproject.toml").read_text()
    assert len([line for line in text.splitlines() if line]) == 7
    assert tomllib.loads(text)["project"]["entry-points"].keys() == {"gtk.models", "gtk.losses"}
