"""`gtk data`: what it says of a data set, and which image is in which cell of its sheet."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from published_files import celeba_lists, idx_files, write, write_face

from gtk.cli import data as data_command
from gtk.cli.progress_bar import work_shown
from gtk.core.registry.spec import NoConfig
from gtk.core.storage.cache import cache_folder
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.tracking import track
from gtk.plugins.datasets import digits

Command = Callable[..., Any]


def facts(text: str) -> dict[str, str]:
    """Return what stands before the table, by its first words."""
    lines = re.findall(r"^([a-z ]{11}) (.+)$", text, flags=re.MULTILINE)
    return {title.strip(): value for title, value in lines}


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table."""
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that has `gtk data digits` load something else."""

    def bring(condition: ConditionSpec | None, labels: Any, notes: tuple[str, ...] = ()) -> None:
        labels = np.array(labels)
        images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] * 10
        images = images.repeat(4, axis=2).repeat(4, axis=3)
        split = Split(images, labels)
        data = Dataset(DataSpec("mine", 1, 4, 4, condition), split, split, notes)
        monkeypatch.setattr(digits, "load", lambda config, root: data)

    return bring


def test_classes_of_unequal_size_are_noted(
    gtk_command: Command, brought: Callable[..., None]
) -> None:
    brought(ConditionSpec(("a", "b")), [0] * 11 + [1], ("first.",))
    note = (
        "class 'a' has 11 training images and class 'b' has 1, more than 10 to 1: --balance trains"
    )
    out = " ".join(gtk_command("data", "digits").out.split())
    assert "note first." in out
    assert note in out


def test_digits(gtk_command: Command) -> None:
    result = gtk_command("data", "digits", "--out", "sheet.png")
    assert (result.code, result.err) == (0, "")
    assert facts(result.out) == {
        "data set": "digits: 1,797 handwritten digits of 8x8 pixels, embedded: nothing to "
        "download.",
        "images": "1,440 for training, 357 for tests",
        "size": "8x8 pixels, grey",
        "condition": "10 classes",
        "read from": "its package",
        "decoded": f"{1797 * 64:,} bytes in memory",
        "train on it": "gtk train --recipe flow-digits --data digits",
        "since": "fully connected layers suit images of a few pixels",
        "time": "--dry-run measures it",
    }
    data = digits.load(NoConfig(), None)
    counts = [np.bincount(split.labels) for split in (data.train, data.test)]
    assert rows(result.out) == [[str(n), str(n), *(str(c[n]) for c in counts)] for n in range(10)]
    last = "sheet.png: a row for each of 10 classes, in their order (training images, seed 0)"
    assert result.out.splitlines()[-4] == last


@pytest.mark.parametrize("test", [False, True])
def test_the_sheet_has_a_row_for_each_class(gtk_command: Command, test: bool) -> None:
    options = ["--test"] if test else []
    assert gtk_command("data", "digits", "-n", 3, "--out", "sheet.png", *options).code == 0
    data = digits.load(NoConfig(), None)
    split = data.test if test else data.train
    sheet = np.asarray(Image.open("sheet.png"))
    height, width = 8 * (10 * 9 - 1), 8 * (3 * 9 - 1)
    assert sheet.shape[0] == height
    assert sheet[:, : -width - 1].min() < 128, "names are left of the rows"
    sheet = sheet[:, -width:]
    for label in range(10):
        known = {image.tobytes() for image in split.images[split.labels == label]}
        shown = set()
        for column in range(3):
            top, left = 8 * 9 * label, 8 * 9 * column
            cell = sheet[top : top + 64 : 8, left : left + 64 : 8]
            assert cell.tobytes() in known, (label, column)
            shown.add(cell.tobytes())
        assert len(shown) == 3


def test_the_seed_decides_the_sheet(gtk_command: Command) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert gtk_command("data", "digits", "--out", f"{name}.png", "--seed", seed).code == 0
    contents = [Path(f"{name}.png").read_bytes() for name in "abc"]
    assert contents[0] == contents[1] != contents[2]


def test_a_published_data_set_from_a_copy(gtk_command: Command, tmp_path: Path) -> None:
    write(tmp_path / "data" / "MNIST" / "raw", idx_files())
    for arguments in (["mnist", "--data-root", "data"], ["mnist:data"]):
        result = gtk_command("data", *arguments)
        assert (result.code, result.err) == (0, "")
        said = facts(result.out)
        assert said["read from"] == "data"
        assert said["images"] == "30 for training, 8 for tests"
        bytes_, folder = said["decoded"].split(" bytes in ")
        assert bytes_ == f"{38 * 784:,}"
        assert (Path(folder) / "images.bin").stat().st_size == 38 * 784
        assert rows(result.out)[9] == ["9", "9", "3", "0"]


def test_torch_is_needed_to_decode_alone(gtk_command: Command, tmp_path: Path) -> None:
    write(tmp_path / "data" / "MNIST" / "raw", idx_files())
    assert gtk_command("data", "mnist:data").code == 0
    code = (
        "import sys\nfrom gtk.cli.main import run\n"
        "for name in ('mnist:data', 'digits'):\n"
        "    assert run(['data', name, '--out', f'{name[0]}.png']) == 0\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert Path("m.png").exists()


def test_the_data_sets_own_options(
    gtk_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "data" / "celeba", celeba_lists(monkeypatch, [0, 0, 2, 2]))
    for number in (1, 2, 3, 4):
        write_face(tmp_path / "data/celeba/img_align_celeba" / f"{number:06}.jpg", number)
    text = gtk_command("data", "celeba", "--help").out
    assert "Options of data set celeba:\n  --image-size INTEGER" in text
    result = gtk_command("data", "celeba:data", "--image-size", 20, "--out", "sheet.png", "-n", 2)
    assert (result.code, result.err) == (0, "")
    assert facts(result.out)["size"] == "20x20 pixels, colour"
    command = "gtk train --recipe flow-cifar10 --data celeba:data --image-size 20"
    options = " --epochs 500 --batch-size 2"
    assert facts(result.out)["train on it"] == command + options
    assert facts(result.out)["condition"] == "40 attributes"
    assert facts(result.out)["note"].startswith("the published validation images")
    assert rows(result.out)[1] == ["Attribute_1", "50.0%", "0.0%"]
    assert rows(result.out)[3] == ["Attribute_3", "0.0%", "50.0%"]
    height, width, channels = np.asarray(Image.open("sheet.png")).shape
    assert (height, channels) == (3 * (20 * 21 - 1), 3)
    assert width > 3 * (2 * 21 - 1), "there is room for names"
    wrong = gtk_command("data", "celeba:data", "--image-size", 200)
    assert wrong.code == 2
    assert "image_size must be in 1..148, the crop's size, not 200" in wrong.err


@pytest.mark.parametrize("order", ["emnist --split letters", "--split letters emnist"])
def test_options_go_before_or_after_the_name(
    gtk_command: Command, order: str, tmp_path: Path
) -> None:
    assert "--split [balanced|byclass|" in gtk_command("data", "emnist", "--help").out
    result = gtk_command("data", *order.split(), "--data-root", tmp_path)
    assert "EMNIST/raw/emnist-letters-train-images-idx3-ubyte is missing" in result.err
    result = gtk_command("data", "--split", "mnist", "emnist")
    assert result.code == 2


def test_numbers(gtk_command: Command, brought: Callable[..., None]) -> None:
    spec = ConditionSpec(("angle",), "continuous", ((-1.0, 5.0),))
    brought(spec, np.array([[0.5], [-1], [2]], np.float32))
    result = gtk_command("data", "digits", "--out", "sheet.png", "-n", 3)
    assert facts(result.out)["condition"] == "1 number"
    command = "gtk train --recipe flow-digits --data digits --epochs 500 --batch-size 3"
    assert facts(result.out)["train on it"] == command
    assert rows(result.out) == [["angle", *["-1 .. 2 (0.5)"] * 2]]
    sheet = np.asarray(Image.open("sheet.png"))
    assert sheet[0, -8 * (3 * 9 - 1) :][:: 16 * 5].tolist() == [10, 0, 20]


def test_no_condition(gtk_command: Command, brought: Callable[..., None]) -> None:
    brought(None, [0, 0, 0])
    result = gtk_command("data", "digits", "--out", "sheet.png", "-n", 2)
    assert facts(result.out)["condition"] == "none"
    assert not rows(result.out)
    assert "sheet.png: images at random (training images, seed 0)\n" in result.out
    command = "gtk train --recipe flow-digits --data digits --conditioner unconditional"
    assert facts(result.out)["train on it"] == f"{command} --epochs 500 --batch-size 3"


HOSTILE = ("[bold red]x[/]", "<script>", "\x1b[31mred", "two\nlines", "\u202egnol", "Zürich 日本")


def test_names_and_notes_do_nothing(gtk_command: Command, brought: Callable[..., None]) -> None:
    brought(ConditionSpec(HOSTILE), [0, 1, 2, 3, 4, 5], ("a \x1b]0;title\x07 [bold]note",))
    result = gtk_command("data", "digits")
    assert result.code == 0
    assert [row[1] for row in rows(result.out)] == [
        "[bold red]x[/]", "<script>", "\\x1b[31mred", "two\\nlines", "\\u202egnol", "Zürich 日本",
    ]  # fmt: skip
    assert facts(result.out)["note"] == "a \\x1b]0;title\\x07 [bold]note"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that makes standard output a terminal of so many columns."""
    from rich.console import Console

    from gtk.cli import data_summary

    def make(width: int) -> None:
        def console() -> Console:
            return Console(
                highlight=False, markup=False, soft_wrap=True, force_terminal=True, width=width
            )

        monkeypatch.setattr(data_command, "make_console", console)
        monkeypatch.setattr(data_summary, "make_console", console)

    return make


