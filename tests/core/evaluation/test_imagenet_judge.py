"""The judge of colour photographs: its features, its digest, and what it cannot judge."""

from pathlib import Path

import numpy as np
import pytest
import torch

import gtk
from gtk.core.evaluation import imagenet_judge
from gtk.core.evaluation.fitting import IMAGENET
from gtk.core.evaluation.imagenet_judge import DEVIATION, MEAN, SIDE, ImageNetJudge
from gtk.core.values.errors import InvalidValue, UserError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def judge() -> ImageNetJudge:
    return ImageNetJudge(CPU)


def test_its_features_are_those_of_the_network_before_its_last_layer(judge: ImageNetJudge) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, SIDE, SIDE), dtype=np.uint8)
    features, logits = judge.look(images)
    assert features.shape == (3, 1280)
    assert logits.shape == (3, 0)
    values = torch.from_numpy(images).float() / 255
    normal = (values - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    with torch.no_grad():
        expected = judge._network(normal)
        layer = judge._network._fc
    found = torch.from_numpy(features).float() @ layer.weight.T + layer.bias
    assert torch.allclose(found, expected, atol=1e-4)


def test_batches_and_the_random_state_do_not_matter(
    judge: ImageNetJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (5, 3, 32, 24), dtype=np.uint8)
    whole, _ = judge.look(images)
    monkeypatch.setattr(imagenet_judge, "BATCH", 2)
    before = torch.random.get_rng_state()
    parts, _ = ImageNetJudge(CPU).look(images)
    assert np.allclose(whole, parts, atol=1e-5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_its_protocol_has_the_digest_of_its_weights(judge: ImageNetJudge) -> None:
    assert judge.stated == {
        "network": "efficientnet-lite0",
        "digest": "579344248a93e230",
        "resize": "bicubic to 224x224",
    }


def test_another_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"other")
    monkeypatch.setattr(imagenet_judge, "FILE", tmp_path / "weights.pth")
    with pytest.raises(UserError, match="is not the file that is known: install"):
        ImageNetJudge(CPU)
    monkeypatch.setattr(imagenet_judge, "FILE", tmp_path / "none.pth")
    with pytest.raises(UserError, match="cannot be read"):
        ImageNetJudge(CPU)


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet_judge, "NETWORK", "no_such_module")
    with pytest.raises(UserError, match=r"pip install 'generative-toolkit\[imagenet\]'"):
        ImageNetJudge(CPU)


def photographs(count: int, channels: int = 3) -> gtk.Dataset:
    generator = np.random.default_rng(2)

    def split() -> gtk.Split:
        shape = (count, channels, 8, 8)
        images = generator.integers(0, 256, shape, dtype=np.uint8)
        return gtk.Split(images, np.zeros(count, np.int64))

    return gtk.Dataset(gtk.DataSpec("photographs", channels, 8, 8, None), split(), split())


def test_it_judges_data_without_classes() -> None:
    data = photographs(12)
    images = data.train.images.transpose(0, 2, 3, 1)
    found = gtk.evaluate(images, data, metrics=["kernel-distance"], judge=IMAGENET)
    (line,) = found.lines
    assert line["protocol"]["judge"] == ImageNetJudge(CPU).stated  # type: ignore[typeddict-item]
    figures = found.figures["kernel-distance"]
    assert figures["distance"].value == pytest.approx(figures["real"].value), "training images"
    assert found.judge_accuracy is None
    with pytest.raises(InvalidValue, match="a judge is trained on classes, and photographs has"):
        gtk.evaluate(images, data, metrics=["kernel-distance"])


def test_what_it_does_not_judge() -> None:
    grey = photographs(12, channels=1)
    with pytest.raises(InvalidValue, match="judges colour photographs, and the images of"):
        gtk.evaluate(grey.train.images[:, 0], grey, metrics=["kernel-distance"], judge=IMAGENET)
    spec = gtk.DataSpec("two", 3, 8, 8, gtk.ConditionSpec(("a", "b")))
    data = photographs(4)
    split = gtk.Split(data.test.images, np.array([0, 1, 0, 1]))
    images, labels = split.images.transpose(0, 2, 3, 1), ["a", "b", "a", "b"]
    with pytest.raises(InvalidValue, match="class-accuracy asks for a judge of the classes of two"):
        gtk.evaluate(images, gtk.Dataset(spec, split, split), labels=labels, judge=IMAGENET,
                     metrics=["class-accuracy"])  # fmt: skip


def test_a_metric_that_reads_logits_of_it_is_told_so(judge: ImageNetJudge) -> None:
    shown = gtk.JudgedImages(photographs(2).test.images, None, "test", judge)
    assert shown.features.shape == (2, 1280)
    with pytest.raises(InvalidValue, match="sets `classified`"):
        _ = shown.logits
