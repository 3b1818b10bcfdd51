"""The trial chooses an arithmetic by steps of a copy, and leaves no bit of them behind."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
import toys

import gtk
from gtk.core.registry import plugin_module
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.run import Run
from gtk.core.training import trial
from gtk.core.training.arithmetic import Arithmetic
from gtk.core.training.trial import Trial, fastest
from gtk.plugins import gan

LAST, FIRST = "channels-last", "contiguous"
#: Seconds of a step: the more, the simpler.
SECONDS = {
    ("fp32", FIRST): 2.0, ("fp32", LAST): 1.6, ("bf16", FIRST): 1.0, ("bf16", LAST): 0.8,
}  # fmt: skip


@pytest.fixture(autouse=True)
def bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine's CPU multiply in bf16; it can, though maybe slowly."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    monkeypatch.setattr(trial, "LONG", 150.0)


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the toys pass for convolutions."""
    monkeypatch.setattr(trial, "has_maps", lambda model: True)


def seconds(
    monkeypatch: pytest.MonkeyPatch, of: Callable[[Arithmetic], float | None]
) -> list[Arithmetic]:
    """Have steps take these seconds, and return the list that each one's arithmetic is added to."""
    tried = []

    def measured(self: Trial, arithmetic: Arithmetic, turn: float) -> float | None:
        tried.append(arithmetic)
        return of(arithmetic)

    monkeypatch.setattr(Trial, "_seconds", measured)
    return tried


def toy_trial(*, bears_bf16: bool = True, epochs: int = 75, **config: Any) -> Trial:
    """Return a trial of the toys, whose epochs have 4 steps."""
    given = {"epochs": epochs, "batch_size": 10, "threads": 1, **config}
    return Trial(toys.trainer(**given), TrainConfig(**given), bears_bf16=bears_bf16)


def pairs(rates: Mapping[Arithmetic, float]) -> list[tuple[str, str]]:
    return [(item.precision, item.memory_format) for item in rates]


def by_pair(arithmetic: Arithmetic) -> float:
    return SECONDS[arithmetic.precision, arithmetic.memory_format]


