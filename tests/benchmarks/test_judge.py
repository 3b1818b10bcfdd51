"""What a judge sees in the images that a run draws."""

import numpy as np

from benchmarks.judge import agreement, seen


def test_agreement_is_of_all_and_of_the_worst_class() -> None:
    found = agreement(np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1]))
    assert found == {"agreement": 0.75, "worst_class": 0.5}


def test_drawn_images_are_given_to_the_judge_by_channels() -> None:
    shapes = []

    class Noted:
        def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            shapes.append(images.shape)
            return np.zeros((2, 1)), np.array([[0, 1], [1, 0]])

    for drawn in ((2, 5, 4), (2, 5, 4, 3)):
        found = seen(Noted(), np.zeros(drawn, np.uint8))  # type: ignore[arg-type]
        assert found.tolist() == [1, 0]
    assert shapes == [(2, 1, 5, 4), (2, 3, 5, 4)]
