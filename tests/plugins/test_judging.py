"""Figures of the samples of a training that has ended, where they cost little."""

from pathlib import Path
from typing import Any

import pytest
import torch

import gtk
from gtk.core.evaluation import judge_training
from gtk.core.evaluation.judges import judge_of
from gtk.core.evaluation.protocol import content_digest
from gtk.core.registry.installed import LOSS, installed
from gtk.core.storage.evaluations import EVALUATIONS, EvaluationLine, read_evaluations
from gtk.plugins.callbacks import judging
from gtk.plugins.callbacks.faults import SAMPLES, WITH_SCALE, notes_on_figures, notes_on_terms
from gtk.plugins.callbacks.judging import METRICS
from gtk.plugins.datasets.digits import load

DATA = load(gtk.NoConfig(), None)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> float:
    """Have a judge of the digits kept here, and return its accuracy."""
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 8)
    digest = content_digest(DATA.train, DATA.test)
    return judge_of(DATA, digest, torch.device("cpu")).accuracy


def trained(plugin: str, **options: Any) -> gtk.Run:
    return gtk.train(plugin, epochs=2, quiet=True, **options)


def test_a_training_ends_with_figures_of_the_last_weights(judge: float) -> None:
    run = trained("cvae")
    lines = read_evaluations(run.path)
    assert [line["metric"] for line in lines] == [*METRICS]
    for line in lines:
        assert line["made"]["step"] == max(run.checkpoints.steps())
        assert line["protocol"]["images"] == SAMPLES
    assert lines[0]["protocol"]["judge"]["accuracy"] == judge  # type: ignore[typeddict-item]
    assert "class-accuracy accuracy" in run.report.read_text()


def test_they_are_those_of_gtk_evaluate(judge: float) -> None:
    from gtk.cli.main import run as command

    run = trained("cvae", average_decay=0.9)
    before = read_evaluations(run.path)
    assert command(["evaluate", str(run.path), "--samples", "1000", "--metrics", METRICS[2]]) == 0
    again = read_evaluations(run.path)[-1]
    (same,) = (line for line in before if line["metric"] == METRICS[2])
    assert (again["hash"], again["figures"]) == (same["hash"], same["figures"])


def test_a_model_without_a_condition_has_no_class_accuracy(judge: float) -> None:
    run = trained("vae")
    assert [line["metric"] for line in read_evaluations(run.path)] == [*METRICS[1:]]


def test_without_a_judge_nothing_is_judged() -> None:
    assert not (trained("cvae").path / EVALUATIONS).exists()


def test_what_would_take_long_is_left_out(judge: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "SHORT", 0.0)
    monkeypatch.setattr(judging, "SHARE", 0.0)
    run = trained("cvae")
    assert not (run.path / EVALUATIONS).exists()
    assert run.report.exists()


def test_a_training_that_was_interrupted_is_not_judged(judge: float) -> None:
    class Interrupt:
        @gtk.hookimpl
        def gtk_step_end(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained("cvae", log_every=1, callbacks=[Interrupt()], name="short")
    assert not (Path("runs/short") / EVALUATIONS).exists()


def lines_of(**values: float) -> list[EvaluationLine]:
    tables: Any = {
        name: {"value": value, "unit": "", "share": False, "better": ""}
        for name, value in values.items()
    }
    return [
        EvaluationLine(
            metric="m", hash="h", figures=tables, details={}, protocol={"images": 1000}, made={},
            created="",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"accuracy": 0.48, "diversity": 0.31}, []),
        ({"accuracy": 0.47, "diversity": 0.31}, ["only 47% of 1,000 samples show the class"]),
        ({"accuracy": 0.9, "diversity": 0.29}, ["samples of a class differ by 29% of what"]),
        ({"accuracy": 0.1, "diversity": 0.0}, ["only 10%", "samples of a class differ by 0%"]),
        ({"distance": 3.0}, []),
    ],
)
def test_what_is_wrong_is_told_with_what_to_try(values: dict[str, float], found: list[str]) -> None:
    texts = notes_on_figures(lines_of(**values), judged_right=0.95)
    assert len(texts) == len(found)
    assert all(text.startswith(start) for text, start in zip(texts, found, strict=True))


def test_notes_are_said_and_the_last_lines_have_the_figures(
    judge: float, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from gtk.cli.main import run as command

    assert command(["train", "--plugin", "cvae", "--epochs", "1"]) == 0
    assert "samples show the class that was asked for: train longer" in caplog.text
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith("samples "))
    names = [part.rsplit(" ", 1)[0].strip() for part in line.removeprefix("samples").split(", ")]
    assert names == ["class accuracy", "frechet distance", "diversity"]


def terms_of(split: str, step: int = 500, **terms: float) -> dict[str, Any]:
    return {"split": split, "step": step, "terms": terms}


@pytest.mark.parametrize(
    ("loss", "lines", "found"),
    [
        ("elbo", [terms_of("train", kl=9.0), terms_of("test", kl=0.049)], "KL divergence is 0.049"),
        ("elbo", [terms_of("train", kl=0.01), terms_of("test", kl=0.06)], ""),
        ("elbo", [terms_of("train", kl=-1e-9)], "the KL divergence is 0.000 nats"),
        ("elbo", [terms_of("train", step=499, kl=0.0)], ""),
        ("minimax", [terms_of("train", real_score=6.0, generated_score=-4.1)], "are 10 apart"),
        ("minimax", [terms_of("train", real_score=6.0, generated_score=-3.9)], ""),
        ("wasserstein-gp", [terms_of("train", real_score=60.0, generated_score=-40.0)], ""),
        ("flow-matching", [terms_of("train", loss=0.1)], ""),
        ("elbo", [], ""),
    ],
)
def test_a_collapsed_posterior_and_a_won_game_are_told(
    loss: str, lines: list[dict[str, Any]], found: str
) -> None:
    texts = notes_on_terms(loss, lines)
    assert len(texts) == bool(found)
    assert all(found in text for text in texts)


def test_a_collapsed_posterior_is_told_by_a_training(caplog: pytest.LogCaptureFixture) -> None:
    gtk.train("vae", epochs=23, beta=1000.0, quiet=True)
    assert "the posterior has collapsed onto the prior" in caplog.text


def test_losses_with_a_scale_are_gtk_s_own() -> None:
    assert {item.name for item in installed(LOSS)} >= WITH_SCALE
