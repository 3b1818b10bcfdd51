"""A model says itself what is left of an image, or its posterior's mean does."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import gtk
from gtk.core.values.errors import PluginError
from gtk.plugins.families.reconstruction import Reconstruction
from gtk.plugins.vae.model import VariationalAutoencoder


def negative(model: VariationalAutoencoder, images: Tensor, condition: Tensor | None) -> Tensor:
    assert condition is not None
    return 1 - images


def test_of_a_posterior_it_is_the_image_of_its_mean(small_run: gtk.Run) -> None:
    model = small_run.load_model()
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)
    labels = np.arange(300) % 10
    found = Reconstruction(model)(images, labels)
    with torch.no_grad():
        condition = torch.from_numpy(labels)
        mean = model.encode(torch.from_numpy(images) / 255, condition).mean
        expected = model.expected_image(model.decode(mean, condition))
    assert found.shape == images.shape
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


def test_what_a_model_says_itself_goes_before(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VariationalAutoencoder, "reconstruct", negative, raising=False)
    assert isinstance(small_run.load_model(), gtk.ReconstructingModel)
    images = np.array([[[[0, 51], [204, 255]]]], np.uint8)
    found = Reconstruction(small_run.load_model())(images, np.array([3]))
    np.testing.assert_allclose(found, 1 - images / 255, atol=1e-6)


def test_pictures_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VariationalAutoencoder, "reconstruct", negative, raising=False)
    run = gtk.train(plugin="cvae", epochs=1, quiet=True)
    with Image.open(run.pictures / "reconstructions-0001.png") as picture:
        pixels = np.asarray(picture).astype(int)
    above, below = (pixels[row * 72 : row * 72 + 64 : 8, 0:64:8] for row in (0, 1))
    assert abs(255 - above - below).max() <= 1


def test_a_model_that_encodes_nothing_is_refused() -> None:
    run = gtk.train(plugin="gan", epochs=1, quiet=True)
    with pytest.raises(gtk.InvalidValue, match="encodes no images"):
        Reconstruction(run.load_model())
    assert not list(run.pictures.glob("reconstructions-*.png"))


@pytest.mark.parametrize(
    ("method", "wrong", "found"),
    [
        ("reconstruct", None, "gives NoneType: return images"),
        ("expected_image", torch.ones(2, 1, 8, 8), "gives shape (2, 1, 8, 8) where 3 images are"),
        ("encode", (torch.ones(3, 2),) * 2, "gives tuple: return gtk.DiagonalGaussian(mean"),
    ],
)
def test_what_is_none_is_named(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch, method: str, wrong: object, found: str
) -> None:
    monkeypatch.setattr(VariationalAutoencoder, method, lambda *given: wrong, raising=False)
    with pytest.raises(PluginError) as error:
        Reconstruction(small_run.load_model())(np.zeros((3, 1, 8, 8), np.uint8), np.arange(3))
    assert str(error.value).startswith(f"{method}() of VariationalAutoencoder {found}")
