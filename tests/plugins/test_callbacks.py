"""What draws pictures while a training runs."""

import os
import signal
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
from gtk.pictures.grid import GAP_LEVEL
from gtk.pictures.latent_map import write_manifold
from gtk.pictures.scatter import latent_scatter
from gtk.plugins.callbacks import curves, latents
from gtk.plugins.callbacks.curves import CurvePictures
from gtk.plugins.callbacks.latents import LatentPictures, manifold
from gtk.plugins.callbacks.picture import EpochPicture, picture_due
from gtk.plugins.callbacks.reconstructions import ReconstructionPictures
from gtk.plugins.callbacks.report import RunReport
from gtk.plugins.callbacks.samples import SamplePictures, sample_grid
from gtk.plugins.datasets import digits
from gtk.plugins.samplers import DirectConfig
from gtk.plugins.samplers.direct import Direct


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


#: The outermost quantiles of 20 equal shares of the normal distribution: of 2.5% and 97.5%.
OUTERMOST = 1.959964


def cell_of_manifold(run: gtk.Run, row: int, column: int) -> Any:
    """Return an image of the manifold of digits, of which each pixel is a square of 8."""
    picture = np.asarray(Image.open(run.pictures / "latents-manifold.png"))
    assert picture.shape == (20 * 66 - 2, 20 * 66 - 2)
    return picture[row * 66 : row * 66 + 64 : 8, column * 66 : column * 66 + 64 : 8].astype(int)


@pytest.mark.parametrize("options", [
    {"plugin": "vae"}, {"plugin": "cvae"}, {"plugin": "cvae", "prior": "learned"},
])  # fmt: skip
def test_the_manifold_has_the_prior_s_quantiles_on_its_axes(options: dict[str, Any]) -> None:
    run = gtk.train(latent_dim=2, epochs=2, learning_rate=0.01, quiet=True, **options)
    model: Any = run.load_model()
    label = torch.tensor([0]) if options["plugin"] == "cvae" else None
    corners = {(0, 0): (-1, 1), (0, 19): (1, 1), (19, 0): (-1, -1), (19, 19): (1, -1)}
    images = []
    for (row, column), signs in corners.items():
        z = torch.tensor([signs]) * OUTERMOST
        if "prior" in options:
            prior = model.prior(label)
            assert prior.mean.abs().max() > 0.01, "not the standard one"
            z = prior.mean + torch.exp(prior.log_variance / 2) * z
        with torch.no_grad():
            expected = torch.sigmoid(model.decode(z, label)).mul(255).round().numpy()[0, 0]
        found = cell_of_manifold(run, row, column)
        assert abs(found - expected).max() <= 1
        images.append(found)
    assert min(abs(images[0] - other).max() for other in images[1:]) > 10, "corners differ"


def test_only_codes_of_two_dimensions_have_a_manifold() -> None:
    run = gtk.train(plugin="vae", latent_dim=3, epochs=1, quiet=True)
    assert (run.pictures / "latents.json").exists()
    assert not (run.pictures / "latents-manifold.png").exists()


def test_the_manifold_is_the_same_file_again_and_draws_no_random_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = []

    def watched(model: Any) -> Any:
        states.append(torch.get_rng_state())
        images = manifold(model)
        states.append(torch.get_rng_state())
        return images

    monkeypatch.setattr(latents, "manifold", watched)
    runs = [gtk.train(plugin="cvae", latent_dim=2, epochs=1, quiet=True) for _ in range(2)]
    first, second = ((run.pictures / "latents-manifold.png").read_bytes() for run in runs)
    assert first == second
    assert len(states) == 4
    for before, after in zip(states[::2], states[1::2], strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize(
    ("shape", "side"), [((3, 64, 64), 64), ((1, 100, 50), 64), ((1, 5, 9), 63)]
)
def test_a_manifold_of_large_images_is_small(
    tmp_path: Path, shape: tuple[int, int, int], side: int
) -> None:
    channels, height, width = shape
    pixels = np.zeros((400, height, width, 3) if channels == 3 else (400, height, width), np.uint8)
    write_manifold(tmp_path, pixels)
    with Image.open(tmp_path / "latents-manifold.png") as picture:
        assert max(picture.size) == 20 * (side + 2) - 2


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


class PressCtrlC:
    """A callback that interrupts its own training: at a step, and when it ends if `twice`."""

    def __init__(self, step: int, *, twice: bool = False) -> None:
        self.step, self.twice = step, twice

    @gtk.hookimpl
    def gtk_step_end(self, progress: gtk.Progress) -> None:
        if progress.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)

    @gtk.hookimpl
    def gtk_train_end(self) -> None:
        if self.twice:
            os.kill(os.getpid(), signal.SIGINT)


