"""Figures that a training has by itself: which, how often, and when it has none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import gtk
from gtk.core.evaluation import judge_training, remembering_judge
from gtk.core.evaluation.judges import has_judge, judge_of
from gtk.core.evaluation.protocol import content_digest
from gtk.core.evaluation.remembering_judge import RememberingJudge
from gtk.core.evaluation.samples import images_at_a_time
from gtk.core.settings.choice import Choice
from gtk.core.training import automatic_figures, sample_figures
from gtk.core.training.training import Training
from gtk.plugins.datasets.digits import load

DATA = load(gtk.NoConfig(), None)
DIGEST = content_digest(DATA.train, DATA.test)
BOTH = ["class-accuracy", "frechet-distance"]

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have trainings count as long ones, and judges be trained quickly."""
    monkeypatch.setattr(Training, "epoch_seconds", lambda *_: 1000.0)
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 4)


@pytest.fixture
def judge() -> None:
    """Have a judge of the digits kept here."""
    judge_of(DATA, DIGEST, torch.device("cpu"))


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """Have figures take so many seconds, the first time and each time."""

    def take(first: float, later: float) -> None:
        monkeypatch.setattr(automatic_figures, "_seconds", lambda *_: (first, later))

    return take


def trained(plugin: str = "cvae", **options: Any) -> gtk.Run:
    given = {"epochs": 3, "metric_samples": 200, "quiet": True, "name": "run", "overwrite": True}
    return gtk.train(plugin, **given | options)


def samples(run: gtk.Run) -> list[dict[str, Any]]:
    return [line for line in run.metrics() if line["split"] == "generated"]


def chosen(run: gtk.Run) -> list[str]:
    names: list[str] = run.document["train"]["metric"]
    return names


def test_they_are_those_of_metrics_that_are_named(judge: None) -> None:
    by_itself, named = trained(), trained(name="named", metric=BOTH)
    assert chosen(by_itself) == BOTH
    assert samples(by_itself) == samples(named) != []
    weights = [
        [value.numpy().tobytes() for value in run.load_model("latest").state_dict().values()]
        for run in (by_itself, named, trained(name="none", metric="none"))
    ]
    assert weights[0] == weights[1] == weights[2], "they change no bit"


def test_a_run_says_what_was_chosen_and_a_repeated_one_has_the_same(judge: None) -> None:
    first = trained()
    again = gtk.train(recipe=first.path / "run.json", name="again", quiet=True)
    assert samples(again) == samples(first)
    assert chosen(again) == BOTH


@pytest.mark.parametrize(
    ("later", "epochs"),
    [(1.0, [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]), (500.0, [5, 10, 15, 20]), (700.0, [])],
)
def test_they_are_rarer_where_they_take_longer(
    judge: None, cost: Callable[[float, float], None], later: float, epochs: list[int]
) -> None:
    cost(0.0, later)  # of a tenth of 20,000 seconds
    assert [line["epoch"] for line in samples(trained(epochs=20))] == epochs


def test_what_judging_real_images_takes_counts(
    judge: None, cost: Callable[[float, float], None]
) -> None:
    cost(301.0, 0.1)  # of a tenth of 3,000 seconds
    assert chosen(trained()) == []


def test_a_judge_is_trained_for_them_only_in_a_tenth_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(automatic_figures, "seconds_to_train", lambda *_: 301.0)
    assert chosen(trained()) == []
    assert not has_judge(DIGEST)
    monkeypatch.setattr(automatic_figures, "seconds_to_train", lambda *_: 299.0)
    assert chosen(trained()) == BOTH
    assert has_judge(DIGEST)


def test_a_model_without_a_condition_has_only_a_distance(judge: None) -> None:
    assert chosen(trained("vae")) == BOTH[1:]


def test_a_metric_that_refuses_its_images_is_left_out(judge: None) -> None:
    assert chosen(trained(metric_samples=20)) == BOTH[:1]


def test_one_that_chooses_the_checkpoint_is_not_computed_twice(judge: None) -> None:
    run = trained(validation=200, monitor="class-accuracy.accuracy", validate_every="1 epoch")
    assert chosen(run) == BOTH[1:]
    names = [name.partition(".")[0] for line in samples(run) for name in line["terms"]]
    assert {*names} == {*BOTH}


