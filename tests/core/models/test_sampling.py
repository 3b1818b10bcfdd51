"""What a model's sample() gives: refused where it is no images, warned of where it is cut off."""

import logging
from typing import Any

import pytest
import torch
import toys
from torch import Tensor

import gtk
from gtk.core.models.sampling import sample
from gtk.core.values.errors import PluginError
from gtk.plugins.samplers import DirectConfig
from gtk.plugins.samplers.direct import Direct
from gtk.plugins.vae.model import VariationalAutoencoder


class Given(toys.TwoParts):
    """Gives images as a test wants them."""

    def __init__(self, images: Any) -> None:
        super().__init__()
        self.images = images

    def sample(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        images = self.images
        return images.expand(len(noise), 1, 4, 4) if isinstance(images, Tensor) else images()


def draw(model: gtk.Model) -> Any:
    sampler = Direct(DirectConfig(), model)
    return sample(sampler, labels=None, count=3, seed=0, batch_size=256, device=toys.CPU)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (lambda: None, "gives NoneType: return images"),
        (lambda: torch.ones(3, 16), r"gives shape \(3, 16\) where 3 images are asked for: return"),
        (lambda: torch.ones(1, 1, 4, 4), r"gives shape \(1, 1, 4, 4\) where 3 im"),
    ],
)
def test_what_is_no_images_is_named(images: Any, found: str) -> None:
    with pytest.raises(PluginError, match=rf"^sample\(\) of Given {found}"):
        draw(Given(images))


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (-0.98, 0.97, "sample() of Given gives -0.98..0.97 and pictures show 0..1"),
        (0, 255, "gives 0.00..255.00 and"),
    ],
)
def test_pixels_that_a_picture_cuts_off_are_warned_of_once(
    low: float, high: float, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = Given(torch.linspace(low, high, 16).reshape(4, 4))
    for _ in range(2):
        draw(model)
    assert [found in record.getMessage() for record in caplog.records] == [True]
    assert caplog.records[0].levelno == logging.WARNING


def test_what_is_rounded_away_is_not(caplog: pytest.LogCaptureFixture) -> None:
    draw(Given(torch.linspace(-0.001, 1.001, 16).reshape(4, 4)))
    assert not caplog.records


def test_a_training_warns_once_and_so_does_a_look_at_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = VariationalAutoencoder.sample
    monkeypatch.setattr(
        VariationalAutoencoder,
        "sample",
        lambda self, noise, condition: 2 * right(self, noise, condition) - 1,
    )
    run = gtk.train(plugin="cvae", epochs=4, quiet=True)
    assert len(list(run.pictures.glob("samples-*.png"))) > 1
    assert len(caplog.records) == 1
    run.sample([3])
    assert len(caplog.records) == 2
