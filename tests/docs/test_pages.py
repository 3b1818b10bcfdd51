"""The documentation is run: every block of python and sh, or there is a reason why not."""

import ast
import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import numpy as np
import pages
import pytest
from PIL import Image
from reader import Reader, excused, parse

import gtk
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import LOSS, installed
from gtk.plugins.losses.adversarial import AdversarialLoss

PAGES = pages.pages()


@pytest.mark.parametrize("path", PAGES, ids=pages.page_name)
def test_blocks_are_run_or_excused(path: Path, reader: Reader) -> None:
    if path.parent.name.startswith("gtk-plugin-"):
        reader.install(path.parent)
    for block in pages.blocks(path):
        assert block.language in pages.RUN | pages.SHOWN, f"{block.place}: which language?"
        if block.excuse is not None:
            pattern, reason = block.excuse
            assert block.language in pages.RUN, f"{block.place}: it would not be run anyway"
            assert len(reason.split()) >= 2, f"{block.place}: say why"
            assert pattern.search(block.text), f"{block.place}: the excuse fits nothing"
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "sh":
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
            for command in block.commands():
                # A recipe's file would have to be there.
                if (
                    command.startswith("gtk ")
                    and excused(block, command)
                    and ".toml" not in command
                ):
                    parse(command)


def test_the_losses_that_compile_are_listed() -> None:
    text = (pages.ROOT / "docs/train.md").read_text()
    (listed,) = (part for part in text.split("\n\n") if part.startswith("Compiled are"))
    for plugin in (find(LOSS, item.name) for item in installed(LOSS)):
        loss = plugin.call(plugin.spec.config())
        if loss.compiles and not isinstance(loss, AdversarialLoss):
            assert f"`{plugin.spec.name}`" in listed


def write_photos(folder: Path) -> None:
    """Write some images of two classes."""
    generator = np.random.default_rng(0)
    for name, low in (("cat", 0), ("dog", 128)):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            pixels = generator.integers(low, low + 128, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages take for granted: runs, exported files, images."""
    folder = tmp_path_factory.mktemp("desk")
    runs = folder / "runs"
    write_photos(folder / "photos")
    for name in ("mine", "a", "b"):
        pixels = np.full((20, 20), 100, np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.jpg")
    generator = np.random.default_rng(0)
    np.savez(
        folder / "faces.npz",
        images=generator.integers(0, 256, (60, 8, 8), dtype=np.uint8),
        labels=np.linspace((0, 1), (80, 0), 60),
        names=np.array(["age", "smiling"]),
    )
    faces = gtk.train(
        plugin="cvae", conditioner="embedding", data=f"npz:{folder / 'faces.npz'}", epochs=1,
        runs=runs, name="faces", quiet=True,
    )  # fmt: skip
    gtk.export(faces, folder / "faces.onnx")
    for name, settings in (
        ("vae-2d-mnist-0001", {"plugin": "vae", "latent_dim": 2}),
        ("second", {"plugin": "cvae", "beta": 0.3}),
        ("first", {"plugin": "cvae"}),
    ):
        latest = gtk.train(**settings, epochs=2, runs=runs, name=name, quiet=True)
    gtk.export(latest, folder / "digits.onnx")
    return folder


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", PAGES, ids=pages.page_name)
@pytest.mark.filterwarnings("default")
def test_a_page_does_what_it_says(
    path: Path, reader: Reader, request: pytest.FixtureRequest
) -> None:
    if pages.page_name(path) not in ("README.md", "docs/tutorial.md"):  # those begin with nothing
        shutil.copytree(request.getfixturevalue("desk"), reader.folder, dirs_exist_ok=True)
    if path.parent.name.startswith("gtk-plugin-"):
        reader.install(path.parent)
    if path.parent.name == "examples":
        shutil.copytree(path.parent / "python", reader.folder / "python")
    if "--out digits.onnx" in path.read_text(encoding="utf-8"):  # it makes the file itself
        (reader.folder / "digits.onnx").unlink(missing_ok=True)
        (reader.folder / "digits.json").unlink(missing_ok=True)
    for block in pages.blocks(path):
        reader.follow(block)


def test_an_excuse_covers_what_it_matches_and_no_more() -> None:
    block = pages.Block(
        "page:1", "sh", "gtk train --data mnist \\\n  --epochs 3  # long\ngtk runs && true\n",
        ("main job", "not run (mnist): downloads it"),
    )  # fmt: skip
    assert block.commands() == ["gtk train --data mnist    --epochs 3", "gtk runs", "true"]
    assert [excused(block, command) for command in block.commands()] == [True, False, False]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("gtk sample latest --lable 3", "No such option"),
        ("gtk smaple latest", "No such command"),
        ("gtk train --plugin cvae --latnt-dim 3", "No such option"),
    ],
)
def test_a_misspelt_command_is_found(command: str, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        parse(command)


def test_a_command_that_fails_fails_the_page(reader: Reader) -> None:
    with pytest.raises(AssertionError, match="page:3"):
        reader.type("gtk sample nothing", "page:3")
    with pytest.raises(AssertionError, match="page:4"):
        reader.type("exit 3", "page:4")
    with pytest.raises(ZeroDivisionError):
        reader.follow(pages.Block("page:5", "python", "1 / 0\n", ()))
