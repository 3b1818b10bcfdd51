"""What draws pictures while a training runs."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import toys
from PIL import Image

import gtk
from gtk.core.models.build import build
from gtk.core.registry.spec import NoConfig
from gtk.core.settings.choice import Choice
from gtk.pictures.curves import loss_curves
from gtk.pictures.scatter import latent_scatter
from gtk.plugins.callbacks import curves, latents
from gtk.plugins.callbacks.curves import CurvePictures
from gtk.plugins.callbacks.latents import LatentPictures
from gtk.plugins.callbacks.picture import EpochPicture, picture_due
from gtk.plugins.callbacks.reconstructions import ReconstructionPictures
from gtk.plugins.datasets import digits


def test_pictures_show_a_column_for_each_class(small_run: gtk.Run) -> None:
    picture = np.asarray(Image.open(small_run.pictures / "samples-0020.png"))
    assert picture.shape == ((5 * 9 - 1) * 8, (10 * 9 - 1) * 8)
    images = small_run.sample(count=50, seed=0)
    for index in (0, 3, 17, 49):
        row, column = divmod(index, 10)
        cell = picture[row * 72 : row * 72 + 64 : 8, column * 72 : column * 72 + 64 : 8]
        assert np.array_equal(cell, images[index])


def test_pictures_come_as_often_as_asked() -> None:
    run = gtk.train(plugin="vae", epochs=5, sample_every=2, quiet=True)
    assert sorted(path.name for path in run.pictures.iterdir()) == [
        "curves.png",
        *(f"latents-000{epoch}.png" for epoch in (2, 4, 5)),
        "latents-images.png",
        "latents.json",
        *(f"{kind}-000{epoch}.png"
          for kind in ("reconstructions", "samples") for epoch in (2, 4, 5)),
    ]  # fmt: skip


def test_reconstructions_are_below_the_images_they_are_of(small_run: gtk.Run) -> None:
    picture = np.asarray(Image.open(small_run.pictures / "reconstructions-0020.png"))
    assert picture.shape == ((2 * 9 - 1) * 8, (10 * 9 - 1) * 8)
    test = digits.load(NoConfig(), None).test
    rows = [0, 40, 79, 119, 158, 198, 237, 277, 316, 356]
    test = gtk.Split(test.images[rows], test.labels[rows])
    images, labels = torch.from_numpy(test.images) / 255, torch.from_numpy(test.labels)
    model: Any = small_run.load_model()
    with torch.no_grad():
        logits = model.decode(model.encode(images, labels).mean, labels)
    expected = torch.sigmoid(logits).mul(255).round().numpy()
    for column in range(10):
        top, bottom = (
            picture[row * 72 : row * 72 + 64 : 8, column * 72 : column * 72 + 64 : 8].astype(int)
            for row in (0, 1)
        )
        assert np.array_equal(top, test.images[column, 0])
        assert abs(bottom - expected[column, 0]).max() <= 1
        assert abs(bottom - top).max() > 10, "the image itself would be no reconstruction"


def test_latents_are_posterior_means_of_all_test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(
        latents, "latent_scatter", lambda *what: drawn.append(what) or latent_scatter(*what)
    )
    run = gtk.train(plugin="cvae", latent_dim=2, epochs=1, quiet=True)
    ((codes, labels, classes),) = drawn
    test = digits.load(NoConfig(), None).test
    model: Any = run.load_model()
    with torch.no_grad():
        posterior = model.encode(torch.from_numpy(test.images) / 255, torch.from_numpy(test.labels))
    assert np.allclose(codes, posterior.mean.numpy(), atol=1e-5)
    assert np.array_equal(labels, test.labels)
    assert classes == tuple("0123456789")


@pytest.mark.parametrize("spec", [None, gtk.ConditionSpec(("a", "b"))])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_test_images_and_no_classes_are_no_trouble(
    small_run: gtk.Run, tmp_path: Path, count: int, spec: gtk.ConditionSpec | None
) -> None:
    split = gtk.Split(np.zeros((count, 1, 8, 8), np.uint8), np.zeros(count, np.int64))
    dataset = gtk.Dataset(gtk.DataSpec("few", 1, 8, 8, spec), split, split)
    model, _ = build(Choice.by_name("vae", "digits").settle({}, None), dataset.spec)
    facts: dict[str, Any] = {"dataset": dataset, "model": model.eval(), "run": Folder(tmp_path)}
    for callback in (ReconstructionPictures(), LatentPictures()):
        callback.gtk_epoch_end(**facts, progress=gtk.Progress(1, 1, 1, 1))
    drawn = {path.stem.split("-")[0] for path in (tmp_path / "pictures").glob("*.png")}
    assert drawn == {0: set(), 1: {"reconstructions"}, 2: {"reconstructions", "latents"}}[count]


def test_a_model_without_a_latent_code_gets_only_what_fits(tmp_path: Path) -> None:
    dataset, model = toys.dataset(), toys.TwoParts()
    run: Any = Folder(tmp_path)
    for callback in (ReconstructionPictures(), LatentPictures()):
        callback.gtk_epoch_end(run, model, dataset, gtk.Progress(1, 1, 1, 1))
    assert not (tmp_path / "pictures").exists()


def test_the_last_curves_show_the_test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[Any]] = []
    monkeypatch.setattr(
        curves, "loss_curves", lambda reports: drawn.append(reports) or loss_curves(reports)
    )
    run = gtk.train(plugin="cvae", epochs=2, log_every=11, quiet=True)
    assert [report["split"] for report in drawn[0]] == ["train"] * 2
    assert drawn[1:] == [run.metrics()]
    assert drawn[-1][-1]["split"] == "test"


def test_a_training_without_a_report_has_no_curves(tmp_path: Path) -> None:
    run: Any = Folder(tmp_path)
    CurvePictures().gtk_train_end(run)
    assert not (tmp_path / "pictures").exists()


class Folder:
    """As much of a run as a callback that draws looks at."""

    def __init__(self, path: Path) -> None:
        self.pictures = path / "pictures"
        self.settings = Choice.by_name("vae", "digits").settle({}, None)

    def metrics(self) -> list[Any]:
        return []


class Drawn(EpochPicture):
    """Notes the epochs that it is asked to draw."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def draw(self, run: Any, model: Any, dataset: Any, progress: gtk.Progress) -> None:
        assert not model.training
        self.epochs.append(progress.epoch)


