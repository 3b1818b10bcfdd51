"""The page on the house names files that are there, and every room."""

import re

import pages

HOUSE = pages.ROOT / "docs" / "house.md"


def test_every_file_it_names_is_there() -> None:
    files = {path.relative_to(pages.ROOT).as_posix() for path in pages.ROOT.glob("gtk/**/*.py")}
    named = re.findall(r"`([\w/]+\.py)`", HOUSE.read_text())
    missing = [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)]
    assert len(named) > 20
    assert not missing


def test_every_room_is_on_it() -> None:
    text = HOUSE.read_text()
    core = pages.ROOT / "gtk" / "core"
    rooms = [path.name for path in core.iterdir() if (path / "__init__.py").exists()]
    assert all(f"`gtk/core/{room}`" in text for room in rooms)