#: 22 steps an epoch; pictures after epochs 1, 2, 4, 6, ...
MANY_EPOCHS: dict[str, Any] = {
    "plugin": "vae", "hidden_dims": (8,), "epochs": 20, "log_every": 5, "quiet": True,
}  # fmt: skip


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(("step", "epoch"), [(5, 1), (55, 3)])
def test_an_interrupted_training_has_samples_in_its_report_and_goes_on_to_the_same_pictures(
    step: int, epoch: int
) -> None:
    callbacks = [PressCtrlC(step), SamplePictures(), RunReport()]
    with pytest.raises(KeyboardInterrupt):
        gtk.train(**MANY_EPOCHS, name="stopped", callbacks=callbacks)
    run = gtk.load("stopped")
    early = {f"samples-000{number}.png" for number in (1, 2) if number < epoch}
    now = f"samples-000{epoch}.png"
    assert {path.name for path in run.pictures.iterdir()} == {*early, now}
    picture = np.asarray(Image.open(run.pictures / now))
    # Of the last weights, in a picture of the usual size.
    assert np.array_equal(picture[:64:8, :64:8], run.sample(count=1)[0])
    assert picture.shape == ((5 * 9 - 1) * 8, (10 * 9 - 1) * 8)
    page = run.report.read_text()
    assert page.count("data:image/png") == len(early) + 1
    gtk.train(resume="stopped", quiet=True, callbacks=[SamplePictures()])
    drawn = [1, *range(2, 21, 2)]
    assert {path.name for path in run.pictures.iterdir()} == {
        f"samples-{number:04d}.png" for number in drawn
    }


@pytest.mark.usefixtures("no_pictures")
def test_a_second_ctrl_c_ends_at_once() -> None:
    callbacks = [PressCtrlC(5, twice=True), SamplePictures(), RunReport()]
    with pytest.raises(KeyboardInterrupt):
        gtk.train(**MANY_EPOCHS, name="stopped", callbacks=callbacks)
    run = gtk.load("stopped")
    assert run.checkpoints.steps()
    assert not run.report.exists()
    assert not run.pictures.exists()


def test_samples_of_an_interrupt_are_few_where_there_are_many_classes() -> None:
    spec = gtk.DataSpec("many", 1, 8, 8, gtk.ConditionSpec(tuple(map(str, range(30)))))
    model, _ = build(Choice.by_name("cvae", "digits").settle({"hidden_dims": (8,)}, None), spec)
    sampler = Direct(DirectConfig(), model)
    few, all_rows = (sample_grid(sampler, spec, few=few) for few in (True, False))
    assert few.shape == all_rows.shape == ((5 * 9 - 1) * 8, (30 * 9 - 1) * 8)
    assert np.array_equal(few[:64], all_rows[:64])
    assert (few[64:] == GAP_LEVEL).all(), "a row of images alone"


@pytest.mark.usefixtures("no_pictures")
def test_early_pictures_of_a_flow_are_by_few_steps_of_the_averaged_weights() -> None:
    run = gtk.train(
        plugin="flow", width=16, depth=1, epochs=2, batch_size=480, learning_rate=0.01,
        average_decay=0.5, checkpoint_every=3, steps=6, callbacks=[SamplePictures()], quiet=True,
    )  # fmt: skip
    first, last = run.checkpoints.steps()
    for epoch, step, steps in ((1, first, 4), (2, last, 6)):
        picture = np.asarray(Image.open(run.pictures / f"samples-000{epoch}.png"))
        cell = picture[:64:8, :64:8].astype(int)
        assert abs(cell - run.sample(count=1, checkpoint=step, steps=steps)[0]).max() <= 1
        assert abs(cell - run.sample(count=1, checkpoint=step, steps=10 - steps)[0]).max() > 1
