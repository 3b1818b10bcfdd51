"""Images of any size come back, and gradients pass the codebook by."""

import pytest
import torch
from gtk_plugin_vqvae.autoencoder import map_sizes, straight_through


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(8, 8), (9, 13), (17, 8), (28, 28), (33, 47)])
def test_an_image_comes_back_in_its_own_size(make, channels, size) -> None:
    model = make(shape=(channels, *size))
    codes = model.encode(torch.rand(2, channels, *size))
    assert codes.shape == (2, *model.size)
    assert max(model.size) <= 8
    assert 0 <= codes.min() <= codes.max() < 5
    images = model.decode(codes)
    assert images.shape == (2, channels, *size)
    assert 0 <= images.min() <= images.max() <= 1


def test_the_halvings_are_those_that_are_asked_for(make) -> None:
    assert map_sizes((28, 28), 0) == [(28, 28), (14, 14), (7, 7)]
    assert map_sizes((8, 8), 0) == [(8, 8), (4, 4)]
    assert map_sizes((9, 30), 1) == [(9, 30), (5, 15)]
    assert make(halvings=2).size == (2, 2)


def test_smaller_images_are_refused(make) -> None:
    with pytest.raises(ValueError, match="images of 8x7 pixels are too small"):
        make(shape=(1, 8, 7))


def test_the_gradient_of_the_vectors_goes_to_the_features() -> None:
    features, vectors = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randn(2, 3, 4, 4)
    given = straight_through(features, vectors)
    torch.testing.assert_close(given.detach(), vectors)
    weight = torch.randn_like(vectors)
    (given.square() * weight).sum().backward()
    torch.testing.assert_close(features.grad, 2 * vectors * weight)


def test_the_encoder_learns_through_the_codes(make) -> None:
    model = make()
    model.autoencode(torch.rand(4, 1, 8, 8)).logits.square().mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.encoder.parameters())
