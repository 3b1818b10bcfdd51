"""Many classes and many samples: what is shown, and that pictures stay such that viewers open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gtk
from gtk.cli.condition import split_names, split_numbers
from gtk.core.storage.cache import CACHE_VARIABLE
from gtk.core.values.errors import InvalidValue
from gtk.pictures.grid import MOST_COLUMNS, MOST_SIDE, check_grid, enough_columns, most_columns

Command = Callable[..., Any]
COUNT = 1000
BARE = ("--no-labels", "--scale", 1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of 1,000 classes, whose names have commas."""
    folder = tmp_path_factory.mktemp("many")
    images = (np.arange(COUNT) % 256).astype(np.uint8)[:, None, None] * np.ones((4, 4), np.uint8)
    names = [f"no. {number}, of many" for number in range(COUNT)]
    labels = np.arange(COUNT)
    np.savez(
        folder / "many.npz", images=images, labels=labels, names=names,
        test_images=images[:5], test_labels=labels[:5],
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        gtk.train(
            "cvae", f"npz:{folder / 'many.npz'}", runs=folder / "runs", name="many", epochs=1,
            batch_size=500, latent_dim=2, hidden_dims=(4,), device="cpu", quiet=True,
        )  # fmt: skip
    return folder / "runs"


def size(path: Path | str) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_the_first_classes_are_shown_with_a_note(gtk_command: Command, runs: Path) -> None:
    for labels in ([], ["--labels", "all"]):
        result = gtk_command(
            "sample", "many", "--runs", runs, *labels, *BARE, "--out", "a.png", "--overwrite"
        )
        assert result.out == (
            "a.png: 500 images, seed 0, the first 100 of 1,000 classes: --labels names others\n"
        )
        assert size("a.png") == (MOST_COLUMNS * 5 - 1, 24)
    assert gtk_command("sample", "many", "--runs", runs, "--out", "b.png").code == 0
    assert size("b.png")[0] < 9000
    assert size(runs / "many" / "pictures" / "samples-0001.png")[0] < 9000


def test_others_are_listed_by_names_with_commas(gtk_command: Command, runs: Path) -> None:
    result = gtk_command(
        "sample", "many", "--runs", runs, "--labels", "no. 998, of many,7, no. 9, of many",
        "--rows", 2, *BARE, "--out", "a.png",
    )  # fmt: skip
    assert result.out == "a.png: 6 images, seed 0\n"
    with Image.open("a.png") as image:
        picture = np.asarray(image)
    run = gtk.load(runs / "many")
    expected = run.sample(labels=[998, 7, 9] * 2)
    found = [picture[y : y + 4, x : x + 4] for y in (0, 5) for x in (0, 5, 10)]
    assert np.abs(np.array(found).astype(int) - expected).max() <= 1


def test_a_number_of_images_has_every_class_in_turn(gtk_command: Command, runs: Path) -> None:
    result = gtk_command("sample", "many", "--runs", runs, "-n", 1000, *BARE, "--out", "a.png")
    assert result.out == "a.png: 1000 images, seed 0\n"
    assert size("a.png") == (159, 159)
    with Image.open("a.png") as image:
        last = np.asarray(image)[155:, 35:39]  # of 32 in a row
    expected = gtk.load(runs / "many").sample(count=1000)[999]
    assert np.abs(last.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", ["a.gif", "a.png"])
def test_a_walk_of_many_classes_fits(gtk_command: Command, runs: Path, name: str) -> None:
    result = gtk_command("animate", "many", "--runs", runs, "--walk", "--frames", 2, "--out", name)
    assert result.code == 0, result.err
    assert result.out.endswith("2 frames, seed 0, the first 100 of 1,000 classes\n")
    assert size(name)[0] < 9000
    assert gtk_command("animate", "many", "--runs", runs, "--out", f"training-{name}").code == 0


def test_the_report_says_which_classes_it_shows(runs: Path) -> None:
    page = (runs / "many" / "report.html").read_text()
    assert "A column for each of the first 100 of 1000 conditions." in page
    assert "no. 99, of many" in page


def test_ten_thousand_samples_stand_side_by_side(gtk_command: Command, small_run: gtk.Run) -> None:
    for options in (["-n", 10_000], ["--rows", 5000, "--labels", "3,8"]):
        result = gtk_command("sample", small_run.path, *options, "--out", "a.png", "--overwrite")
        assert result.code == 0, result.err
        assert max(size("a.png")) <= MOST_SIDE
    result = gtk_command("sample", small_run.path, "-n", 1000, "--scale", 1, "--out", "b.png")
    assert size("b.png")[0] < 200, "where it fits, there is a column for each class, as before"


def test_a_picture_that_is_too_large_is_refused_before_anything_is_drawn(
    gtk_command: Command, small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtk.core.storage.run_source.RunSource.generate", None)
    result = gtk_command(
        "sample", small_run.path, "-n", 10_000, "--label", 1, "--scale", 20, "--out", "a.png"
    )
    assert result.code == 2
    assert "the picture would have 17,980x17,980 pixels: draw fewer images, or give" in result.err


@pytest.mark.parametrize("side", [1, 28, 64, 1024])
def test_columns_are_chosen_so_that_pictures_fit(side: int) -> None:
    columns = most_columns((side, side), 5)
    assert 1 <= columns <= MOST_COLUMNS
    check_grid(5 * columns, columns, (side, side))
    if 28 <= side <= 64:
        check_grid(10_000, enough_columns(10_000, 10, (side, side)), (side, side))
    with pytest.raises(InvalidValue, match="the picture would have"):
        check_grid(MOST_SIDE, MOST_SIDE, (side, side))


def test_names_are_split_at_commas_that_are_not_theirs() -> None:
    names = ["Paris, France", "London", "a,b,c", "a"]
    assert split_names("Paris, France, London ,a,b,c,a,7", names) == [
        "Paris, France", "London", "a,b,c", "a", "7",
    ]  # fmt: skip
    assert split_names("3,8", ["0", "1"]) == ["3", "8"]
    assert split_numbers("a, b=1,c=0") == ["a, b=1", "c=0"]
    assert split_numbers("hat") == ["hat"]
