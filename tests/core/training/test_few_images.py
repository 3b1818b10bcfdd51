"""Settings that nobody chose fit the data: batches, warm-up and conditions that are left out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gtk
from gtk.core.values.errors import InvalidValue

CONFIG: dict[str, Any] = {"hidden_dims": (8,), "latent_dim": 2, "epochs": 4}


@pytest.fixture
def few(workplace: Path, no_pictures: None) -> str:
    """A data set of 7 training images and 2 test images."""
    rng = np.random.default_rng(0)
    arrays = {
        f"{name}images": rng.integers(0, 256, (count, 8, 8), np.uint8)
        for name, count in (("", 7), ("test_", 2))
    }
    np.savez(workplace / "few.npz", **arrays)
    return "npz:few.npz"


def used(run: gtk.Run) -> int:
    return int(json.loads((run.path / "run.json").read_text())["train"]["batch_size"])


def test_the_batch_fits_and_is_recorded(few: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = gtk.train("vae", few, name="a", **CONFIG)
    assert (used(run), run.checkpoints.steps()) == (7, [4])
    note = "7 training images are fewer than a step usually takes: its batch is 7 images, not 32"
    assert capsys.readouterr().err.count(note) == 1


@pytest.mark.parametrize(("validation", "needed"), [(0, 2), (4, 6)])
def test_one_image_is_too_few_for_batch_normalization(
    workplace: Path, capsys: pytest.CaptureFixture[str], validation: int, needed: int
) -> None:
    held_out = {"validation": validation, "monitor": "generator_loss" if validation else ""}
    one = np.zeros((1 + validation, 8, 8), np.uint8)
    np.savez(workplace / "one.npz", images=one, test_images=one)
    message = (
        "batch normalization needs more than one image: give at least "
        f"{needed} training images instead of {len(one)}, or another normalization"
    )
    with pytest.raises(InvalidValue, match=message):
        gtk.train("gan", "npz:one.npz", network="conv", **held_out)
    note = "1 training image is fewer than a step usually takes: its batch is 1 image, not"
    assert note in capsys.readouterr().err


def test_validation_and_the_batches_of_a_step_count(few: str) -> None:
    assert used(gtk.train("vae", few, name="a", validation=3, quiet=True, **CONFIG)) == 4
    wasserstein = {"loss": "wasserstein-gp", "critic_steps": 3, "network": "mlp"}
    assert used(gtk.train("gan", few, name="b", quiet=True, **wasserstein, **CONFIG)) == 2


def test_resuming_and_repeating_give_the_same_bits(few: str) -> None:
    whole = gtk.train("vae", few, name="whole", quiet=True, **CONFIG)
    repeated = gtk.train(recipe=whole.path / "run.json", name="repeated", quiet=True)
    part = gtk.train("vae", few, name="part", quiet=True, **CONFIG | {"epochs": 2})
    resumed = gtk.train(resume=part.path, epochs=4, quiet=True)
    for name in ("model", "training"):
        files = [
            run.path / "checkpoints" / "000000004" / f"{name}.safetensors"
            for run in (whole, repeated, resumed)
        ]
        assert len({file.read_bytes() for file in files}) == 1


def test_a_batch_that_somebody_chose_stays(few: str, workplace: Path) -> None:
    fault = "batch_size=8 is more than the 7 training images of few. Use 7 or less"
    with pytest.raises(InvalidValue, match=fault):
        gtk.train("vae", few, batch_size=8, quiet=True, **CONFIG)
    (workplace / "mine.toml").write_text("[train]\nbatch_size = 8\n")
    with pytest.raises(InvalidValue, match=fault):
        gtk.train("vae", few, recipe="mine.toml", quiet=True, **CONFIG)
    assert not (workplace / "runs").exists()


def test_a_short_training_has_a_short_warm_up_where_nobody_chose_it(few: str) -> None:
    small: dict[str, Any] = {"width": 8, "depth": 1, "epochs": 40, "quiet": True}
    run = gtk.train("flow", few, conditioner="unconditional", name="a", **small)
    assert run.document["train"]["warmup_steps"] == 4  # a tenth
    Path("own.toml").write_text("[model]\nname = 'flow'\n[train]\nwarmup_steps = 41\n")
    run = gtk.train(recipe="own.toml", data=few, conditioner="unconditional", name="b", **small)
    assert run.document["train"]["warmup_steps"] == 4
    again = gtk.train(
        recipe="own.toml",
        data=few,
        conditioner="unconditional",
        name="c",
        **{**small, "epochs": 41},
    )
    assert again.document["train"]["warmup_steps"] == 41
    with pytest.raises(InvalidValue, match="warmup_steps=41 is longer than the training of 40"):
        gtk.train("flow", few, conditioner="unconditional", warmup_steps=41, **small)


def test_nothing_is_left_out_where_there_is_no_condition_and_nobody_asked_for_it(few: str) -> None:
    small: dict[str, Any] = {"width": 8, "depth": 1, "epochs": 1, "quiet": True}
    Path("own.toml").write_text("[model]\nname = 'flow'\n[train]\ncondition_dropout = 0.2\n")
    for given in ({"plugin": "flow"}, {"recipe": "own.toml"}):
        run = gtk.train(data=few, conditioner="unconditional", **given, **small)
        assert run.document["train"]["condition_dropout"] == 0
        gtk.train(resume=run.path, epochs=2, quiet=True)
    with pytest.raises(InvalidValue, match="guidance leads towards a condition"):
        gtk.train("flow", few, conditioner="unconditional", guidance=2.0, name="no", **small)
    assert not Path("runs/no").exists()
    with pytest.raises(InvalidValue, match="Leave it at 0"):
        gtk.train("flow", few, conditioner="unconditional", condition_dropout=0.1, **small)
