"""Early stop: counted from the lines of metrics.jsonl and from nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from gtk.core.storage.early_stop import EarlyStop


def lines(*values: float) -> Iterator[dict[str, Any]]:
    for number, value in enumerate(values, start=1):
        terms = {"loss": value, "kl": -value}
        yield {"step": 10 * number, "epoch": number, "split": "train", "terms": terms}
        yield {
            "step": 10 * number, "epoch": number, "split": "validation", "monitor": "loss",
            "terms": terms,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "reached"),
    [
        ((), False),
        ((5, 4, 3, 2, 1), False),
        ((5, 6), False),
        ((5, 6, 7), True),
        ((5, 5, 5), True),  # no better is not better
        ((5, 6, 4, 5), False),
        ((5, 6, 4, 5, 4.5), True),
    ],
)
def test_it_is_reached_after_so_many_in_a_row_without_a_best(
    values: tuple[float, ...], reached: bool
) -> None:
    assert EarlyStop(2, lines(*values)).reached is reached
    assert not EarlyStop(0, lines(*values)).reached


def test_it_says_when_and_why() -> None:
    assert str(EarlyStop(2, lines(5, 3, 4, 6))) == (
        "stopped early at step 40, epoch 4: no better validation loss since step 20"
    )


def test_the_monitored_term_counts() -> None:
    made = EarlyStop(2)
    for line in lines(1, 2, 3):
        if line["split"] == "validation":
            made.note({**line, "monitor": "kl"})
    assert not made.reached