def test_the_fastest_is_chosen_and_the_rates_are_told(
    maps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds(monkeypatch, by_pair)
    chosen, rates = toy_trial().choose()
    assert chosen == Arithmetic("bf16", LAST, 1)
    assert pairs(rates) == list(SECONDS)
    assert list(rates.values()) == [5.0, 6.25, 10.0, 12.5], "images a second"


def test_what_is_hardly_faster_is_not_chosen() -> None:
    simple, last = Arithmetic("fp32", FIRST, 2), Arithmetic("fp32", LAST, 2)
    half = Arithmetic("bf16", FIRST, 2)
    assert fastest({simple: 100.0, last: 104.0, half: 104.9}, half) == simple
    assert fastest({simple: 100.0, last: 106.0, half: 108.0}, simple) == last
    assert fastest({simple: 100.0, last: 90.0, half: 120.0}, simple) == half
    assert fastest({}, simple) == simple, "all have failed"


@pytest.mark.parametrize(
    ("config", "tried"),
    [
        ({"precision": "fp32"}, [("fp32", FIRST), ("fp32", LAST)]),
        ({"memory_format": FIRST}, [("fp32", FIRST), ("bf16", FIRST)]),
        ({"bears_bf16": False}, [("fp32", FIRST), ("fp32", LAST)]),
        ({"bears_bf16": False, "precision": "bf16"}, [("bf16", FIRST), ("bf16", LAST)]),
    ],
)
def test_only_what_nobody_has_chosen_is_tried(
    config: dict[str, Any], tried: list[tuple[str, str]], maps: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    seconds(monkeypatch, by_pair)
    chosen, rates = toy_trial(**config).choose()
    assert pairs(rates) == tried
    assert (chosen.precision, chosen.memory_format) == tried[-1]


def test_without_convolutions_no_memory_format_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds(monkeypatch, by_pair)
    _, rates = toy_trial().choose()
    assert pairs(rates) == [("fp32", FIRST), ("bf16", FIRST)]


def test_a_device_without_bf16_is_not_tried_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert not seconds(monkeypatch, by_pair)
    simplest = Arithmetic("fp32", FIRST, 1)
    assert toy_trial().choose() == (simplest, {simplest: 5.0})


@pytest.mark.parametrize(("epochs", "step", "measured"), [(74, 9.0, 0), (75, 0.4, 1)])
def test_a_short_training_is_as_it_was(
    epochs: int, step: float, measured: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 296 steps none is tried; of 120 seconds only the first ones, to know how many they are."""
    tried = seconds(monkeypatch, lambda arithmetic: step)
    chosen, rates = toy_trial(epochs=epochs).choose()
    assert chosen == Arithmetic("fp32", FIRST, 1)
    assert rates == ({chosen: 10 / step} if measured else {})
    assert len(tried) == measured


def test_a_trial_ends_when_its_time_is_over(maps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of steps that take a minute each, no more are taken than a choice needs."""
    now = [0.0]

    def minute(arithmetic: Arithmetic) -> float:
        now[0] += 60.0
        return by_pair(arithmetic)

    monkeypatch.setattr("gtk.core.training.trial.time.perf_counter", lambda: now[0])
    tried = seconds(monkeypatch, minute)
    chosen, rates = toy_trial().choose()
    assert len(tried) == 2, "the first to know how long it takes, and one to have a rate"
    assert (chosen, pairs(rates)) == (Arithmetic("fp32", FIRST, 1), [("fp32", FIRST)])


def test_threads_that_nobody_chose_are_tried_fewer_in_the_fastest_arithmetic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = torch.get_num_threads()
    by_threads = {6: 2.0, 3: 1.0, 1: 1.5}
    tried = seconds(monkeypatch, lambda it: by_threads[it.threads] * by_pair(it))
    torch.set_num_threads(6)
    try:
        chosen, rates = toy_trial(threads=0).choose()
        assert torch.get_num_threads() == 6
        seconds(monkeypatch, by_pair)
        equal, _ = toy_trial(threads=0).choose()
    finally:
        torch.set_num_threads(before)
    assert chosen == Arithmetic("bf16", FIRST, 3)
    assert {(it.precision, it.threads) for it in tried} == {
        ("fp32", 6), ("bf16", 6), ("bf16", 3), ("bf16", 1),
    }  # fmt: skip
    assert rates[chosen] == 10.0
    assert equal.threads == 6, "as many as torch takes, where fewer are not faster"


def test_an_arithmetic_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds(monkeypatch, lambda it: None if it.precision == "bf16" else 1.0)
    chosen, rates = toy_trial().choose()
    assert chosen == Arithmetic("fp32", FIRST, 1)
    assert pairs(rates) == [("fp32", FIRST)]


def test_a_step_that_fails_is_none_and_a_slow_one_is_measured_once() -> None:
    class Failing(toys.Game):
        def updates(self, *_: Any) -> Any:
            raise TypeError("Got unsupported ScalarType BFloat16")

    config = TrainConfig(epochs=75, batch_size=10)
    failing = Trial(toys.trainer(Failing()), config, bears_bf16=True)
    arithmetic = Arithmetic("fp32", FIRST, torch.get_num_threads())
    assert failing._seconds(arithmetic, 0.0) is None
    game = toys.Game()
    working = Trial(toys.trainer(game), config, bears_bf16=True)
    assert working._seconds(arithmetic, 0.0) is not None
    assert not game.gradients, "a copy of the loss has taken the steps"


SMALL: dict[str, Any] = {
    "plugin": "cgan", "channels": (8, 8), "latent_dim": 4, "epochs": 5, "checkpoint_every": 55,
    "quiet": True, "average_decay": 0.9,
}  # fmt: skip


def weights(run: Run) -> dict[str, bytes]:
    """Return the files of tensors of all of a run's checkpoints."""
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in (run.path / "checkpoints").rglob("*.safetensors")
    }


def test_a_trial_leaves_nothing_but_its_choice(
    monkeypatch: pytest.MonkeyPatch, no_pictures: None
) -> None:
    monkeypatch.setattr(trial, "LONG", 0.0)
    monkeypatch.setattr(trial, "FEWEST_STEPS", 100)
    before = torch.random.get_rng_state()
    told: list[tuple[str, int, int]] = []

    class Listen:
        @gtk.hookimpl
        def gtk_work(self, what: str, done: int, total: int) -> None:
            told.append((what, done, total))

    run = gtk.train(**SMALL, callbacks=[Listen()])
    assert torch.equal(torch.random.get_rng_state(), before)
    rows = run.document["trial"]
    assert [(row["precision"], row["memory_format"]) for row in rows] == list(SECONDS)
    assert all(row["images_per_second"] > 0 and row["threads"] == 1 for row in rows)
    assert told[-1] == ("trying a few steps", 8, 8)
    choice = {name: run.document["train"][name] for name in ("precision", "memory_format")}
    assert "auto" not in choice.values()
    # What is given, and what a run's run.json repeats, is timed alone, and nothing else.
    tried = seconds(monkeypatch, lambda arithmetic: 1.0)
    chosen = gtk.train(**SMALL, **choice)
    repeated = gtk.train(recipe=run.path / "run.json", quiet=True)
    assert weights(chosen) == weights(run) == weights(repeated)
    assert chosen.metrics() == run.metrics() == repeated.metrics()
    assert repeated.document["train"] == run.document["train"]
    assert repeated.document["trial"] == []
    assert {(it.precision, it.memory_format) for it in tried} == {tuple(choice.values())}


@pytest.mark.parametrize("bears", [True, False])
def test_bf16_is_tried_where_all_plugins_say_that_they_bear_it(
    bears: bool, monkeypatch: pytest.MonkeyPatch, no_pictures: None, fresh_plugins: None
) -> None:
    tried = seconds(monkeypatch, lambda arithmetic: 2.0)
    monkeypatch.setattr(trial, "FEWEST_STEPS", 100)
    if not bears:
        specs = [replace(spec, bf16=False) for spec in gan.gtk_models()]
        monkeypatch.setattr(gan, "gtk_models", gtk.hookimpl(lambda: specs))
        plugin_module.manager.cache_clear()
    gtk.train(**SMALL)
    assert ("bf16" in {arithmetic.precision for arithmetic in tried}) is bears
