"""What a sampler learns from training images is kept in the run, and used without the data."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gtk
from gtk.cli import main
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.plugins.samplers.aggregate import Aggregate

pytestmark = pytest.mark.usefixtures("no_pictures")

SMALL = {"epochs": 1, "hidden_dims": (8,), "latent_dim": 2, "quiet": True}


def write_images(file: Path, count: int = 60) -> None:
    """Write images of two classes, half of them dark."""
    labels = np.arange(count) % 2
    levels = np.random.default_rng(0).integers(0, 100, (count, 6, 5)) + 150 * labels[:, None, None]
    np.savez(file, images=levels.astype(np.uint8), labels=labels)


@pytest.fixture
def run(workplace: Path) -> gtk.Run:
    """A run of images in images.npz, of which ten are held out."""
    write_images(workplace / "images.npz")
    return gtk.train("cvae", "npz:images.npz", name="mine", batch_size=25, validation=10, **SMALL)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by each fit: of the number of images."""
    found: list[int] = []
    fit = Aggregate.fit

    def counted(self: Aggregate, batches: Any) -> Any:
        kept = list(batches)
        found.append(sum(map(len, kept)))
        return fit(self, kept)

    monkeypatch.setattr(Aggregate, "fit", counted)
    return found


def sample(run: gtk.Run, **options: Any) -> Any:
    """Draw four images of a new object for the run, as another process would."""
    return gtk.load(run.path).sample(count=4, sampler="aggregate", **options)


def kept(run: gtk.Run) -> list[Path]:
    """Return the files of what was fitted."""
    return sorted((run.path / "samplers").iterdir())


