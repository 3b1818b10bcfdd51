"""Classes of unequal size: a note says so, and `balance` trains on all equally often."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys
from numpy.typing import NDArray

import gtk
from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.balanced_order import balanced_order
from gtk.core.training.trainer import Trainer
from gtk.core.values.class_balance import imbalance
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import settings_as_options

CONFIG: dict[str, Any] = {
    "hidden_dims": (8,), "latent_dim": 2, "epochs": 2, "batch_size": 16, "balance": True,
}  # fmt: skip
NOTE = (
    "class '0' has 66 training images and class '1' has 6, more than 10 to 1: balance=True trains "
    "on all classes equally often"
)


@pytest.fixture
def unequal(workplace: Path, no_pictures: None) -> str:
    """A data set of 66 dark images and 6 bright ones."""
    labels = np.array([0] * 66 + [1] * 6)
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 60, (72, 8, 8)) + 190 * labels[:, None, None]).astype(np.uint8)
    np.savez("unequal.npz", images=images, labels=labels, test_images=images, test_labels=labels)
    return "npz:unequal.npz"


def labelled(counts: list[int], condition: ConditionSpec | None = None) -> Dataset:
    """A data set of so many images of each class, or of any other condition."""
    labels: NDArray[Any] = np.repeat(np.arange(len(counts)), counts)
    spec = condition or ConditionSpec(tuple("abcdefgh"[: len(counts)]))
    if spec.kind != "classes":
        labels = np.zeros((len(labels), spec.count), np.float32)
    split = Split(np.zeros((len(labels), 1, 4, 4), np.uint8), labels)
    return Dataset(DataSpec("toy", 1, 4, 4, spec), split, split)


def test_every_batch_has_both_classes_and_a_resumed_training_the_same_bits(unequal: str) -> None:
    whole = gtk.train("cvae", unequal, name="whole", quiet=True, **CONFIG)
    plain = gtk.train("cvae", unequal, name="plain", quiet=True, **CONFIG | {"balance": False})
    assert json.loads((whole.path / "run.json").read_text())["train"]["balance"] is True
    repeated = gtk.train(recipe=whole.path / "run.json", name="repeated", quiet=True)
    gtk.train("cvae", unequal, name="part", quiet=True, **CONFIG | {"epochs": 1})
    resumed = gtk.train(resume="part", epochs=2, quiet=True)
    weights = [
        (run.path / "checkpoints" / "000000008" / "training.safetensors").read_bytes()
        for run in (whole, repeated, resumed, plain)
    ]
    assert weights[0] == weights[1] == weights[2] != weights[3]


def test_the_batches_of_a_training_are_balanced() -> None:
    data = labelled([36, 4])
    config = TrainConfig(epochs=1, batch_size=40, balance=True)
    trainer = Trainer(toys.model(), toys.Game(), data, config, toys.CPU)
    (rows,) = trainer.schedule.batches(0)
    condition = trainer._images.batch(rows, 0).condition
    assert condition is not None
    assert condition.bincount().tolist() == [20, 20]


def test_a_training_notes_an_imbalance_unless_it_is_balanced(
    unequal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gtk.train("vae", unequal, name="plain", **CONFIG | {"balance": False})
    assert capsys.readouterr().err.count(NOTE) == 1
    gtk.train("vae", unequal, name="balanced", **CONFIG)
    assert "10 to 1" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ([11, 1], True),
        ([10, 1], False),
        ([3, 0, 3], False),
        ([0, 3], False),
        ([0, 3, 3], False),
        ([33, 0, 3], True),
        ([0, 0], False),
        ([5], False),
    ],
)
def test_more_than_ten_to_one_is_noted(counts: list[int], named: bool) -> None:
    assert bool(imbalance(labelled(counts))) == named


def test_the_note_names_the_option() -> None:
    with settings_as_options():
        assert imbalance(labelled([1, 1_100])) == (
            "class 'b' has 1,100 training images and class 'a' has 1, more than 10 to 1: --balance "
            "trains on all classes equally often"
        )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ConditionSpec(("hat",), "attributes"), "have attributes instead of classes"),
        (ConditionSpec(("age",), "continuous", ((0.0, 1.0),)), "have numbers instead of classes"),
        (None, "have no labels"),
    ],
)
def test_without_classes_it_is_refused(spec: ConditionSpec | None, words: str) -> None:
    data = labelled([40], spec or ConditionSpec(("a",)))
    if spec is None:
        data = Dataset(DataSpec("toy", 1, 4, 4, None), data.train, data.test)
    config = TrainConfig(epochs=1, batch_size=10, balance=True)
    with pytest.raises(InvalidValue, match=f"the images of toy {words}. Train without it.$"):
        Trainer(toys.model(), toys.Game(), data, config, toys.CPU)


def test_all_images_of_a_class_are_drawn_before_one_is_drawn_again() -> None:
    labels = torch.tensor([0] * 4 + [1] * 12)
    counts = balanced_order(labels, torch.Generator().manual_seed(0)).bincount(minlength=16)
    assert counts[:4].tolist() == [2] * 4
    assert sorted(counts[4:].tolist()) == [0] * 4 + [1] * 8
