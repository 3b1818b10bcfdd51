"""The curves have the metrics' numbers, in a panel for each term."""

from typing import Any

import pytest

from gtk.pictures.curves import loss_curves


def report(step: int, split: str, **terms: float) -> dict[str, Any]:
    return {"step": step, "epoch": 1, "split": split, "images": 9, "unit": "nats", "terms": terms}


def lines(axes: Any) -> dict[str, list[tuple[float, float]]]:
    return {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in axes.lines}


def test_each_term_has_a_panel_with_a_curve_for_each_split() -> None:
    figure = loss_curves(
        [
            report(50, "train", kl=1.0, loss=9.0),
            report(60, "validation", kl=1.5, loss=8.5),
            report(100, "train", kl=2.0, loss=8.0),
            report(120, "validation", kl=1.8, loss=7.5),
            report(120, "test", kl=2.5, loss=7.0),
        ]
    )
    loss, kl = figure.axes
    assert (loss.get_title(), kl.get_title()) == ("loss", "kl")
    assert lines(loss) == {
        "train": [(50, 9.0), (100, 8.0)],
        "validation": [(60, 8.5), (120, 7.5)],
        "test": [(120, 7.0)],
    }
    assert lines(kl)["train"] == [(50, 1.0), (100, 2.0)]
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("step", "nats")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["train", "validation", "test"]


def test_a_game_has_other_terms_in_training_than_in_the_end() -> None:
    figure = loss_curves(
        [
            report(50, "train", discriminator_loss=1.3, generator_loss=0.7, real=0.6),
            report(100, "test", loss=0.5, real=0.4),
        ]
    )
    assert [(axes.get_title(), lines(axes)) for axes in figure.axes] == [
        ("loss", {"test": [(100, 0.5)]}),
        ("discriminator loss", {"train": [(50, 1.3)]}),
        ("generator loss", {"train": [(50, 0.7)]}),
        ("real", {"train": [(50, 0.6)], "test": [(100, 0.4)]}),
    ]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert all(line.get_marker() != "None" for axes in figure.axes for line in axes.lines)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_panels_lie_side_by_side_and_within_the_figure(count: int) -> None:
    figure = loss_curves([report(50, "train", **{f"term_{i}": 1.0 for i in range(count)})])
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == count
    for index, box in enumerate(boxes):
        assert min(box.x0, box.y0) > 0
        assert max(box.x1, box.y1) < 1
        assert not any(box.overlaps(other) for other in boxes[:index])
