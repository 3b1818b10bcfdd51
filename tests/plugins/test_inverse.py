"""From images back to the noise that they are drawn from, and `gtk interpolate` between them."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import gtk
from gtk.core.models.build import build_sampler
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import SAMPLER
from gtk.core.training.training import load_dataset
from gtk.core.values.path import PATHS, Path
from gtk.plugins.samplers import SOLVERS

DEVIATION = 0.5


class Gaussian(nn.Module):
    """The velocity of pixels N(mean, 0.5^2), of classes with the means 0, 0.2 and 0.4."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.noise, self.condition = path, gtk.NoiseSpec((1, 3, 2)), None
        self.means = nn.Parameter(torch.tensor([0.0, 0.2, 0.4]))

    def mean(self, condition: Tensor) -> Tensor:
        return self.means[condition].reshape(-1, 1, 1, 1)

    def velocity(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        time, mean = time.reshape(-1, 1, 1, 1), self.mean(condition)
        alpha, sigma = self.path.alpha(time), self.path.sigma(time)
        off = (x - alpha * mean) / (alpha**2 * DEVIATION**2 + sigma**2)
        image, noise = mean + alpha * DEVIATION**2 * off, sigma * off
        velocity: Tensor = self.path.velocity(image, noise, time)
        return velocity

    def noise_of(self, images: Tensor, condition: Tensor) -> Tensor:
        """Return the noise from which the velocity leads to the images: a line for each pixel."""
        alpha, sigma = (of(torch.tensor(1.0)) for of in (self.path.alpha, self.path.sigma))
        deviation = (alpha**2 * DEVIATION**2 + sigma**2) ** 0.5
        noise: Tensor = (2 * images - 1 - alpha * self.mean(condition)) / deviation
        return noise


@pytest.mark.parametrize(
    ("name", "path", "grid"),
    [*product([*SOLVERS], ["straight"], ["uniform"]),
     *product(["heun", "dpm++"], ["cosine", "variance-preserving"], ["rho"]),
     ("ddim", "cosine", "uniform")],
)  # fmt: skip
def test_the_noise_of_an_image_is_found_and_draws_the_image(
    name: str, path: str, grid: str
) -> None:
    model: Any = Gaussian(PATHS[path])
    plugin = find(SAMPLER, name)
    sampler = build_sampler(plugin, plugin.spec.config(steps=200, grid=grid), model)
    inverse = sampler.inverse()
    if name == "ancestral":
        assert inverse is None
        return
    assert inverse is not None
    images, classes = torch.rand(6, 1, 3, 2), torch.arange(6) % 3
    with torch.no_grad():
        noise = inverse(images, condition=classes)
        exact = model.noise_of(images, classes)
        bound = 0.03 if name in ("euler", "ddim") else 0.01  # of order 1 or 2
        assert (noise - exact).abs().max() < bound
        assert (sampler.module()(noise, condition=classes) - images).abs().max() < bound / 2


def cells(path: str) -> Any:
    """Return the images of a bare picture of scale 1, (rows, columns, 8, 8)."""
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(int)
    starts = [range(0, side, 9) for side in pixels.shape]
    return np.array([[pixels[y : y + 8, x : x + 8] for x in starts[1]] for y in starts[0]])


@pytest.mark.usefixtures("no_pictures", "workplace")
def test_a_flow_goes_from_image_to_image(capsys: pytest.CaptureFixture[str]) -> None:
    from gtk.cli.main import run as command

    run = gtk.train(
        "flow", name="flow", width=32, depth=1, epochs=3, condition_dropout=0.1, guidance=3.0,
        steps=16, quiet=True,
    )  # fmt: skip
    test = load_dataset(run.settings).test
    bare = ["--no-labels", "--scale", "1", "--overwrite", "--out", "a.png"]
    line = ["interpolate", "flow", "--images", "0", "3", "--steps", "5", *bare]
    assert command(line) == 0
    found = cells("a.png")
    assert found.shape == (2, 7, 8, 8), "two classes"
    assert np.array_equal(found[0, [0, -1]], test.images[[0, 3], 0])
    for row, column, image in ((0, 1, 0), (1, 5, 3)):
        assert abs(found[row, column] - test.images[image, 0]).max() <= 6
    assert abs(found[0, 3] - found[0, 1]).max() > 30
    assert command([*line, "--guidance", "20"]) == 0
    assert abs(cells("a.png")[0, 1] - test.images[0, 0]).max() > 30, "guided away"
    capsys.readouterr()
    assert command([*line, "--sampler", "ancestral"]) == 2
    error = capsys.readouterr().err
    assert "this sampler draws steps besides z, so that no image can be traced back" in error
    assert error.count("\n") == 1
