"""The training that `gtk data` suggests: by the images' number, size, colour and labels."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gtk.cli.suggested_training import FEW, command, expected_time, kind_of, suggest
from gtk.core.models.build import build
from gtk.core.models.suited_settings import suited_settings
from gtk.core.registry.train_request import TrainRequest
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.setting import settings_as_options
from gtk.train_function import choose

Command = Callable[..., Any]
CLASSES = ConditionSpec(("cat", "dog"))
HATS = ConditionSpec(("hat",), "attributes")
AGES = ConditionSpec(("age",), "continuous", ((0.0, 100.0),))


def spec(channels: int, height: int, width: int, condition: ConditionSpec | None) -> DataSpec:
    return DataSpec("folder", channels, height, width, condition)


@pytest.mark.parametrize(
    ("shape", "recipe"),
    [
        ((1, 1, 1), "flow-digits"),
        ((1, 16, 16), "flow-digits"),
        ((3, 8, 8), "flow-digits"),
        ((3, 16, 16), "flow-cifar10"),
        ((1, 28, 28), "flow-mnist"),
        ((1, 20, 48), "flow-mnist"),
        ((3, 32, 32), "flow-cifar10"),
        ((1, 49, 20), "flow-photos"),
        ((3, 64, 64), "flow-photos"),
        ((3, 128, 128), "flow-photos"),
    ],
)
def test_the_images_decide_the_recipe(shape: tuple[int, int, int], recipe: str) -> None:
    assert kind_of(spec(*shape, None)).recipe == recipe


@pytest.mark.parametrize(
    ("shape", "count", "condition", "options"),
    [
        ("1 8 8", 1_440, CLASSES, "--recipe flow-digits"),
        ("1 28 28", 60_000, CLASSES, "--recipe flow-mnist"),
        ("3 32 32", 50_000, None, "--recipe flow-cifar10 --conditioner unconditional --guidance 1"),
        ("1 28 28", 60_000, None, "--recipe flow-mnist --conditioner unconditional --guidance 1"),
        ("1 28 28", 30_000, HATS, "--recipe flow-mnist --epochs 20"),
        ("3 64 64", 2_000, None, "--recipe flow-photos"),
        ("3 64 64", 300, None, "--recipe flow-photos --epochs 500"),
        ("3 64 64", 400, None, "--recipe flow-photos --epochs 400"),
        ("3 64 64", 30, None, "--recipe flow-photos --epochs 500"),
        ("3 64 64", 20_000, CLASSES, "--recipe flow-photos --conditioner film --epochs 8"),
        ("1 64 64", 2_000, AGES, "--recipe flow-photos --conditioner film"),
        ("3 64 64", 1_000_000, None, "--recipe flow-photos --epochs 1"),
        ("3 128 128", 2_000, None, "--recipe flow-photos --image-size 64"),
        ("3 96 72", 2_000, None, "--recipe flow-photos --image-size 64,48"),
        ("1 8 8", 20, CLASSES, "--recipe flow-digits --epochs 500 --batch-size 20"),
    ],
)
def test_number_and_labels_decide_the_options(
    shape: str, count: int, condition: ConditionSpec | None, options: str
) -> None:
    channels, height, width = map(int, shape.split())
    suggested = suggest(spec(channels, height, width, condition), count, resizable=True)
    with settings_as_options():
        words = command(suggested, "folder:my photos", {"color": "rgb"})
    recipe, *own = options.split(" --")
    expected = " --".join([f"gtk train {recipe} --data 'folder:my photos' --color rgb", *own])
    assert words == expected
    given = dict(suggested.options)
    request = TrainRequest(
        recipe=suggested.recipe, data="folder:photos", conditioner=given.pop("conditioner", None),
        options=given,
    )  # fmt: skip
    settings = choose(request).settle(request.options, None)
    settings = suited_settings(settings, suggested.spec, count)
    build(settings, suggested.spec)
    train = settings.train
    assert train.epochs == suggested.epochs
    steps = count // min(train.batch_size, count) * train.epochs
    assert steps >= train.warmup_steps
    if "batch_size" in settings.fitted:
        return
    assert train.batch_size <= count


def test_sizes_that_were_chosen_or_cannot_be_are_kept() -> None:
    suggested = suggest(spec(3, 128, 128, None), 2_000, resizable=False)
    assert "image_size" not in suggested.options
    assert suggested.spec.image_shape == (3, 128, 128)


def test_the_reason_names_what_does_not_fit() -> None:
    def reason(count: int, side: int = 64) -> str:
        return suggest(spec(3, side, side, None), count, resizable=True).why

    assert reason(2_000) == "a U-Net suits photographs"
    assert "close variations" in reason(FEW - 1)
    assert "close variations" not in reason(FEW)
    assert "Ctrl-C ends it early" in reason(1_000_000)
    assert "more than 64 pixels" in reason(2_000, 65)


def test_what_cannot_be_measured_has_no_time() -> None:
    suggested = suggest(spec(1, 8, 8, None), 100, resizable=True)
    assert expected_time(suggested, 100, "folder:photos", {"image_size": (0,)}) is None
    assert expected_time(suggested, 100, "npz:photos", {"color": "grey"}) is None


def write_photos(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def test_the_suggested_command_trains(gtk_command: Command) -> None:
    write_photos(Path("photos"), 20)
    lines = gtk_command("data", "folder:photos", "--no-preview").out.splitlines()
    said = {line[:11].strip(): line[12:] for line in lines[-3:]}
    assert said["train on it"] == (
        "gtk train --recipe flow-digits --data folder:photos --conditioner unconditional "
        "--epochs 500 --batch-size 18"
    )
    assert re.fullmatch(r"about [\d.]+ (s|min|h) here in (fp32|bf16), for 500 epochs", said["time"])
    short = ("--epochs", 2, "--width", 8, "--quiet")
    assert gtk_command(*shlex.split(said["train on it"])[1:], *short).code == 0
