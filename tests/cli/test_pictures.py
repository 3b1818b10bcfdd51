"""Which image is in which cell of the pictures that commands draw."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import gtk
from gtk.core.models import blend
from gtk.core.training.training import load_dataset
from gtk.core.values.dataset import Split
from gtk.core.values.interpolation import spherical
from gtk.pictures.labels import labelled_grid
from gtk.plugins.vae.model import VariationalAutoencoder

Command = Callable[..., Any]
BARE = ("--no-labels", "--scale", 1)


@pytest.fixture
def run(small_run: gtk.Run, workplace: Path) -> gtk.Run:
    """A copy of the small run, in the runs folder that commands look into."""
    return gtk.Run(shutil.copytree(small_run.path, workplace / "runs" / "small"))


def cells(path: str, size: int = 8) -> NDArray[np.uint8]:
    """Cut a bare picture of scale 1 into its images: (rows, columns, size, size[, 3])."""
    with Image.open(path) as image:
        picture = np.asarray(image)
    starts = [range(0, length, size + 1) for length in picture.shape[:2]]
    rows = [[picture[y : y + size, x : x + size] for x in starts[1]] for y in starts[0]]
    return np.array(rows)


def reconstructed(
    run: gtk.Run, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Decode the posterior means of (N, 1, 8, 8) images, with nothing but the model."""
    model = run.load_model()
    assert isinstance(model, VariationalAutoencoder)
    with torch.no_grad():
        condition = torch.from_numpy(labels)
        z = model.encode(torch.from_numpy(images).float() / 255, condition).mean
        expected = torch.sigmoid(model.decode(z, condition))
    return np.rint(expected[:, 0].numpy() * 255).astype(np.uint8)


