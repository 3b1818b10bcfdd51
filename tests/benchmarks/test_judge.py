"""The judge of pictures: distances, moved images, and figures of images that are known."""

import numpy as np
import pytest
import torch

import gtk
from benchmarks.judge import (
    SCHOOLINGS,
    Judge,
    Schooling,
    agreement,
    distance,
    load,
    moved,
    train_judge,
)
from benchmarks.pictures import Measure, nearness, parsed


def test_the_distance_is_frechet_s_of_two_gaussians() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(2, 200_000, 2))
    # |m|^2 + tr(S + T - 2 (ST)^(1/2)) with m = (1, 0), deviations (1, 1) and (3, 0.5).
    assert distance(one + np.array([1, 0]), other * np.array([3, 0.5])) == pytest.approx(
        1 + 4 + 0.25, abs=0.05
    )
    assert distance(one, one) == pytest.approx(0, abs=1e-9)


def test_images_are_moved_whole_pixels_within_black() -> None:
    images = torch.zeros(64, 1, 5, 5)
    images[:, :, 2, 2] = 1
    found = moved(images, SCHOOLINGS["digits"])
    assert torch.equal(found.sum((1, 2, 3)), torch.ones(64))
    rows, columns = found[:, 0].nonzero()[:, 1:].T
    assert {*rows.tolist()} == {*columns.tolist()} == {1, 2, 3}


def test_agreement_is_of_all_and_of_the_worst_class() -> None:
    found = agreement(np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1]))
    assert found == {"agreement": 0.75, "worst_class": 0.5}


def test_figures_of_real_images_are_those_of_the_data() -> None:
    torch.manual_seed(0)
    data = load("digits", None)
    judge = Judge(1, 10, (4, 4, 4, 8)).eval()
    measure = Measure(data, judge, len(data.train))
    found = measure.figures(data.train.images, data.train.labels)
    assert found["times_real"] == found["deviation"] == 1
    assert found["svm"]["agreement"] > 0.99
    grey = measure.figures(np.full_like(data.train.images, 99), data.train.labels)
    assert grey["deviation"] == 0
    assert grey["times_real"] > 10
    copies = nearness(data.train.images[:300], data)
    assert copies == {"median": 0, "copies": 1}


def test_a_judge_learns() -> None:
    data = load("digits", None)
    rows = np.flatnonzero(data.train.labels < 2)[:256]
    few = gtk.Split(data.train.images[rows], data.train.labels[rows])
    small = Schooling(widths=(4, 8, 8, 8), epochs=8, shift=0)
    judge = train_judge(gtk.Dataset(data.spec, few, few), small)
    with torch.no_grad():
        seen = judge(torch.from_numpy(few.images) / 255).argmax(1).numpy()
    assert (seen == few.labels).mean() > 0.9


def test_options_are_read_by_what_they_mean() -> None:
    text = "sampler=dpm++ steps=8 guidance=1.5"
    assert parsed(text) == {"sampler": "dpm++", "steps": 8, "guidance": 1.5}
