"""Figures of samples during a training: when, of what, against what, and what they choose."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import gtk
from gtk.core.evaluation import judge_training
from gtk.core.evaluation.judges import judge_of
from gtk.core.evaluation.protocol import content_digest
from gtk.core.registry.options import as_table, make_config
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.command import next_commands
from gtk.core.storage.run_folder import JUDGE
from gtk.core.training.schedule import Schedule, epoch_due
from gtk.core.values.errors import InvalidValue, UnknownName
from gtk.core.values.interval import Epochs, in_steps, parse_interval
from gtk.pictures.report import report
from gtk.plugins.datasets.digits import load
from gtk.plugins.metrics.diversity import Diversity

DATA = load(gtk.NoConfig(), None)
ACCURACY = "class-accuracy.accuracy"
#: One of the outside packages has a plugin of this name, too.
OWN = "generative-toolkit/cvae"

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a judge of the digits kept here, and return its digest."""
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 4)
    digest = content_digest(DATA.train, DATA.test)
    return judge_of(DATA, digest, torch.device("cpu")).digest


def trained(plugin: str = "cvae", **options: Any) -> gtk.Run:
    given = {"epochs": 3, "metric_samples": 200, "quiet": True, "name": "run", "overwrite": True}
    return gtk.train(plugin, **given | options)


def samples(run: gtk.Run) -> list[dict[str, Any]]:
    return [line for line in run.metrics() if line["split"] == "generated"]


