"""Judges: trained once for each data set, kept, and read again only if they are sound."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gtk
from gtk.core.evaluation import judge_training, judges
from gtk.core.evaluation.judge import JudgeNetwork
from gtk.core.evaluation.judge_training import moved
from gtk.core.evaluation.judges import has_judge, judge_of
from gtk.core.storage.cache import cache_folder
from gtk.core.values.tracking import heard_by

CPU = torch.device("cpu")
DIGEST = "0123456789abcdef"


@pytest.fixture
def data() -> gtk.Dataset:
    """Data of two classes, dark and bright, that a judge learns in a few steps."""
    generator = np.random.default_rng(0)

    def split(count: int) -> gtk.Split:
        labels = np.arange(count) % 2
        noise = generator.integers(0, 60, (count, 1, 6, 5))
        return gtk.Split((labels[:, None, None, None] * 150 + noise).astype(np.uint8), labels)

    spec = gtk.DataSpec("toy", 1, 6, 5, gtk.Classes(("dark", "bright")))
    return gtk.Dataset(spec, split(256), split(101))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 40)


def test_it_sees_the_classes_and_states_how_often(data: gtk.Dataset) -> None:
    judge = judge_of(data, DIGEST, CPU)
    features, logits = judge.look(data.test.images)
    assert features.shape == (101, judge_training.JudgeNetwork(data.spec).output.in_features)
    right = (logits.argmax(1) == data.test.labels).mean()
    assert judge.accuracy == pytest.approx(right)
    assert judge.accuracy > 0.95
    assert judge.stated == {"digest": judge.digest, "accuracy": judge.accuracy}


def test_images_are_judged_alike_in_any_batch(data: gtk.Dataset) -> None:
    judge = judge_of(data, DIGEST, CPU)
    whole, _ = judge.look(data.train.images)
    parts = [judge.look(data.train.images[rows])[0] for rows in (slice(0, 7), slice(7, None))]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


def test_it_is_trained_once_and_read_again(data: gtk.Dataset) -> None:
    heard = list[str]()
    assert not has_judge(DIGEST)
    with heard_by(lambda what, done, total: heard.append(what)):
        first = judge_of(data, DIGEST, CPU)
        trained = len(heard)
        assert has_judge(DIGEST)
        again = judge_of(data, DIGEST, CPU)
    assert trained
    assert len(heard) == trained, "nothing is trained the second time"
    assert again.stated == first.stated
    assert (again.look(data.test.images)[1] == first.look(data.test.images)[1]).all()


def test_training_leaves_the_random_numbers_as_they_are(data: gtk.Dataset) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    judge_of(data, DIGEST, CPU)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("damage", ["bit", "cut", "other"])
def test_a_damaged_file_is_trained_anew(
    data: gtk.Dataset, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = judge_of(data, DIGEST, CPU)
    (file,) = (cache_folder() / judges.FOLDER).iterdir()
    content = bytearray(file.read_bytes())
    if damage == "bit":
        content[-5] ^= 1
    elif damage == "cut":
        del content[-100:]
    else:
        content[:] = b"not tensors"
    file.write_bytes(bytes(content))
    again = judge_of(data, DIGEST, CPU)
    assert "is damaged" in caplog.text
    assert again.stated == first.stated
    kept = judges.read_judge(file, data, CPU)
    assert kept is not None
    assert kept.stated == first.stated


def test_where_it_cannot_be_kept_it_is_used_all_the_same(
    data: gtk.Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    cache_folder().mkdir(parents=True)
    (cache_folder() / judges.FOLDER).write_text("a file")
    assert judge_of(data, DIGEST, CPU).accuracy > 0.5
    assert "the judge is not kept" in caplog.text


@pytest.mark.parametrize(
    ("condition", "labels", "message"),
    [
        (None, 0, "trained on classes, and toy has none"),
        (gtk.Classes(("one",)), 0, "trained on classes, and toy has none"),
        (gtk.Numbers(("size",), ranges=((0.0, 1.0),)), 0.5, "trained on classes"),
        (gtk.Classes(("a", "b")), 0, "class 'b' has no training image"),
    ],
)
def test_data_that_no_judge_can_learn_are_refused(
    condition: Any, labels: float, message: str
) -> None:
    shape = (4, 1) if isinstance(condition, gtk.Numbers) else (4,)
    kind = np.float32 if isinstance(condition, gtk.Numbers) else np.int64
    split = gtk.Split(np.zeros((4, 1, 6, 5), np.uint8), np.full(shape, labels, kind))
    data = gtk.Dataset(gtk.DataSpec("toy", 1, 6, 5, condition), split, split)
    with pytest.raises(gtk.InvalidValue, match=message):
        judge_of(data, DIGEST, CPU)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (28, 28), (49, 3), (100, 64)])
def test_images_of_any_size_have_features(size: tuple[int, int]) -> None:
    network = JudgeNetwork(gtk.DataSpec("toy", 3, *size, gtk.Classes(("a", "b")))).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 2)


def test_images_are_moved_by_a_little_and_mirrored_only_where_asked() -> None:
    picture = torch.zeros(1, 1, 24, 24)
    picture[:, :, 10:14, 4:9] = torch.arange(5) + 1.0
    many = moved(picture.expand(200, -1, -1, -1), mirrored=False)
    assert many.sum((1, 2, 3)).eq(picture.sum()).all(), "nothing leaves the image"
    lefts = many.amax((1, 2)).argmax(1)
    assert set(lefts.tolist()) == set(range(8 - 2, 8 + 3)), "its last column, by 2 pixels at most"
    mirrored = moved(picture.expand(200, -1, -1, -1), mirrored=True).amax((1, 2)).argmax(1)
    assert 40 < mirrored.gt(12).sum() < 160


def test_a_judge_of_the_digits_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 20)
    from gtk.plugins.datasets.digits import load

    judge = judge_of(load(None, None), DIGEST, CPU)
    assert judge.accuracy > 0.97