def test_data_without_classes_have_none(judge: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(automatic_figures, "seconds_to_train", calls.append)
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)
    split = gtk.Split(images, np.zeros(300, np.int64))
    spec = gtk.DataSpec("noise", 1, 8, 8, None)
    data = gtk.Dataset(spec, split, split)
    assert not automatic_figures._has_judge_in_time(data, torch.nn.Linear(1, 1), 1e9)
    assert not calls


def test_a_judge_that_is_no_better_than_a_guess_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtk.core.evaluation.judges.accuracy", lambda *_: 0.0)
    assert chosen(trained()) == []


def test_a_word_for_metrics_stands_alone() -> None:
    with pytest.raises(gtk.InvalidValue, match="metric 'auto' stands alone, without others"):
        trained(metric="auto,diversity")
    with pytest.raises(gtk.InvalidValue, match="needs a metric"):
        trained(metric="none", metric_every=2)


def test_the_time_of_a_judge_is_that_of_all_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 0.0

        @classmethod
        def perf_counter(cls) -> float:
            cls.now += 2.0
            return cls.now

    monkeypatch.setattr(judge_training, "time", Clock)
    before = torch.random.get_rng_state()
    steps = 4 * (len(DATA.train) // judge_training.BATCH)
    assert judge_training.seconds_to_train(DATA, torch.device("cpu")) == 2.0 * steps
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_judge_looks_once_at_real_images(monkeypatch: pytest.MonkeyPatch) -> None:
    class Looking:
        looked = 0

        def look(
            self, images: NDArray[np.uint8]
        ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            self.looked += len(images)
            return images.reshape(len(images), -1).astype(float), np.zeros((len(images), 2))

    monkeypatch.setattr(remembering_judge, "MOST", 30)
    looking = Looking()
    judge = RememberingJudge(looking)
    one, other = np.zeros((20, 1, 2, 2), np.uint8), np.ones((20, 1, 2, 2), np.uint8)
    for images in (one, one, other, other):
        features, _ = judge.look(images)
        assert (features == images.reshape(20, -1)).all()
    assert looking.looked == 60, "20 once, and 20 twice, since only 30 are remembered"


def test_of_large_images_fewer_are_drawn_at_a_time() -> None:
    sizes = [(1, 28, 28), (3, 256, 256), (3, 4096, 4096)]
    specs = [gtk.DataSpec("images", *size, None) for size in sizes]
    assert [images_at_a_time(spec) for spec in specs] == [250, 42, 1]


def test_a_lack_of_memory_costs_figures_and_not_the_training(
    judge: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    run = trained(metric="diversity", metric_every=1)
    assert len(samples(run)) == 3
    monkeypatch.setattr(sample_figures, "judged_samples", fail)
    run = trained(metric="diversity", metric_every=1)
    assert samples(run) == []
    assert "drawing them takes too much memory" in caplog.text
    assert run.document["finished"]


def test_a_sampler_that_learns_has_none_before_the_end(judge: None) -> None:
    assert chosen(trained(sampler="aggregate")) == []


def test_a_short_training_has_none(judge: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic_figures, "_seconds", lambda *_: (0.0, 0.001))
    monkeypatch.setattr(Training, "epoch_seconds", lambda *_: 4.9)
    assert chosen(trained()) == []
    monkeypatch.setattr(Training, "epoch_seconds", lambda *_: 5.1)
    assert chosen(trained()) == BOTH


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("big"), gtk.UserError("not drawn")])
def test_where_they_fail_before_the_first_step_the_training_goes_on(
    judge: None,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(automatic_figures, "judged_samples", fail)
    run = trained()
    assert chosen(run) == []
    assert "no figures of samples are computed in the training" in caplog.text
    assert run.document["finished"]


def test_real_images_that_are_not_remembered_cost_each_time(
    judge: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for most in (10**6, 0):
        monkeypatch.setattr(automatic_figures, "MOST", most)
        monkeypatch.setattr(automatic_figures, "_timed", lambda _: 1.0)
        training = Training(Choice.by_name("vae", "digits").settle({}, None), "cpu", [])
        found.append(automatic_figures._seconds(training.settings, training.model, DATA))
    (first, later), (again, more) = found
    assert first == again == (len(DATA.test) + 1_000) / automatic_figures.TRIED
    assert (later, more) == (2 * 1_000 / automatic_figures.TRIED, later + first)