def test_an_outside_metric_has_a_line_after_each_epoch(outside: Path) -> None:
    run = trained(OWN, metric="brightness", metric_every=1)
    lines = samples(run)
    steps = run.metrics()[-1]["step"]
    assert [line["step"] for line in lines] == [steps // 3, 2 * steps // 3, steps]
    for line in lines:
        assert line["images"] == 200
        assert line["against"] == "test"
        assert line["units"] == {"brightness.brightness": ""}
        assert "judge" not in line
        assert 0 < line["terms"]["brightness.brightness"] < 5
    assert "brightness brightness" in report(run)


def test_the_figures_of_a_step_are_those_of_its_weights_and_of_nothing_else(outside: Path) -> None:
    often, rarely = (
        samples(trained(OWN, metric="brightness", metric_every=every)) for every in (1, 3)
    )
    assert often[-1]["terms"] == rarely[-1]["terms"]


def test_no_metric_changes_a_bit_of_the_training(outside: Path) -> None:
    plain = trained(OWN, name="plain")
    judged = trained(OWN, metric="brightness", metric_every=1, average_decay=0.9)
    averaged = trained(OWN, name="averaged", average_decay=0.9)
    assert weights(judged) == weights(averaged) != weights(plain)


def weights(run: gtk.Run) -> list[bytes]:
    return [value.numpy().tobytes() for value in run.load_model("latest").state_dict().values()]


def test_a_metric_chooses_the_best_checkpoint(judge: str) -> None:
    run = trained(validation=200, monitor=ACCURACY, validate_every="1 epoch", epochs=4)
    lines = samples(run)
    assert [line["monitor"] for line in lines] == [ACCURACY] * 4
    assert {line["judge"] for line in lines} == {judge}
    assert {line["against"] for line in lines} == {"validation"}
    assert not any("monitor" in line for line in run.metrics() if line["split"] == "validation")
    best = max(lines, key=lambda line: (line["terms"][ACCURACY], -line["step"]))
    assert run.checkpoints.choose(None) == best["step"]
    state = json.loads((run.checkpoints.folder(best["step"]) / "state.json").read_text())
    assert state["validation"] == -best["terms"][ACCURACY], "lower is better there"
    assert run.metrics()[-1]["split"] == "test"
    assert run.metrics()[-1]["step"] == best["step"]


def test_a_gan_stops_early_by_a_distance(judge: str) -> None:
    figure = "diversity.diversity"
    run = trained("cgan", epochs=30, validation=200, monitor=figure, patience=1,
                  validate_every=10, metric="none")  # fmt: skip
    values = [line["terms"][figure] for line in samples(run)]
    falls = next(at for at, (one, other) in enumerate(pairwise(values)) if other <= one)
    assert len(values) == falls + 2, "it stops at the first that is no better"


def test_a_resumed_training_has_the_same_figures_by_the_judge_of_the_run(judge: str) -> None:
    options: dict[str, Any] = {
        "validation": 200, "monitor": ACCURACY, "validate_every": 10, "epochs": 2,
    }  # fmt: skip
    whole = trained(**options)

    class Stop:
        @gtk.hookimpl
        def gtk_step_end(self, progress: gtk.Progress) -> None:
            if progress.step == 15:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(name="stopped", callbacks=[Stop()], log_every=5, **options)
    for path in Path(judge_folder()).iterdir():
        path.unlink()
    resumed = gtk.train(resume="stopped", quiet=True)
    assert samples(resumed) == samples(whole)
    assert (resumed.path / JUDGE).read_bytes() == (whole.path / JUDGE).read_bytes()


def judge_folder() -> Path:
    from gtk.core.storage.cache import cache_folder

    return cache_folder() / "judges"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one of gtk's metrics fail where samples are darker than test images."""
    compute = Diversity.compute

    def fail(metric: Diversity) -> Any:
        found = compute(metric)
        if found["diversity"].value < 0.5:
            raise ZeroDivisionError("too much alike")
        return found

    monkeypatch.setattr(Diversity, "compute", fail)


def test_a_metric_that_fails_gives_no_figures_and_ends_nothing(
    judge: str, failing: None, caplog: pytest.LogCaptureFixture
) -> None:
    run = trained(metric="diversity", metric_every=1)
    assert samples(run) == []
    (said,) = (text for text in caplog.messages if text.startswith("metric"))
    assert said == (
        "metric diversity gives no figures: Diversity failed: ZeroDivisionError: too much alike"
    )


def test_a_monitored_metric_that_fails_is_not_measured(judge: str, failing: None) -> None:
    run = trained(validation=200, monitor="diversity.diversity", patience=1, validate_every=10)
    assert samples(run) == []
    assert run.checkpoints.choose(None) == run.checkpoints.latest()
    assert run.metrics()[-1]["split"] == "test"


def test_a_run_that_a_figure_ended_early_is_complete(judge: str) -> None:
    options: Any = {"validation": 200, "validate_every": 10, "patience": 1, "epochs": 30}
    ended = trained("cgan", monitor="diversity.diversity", **options)
    assert ended.metrics()[-1]["step"] < 30 * 19
    with pytest.raises(InvalidValue, match="is complete: stopped early"):
        gtk.train(resume=ended.path, quiet=True)


def test_a_run_whose_figure_rose_goes_on(judge: str) -> None:
    run = trained(validation=200, monitor=ACCURACY, validate_every="1 epoch", patience=3, epochs=5,
                  learning_rate=3e-3)  # fmt: skip
    values = [line["terms"][ACCURACY] for line in samples(run)]
    assert values[-1] > values[0]
    assert any("--resume" in command for command in next_commands(run))
    assert len(samples(gtk.train(resume=run.path, epochs=6, quiet=True))) == 6


def test_a_model_without_a_condition_is_tried_without_one(judge: str) -> None:
    run = trained("vae", validation=200, monitor="diversity.diversity")
    assert [line["monitor"] for line in samples(run)] == ["diversity.diversity"]


def test_two_names_of_a_metric_are_one(judge: str) -> None:
    figure = "generative-toolkit/diversity.diversity"
    run = trained(metric="diversity", validation=200, monitor=figure, metric_every=1)
    assert {name for line in samples(run) for name in line["terms"]} == {"diversity.diversity"}
    assert samples(run)[-1]["monitor"] == "diversity.diversity"


def test_only_lines_of_judged_metrics_name_the_judge(judge: str) -> None:
    run = trained(validation=200, monitor=ACCURACY, metric="nearest", metric_every=1)
    for line in samples(run):
        assert ("judge" in line) == (ACCURACY in line["terms"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"monitor": ACCURACY}, "needs a validation to look at: hold training images"),
        ({"validate_every": 5}, "validate_every=5 needs a validation to"),
        ({"metric": "class-accuracy", "plugin": "vae"}, "needs images that were made for classes"),
        ({"metric": "likelihood", "plugin": "gan"}, "and AdversarialNetworks is not one"),
        ({"monitor": "frechet-distance.real", "validation": 9},
         "a lower real is better. Of metric 'frechet-distance' these can: distance, times_real"),
        ({"monitor": "frechet-distance.distance", "validation": 9},
         "needs at least 128 images to compare with, .*, and there are 9"),
        ({"metric": "frechet-distance", "metric_samples": 100}, "needs at least 128 images, as"),
        ({"metric_every": 3}, "metric_every=3 needs a metric: name one with metric=NAME"),
        ({"metric_samples": 0}, "metric_samples must be at least 1"),
        ({"validate_every": "1 day"}, "validate_every takes steps such as 500, or epochs such as"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(judge: str, options: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        trained(**options)
    assert not Path("runs/run").exists()


def test_an_unknown_metric_or_figure_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown metric 'likelyhood'. Did you mean"):
        trained(metric="likelyhood")
    with pytest.raises(UnknownName, match="figure of likelihood 'elb'. Did you mean 'elbo'"):
        trained(monitor="likelihood.elb", validation=9)


def test_a_model_s_own_figures_are_monitored_without_a_judge() -> None:
    run = trained("vae", validation=100, monitor="likelihood.nll")
    (line,) = samples(run)
    assert line["monitor"] == "likelihood.nll"
    assert not (run.path / JUDGE).exists()


@pytest.mark.parametrize(
    ("text", "steps"), [("500", 500), ("2 epochs", 20), ("1 epoch", 10), (" 3  epochs ", 30)]
)
def test_an_interval_is_of_steps_or_epochs(text: str, steps: int) -> None:
    interval = parse_interval(text)
    assert in_steps(interval, 10) == steps
    assert parse_interval(str(interval)) == interval
    assert type(parse_interval(str(interval))) is type(interval)


@pytest.mark.parametrize("text", ["", "x", "2.5 epochs", "-1", "1e3", "epochs", "9" * 19])
def test_other_texts_are_no_interval(text: str) -> None:
    with pytest.raises(ValueError, match="neither steps nor epochs"):
        parse_interval(text)


def test_an_interval_stays_what_it_is_in_a_file() -> None:
    for given in (Epochs(2), "2 epochs", 7):
        config = make_config(TrainConfig, {"validation": 1, "validate_every": given}, "training")
        table = json.loads(json.dumps(as_table(config)))
        assert table["validate_every"] == (7 if given == 7 else "2 epochs")
        assert make_config(TrainConfig, table, "training") == config


def test_validations_come_with_checkpoints_or_apart_from_them() -> None:
    def due(**options: Any) -> list[int]:
        schedule = Schedule(TrainConfig(epochs=3, batch_size=10, validation=10, **options), 110, "")
        return [step for step in range(1, 31) if schedule.validation_due(step)]

    assert due(checkpoint_every=12) == [12, 24, 30]
    assert due(checkpoint_every=12, validate_every=20) == [20, 30]
    assert due(checkpoint_every=12, validate_every=Epochs(1)) == [10, 20, 30]


def test_what_is_done_every_so_many_epochs() -> None:
    assert [it for it in range(1, 51) if epoch_due(it, 50, 20)] == [20, 40, 50]
    assert [it for it in range(1, 51) if epoch_due(it, 50, 0)] == [1, 2, 4, 8, *range(10, 51, 5)]
