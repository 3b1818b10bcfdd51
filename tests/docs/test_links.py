"""Every link of the documentation leads somewhere, and what is said of commands is so."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pages
import pytest

ALL = [*pages.pages(), pages.ROOT / "CONTRIBUTING.md", pages.ROOT / "CHANGELOG.md"]


@pytest.mark.parametrize("path", ALL, ids=pages.page_name)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for link in pages.links(path):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.is_relative_to(pages.ROOT), f"{link} leads out of the project"
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in pages.anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("path", ALL, ids=pages.page_name)
def test_commands_in_the_text_exist(path: Path) -> None:
    known = (pages.ROOT / "docs" / "commands.md").read_text()
    for typed in re.findall(r"`gtk ([a-z][^`]*)`", " ".join(pages.prose(path).split())):
        words = typed.split()
        assert f"## gtk {words[0]}\n" in known, f"`gtk {typed}`: there is no such command"
        for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", typed):
            assert re.search(rf"`[^`]*{flag}\b", known), f"`gtk {typed}`: there is no {flag}"


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (path.parent / link.partition("#")[0]).resolve()
        for path in ALL
        for link in pages.links(path)
        if not re.match(r"[a-z]+:", link) and link.partition("#")[0]
    }
    linked |= {target / "README.md" for target in linked if target.is_dir()}
    assert not set(pages.pages()) - linked - {pages.ROOT / "README.md"}


def test_the_page_of_commands_is_what_the_commands_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(pages.ROOT / "docs")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import commands

    assert commands.PAGE.read_text(encoding="utf-8") == commands.page(), (
        "write it anew: python docs/commands.py"
    )


def test_the_schemas_are_those_of_the_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(pages.ROOT / "docs")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import schemas

    written = {path: path.read_text(encoding="utf-8") for path in schemas.FOLDER.iterdir()}
    assert written == schemas.schemas(), "write them anew: python docs/schemas.py"


def test_the_noise_in_the_documentation_is_numpy_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(pages.ROOT / "docs")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import noise

    written = json.loads(noise.FILE.read_text(encoding="utf-8"))
    for found, expected in zip(written, noise.vectors(), strict=True):
        for name in ("seed", "words", "bits", "first", "derived"):
            assert found[name] == expected[name], "write it anew: python docs/noise.py"
        assert found["later"].keys() == expected["later"].keys()
        numbers = [np.float32([*vector["later"].values()]) for vector in (found, expected)]
        assert np.sum(abs(numbers[1]) > noise.TAIL) >= 3
        # C libraries round the logarithms of the tail differently.
        np.testing.assert_array_max_ulp(*numbers, maxulp=1)


@pytest.mark.parametrize("page", ["examples/README.md", "docs/plugins.md", "docs/tutorial.md"])
def test_every_example_of_a_package_is_linked(page: str) -> None:
    path = pages.ROOT / page
    linked = {(path.parent / link).resolve() for link in pages.links(path) if ":" not in link}
    packages = {file.parent for file in pages.ROOT.glob("examples/*/pyproject.toml")}
    assert len(packages) >= 2
    assert packages <= linked
