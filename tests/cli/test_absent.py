"""Images without a condition, as they are asked for on the command line."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

import gtk

CONFIG: dict[str, Any] = {"epochs": 1, "hidden_dims": (16,), "latent_dim": 2, "quiet": True}


@pytest.mark.usefixtures("no_pictures")
def test_a_run_and_its_file_draw_without_a_label(gtk_command: Any) -> None:
    run = gtk.train("cvae", name="part", condition_dropout=0.3, **CONFIG)
    assert gtk_command("export", "part", "--out", "part.onnx").code == 0
    for source in ("part", "part.onnx"):
        drawn = gtk_command("sample", source, "--label", "none", "-n", 1, "--out", "a.png",
                            "--no-labels", "--scale", 1, "--overwrite")  # fmt: skip
        assert drawn.code == 0, drawn.err
        with Image.open("a.png") as image:
            pixels = np.asarray(image).astype(int)
        (wanted,) = run.sample(labels=[None]).astype(int)
        assert pixels.shape == wanted.shape == (8, 8)
        assert abs(pixels - wanted).max() <= 1
    assert "; or none" in gtk_command("inspect", "part.onnx").out


@pytest.mark.usefixtures("no_pictures")
def test_a_model_that_always_had_a_label_says_what_to_train_instead(gtk_command: Any) -> None:
    gtk.train("cvae", name="always", **CONFIG)
    drawn = gtk_command("sample", "always", "--label", "none", "--out", "a.png")
    assert drawn.code == 2
    assert "was trained with --condition-dropout 0.1" in drawn.err
    with pytest.raises(gtk.InvalidValue, match=r"was trained with condition_dropout=0\.1"):
        gtk.load("always").sample(labels=[None])