def test_a_terminal_shows_the_sheet(
    gtk_command: Command, brought: Callable[..., None], terminal: Callable[[int], None]
) -> None:
    brought(ConditionSpec(("one", "two")), [0, 1])
    terminal(80)
    shown = gtk_command("data", "digits", "-n", 1).out
    first = next(line for line in shown.splitlines() if "▀" in line)
    assert first.count("▀") == 4
    assert "▀" not in gtk_command("data", "digits", "--no-preview").out
    assert "sheet" not in gtk_command("data", "digits", "--no-preview").out


def test_sixty_columns_are_enough(
    gtk_command: Command, brought: Callable[..., None], terminal: Callable[[int], None]
) -> None:
    names = tuple(f"{index} {'a long class name ' * 8}" for index in range(3))
    brought(ConditionSpec(names), [0, 1, 2])
    terminal(60)
    text = re.sub(r"\x1b\[[0-9;]*m", "", gtk_command("data", "digits").out)
    table = [line for line in text.splitlines() if line and line[0] in "┏┃┡│└▀"]
    assert {len(line) for line in table if line[0] != "▀"} == {60}
    assert max(len(line) for line in text.splitlines()) == 60
    squeezed = re.sub(r"[\s│]", "", "".join(line for line in table if line[0] == "│"))
    for name in names:
        assert name.replace(" ", "")[-17:] in squeezed, "it is folded, not cut"