@pytest.mark.parametrize(("patience", "epochs"), [(2, [2, 4]), (1, [2, 3])])
def test_where_a_training_stops_early_its_last_epoch_is_drawn(
    monkeypatch: pytest.MonkeyPatch, patience: int, epochs: list[int]
) -> None:
    def later_is_worse(*given: Any) -> dict[str, float]:
        return {"loss": abs(float(given[3].step) - 44)}  # 22 steps an epoch: the second is best

    monkeypatch.setattr("gtk.core.training.reporter.evaluate", later_is_worse)
    drawn = Drawn()
    run = gtk.train(
        plugin="vae", epochs=9, sample_every=2, checkpoint_every=22, patience=patience,
        validation=30, callbacks=[drawn], quiet=True,
    )  # fmt: skip
    assert drawn.epochs == epochs
    assert (run.pictures / f"samples-{epochs[-1]:04d}.png").exists()


@pytest.mark.parametrize("data", ["marks", "ramps"])
def test_latents_of_attributes_and_numbers_have_no_colours(
    outside: Path, data: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = gtk.train(plugin="generative-toolkit/vae", data=data, epochs=1, batch_size=50, quiet=True)
    assert not caplog.records, "a callback failed"
    names = {path.name for path in run.pictures.iterdir()}
    assert {"latents-0001.png", "samples-0001.png", "reconstructions-0001.png"} <= names


def test_the_last_weights_are_drawn_once_unless_the_training_was_interrupted() -> None:
    drawn: list[int] = []

    class Drawing(EpochPicture):
        def draw(self, run: Any, model: Any, dataset: Any, progress: gtk.Progress) -> None:
            drawn.append(progress.step)

    run: Any = SimpleNamespace(settings=SimpleNamespace(train=SimpleNamespace(sample_every=1)))
    facts: dict[str, Any] = {"run": run, "model": None, "dataset": None}
    for end, expected in (
        (gtk.Progress(33, 44, 2, 2), [22]),  # by Ctrl-C
        (gtk.Progress(33, 44, 2, 2, stopped="early"), [22, 33]),
        (gtk.Progress(22, 44, 1, 2, stopped="early"), [22]),
    ):
        drawn.clear()
        callback = Drawing()
        callback.gtk_epoch_end(**facts, progress=gtk.Progress(22, 44, 1, 2))
        callback.gtk_train_end(**facts, progress=end)
        assert drawn == expected
    Drawing().gtk_train_end(**facts, progress=gtk.Progress(44, 44, 2, 2))
    assert drawn[-1] == 44, "as in a training that resumes after its last step"


@pytest.mark.parametrize(
    ("epochs", "drawn"),
    [
        (1, [1]),
        (3, [1, 2, 3]),
        (9, [*range(1, 10)]),
        (25, [1, 2, *range(4, 25, 2), 25]),
        (60, [1, 2, 4, 8, *range(12, 61, 6)]),
        (300, [1, 2, 4, 8, 16, 32, *range(60, 301, 30)]),
    ],
)
def test_first_pictures_come_early(epochs: int, drawn: list[int]) -> None:
    run: Any = SimpleNamespace(settings=SimpleNamespace(train=SimpleNamespace(sample_every=0)))
    progress = [gtk.Progress(epoch, epochs, epoch, epochs) for epoch in range(1, epochs + 1)]
    assert [item.epoch for item in progress if picture_due(run, item)] == drawn
