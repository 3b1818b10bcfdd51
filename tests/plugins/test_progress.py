"""What a training shows of itself while it runs, in terminals of any size and elsewhere."""

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

import gtk
from gtk.core.values.number_text import format_about, format_number, format_seconds
from gtk.core.values.text import visible
from gtk.pictures.grid import write_png
from gtk.plugins.callbacks.pace import Pace
from gtk.plugins.callbacks.progress import ProgressDisplay
from gtk.plugins.callbacks.thumbnail import Thumbnail
from gtk.plugins.callbacks.trend import Trend
from gtk.plugins.callbacks.work import bar

#: What a plugin may call its terms, and how large they may be.
HARD = {
    "loss": 1.7976931348623157e308,
    "kl": -2.34e-05,
    "reconstruction_error_of_the_second_decoder_in_nats": 123.456,
    "再構成損失の平均値とその分散の合計": -1.5e300,
    "e\u0301ne\u0301rgie": 5e-324,
    "gradient\x1b[31m\tpenalty\n": 0.0,
    "👩‍🎨 style": 12345.678,
    "seven": 999999.9,
    "eight": -0.000999,
    "nine": 1.0,
}


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class AsciiFile(io.StringIO):
    """A file of few letters."""

    encoding = "ascii"


class FakeRun:
    """As much of a run as a display looks at."""

    path = "runs/x"

    def __init__(self, folder: Path) -> None:
        self.pictures = folder
        train = {"precision": "fp32", "memory_format": "contiguous"}
        self.document = {"train": train, "threads": 1}