def test_long_work_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for forced in ("", "1"):
        monkeypatch.setenv("FORCE_COLOR", forced)  # which rich takes for a terminal
        with work_shown():
            list(track(range(3), "decoding [b]faces[/b]\x1b[5m", 3))
        written = capsys.readouterr().err
        assert "\x1b[5m" not in written
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
        assert (r"decoding [b]faces[/b]\x1b[5m" in shown, "3/3" in shown) == (bool(forced),) * 2
    with work_shown():
        pass
    assert capsys.readouterr().err == ""


def test_all_data_sets_are_listed(gtk_command: Command) -> None:
    result = gtk_command("data")
    assert result.code == 0
    listed = dict(re.split(" {2,}", line, maxsplit=1) for line in result.out.splitlines()[:-1])
    assert {"digits", "mnist", "celeba", "svhn"} <= set(listed)
    assert listed["svhn"].startswith("99,289 digits of house numbers")


def test_a_file_is_refused_before_anything_is_decoded(gtk_command: Command, tmp_path: Path) -> None:
    Path("sheet.png").write_bytes(b"mine")
    write(tmp_path / "data" / "MNIST" / "raw", idx_files())
    result = gtk_command("data", "mnist:data", "--out", "sheet.png")
    assert result.code == 2
    assert "--overwrite" in result.err
    assert Path("sheet.png").read_bytes() == b"mine"
    assert not cache_folder().exists()
    assert gtk_command("data", "mnist:data", "--out", "sheet.png", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnits"], "unknown data set 'mnits'. Did you mean 'mnist'?"),
        (["mnist:"], "'mnist:' has no path. Write mnist:PATH."),
        (["mnist:data", "--data-root", "data"], "mnist:data has the path. Leave --data-root out."),
        (["digits:data"], "data set 'digits' is embedded. Leave the data root out."),
        (
            ["mnist:nowhere"],
            "lacks a readable MNIST/raw: give the folder with MNIST/raw as --data-root",
        ),
        (["--image-size", "3"], "unknown data set '3'."),
        (["--image-size", "3", "digits"], "No such option '--image-size'"),
        (["digits", "--image-size", "3"], "No such option '--image-size'"),
        (["digits", "--out", "sheet.jpg"], "give a name that ends in .png"),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, list) else "",
)
def test_mistakes(gtk_command: Command, arguments: list[str], message: str) -> None:
    result = gtk_command("data", *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


def test_of_thousands_of_classes_the_first_are_listed(
    gtk_command: Command, brought: Callable[..., None]
) -> None:
    brought(ConditionSpec(tuple(f"class {index}" for index in range(3000))), [0, 2999])
    result = gtk_command("data", "digits", "--no-preview")
    assert result.code == 0
    assert result.out.count("class ") == 2000 + 1
    assert "and 1,000 more" in result.out
