"""Callbacks are told one at a time; every hook has a test and a page."""

import logging
from pathlib import Path

import pluggy
import pytest

import gtk
from gtk.core.events import EventHooks, Events
from gtk.core.hooks import PluginHooks
from gtk.core.spec import NoConfig
from gtk.core.work import track
from gtk.plugins.datasets import digits

DOCS = Path(__file__).parents[2] / "docs"


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @gtk.hookimpl
    def gtk_step_end(self, progress: str) -> None:
        self.heard.append(progress)


class Failing:
    calls = 0

    @gtk.hookimpl
    def gtk_step_end(self) -> None:
        self.calls += 1
        raise RuntimeError("no more ink")


def test_all_are_told_in_order_with_what_they_ask_for() -> None:
    first, second = Listener(), Listener()
    Events([first, second]).tell("gtk_step_end", run=None, progress="now")
    assert first.heard == second.heard == ["now"]


def test_one_that_fails_is_reported_once_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    failing, listener = Failing(), Listener()
    events = Events([failing, listener])
    with caplog.at_level(logging.WARNING):
        events.tell("gtk_step_end", run=None, progress="one")
        events.tell("gtk_step_end", run=None, progress="two")
    assert listener.heard == ["one", "two"]
    assert failing.calls == 1
    (record,) = caplog.records
    assert record.getMessage() == (
        "callback Failing failed in gtk_step_end and is left out from here on: "
        "RuntimeError: no more ink"
    )


def test_a_misspelt_event_is_refused() -> None:
    class Misspelt:
        @gtk.hookimpl
        def gtk_step_ends(self) -> None: ...

    with pytest.raises(pluggy.PluginValidationError, match="gtk_step_ends"):
        Events([Misspelt()])


def test_a_training_tells_the_events_in_order() -> None:
    heard: list[tuple[str, int, int]] = []

    class Everything:
        @gtk.hookimpl
        def gtk_train_start(self, run: gtk.Run, progress: gtk.Progress) -> None:
            heard.append(("start", progress.step, progress.total_steps))

        @gtk.hookimpl
        def gtk_step_end(self, run: gtk.Run, progress: gtk.Progress) -> None:
            assert progress.images_per_second > 0
            assert progress.terms.keys() == {"loss", "reconstruction", "kl"}
            heard.append(("step", progress.step, progress.epoch))

        @gtk.hookimpl
        def gtk_epoch_end(
            self, run: gtk.Run, model: gtk.Model, dataset: gtk.Dataset, progress: gtk.Progress
        ) -> None:
            assert not model.training
            assert dataset.spec == run.data_spec
            assert (len(dataset.train), len(dataset.test)) == (1440, 357)
            heard.append(("epoch", progress.step, progress.epoch))

        @gtk.hookimpl
        def gtk_train_end(self, run: gtk.Run, progress: gtk.Progress) -> None:
            heard.append(("end", progress.step, progress.epoch))

    watching = [Everything()]
    options = {"epochs": 2, "batch_size": 700, "validation": 40, "log_every": 3}
    gtk.train(plugin="cvae", quiet=True, callbacks=watching, **options)  # type: ignore[arg-type]
    assert heard == [
        ("start", 0, 4), ("epoch", 2, 1), ("step", 3, 2), ("step", 4, 2), ("epoch", 4, 2),
        ("end", 4, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("hooks", [PluginHooks, EventHooks])
def test_every_hook_has_a_test_and_a_page(hooks: type) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("*.py"))
    page = (DOCS / "plugins.md").read_text()
    for name in (name for name in vars(hooks) if name.startswith("gtk_")):
        assert f"def {name}(" in tests or f'"{name}"' in tests, f"{name} has no test"
        assert f"`{name}" in page, f"{name} is not in docs/plugins.md"


def test_callbacks_hear_how_far_the_data_are_before_the_training_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[tuple[object, ...]] = []

    class Hearing:
        @gtk.hookimpl
        def gtk_work(self, what: str, done: int, total: int) -> None:
            heard.append((what, done, total))

        @gtk.hookimpl
        def gtk_train_start(self) -> None:
            heard.append(("start",))

    class Deaf:
        @gtk.hookimpl
        def gtk_work(self) -> None:
            raise RuntimeError("no ears")

    load = digits.load

    def slowly(config: NoConfig, root: Path | None) -> gtk.Dataset:
        for _ in track("ab", "decoding digits", 2):
            pass
        return load(config, root)

    monkeypatch.setattr(digits, "load", slowly)
    gtk.train(plugin="cvae", epochs=1, quiet=True, callbacks=[Deaf(), Hearing()])
    assert heard == [*(("decoding digits", done, 2) for done in range(3)), ("start",)]


def test_the_learning_rate_that_is_told_is_that_of_the_last_step() -> None:
    rates: list[tuple[int, float]] = []

    class Rates:
        @gtk.hookimpl
        def gtk_train_start(self, progress: gtk.Progress) -> None:
            rates.append((progress.step, progress.learning_rate))

        @gtk.hookimpl
        def gtk_step_end(self, progress: gtk.Progress) -> None:
            rates.append((progress.step, progress.learning_rate))

    run = gtk.train(
        plugin="cvae", quiet=True, callbacks=[Rates()], epochs=1, warmup_steps=20, log_every=10,
        learning_rate=1e-2,
    )  # fmt: skip
    assert rates == [(0, 5e-4), (10, 5e-3), (20, 1e-2), (22, 1e-2)]
    assert [line["learning_rate"] for line in run.metrics() if line["split"] == "train"] == [
        rate for _, rate in rates[1:]
    ]