def at(step: int, terms: dict[str, float] | None = None, **facts: Any) -> gtk.Progress:
    """Return a moment of a training of 20 epochs with 22 steps each."""
    facts = {"images_per_second": 12_345.0 if step else 0.0, "learning_rate": 1e-3, **facts}
    return gtk.Progress(step, 440, -(-step // 22), 20, terms or {}, **facts)


class World:
    """A display, what it writes to, and the clock that it looks at."""

    def __init__(
        self, folder: Path, width: int = 200, height: int = 24, *, terminal: bool = True, **how: Any
    ) -> None:
        self.file = io.StringIO()
        self.clock = Clock()
        self.how: dict[str, Any] = {
            "color_system": "truecolor", "_environ": {"TERM": "xterm"}, "force_terminal": terminal,
            "width": width, "height": height, "markup": False, "highlight": False, **how,
        }  # fmt: skip
        self.console = Console(file=self.file, **self.how)
        self.run: Any = FakeRun(folder)
        self.display = ProgressDisplay(self.console, self.clock)

    def step(self, step: int, terms: dict[str, float], seconds: float = 1.0) -> str:
        """Report a step so many seconds after the one before, and return what is written."""
        self.clock.now += seconds
        before = self.file.tell()
        self.display.gtk_step_end(at(step, terms))
        return self.file.getvalue()[before:]

    def frame(self) -> list[str]:
        """Return the lines of what would be drawn now."""
        screen: Any = self.display._display
        file = io.StringIO()
        Console(file=file, **self.how).print(screen, end="")
        return uncoloured(file.getvalue()).split("\n")[:-1]


def uncoloured(text: str) -> str:
    """Remove what sets colours, and nothing else."""
    parts = text.split("\x1b[")
    return parts[0] + "".join(part.partition("m")[2] for part in parts[1:])


def train(world: World, terms: dict[str, float], steps: int = 440) -> None:
    """Report every tenth step, a second each, with terms that change a little."""
    world.display.gtk_train_start(world.run, at(0))
    for step in range(10, steps + 1, 10):
        world.step(step, {name: value * (1 - step / 1000) for name, value in terms.items()})


def test_a_terminal_shows_everything_that_was_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    train(world, {"loss": 22.5, "kl": 2.5e-5}, steps=220)
    head, facts, loss, kl = world.frame()
    assert head.startswith("epoch 10/20  ━━━━━━━━━━━━━━━━━━━━────────────────────   50%  step 220/")
    assert facts == "0:22 spent  0:22 left  12,345 images/s  learning rate 0.001"
    assert loss.split() == ["loss", "17.55", "↓", "falling", "██▇▇▇▆▆▅▅▅▄▄▄▃▃▂▂▂▁▁"]
    assert kl.split()[:4] == ["kl", "1.95e-05", "↓", "falling"]


@pytest.mark.parametrize("height", [4, 10, 24, 50])
@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("terms", [{"loss": 22.5, "kl": 0.5}, HARD, {}], ids=["two", "ten", "none"])
def test_no_line_is_wider_than_the_terminal(
    tmp_path: Path, width: int, height: int, terms: dict[str, float]
) -> None:
    write_png(np.full((352, 712), 99, np.uint8), tmp_path / "samples-0010.png")
    world = World(tmp_path, width, height)
    train(world, terms)
    lines = world.frame()
    assert all(0 < cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in (line.replace("\u200d", "") for line in lines))
    assert len(lines) < height
    assert (lines[-1][0] == "▀") == (width >= 80 and height >= 30)
    if height >= 24:
        shown = "\n".join(lines)
        for what in ("epoch 20/20", "step 440/440", "100%", "0:44 spent", "learning rate"):
            assert what[:width] in shown
        for name in terms:
            assert visible(name)[0] in shown
        assert [line for line in lines if "…" in line] == [] or width < 40 or terms == HARD


def test_what_fits_no_terminal_is_cut_off(tmp_path: Path) -> None:
    world = World(tmp_path, width=10)
    train(world, HARD)
    lines = world.frame()
    assert lines[0] == "epoch 20/…"
    assert all(0 < cell_len(line) <= 10 for line in lines)


def test_at_60_columns_nothing_of_a_usual_training_is_left_out(tmp_path: Path) -> None:
    world = World(tmp_path, width=60)
    train(world, {"loss": 22.5, "reconstruction": 20.0, "kl": 0.5}, steps=100)
    head, facts, *terms = world.frame()
    assert head.endswith(" 22%  step 100/440")
    assert "━" in head
    assert facts == "0:10 spent  0:34 left  12,345 images/s  learning rate 0.001"
    assert [line.split()[0] for line in terms] == ["loss", "reconstruction", "kl"]
    assert all(line.split()[-2] == "falling" for line in terms)
    assert all(line.split()[-1][0] == "█" for line in terms)


def test_terms_that_find_no_place_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path, width=200, height=8)
    train(world, HARD)
    lines = world.frame()
    assert len(lines) == 7
    assert lines[-1] == "and 6 terms more"


def test_it_is_drawn_at_most_five_times_a_second(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.display.gtk_train_start(world.run, at(0))
    drawn = [bool(world.step(step, {"loss": 1.0}, seconds=0.0625)) for step in range(1, 17)]
    assert drawn == [False, False, False, True] * 4


def test_with_a_picture_it_is_drawn_twice_a_second(tmp_path: Path) -> None:
    write_png(np.zeros((80, 160), np.uint8), tmp_path / "samples-0010.png")
    world = World(tmp_path, 100, 40)
    world.display.gtk_train_start(world.run, at(0))
    drawn = [bool(world.step(step, {"loss": 1.0}, seconds=0.125)) for step in range(1, 17)]
    assert drawn == [False, False, False, True] * 4


def test_the_cursor_comes_back_whatever_ends_the_training(tmp_path: Path) -> None:
    world = World(tmp_path)
    train(world, {"loss": 1.0}, steps=100)
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    text = world.file.getvalue()
    assert text.rfind(hidden) > text.rfind(shown)
    world.display.gtk_train_end(at(100))
    text = world.file.getvalue()
    assert text.rfind(shown) > text.rfind(hidden)
    assert text[: text.rfind(shown)].endswith("\n")


def test_a_display_that_fails_leaves_the_cursor_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.display.gtk_train_start(world.run, at(0))

    def fail(*_given: Any) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(Pace, "note", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        world.step(10, {"loss": 1.0})
    assert "\x1b[?25h" in world.file.getvalue()


def test_the_newest_samples_are_the_thumbnail(tmp_path: Path) -> None:
    world = World(tmp_path, 80, 40)
    picture = np.zeros((16, 32), np.uint8)
    picture[:, 16:] = 255  # the right half is white
    write_png(picture, tmp_path / "samples-9999.png")
    write_png(picture.T, tmp_path / "samples-10000.png")
    write_png(picture, tmp_path / "latents-20000.png")
    caption, *lines = Thumbnail(world.run).lines(world.console, 80, 9)
    assert caption[0].text == "samples of epoch 10000"
    assert len(lines) == 8
    colours = [[segment.style.color.triplet.red for segment in line] for line in lines]  # type: ignore[union-attr]
    assert colours == [[0] * 8] * 4 + [[255] * 8] * 4, "the lower half is white"


def test_a_stranger_s_picture_can_do_no_harm(tmp_path: Path) -> None:
    world = World(tmp_path, 80, 40)
    write_png(np.zeros((16, 32), np.uint8), tmp_path / "samples-1\x1b[2J.png")
    caption, *_ = Thumbnail(world.run).lines(world.console, 80, 9)
    assert caption[0].text == r"samples of epoch 1\x1b[2J"
    write_png(np.zeros((9000, 9000), np.uint8), tmp_path / "samples-99999999.png")
    assert Thumbnail(world.run).lines(world.console, 80, 9) == []


@pytest.mark.parametrize(
    "how", [{"no_color": True}, {"color_system": None}, {"_environ": {"NO_COLOR": "1"}}]
)
def test_without_colours_there_is_no_thumbnail(tmp_path: Path, how: dict[str, Any]) -> None:
    write_png(np.zeros((80, 160), np.uint8), tmp_path / "samples-0010.png")
    world = World(tmp_path, 100, 40, **how)
    train(world, {"loss": 1.0})
    assert not any("▀" in line for line in world.frame())


def test_a_picture_that_is_drawn_anew_replaces_the_one_before(tmp_path: Path) -> None:
    world = World(tmp_path, 100, 40)
    train(world, {"loss": 1.0}, steps=20)
    assert len(world.frame()) == 3
    for epoch, level in ((1, 83), (2, 197)):
        write_png(np.full((80, 160), level, np.uint8), tmp_path / f"samples-{epoch:04d}.png")
        assert f"samples of epoch {epoch}" in world.frame()
        assert f"{level};{level};{level}" in world.step(20 + epoch, {"loss": 1.0})


@pytest.mark.parametrize("how", [{"_environ": {"TERM": "dumb"}}, {"terminal": False}, {}])
def test_where_nothing_can_be_drawn_over_there_are_plain_lines(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    world = World(tmp_path, **how)
    if not how:  # a terminal of letters that has no arrows
        world.file = AsciiFile()
        world.console = Console(file=world.file, force_terminal=True, color_system=None)
        world.display = ProgressDisplay(world.console, world.clock)
    train(world, {"loss": 22.5, "kl\x1b[5m\r": 2.5e-5})
    world.display.gtk_train_end(at(440))
    text = world.file.getvalue()
    lines = text.splitlines()
    assert lines[0] == "Training: runs/x (fp32, contiguous, 1 thread)"
    assert len(lines) == 11
    assert lines[5] == (
        "epoch 10/20  step 220/440  50%  0:22 left  12,345 images/s  "
        r"loss 17.55  kl\x1b[5m\r 1.95e-05"
    )
    assert lines[-1].startswith("epoch 20/20  step 440/440  100%  0:00 left  ")
    assert text.replace("\n", "").isprintable()


def test_a_long_training_prints_a_line_about_every_minute(tmp_path: Path) -> None:
    world = World(tmp_path, terminal=False)
    world.display.gtk_train_start(world.run, at(0))
    lines = [world.step(step, {"loss": 1.0}, seconds=25.0) for step in range(1, 44)]
    assert [step for step, line in enumerate(lines, 1) if line] == list(range(3, 44, 3))
    assert all(line.endswith("\n") for line in lines if line)
    assert world.step(44, {"loss": 1.0}, seconds=0.0), "the first tenth is over"
    assert not world.step(45, {"loss": 1.0}, seconds=59.0)


def test_every_line_is_written_out_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        display = ProgressDisplay(Console(file=file), Clock())
        run: Any = FakeRun(tmp_path)
        display.gtk_train_start(run, at(0))
        display.gtk_step_end(at(44, {"loss": 1.0}))
        assert path.read_text().splitlines()[-1].startswith("epoch 2/20  step 44/440  10%")


def test_a_resumed_training_starts_at_its_step(tmp_path: Path) -> None:
    world = World(tmp_path, terminal=False)
    world.display.gtk_train_start(world.run, at(220))
    assert world.file.getvalue() == "Resuming: runs/x (fp32, contiguous, 1 thread)\n"
    assert not world.step(230, {"loss": 1.0})
    assert "60%  0:11 left" in world.step(264, {"loss": 1.0}, seconds=1.75)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "less than a second"),
        (1.0, "about 1.0 s"),
        (11.7, "about 12 s"),
        (150.0, "about 2.5 min"),
        (3_000.0, "about 50 min"),
        (36_100.0, "about 10 h"),
    ],
)
def test_the_first_line_says_how_long_an_epoch_takes(
    tmp_path: Path, seconds: float, text: str
) -> None:
    assert format_about(seconds) == text
    world = World(tmp_path, terminal=False)
    world.display.gtk_train_start(world.run, replace(at(0), epoch_seconds=seconds))
    assert (
        world.file.getvalue()
        == f"Training: runs/x (fp32, contiguous, 1 thread; an epoch takes {text})\n"
    )


def test_an_early_stop_says_why(tmp_path: Path) -> None:
    world = World(tmp_path, terminal=False)
    world.display.gtk_train_start(world.run, at(0))
    world.display.gtk_train_end(at(88, stopped="stopped early: enough"))
    assert world.file.getvalue().endswith("stopped early: enough\n")


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    gtk.train(plugin="cvae", epochs=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "step 22/22" in captured.err


def work(world: World, total: int, seconds: float, what: str = "decoding faces") -> list[str]:
    """Do work of so many seconds, and return the lines that were printed, in their order."""
    for done in range(total + 1):
        world.display.gtk_work(what, done, total)
        world.clock.now += seconds / total
    return world.file.getvalue().splitlines()


def test_work_prints_a_line_at_its_start_and_each_tenth(tmp_path: Path) -> None:
    lines = work(World(tmp_path, terminal=False), 20_480, 160.0)
    assert lines[0] == "decoding faces  128/20,480  0%  2:39 left"
    assert [line.split()[2] for line in lines[1:-1]] == [
        f"{done * 2048:,}/20,480" for done in range(1, 10)
    ]
    assert lines[-1] == "decoding faces  20,480/20,480  in 2:40"
    assert len(lines) == 11


def test_lines_of_work_are_a_second_apart(tmp_path: Path) -> None:
    lines = work(World(tmp_path, terminal=False), 384, 3.0)
    assert [line.split()[2] for line in lines] == ["128/384", "256/384", "384/384"]


@pytest.mark.parametrize("terminal", [True, False])
def test_short_work_says_nothing(tmp_path: Path, terminal: bool) -> None:
    world = World(tmp_path, terminal=terminal)
    assert work(world, 100, 0.9) == []
    assert work(world, 100, 0.9, "reading more") == [], "the clock starts anew"
    assert work(world, 100, 0.9, "reading more") == [], "also for the same work"
    world.display.gtk_work("nothing", 0, 0)
    world.clock.now += 2
    world.display.gtk_work("nothing", 0, 0)
    assert world.file.getvalue() == ""


@pytest.mark.parametrize("width", [20, 40, 60, 120])
@pytest.mark.parametrize("what", ["decoding faces", "decoding " + "再構成" * 30, "a\x1b[2Jb\r\n"])
def test_a_terminal_shows_work_in_one_line(tmp_path: Path, width: int, what: str) -> None:
    world = World(tmp_path, width)
    work(world, 1000, 10.0, what)
    again = "\x1b[1A\x1b[2K"
    first, *others = world.file.getvalue().split(again)
    assert 30 < len(others) < 50
    for line in (first, *others):
        shown = uncoloured(line)
        assert shown.endswith("\n"), "an error that follows has a line of its own"
        assert shown[:-1].isprintable()
        assert 0 < cell_len(shown[:-1]) <= width
    assert uncoloured(others[-1]).endswith("in 0:10\n")
    assert ("━" in uncoloured(others[20])) == (width >= 60 and len(what) < 20)
    assert ("/1,000" in uncoloured(others[20])) == (width >= 40)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-0.0, "-0"), (2.34e-5, "2.34e-05"), (0.00123, "0.001230"), (0.5, "0.5000"),
        (22.5, "22.50"), (123.4, "123.4"), (-123.46, "-123.5"), (12345.6, "12346"),
        (999_999.0, "999999"), (1e6, "1.00e+06"), (-1.7e308, "-1.70e+308"), (5e-324, "4.94e-324"),
        (math.inf, "inf"), (math.nan, "nan"),
    ],
)  # fmt: skip
def test_numbers_have_sensible_digits(value: float, text: str) -> None:
    assert format_number(value) == text
    assert len(text) <= 10


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
)
def test_times_read_as_clocks_do(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([5.0], ""),
        ([5.0, 5.0, 5.0], "steady"),
        ([5.0, 4.0, 3.0], "falling"),
        ([-5.0, -4.0, -3.0], "rising"),
        ([1e-5, 2e-5], "rising"),
        ([100.0, 100.5, 100.0, 100.5], "steady"),
        ([9.0, 5.0, 3.0, 3.2], "falling"),  # one report against the trend is none
    ],
)
def test_a_trend_is_against_the_average_of_before(values: list[float], word: str) -> None:
    trend = Trend()
    for value in values:
        trend.note(value)
    assert trend.direction()[1] == word
    assert trend.value == values[-1]


def test_the_last_values_are_drawn_between_lowest_and_highest() -> None:
    trend = Trend()
    for value in (1e300, *range(1, 9)):
        trend.note(float(value))
    assert trend.line(8) == "▁▂▃▄▅▆▇█"
    assert trend.line(3) == "▁▅█"
    for value in (1.7e308, -1.7e308):
        trend.note(value)
    assert trend.line(2) == "█▁"
    trend.note(-1.7e308)
    assert trend.line(2) == "▁▁"


def test_a_pace_forgets_what_was_long_ago() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.note(at(0))
    assert pace.left is None
    clock.now += 1000
    pace.note(at(1))
    assert pace.left == 439_000
    for step in range(2, 41):
        clock.now += 1
        pace.note(at(step))
    assert pace.elapsed == 1039
    assert pace.left == 400


def test_a_bar_reads_without_colours() -> None:
    assert bar(8, 0.25).plain == "━━──────"
    assert bar(8, 2.0).plain == "━" * 8