def assert_near(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """Check that images are equal to one level in 255."""
    assert found.shape == expected.shape
    assert abs(found.astype(int) - expected).max() <= 1


def test_test_images_are_above_their_reconstructions(gtk_command: Command, run: gtk.Run) -> None:
    test = load_dataset(run.settings).test
    chosen = [0, 119, 237, 356]
    result = gtk_command("reconstruct", "small", "-n", 4, *BARE, "--out", "a.png")
    found = cells("a.png")
    assert found.shape == (2, 4, 8, 8)
    assert np.array_equal(found[0], test.images[chosen, 0])
    expected = reconstructed(run, test.images[chosen], test.labels[chosen])
    assert_near(found[1], expected)
    error = np.mean((expected / 255 - test.images[chosen, 0] / 255) ** 2)
    match = re.fullmatch(
        r"a\.png: 4 test images of digits and their reconstructions, mean squared error (\S+) per "
        r"pixel in 0\.\.1\n",
        result.out,
    )
    assert match
    assert float(match[1]) == pytest.approx(error, abs=2e-4)
    gtk_command("reconstruct", "small", "-n", 4, "--out", "named.png")
    with Image.open("named.png") as image:
        expected = labelled_grid(
            found.reshape(8, 8, 8),
            4,
            column_names=[str(label) for label in test.labels[chosen]],
            row_names=["image", "reconstruction"],
        )
        assert np.array_equal(np.asarray(image), expected)


def test_a_seed_draws_test_images_once_each(gtk_command: Command, run: gtk.Run) -> None:
    test = load_dataset(run.settings).test
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        gtk_command("reconstruct", "small", "-n", 99, "--seed", seed, *BARE, "--out", f"{name}.png")
    found = cells("a.png")[0]
    known = {image.tobytes(): row for row, image in enumerate(test.images[:, 0])}
    rows = [known[image.tobytes()] for image in found]
    assert len(set(rows)) == 99
    assert rows != sorted(rows)
    first, second, third = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert first == second != third


def test_own_files_are_reconstructed_as_the_class_they_are_said_to_be(
    gtk_command: Command, run: gtk.Run
) -> None:
    test = load_dataset(run.settings).test
    for index in (5, 6):
        Image.fromarray(test.images[index, 0]).save(f"{index}.png")
    arguments = ("reconstruct", "small", "6.png", "5.png", "--label", 2)
    gtk_command(*arguments, *BARE, "--out", "a.png")
    found = cells("a.png")
    assert np.array_equal(found[0], test.images[[6, 5], 0])
    assert_near(found[1], reconstructed(run, test.images[[6, 5]], np.array([2, 2])))


def test_few_test_images_are_all_shown_unless_more_are_asked_for(
    gtk_command: Command, run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(run.settings)
    few = replace(dataset, test=Split(dataset.test.images[:1], dataset.test.labels[:1]))
    monkeypatch.setattr("gtk.core.storage.run_data.load_data", lambda *_: few)
    result = gtk_command("reconstruct", "small", *BARE, "--out", "a.png")
    assert cells("a.png").shape == (2, 1, 8, 8)
    assert "1 test image of digits and its reconstruction, mean" in result.out
    result = gtk_command("reconstruct", "small", "-n", 2, "--out", "b.png")
    assert result.code == 2
    assert "the data have 1 test image: ask for no more with -n" in result.err


def test_random_points_are_joined_in_each_row(
    gtk_command: Command, run: gtk.Run, exported: Path
) -> None:
    options = ("--rows", 3, "--steps", 5, "--seed", 2, *BARE)
    result = gtk_command("interpolate", "small", *options, "--out", "run.png")
    assert result.out == "run.png: 5 steps between random points, seed 2\n"
    found = cells("run.png")
    assert found.shape == (3, 5, 8, 8)
    labels = [0, 0, 1, 1, 2, 2]  # a class each row
    drawn = run.sample(labels=labels, seed=2)
    assert_near(found[:, 0], drawn[::2])
    assert_near(found[:, -1], drawn[1::2])
    noise = run.load_model().noise.draw(6, seed=2)
    middle = spherical(noise[4], noise[5], np.array([0.5]))
    assert_near(found[2, 2], run.generate(middle, [2])[0])
    gtk_command("interpolate", exported, *options, "--out", "file.png")
    assert_near(cells("file.png"), found)
    gtk_command("interpolate", "small", *options, "--label", 7, "--out", "seven.png")
    assert_near(cells("seven.png")[:, 0], run.sample(labels=[7] * 6, seed=2)[::2])


def test_between_classes_z_stays_and_the_class_goes(gtk_command: Command, run: gtk.Run) -> None:
    options = ("--from", 3, "--to", 8, "--rows", 2, "--steps", 3, "--seed", 1)
    gtk_command("interpolate", "small", *options, *BARE, "--out", "a.png")
    found = cells("a.png")
    noise = run.load_model().noise.draw(2, seed=1)
    three, eight = (run.generate(noise, [label] * 2) for label in (3, 8))
    assert_near(found[:, 0], three)
    assert_near(found[:, 2], eight)
    middle = found[:, 1].astype(int)
    assert all(abs(middle - end).max() > 10 for end in (three, eight))
    gtk_command("interpolate", "small", *options, "--out", "named.png")
    with Image.open("named.png") as image:
        expected = labelled_grid(found.reshape(6, 8, 8), 3, column_names=["3", "50%", "8"])
        assert np.array_equal(np.asarray(image), expected)


def test_between_images_z_goes_from_one_mean_to_the_other(
    gtk_command: Command, run: gtk.Run
) -> None:
    test = load_dataset(run.settings).test
    ends = [0, 3]
    assert test.labels[ends].tolist() == [8, 7], "two classes: a row for each"
    gtk_command("interpolate", "small", "--images", *ends, "--steps", 3, *BARE, "--out", "a.png")
    found = cells("a.png")
    assert found.shape == (2, 5, 8, 8)
    for row, label in enumerate((8, 7)):
        assert np.array_equal(found[row, 0], test.images[0, 0])
        assert np.array_equal(found[row, -1], test.images[3, 0])
        own = reconstructed(run, test.images[ends], test.labels[ends])[row]
        assert_near(found[row, 1 + 2 * row], own)
        model = run.load_model()
        assert isinstance(model, VariationalAutoencoder)
        with torch.no_grad():
            images = torch.from_numpy(test.images[ends]).float() / 255
            means = model.encode(images, torch.from_numpy(test.labels[ends])).mean
            middle = model.decode(means.mean(0, keepdim=True), torch.tensor([label]))
        expected = np.rint(torch.sigmoid(middle)[0, 0].numpy() * 255).astype(np.uint8)
        assert_near(found[row, 2], expected)
    Image.fromarray(test.images[3, 0]).save("mine.png")
    arguments = ("--images", 0, "mine.png", "--label", 7, "--steps", 3)
    gtk_command("interpolate", "small", *arguments, *BARE, "--out", "b.png")
    assert np.array_equal(cells("b.png"), found)


def test_dimensions_in_use_are_swept_the_strongest_first(
    gtk_command: Command, run: gtk.Run
) -> None:
    ends = np.zeros((16, 2, 16), np.float32)
    ends[range(16), 0, range(16)], ends[range(16), 1, range(16)] = -3, 3
    images = run.generate(ends.reshape(32, 16), [4] * 32).astype(float).reshape(16, 2, -1)
    changes = np.abs(images[:, 0] - images[:, 1]).mean(1)
    used = [at for at in np.argsort(-changes) if changes[at] >= changes.max() / 10]
    result = gtk_command("traverse", "small", "--label", 4, *BARE, "--steps", 2, "--out", "a.png")
    order = "are in use, the strongest first"
    assert result.out == f"a.png: {len(used)} of 16 dimensions {order}, around 0, class 4\n"
    found = cells("a.png")
    assert found.shape[0] == len(used) < 16
    assert_near(found[0, 0], run.generate(ends[used[0], :1], [4])[0])
    assert_near(found[-1, 1], run.generate(ends[used[-1], 1:], [4])[0])


def test_each_dimension_is_swept_in_its_row(
    gtk_command: Command, run: gtk.Run, exported: Path
) -> None:
    options = ("--dims", "2,16", "--steps", 3, "--range", 2, "--label", 4)
    result = gtk_command("traverse", "small", *options, *BARE, "--out", "a.png")
    assert result.out == "a.png: 2 of 16 dimensions, around 0, class 4\n"
    noise = np.zeros((2, 3, 16), np.float32)
    noise[0, :, 1] = noise[1, :, 15] = -2, 0, 2
    expected = run.generate(noise.reshape(6, 16), [4] * 6).reshape(2, 3, 8, 8)
    assert_near(cells("a.png"), expected)
    gtk_command("traverse", exported, *options, *BARE, "--out", "file.png")
    assert_near(cells("file.png"), expected)
    gtk_command("traverse", "small", *options, "--seed", 5, *BARE, "--out", "seed.png")
    around = run.load_model().noise.draw(1, seed=5)[0]
    around[15] = -2
    assert_near(cells("seed.png")[1, 0], run.generate(around[None], [4])[0])
    gtk_command("traverse", "small", *BARE, "--out", "all.png")
    assert cells("all.png").shape[1:] == (7, 8, 8)


def test_of_a_run_that_draws_by_a_mixture_its_code_is_swept(gtk_command: Command) -> None:
    gtk.train(plugin="cvae", sampler="aggregate", latent_dim=3, epochs=1, name="mixed", quiet=True)
    gtk_command(
        "traverse", "mixed", "--dims", 2, "--steps", 3, "--label", 4, *BARE, "--out", "a.png"
    )
    noise = np.zeros((3, 3), np.float32)
    noise[:, 1] = -3, 0, 3
    run = gtk.load("mixed")
    assert_near(cells("a.png")[0], run.generate(noise, [4] * 3, sampler="direct"))
    named = gtk_command(
        "traverse", "mixed", "--dims", 2, "--sampler", "aggregate", "--json", "--out", "b.png"
    )
    assert '"aggregate"' in named.out


def test_two_dimensions_are_a_plane_with_axes(gtk_command: Command) -> None:
    gtk.train(plugin="vae", latent_dim=2, epochs=1, name="flat", quiet=True)
    run = gtk.load("flat")
    gtk_command("traverse", "flat", "--steps", 4, *BARE, "--out", "a.png")
    found = cells("a.png")
    assert found.shape == (4, 4, 8, 8)
    low, high = -1.1503494, 0.3186394  # the normal distribution's quantiles at 1/8 and 5/8
    corner, inner = run.generate(np.array([[low, low], [high, -low]], np.float32))
    assert_near(found[3, 0], corner)  # the lower left corner
    assert_near(found[0, 2], inner)
    swept = gtk_command("traverse", "flat", "--dims", "2,1", *BARE, "--out", "b.png")
    assert swept.out == "b.png: 2 of 2 dimensions, around 0\n"
    result = gtk_command("traverse", "flat", "--range", 2, "--out", "c.png")
    assert result.code == 2
    assert "add --dims 1,2 to sweep each" in result.err


def frames(path: str) -> NDArray[np.uint8]:
    """Return an animation's frames in grey: (F, H, W)."""
    with Image.open(path) as image:
        found = []
        for index in range(image.n_frames):
            image.seek(index)
            found.append(np.asarray(image.convert("L")))
    return np.array(found)


@pytest.mark.parametrize("suffix", ["gif", "apng"])
def test_a_training_is_animated_by_epoch(gtk_command: Command, run: gtk.Run, suffix: str) -> None:
    (run.pictures / "samples-junk.png").write_text("not one of them")
    result = gtk_command("animate", "small", "--out", f"a.{suffix}", "--no-labels")
    assert result.out == f"a.{suffix}: epochs 1 to 20, 11 frames\n"
    found = frames(f"a.{suffix}")
    assert len(found) == 11
    for frame, epoch in zip(found, (1, *range(2, 21, 2)), strict=True):
        with Image.open(run.pictures / f"samples-{epoch:04d}.png") as image:
            assert np.array_equal(frame, np.asarray(image))
    gtk_command("animate", "small", "--out", f"b.{suffix}")
    named = frames(f"b.{suffix}")
    high, wide = found.shape[1:]
    assert np.array_equal(named[:, -high:, -wide:], found)
    captions = {frame[:-high].tobytes() for frame in named}
    assert len(captions) == 11, "each has its epoch"
    assert np.array_equal(named[0][24:-high], named[10][24:-high]), "and the same classes"


def test_a_training_without_whole_pictures_cannot_be_animated(
    gtk_command: Command, run: gtk.Run
) -> None:
    def refused(message: str) -> None:
        result = gtk_command("animate", "small", "--out", "a.gif")
        assert result.code == 2
        assert message in result.err
        assert result.err.count("\n") == 1
        assert not Path("a.gif").exists()

    picture = run.pictures / "samples-0004.png"
    whole = picture.read_bytes()
    for damaged in (b"", b"text", whole[:100], whole[: len(whole) // 2]):
        picture.write_bytes(damaged)
        refused("samples-0004.png is not a picture, or is damaged")
    Image.new("L", (9, 9)).save(picture)
    refused("differ in size. Remove those of an older training")
    shutil.rmtree(run.pictures)
    refused("has no pictures of samples: draw a walk with --walk, or train anew")


def test_epochs_are_in_order_where_numbers_grow_longer(gtk_command: Command, run: gtk.Run) -> None:
    (run.pictures / "samples-0002.png").rename(run.pictures / "samples-10000.png")
    result = gtk_command("animate", "small", "--out", "a.png", "--no-labels")
    assert result.out == "a.png: epochs 1 to 10000, 11 frames\n"
    with Image.open(run.pictures / "samples-10000.png") as image:
        assert np.array_equal(frames("a.png")[-1], np.asarray(image))


def test_a_model_with_nothing_between_classes_is_refused(
    gtk_command: Command, run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blend, "_outermost", lambda model: iter(()))
    result = gtk_command("interpolate", "small", "--from", 3, "--to", 8, "--out", "a.png")
    assert result.code == 2
    assert (
        "cannot mix classes, since it takes its class without the conditioner's layers"
        in result.err
    )
    assert not Path("a.png").exists()


def test_a_class_can_be_called_anything(
    gtk_command: Command, run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = "\x1b[31m[b]red\n</script>"
    document = run.document
    document["data_spec"]["condition"]["names"][0] = wild
    (run.path / "run.json").write_text(json.dumps(document))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "500")
    for command in ("sample", "interpolate", "traverse", "animate"):
        result = gtk_command(command, "small", "--out", f"{command}.png")
        assert result.code == 0
        assert "\x1b[31m" not in result.out
    assert r"class \x1b[31m[b]red\n</script>" in gtk_command("traverse", "small").out
    result = gtk_command("sample", "small", "--label", "nothing of that name", "--out", "a.png")
    assert "Known: " in result.err
    assert r"\x1b[31m[b]red\n</script>" in result.err
    assert "\x1b" not in result.err


def test_a_walk_is_closed_and_has_a_column_for_each_class(
    gtk_command: Command, run: gtk.Run, exported: Path
) -> None:
    options = ("--walk", "--seed", 3, "--frames", 8, *BARE)
    for name in ("a.gif", "b.gif", "a.png"):
        result = gtk_command("animate", "small", *options, "--out", name)
        assert result.out == f"{name}: a closed walk, 8 frames, seed 3\n"
    assert Path("a.gif").read_bytes() == Path("b.gif").read_bytes()
    found = frames("a.gif")
    assert np.array_equal(found, frames("a.png")), "grey is exact in both"
    assert found.shape == (8, 2 * 9 - 1, 10 * 9 - 1)
    noise = run.load_model().noise.draw(8, seed=3)
    for row in range(2):
        for column in (0, 7):
            y, x = 9 * row, 9 * column
            shown = found[:, y : y + 8, x : x + 8]
            points = run.generate(noise[4 * row : 4 * row + 4], [column] * 4)
            assert_near(shown[::2], points)
            half = spherical(noise[4 * row + 3], noise[4 * row], np.array([0.5]))
            assert_near(shown[7], run.generate(half, [column])[0])
    gtk_command("animate", exported, *options, "--out", "file.png")
    assert_near(frames("file.png"), found)


def test_a_gan_has_all_pictures_but_those_of_images(gtk_command: Command) -> None:
    options = {"network": "mlp", "epochs": 1, "quiet": True}
    gtk.train(plugin="cgan", name="game", **options)  # type: ignore[arg-type]
    run = gtk.load("game")
    gtk_command("interpolate", "game", "--from", 1, "--to", 2, *BARE, "--out", "a.png")
    noise = run.load_model().noise.draw(5, seed=0)
    assert_near(cells("a.png")[:, -1], run.generate(noise, [2] * 5))
    for command in ("interpolate game", "traverse game", "animate game --walk --frames 2"):
        assert gtk_command(*command.split(), "--out", f"{command}.png").code == 0
    for command in ("reconstruct game", "interpolate game --images 0 1"):
        result = gtk_command(*command.split(), "--out", "b.png")
        assert result.code == 2
        assert result.err == (
            "gtk: error: this model encodes no images: use a run of one that does, such as vae or "
            "cvae\n"
        )


def outside_run(data: str) -> gtk.Run:
    options = {"conditioner": "embedding", "epochs": 1, "batch_size": 20, "quiet": True}
    return gtk.train(plugin="generative-toolkit/cvae", data=data, name=data, **options)  # type: ignore[arg-type]


def test_attributes_are_columns_and_can_be_swept(gtk_command: Command, outside: Path) -> None:
    run = outside_run("marks")
    gtk.export(run, "marks.onnx")
    gtk_command("sample", "marks", "--rows", 3, *BARE, "--out", "a.png")
    found = cells("a.png")
    expected = run.sample(labels=[{"roof": 1}, {"wall": 1}] * 3)
    assert_near(found, expected.reshape(3, 2, 8, 8))
    options = ("--from", "roof=0", "--to", "roof=1", "--condition", "wall=1", "--steps", 3)
    for source in ("marks", "marks.onnx"):
        name = f"{source}.png"
        gtk_command("interpolate", source, *options, "--rows", 2, *BARE, "--out", name)
        noise = run.load_model().noise.draw(2, seed=0)
        for column, roof in enumerate((0, 0.5, 1)):
            labels = [{"roof": roof, "wall": 1}] * 2
            assert_near(cells(name)[:, column], run.generate(noise, labels))
    test = load_dataset(run.settings).test
    result = gtk_command("reconstruct", "marks", "-n", 20, *BARE, "--out", "b.png")
    assert result.code == 0
    assert np.array_equal(cells("b.png")[0], test.images[:, 0])
    result = gtk_command("traverse", "marks", "--condition", "roof=1", "--out", "c.png")
    assert result.out.endswith("around 0, condition roof\n")
    mistakes = {
        "interpolate marks --from roof=0 --to wall=1": "name the same attributes or numbers",
        "interpolate marks --from roof=0 --to roof=2": "roof must be a number in 0..1, not 2.0",
        "interpolate marks --from 0 --to 1": "--from takes NAME=NUMBER, not '0'",
        "interpolate marks --from rof=0 --to rof=1": "unknown condition 'rof'. Did you mean",
        "reconstruct marks a.png": "give the condition of a.png with --condition NAME=VALUE",
        "traverse marks --label 1": "this model has no classes: give roof, wall with",
        "sample marks --labels all": "this model has no classes: give roof, wall with",
    }
    for line, message in mistakes.items():
        result = gtk_command(*line.split(), "--out", "d.png")
        assert result.code == 2
        assert message in result.err
        assert result.err.count("\n") == 1


def test_numbers_are_swept_in_their_own_units_and_in_colour(
    gtk_command: Command, outside: Path
) -> None:
    run = outside_run("ramps")
    gtk.export(run, "ramps.onnx")
    options = ("--from", "brightness=90", "--to", "brightness=10", "--steps", 5, "--rows", 1)
    for source in ("ramps", "ramps.onnx"):
        gtk_command("interpolate", source, *options, *BARE, "--out", f"{source}.png")
        found = cells(f"{source}.png", size=9)
        noise = run.load_model().noise.draw(1, seed=0).repeat(5, axis=0)
        labels = [{"brightness": value, "slope": 0} for value in (90, 70, 50, 30, 10)]
        assert_near(found[0], run.generate(noise, labels))
    result = gtk_command("interpolate", "ramps", "--images", 0, 1, *BARE, "--out", "b.png")
    assert result.code == 0
    assert cells("b.png", size=9).shape == (1, 12, 9, 9, 3)
    gtk_command("animate", "ramps.onnx", "--walk", "--frames", 3, "--out", "c.gif")
    assert frames("c.gif").shape[0] == 3


@pytest.mark.parametrize(
    "line",
    ["reconstruct small -n 20", "interpolate small", "interpolate small --images 0 1",
     "traverse small", "animate small --walk --frames 2", "animate small", "sample small"],
)  # fmt: skip
def test_no_line_is_longer_than_a_narrow_terminal(
    gtk_command: Command, run: gtk.Run, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    output = gtk_command(*line.split()).out
    assert "▀" in output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    assert all(len(text) <= 60 for text in plain.splitlines() if "▀" in text)
    without = gtk_command(*line.split(), "--no-preview", "--out", "a.png").out
    assert "▀" not in without


@pytest.mark.parametrize("options", [["--rows", 5000], ["--labels", ",".join(["3"] * 5000)]])
def test_too_many_images_are_refused_before_one_is_drawn(
    gtk_command: Command, run: gtk.Run, monkeypatch: pytest.MonkeyPatch, options: list[object]
) -> None:
    monkeypatch.setattr("gtk.core.storage.run_source.RunSource.generate", None)
    result = gtk_command("sample", "small", *options, "--out", "x.png")
    assert result.code == 2
    assert re.search(r"(50|25),000 images are more than 10,000: name some classes", result.err)