def test_it_is_fitted_once_and_then_needs_no_data(
    run: gtk.Run, fits: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    first = sample(run)
    assert fits == [44], "without those held out for validation"
    place = run.path / "samplers"
    expected = f"sampler 'aggregate' is fitted to 44 training images, and kept in {place}"
    assert caplog.messages == [expected]
    Path("images.npz").unlink()
    noise = run.load_model().noise.draw(4, 0)
    for again in (
        sample(run),
        gtk.load(run.path).generate(noise, [0, 1, 0, 1], sampler="aggregate"),
    ):
        assert np.array_equal(again, first)
    assert (fits, len(caplog.messages), len(kept(run))) == ([44], 1, 1)


def test_weights_and_options_have_a_fit_each(run: gtk.Run, fits: list[int]) -> None:
    first = sample(run)
    sample(run, components=3)
    assert [len(fits), len(kept(run))] == [2, 2]
    longer = gtk.train(resume="mine", epochs=2, quiet=True)
    assert not np.array_equal(sample(longer, checkpoint="latest"), first)
    assert [len(fits), len(kept(run))] == [3, 3]


@pytest.mark.parametrize("damage", ["bit", "end", "empty", "other"])
def test_a_damaged_file_is_fitted_anew(
    run: gtk.Run, fits: list[int], caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    first, (file,) = sample(run), kept(run)
    content = bytearray(file.read_bytes())
    if damage == "bit":
        content[-1] ^= 1
    changed = {"end": content[:-5], "empty": b"", "other": (run.path / "run.json").read_bytes()}
    file.write_bytes(changed.get(damage, content))
    assert np.array_equal(sample(run), first)
    assert f"{file} is damaged: it is fitted anew" in caplog.messages
    assert np.array_equal(sample(run), first)
    assert len(fits) == 2


def test_data_that_are_gone_are_one_line(
    run: gtk.Run, capsys: pytest.CaptureFixture[str], fits: list[int]
) -> None:
    Path("images.npz").rename("moved.npz")
    draw = ["sample", str(run.path), "--sampler", "aggregate", "--out", "a.png"]
    assert main.run(draw) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "sampler 'aggregate' learns from the training images" in message
    assert "images.npz any more: if they were moved, name their place with --data-root" in message
    assert main.run([*draw, "--data-root", "moved.npz"]) == 0
    Path("moved.npz").unlink()
    assert main.run([*draw, "--overwrite"]) == 0, "from what was kept"
    assert fits == [44]


def test_other_data_are_refused(run: gtk.Run) -> None:
    write_images(Path("images.npz"), 80)
    with pytest.raises(InvalidValue, match="trained on 54 images, and now there are 72"):
        sample(run)
    write_images(Path("images.npz"))
    with np.load("images.npz") as found:
        np.savez("images.npz", images=found["images"][:, 1:], labels=found["labels"])
    with pytest.raises(InvalidValue, match="other classes or another image size"):
        sample(run)


def test_a_place_of_data_is_refused_where_nothing_is_learned(run: gtk.Run) -> None:
    with pytest.raises(InvalidValue, match="data_root is for samplers that learn from the data"):
        run.sample(count=1, data_root="images.npz")


def test_where_nothing_can_be_written_it_is_fitted_each_time(
    run: gtk.Run, fits: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    (run.path / "samplers").touch()
    assert np.array_equal(sample(run), sample(run))
    assert len(fits) == 2
    assert caplog.messages[-1].endswith(", which is not kept: File exists")


def test_a_link_is_refused(run: gtk.Run, workplace: Path) -> None:
    (workplace / "elsewhere").mkdir()
    (run.path / "samplers").symlink_to(workplace / "elsewhere")
    with pytest.raises(GtkError, match="samplers is a link"):
        sample(run)
    (run.path / "samplers").unlink()
    first, (file,) = sample(run), kept(run)
    shutil.move(file, workplace / "target")
    file.symlink_to(workplace / "target")
    assert np.array_equal(sample(run), first)
    assert file.is_symlink(), "neither read nor replaced"


def test_a_run_with_it_is_replaced_and_listed_like_others(run: gtk.Run) -> None:
    sample(run)
    gtk.train("cvae", "npz:images.npz", name="mine", batch_size=25, overwrite=True, **SMALL)
    assert not (run.path / "samplers").exists()


def test_a_training_with_it_draws_by_its_own_sampler_until_the_end(
    workplace: Path, fits: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    write_images(workplace / "images.npz")
    options: dict[str, Any] = {**SMALL, "epochs": 3, "batch_size": 24, "callbacks": ["samples"]}
    run = gtk.train("cvae", "npz:images.npz", name="it", sampler="aggregate", **options)
    plain = gtk.train("cvae", "npz:images.npz", name="plain", **options)
    names = [f"samples-000{epoch}.png" for epoch in (1, 2, 3)]
    pixels = [[Image.open(it.pictures / name).tobytes() for it in (run, plain)] for name in names]
    same = [one == other for one, other in pixels]
    assert same == [True, True, False]
    assert fits == [54]
    Path("images.npz").unlink()
    assert gtk.load(run.path).sample(count=2).shape == (2, 6, 5), "by what is kept"
    assert caplog.messages == [], "a training shows its own progress"


@pytest.mark.parametrize("plugin", ["cgan", "flow"])
def test_it_is_for_models_with_an_encoder(plugin: str) -> None:
    with pytest.raises(InvalidValue, match="'aggregate' is for models of type LatentVariableModel"):
        gtk.train(plugin, sampler="aggregate", epochs=1, quiet=True)


def test_only_the_part_that_draws_is_fitted(run: gtk.Run, workplace: Path, fits: list[int]) -> None:
    write_images(workplace / "images.npz")
    own = gtk.train("cvae", "npz:images.npz", name="own", sampler="aggregate", **SMALL)
    Path("images.npz").unlink()
    assert gtk.export(own, "encoder.onnx", part="encoder").part == "encoder"
    assert main.run(["inspect", "own"]) == 0
    assert fits == []
    with pytest.raises(GtkError, match="learns from the training images"):
        gtk.export(own, "drawn.onnx")


def test_a_training_says_that_what_was_fitted_is_not_kept(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gtk.core.storage.fitted_sampler.write_file", full)
    write_images(workplace / "images.npz")
    options: dict[str, Any] = {**SMALL, "callbacks": ["samples"]}
    gtk.train("cvae", "npz:images.npz", name="it", sampler="aggregate", **options)
    (message,) = caplog.messages
    assert message.endswith("training images, which is not kept: No space left on device")
