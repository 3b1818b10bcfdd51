"""What `gtk train --plugin cvae` makes are digits, and the ones that were asked for."""

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

import gtk
from gtk.core.registry.spec import NoConfig
from gtk.plugins.datasets import digits


def flat(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images.reshape(len(images), -1) / 255


def test_an_independent_judge_agrees_with_the_labels(default_run: gtk.Run) -> None:
    data = digits.load(NoConfig(), None)
    judge = SVC().fit(flat(data.train.images), data.train.labels)
    assert judge.score(flat(data.test.images), data.test.labels) > 0.98
    images = default_run.sample(count=1000)
    asked = np.arange(1000) % 10
    agreement = judge.predict(flat(images)) == asked
    assert agreement.mean() >= 0.97
    assert min(agreement[asked == label].mean() for label in range(10)) >= 0.93


def test_samples_of_a_class_differ(default_run: gtk.Run) -> None:
    data = digits.load(NoConfig(), None)
    images, asked = default_run.sample(count=1000), np.arange(1000) % 10
    drawn = np.mean([images[asked == label].std(0).mean() for label in range(10)])
    real = np.mean(
        [data.train.images[data.train.labels == label].std(0).mean() for label in range(10)]
    )
    assert drawn > 0.65 * real, "the decoder draws one picture for each class"


def test_the_default_training_is_good_on_test_images(default_run: gtk.Run) -> None:
    test = default_run.metrics()[-1]
    assert (test["split"], test["images"]) == ("test", 357)
    terms = test["terms"]
    assert terms["reconstruction"] + terms["kl"] < 22.3, (
        "the bound; the loss weighs the divergence less"
    )
