"""The tutorial ends with the example, which is as small as is said and passes the kit."""

import ast
import textwrap
import tomllib

import pages
import pytest

EXAMPLE = pages.ROOT / "examples" / "gtk-plugin-flow"


@pytest.mark.parametrize(("page", "name"), [("tutorial", "flow"), ("tutorial-loss", "vaegan")])
def test_the_tutorial_ends_with_the_example(page: str, name: str) -> None:
    example = EXAMPLE.with_name(f"gtk-plugin-{name}")
    written = {
        block.file: block.text
        for block in pages.blocks(pages.ROOT / "docs" / f"{page}.md")
        if block.file is not None
    }
    assert written == {name: (example / name).read_text() for name in written}
    assert written.keys() == {f"gtk_plugin_{name}.py", "pyproject.toml", f"tests/test_{name}.py"}


def test_the_pieces_of_the_tutorial_for_losses_are_in_its_file() -> None:
    pieces = [
        textwrap.indent(block.text, "    ")
        for block in pages.blocks(pages.ROOT / "docs" / "tutorial-loss.md")
        if block.text.startswith("def ")
    ]
    whole = (EXAMPLE.with_name("gtk-plugin-vaegan") / "gtk_plugin_vaegan.py").read_text()
    assert len(pieces) == 2
    assert all(piece in whole for piece in pieces)


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
