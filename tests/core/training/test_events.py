"""Callbacks are told one at a time; every hook has a test and a page."""

import inspect
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import gtk
from gtk.core.registry.hooks import PluginHooks
from gtk.core.registry.spec import NoConfig
from gtk.core.training.events import EventHooks, Events
from gtk.core.values.errors import PluginError
from gtk.core.values.tracking import track
from gtk.plugins.datasets import digits

pytestmark = pytest.mark.usefixtures("no_pictures")
DOCS = Path(__file__).parents[3] / "docs"


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
    Events([first, second]).step_end(None, "now")  # type: ignore[arg-type]
    assert first.heard == second.heard == ["now"]


def test_one_that_fails_is_reported_once_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    failing, listener = Failing(), Listener()
    events = Events([failing, listener])
    with caplog.at_level(logging.WARNING):
        events.step_end(None, "one")  # type: ignore[arg-type]
        events.step_end(None, "two")  # type: ignore[arg-type]
    assert listener.heard == ["one", "two"]
    assert failing.calls == 1
    (record,) = caplog.records
    assert record.getMessage() == (
        "callback Failing failed in gtk_step_end and is left out from here on: "
        "RuntimeError: no more ink"
    )


class Leaving(Failing):
    @gtk.hookimpl
    def gtk_step_end(self) -> None:
        self.calls += 1
        sys.exit("enough\n of \x1b[31mthis")


def test_one_that_would_end_the_program_is_left_out_too(caplog: pytest.LogCaptureFixture) -> None:
    leaving, listener = Leaving(), Listener()
    events = Events([leaving, listener])
    for step in ("one", "two"):
        events.step_end(None, step)  # type: ignore[arg-type]
    assert (leaving.calls, listener.heard) == (1, ["one", "two"])
    (record,) = caplog.records
    assert record.getMessage().startswith("callback Leaving failed in gtk_step_end")
    assert record.getMessage().endswith(r": SystemExit: enough of \x1b[31mthis")


def test_what_pluggy_would_not_call_is_refused() -> None:
    class Misspelt:
        @gtk.hookimpl
        def gtk_step_ends(self) -> None: ...

    class Greedy:
        @gtk.hookimpl
        def gtk_step_end(self, weather: str, run: gtk.Run, tide: int) -> None: ...

    class Unmarked:
        def gtk_step_end(self) -> None: ...

    class Wrapper:
        @gtk.hookimpl(wrapper=True)
        def gtk_step_end(self) -> Iterator[None]:
            yield

    for callback, reason in (
        (Misspelt(), "Misspelt cannot be used: unknown hook 'gtk_step_ends'. Did you mean 'gtk_st"),
        (Greedy(), "gtk_step_end() has no argument 'tide', 'weather'; it may take run, progress."),
        (Unmarked(), "Unmarked cannot be used: no method of it is marked with @gtk.hookimpl."),
        (Wrapper(), "Wrapper cannot be used: gtk_step_end() takes more than a plain @gtk.hookimp"),
    ):
        with pytest.raises(PluginError) as error:
            Events([callback])
        assert reason.split(".*")[-1] in str(error.value)
        assert str(error.value).endswith("Events are listed in docs/hooks.md.")
        assert "\n" not in str(error.value)


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


def test_figures_of_held_out_images_are_told_as_they_are_written() -> None:
    heard: list[tuple[str, int, Mapping[str, float]]] = []

    class Judge:
        @gtk.hookimpl
        def gtk_evaluated(
            self, run: gtk.Run, split: str, terms: Mapping[str, float], step: int
        ) -> None:
            assert run.metrics()[-1]["split"] == split
            heard.append((split, step, terms))

        @gtk.hookimpl
        def gtk_train_end(self) -> None:
            heard.append(("end", 0, {}))

    options = {"epochs": 2, "batch_size": 140, "validation": 40, "checkpoint_every": 10}
    run = gtk.train(plugin="cvae", quiet=True, callbacks=[Judge()], **options)  # type: ignore[arg-type]
    assert heard == [
        *(
            (line["split"], line["step"], line["terms"])
            for line in run.metrics()
            if line["split"] != "train"
        ),
        ("end", 0, {}),
    ]
    assert [split for split, _, _ in heard] == ["validation", "validation", "test", "end"]


def test_every_event_is_told_by_a_method_with_the_arguments_of_its_hook() -> None:
    for name, hook in vars(EventHooks).items():
        if name.startswith("gtk_"):
            method = getattr(Events, name.removeprefix("gtk_"))
            assert inspect.signature(method) == inspect.signature(hook), name


@pytest.mark.parametrize("hooks", [PluginHooks, EventHooks])
def test_every_hook_has_a_test_and_an_entry_with_its_exact_arguments(hooks: type) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parents[2].rglob("*.py"))
    page = (DOCS / "hooks.md").read_text()
    for name, hook in vars(hooks).items():
        if name.startswith("gtk_"):
            assert f"def {name}(" in tests or f'"{name}"' in tests, f"{name} has no test"
            arguments = [item for item in inspect.signature(hook).parameters if item != "self"]
            entry = f"`{name}({', '.join(arguments)})`"
            (found,) = re.findall(rf"^(?:### |\| ){re.escape(entry)}(.*?)$", page, re.MULTILINE)
            assert found or re.search(rf"### {re.escape(entry)}\n\nSince \d", page), name


def test_the_page_of_hooks_lists_none_that_there_is_not() -> None:
    page = (DOCS / "hooks.md").read_text()
    known = {name for hooks in (PluginHooks, EventHooks) for name in vars(hooks)}
    assert set(re.findall(r"\bgtk_[a-z_]+\b", page)) - {"gtk_plugin_slump"} <= known


def test_the_diagram_of_a_training_has_every_event_in_the_order_of_the_page() -> None:
    page = (DOCS / "hooks.md").read_text()
    diagram = page[page.index("```mermaid") : page.index("If several are due")]
    drawn = list(dict.fromkeys(re.findall(r"gtk_[a-z_]+", diagram)))
    assert drawn == [name for name in vars(EventHooks) if name.startswith("gtk_")]
    assert re.findall(r"^### `(\w+)\(", page, re.MULTILINE) == drawn


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
