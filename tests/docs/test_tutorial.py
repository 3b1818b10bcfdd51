"""The tutorial ends with the example, which is as small as is said and passes the kit."""

import ast
import textwrap
import tomllib
from dataclasses import fields

import pages
import pytest
from reader import Reader

from gtk.core.registry.discovery import find
from gtk.core.registry.installed import MODEL, SAMPLER

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
    sampler = {"gtk_plugin_flow_sampler.py"} if name == "flow" else set()
    usual = {f"gtk_plugin_{name}.py", "pyproject.toml", f"tests/test_{name}.py"}
    assert written.keys() == usual | sampler


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
    for name in ("gtk_plugin_flow.py", "gtk_plugin_flow_sampler.py"):
        module = ast.parse((EXAMPLE / name).read_text())
        classes = [
            ast.unparse(node)
            for node in module.body
            if isinstance(node, ast.ClassDef) and not node.decorator_list
        ]
        assert len([line for line in "\n".join(classes).splitlines() if line]) <= 30


def test_its_package_is_seven_lines_and_one_more_for_the_sampler() -> None:
    printed = [
        block.text
        for block in pages.blocks(pages.ROOT / "docs" / "tutorial.md")
        if block.file == "pyproject.toml"
    ]
    groups = ["gtk.models", "gtk.losses", "gtk.samplers"]
    for text, count in zip(printed, (2, 3), strict=True):
        assert len([line for line in text.splitlines() if line]) == 5 + count
        assert list(tomllib.loads(text)["project"]["entry-points"]) == groups[:count]


def test_training_the_example_has_no_option_of_the_draw(reader: Reader) -> None:
    reader.install(EXAMPLE)
    model, sampler = find(MODEL, "straight-flow").spec, find(SAMPLER, "rk4").spec
    assert [field.name for field in fields(model.config)] == ["width"]
    assert [field.name for field in fields(sampler.config)] == ["steps"]
