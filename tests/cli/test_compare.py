"""`gtk compare`, as it is typed."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import gtk
from gtk.cli.compare import draw, print_comparison
from gtk.core.storage.comparison import compared
from gtk.core.storage.evaluations import EvaluationLine, add_evaluations
from gtk.core.storage.training_time import write_training_seconds

pytestmark = pytest.mark.usefixtures("no_pictures")

Command = Callable[..., Any]


@pytest.fixture
def runs(small_run: gtk.Run, workplace: Path) -> Path:
    """A folder with two runs of the same settings, and one of other classes."""
    folder = workplace / "runs"
    for name in ("one", "two"):
        shutil.copytree(small_run.path, folder / name)
    gtk.train(plugin="vae", latent_dim=3, epochs=1, name="other", runs=folder, quiet=True)
    return folder


def test_a_comparison_shows_what_differs(gtk_command: Command, runs: Path) -> None:
    result = gtk_command("compare", "one", "other")
    assert result.code == 0
    lines = result.out.splitlines()
    (latent,) = (line.split("│")[1:4] for line in lines if "latent_dim" in line)
    assert [cell.strip() for cell in latent] == ["model latent_dim", "16", "3"]
    (loss,) = (line.split("│")[1:4] for line in lines if "test loss" in line)
    figures = [f"{gtk.Run(runs / name).metrics()[-1]['terms']['loss']:.3f}"
               for name in ("one", "other")]  # fmt: skip
    assert [cell.strip() for cell in loss] == ["test loss, nats per image", *figures]
    assert "batch_size" not in result.out
    assert sorted(path.name for path in Path().iterdir()) == ["runs"], "nothing is written"


def test_the_same_settings_are_said_to_be(gtk_command: Command, runs: Path) -> None:
    assert "All settings are the same." in gtk_command("compare", "one", "two").out


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_and_too_many_are_refused(gtk_command: Command, runs: Path, count: int) -> None:
    result = gtk_command("compare", *["one"] * count)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("width", [60, 79])
def test_eight_runs_fit_on_any_screen(runs: Path, width: int) -> None:
    names = ["one", "other"] * 4
    console = Console(width=width, record=True, soft_wrap=True, force_terminal=True)
    print_comparison(compared([gtk.Run(runs / name) for name in names]), console)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert any("latent_dim" in line for line in lines)


def test_names_do_not_command_the_terminal(gtk_command: Command, runs: Path) -> None:
    document = json.loads((runs / "one" / "run.json").read_text())
    document["data"]["name"] = "\x1b[31mred"
    (runs / "one" / "run.json").write_text(json.dumps(document))
    result = gtk_command("compare", "one", "two")
    assert "\x1b" not in result.out
    assert r"\x1b[31mred" in result.out


def test_a_page_has_the_samples_of_the_same_seed(gtk_command: Command, runs: Path) -> None:
    shutil.rmtree(runs / "two" / "checkpoints")
    result = gtk_command("compare", "one", "two", "other", "--out", "c.html", "--seed", 5)
    assert result.code == 0
    assert result.out.splitlines()[-1] == "c.html"
    text = Path("c.html").read_text()
    assert 'alt="Samples of one"' in text
    assert 'alt="Samples of two"' not in text
    assert "No samples: " in text
    assert gtk_command("compare", "one", "two", "--out", "c.html").code == 2
    assert gtk_command("compare", "one", "two", "--out", "c.html", "--overwrite").code == 0


def test_samples_are_the_run_s_own_for_each_class(runs: Path) -> None:
    run = gtk.Run(runs / "one")
    drawn = draw(compared([run])[0], 5)
    assert drawn.images is not None
    assert (list(drawn.heads), drawn.columns) == (list("0123456789"), 10)
    assert np.array_equal(drawn.images, run.sample(list(range(10)) * 5, seed=5))
    assert not np.array_equal(drawn.images, run.sample(list(range(10)) * 5, seed=6))


def test_no_torch_is_needed_to_compare_figures(gtk_command: Command, runs: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'safetensors'): sys.modules[name] = None\n"
        "from gtk.cli.main import run\n"
        "sys.exit(run(['compare', 'one', 'two', '--out', 'page.html']))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert "is not installed here" in Path("page.html").read_text()


def evaluate(runs: Path, **distances: float) -> None:
    """Give runs a distance each, with its interval, by one protocol."""
    for name, value in distances.items():
        low, high = value * 0.9, value * 1.1
        figures: Any = {"distance": {"value": value, "low": low, "high": high, "unit": "",
                                     "share": False, "better": "lower"}}  # fmt: skip
        line = EvaluationLine(
            metric="frechet-distance", hash="35e1ca57", figures=figures, details={},
            protocol={"images": 9}, made={"evaluations": 1}, created="",
        )  # fmt: skip
        add_evaluations(runs / name, [line])


def heads(text: str) -> list[str]:
    """Return the names of the runs, in the order of the columns of the last table."""
    line = next(line for line in text.splitlines() if "last figure" in line)
    return [cell.strip() for cell in line.strip("┃").split("┃")][1:]


def test_sort_orders_the_runs_in_the_terminal_and_on_the_page(
    gtk_command: Command, runs: Path
) -> None:
    evaluate(runs, one=3.0, other=2.0)
    order = "frechet-distance.distance"
    result = gtk_command("compare", "two", "one", "other", "--sort", order, "--out", "c.html")
    assert (result.code, result.err) == (0, "")
    assert heads(result.out) == ["other", "one", "two"]
    said = "Best first by frechet-distance distance (35e1ca57): lower is better."
    assert result.out.splitlines()[0] == said
    text = Path("c.html").read_text()
    assert f'<p class="note">{said}</p>' in text
    assert re.findall(r'scope="col" class="number"><bdi>(\w+)', text) == ["other", "one", "two"]
    assert heads(gtk_command("compare", "two", "one", "other").out) == ["two", "one", "other"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("frechet-distance.distence", "Did you mean 'frechet-distance.distance'?"),
        ("", "Known: frechet-distance.distance, kl, loss, reconstruction."),
    ],
)
def test_a_sort_by_what_no_run_has_is_one_line(
    gtk_command: Command, runs: Path, wanted: str, message: str
) -> None:
    evaluate(runs, one=3.0)
    result = gtk_command("compare", "one", "two", "--sort", wanted, "--out", "c.html")
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert not Path("c.html").exists()


def test_the_terminal_and_the_page_show_what_runs_cost(gtk_command: Command, runs: Path) -> None:
    evaluate(runs, one=3.0, two=2.0)
    for name, seconds in (("one", 90.0), ("two", 4321.06)):
        write_training_seconds(runs / name, seconds)
    result = gtk_command("compare", "one", "two", "--out", "c.html")
    rows = [[cell.strip() for cell in line.strip("│").split("│")]
            for line in result.out.splitlines()]  # fmt: skip
    count = f"{sum(gtk.Run(runs / 'one').document['networks'].values()):,}"
    assert ["seconds of training", "90.0", "4,321.1"] in rows
    assert ["evaluations for an image", "1", "1"] in rows
    assert ["parameters", count, count] in rows
    text = Path("c.html").read_text()
    assert "<bdi>4,321.1</bdi>" in text
    assert text.count('<figure class="scatter">') == 1
    assert "frechet-distance distance by seconds of training. one: 90, 3.000 (2.700 to" in text
