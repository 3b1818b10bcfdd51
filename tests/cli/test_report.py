"""`gtk report`, as it is typed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gtk

Command = Callable[..., Any]


@pytest.fixture
def runs(small_run: gtk.Run, workplace: Path) -> Path:
    """A folder with two runs of the same settings, and one of other classes."""
    folder = workplace / "runs"
    for name in ("one", "two"):
        shutil.copytree(small_run.path, folder / name)
    gtk.train(plugin="vae", latent_dim=3, epochs=1, name="other", runs=folder, quiet=True)
    return folder


def test_a_report_is_written_anew(gtk_command: Command, runs: Path) -> None:
    page = runs / "one" / "report.html"
    page.write_text("an older one")
    result = gtk_command("report", "one")
    assert (result.code, result.out) == (0, "runs/one/report.html\n")
    assert "gtk sample one --label 9" in page.read_text()


def test_a_report_goes_where_it_is_asked_for(gtk_command: Command, runs: Path) -> None:
    assert gtk_command("report", "one", "--out", "page.html").code == 0
    assert "gtk sample one --label 9" in Path("page.html").read_text()
    again = gtk_command("report", "one", "--out", "page.html")
    assert again.code == 2
    assert "--overwrite" in again.err
    assert gtk_command("report", "one", "--out", "page.html", "--overwrite").code == 0
    assert gtk_command("report", "one", "--out", "page.png").code == 2
    assert gtk_command("report", "none").code == 2


def test_a_run_with_a_report_can_be_replaced(gtk_command: Command, runs: Path) -> None:
    assert (runs / "other" / "report.html").exists()
    arguments = ("train", "--plugin", "vae", "--epochs", 1, "--name", "other", "--quiet")
    assert gtk_command(*arguments, "--overwrite").code == 0


def test_points_of_the_report_survive_going_on(gtk_command: Command, runs: Path) -> None:
    assert gtk_command("train", "--resume", "other", "--epochs", 2, "--quiet").code == 0
    latents = json.loads((runs / "other" / "pictures" / "latents.json").read_text())
    assert latents["epoch"] == 2
    with Image.open(runs / "other" / "pictures" / "latents-images.png") as images:
        assert images.size == (200, 120)
    assert "2 epochs" in (runs / "other" / "report.html").read_text()


def test_no_torch_is_needed_for_a_report(runs: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'safetensors'): sys.modules[name] = None\n"
        "from gtk.cli.main import run\n"
        "sys.exit(run(['report', 'one', '--out', 'page.html']))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    text = Path("page.html").read_text()
    assert "gtk sample one --label 9" in text
    assert ">9</bdi>" in text
    assert " parameters" in text, "counted when the run was made: a report builds no model"
