"""Differentiable augmentation of what a discriminator judges."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from worlds import built, data_spec, dataset, settle, trained

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context
from gtk.core.contracts.noise import Noise
from gtk.core.training.trainer import Trainer
from gtk.core.values.errors import InvalidValue
from gtk.plugins.losses.augmentation import augmented, cut_out, recoloured, translated

SMALL: dict[str, Any] = {
    "network": "mlp", "hidden_dims": (12,), "latent_dim": 3, "batch_size": 8,
    "discriminator_normalization": "none", "augment": True,
}  # fmt: skip
LOSSES = ["minimax", "hinge", "least-squares", "relativistic", "wasserstein-gp"]


def noise(seed: int = 0) -> Noise:
    made = Noise(torch.device("cpu"))
    made.seed(seed)
    return made


@pytest.mark.parametrize("function", [augmented, recoloured, translated, cut_out])
@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (3, 3, 9, 13), (2, 2, 4, 31)])
def test_shapes_stay_and_a_seed_gives_one_draw(
    function: Callable[[Tensor, Noise], Tensor], shape: tuple[int, ...]
) -> None:
    images = torch.rand(shape) * 2 - 1
    first, again, other = (function(images, noise(seed)) for seed in (1, 1, 2))
    assert first.shape == images.shape
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    if function in (translated, cut_out):
        assert first.abs().max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_differentiable_twice(channels: int) -> None:
    images = torch.rand(2, channels, 5, 6, dtype=torch.float64, requires_grad=True)

    def draw(images: Tensor) -> Tensor:
        return augmented(images, noise())

    assert torch.autograd.gradcheck(draw, images)
    assert torch.autograd.gradgradcheck(draw, images)


def test_a_translation_moves_by_an_eighth_at_most_and_all_shifts_are_as_likely() -> None:
    images = torch.zeros(4000, 1, 16, 24)
    images[:, 0, 8, 12] = 1
    found = translated(images, noise()).nonzero()[:, 2:]
    rows, columns = found[:, 0] - 8, found[:, 1] - 12
    assert rows.unique().tolist() == [-2, -1, 0, 1, 2]
    assert columns.unique().tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert (rows + 2).bincount().min() > 0.15 * 4000
    assert (columns + 3).bincount().min() > 0.1 * 4000
    assert rows.float().mean().abs() < 0.1


def test_a_translation_is_a_move_with_zeros_behind_it() -> None:
    images = torch.arange(1.0, 65).reshape(1, 1, 8, 8).expand(50, -1, -1, -1)
    found = translated(images, noise())
    moves = set()
    for image in found[:, 0]:
        for rows in (-1, 0, 1):
            for columns in (-1, 0, 1):
                moved = torch.zeros(10, 10)
                moved[1 + rows : 9 + rows, 1 + columns : 9 + columns] = images[0, 0]
                if torch.equal(moved[1:9, 1:9], image):
                    moves.add((rows, columns))
    assert len(moves) == 9


@pytest.mark.parametrize(("side", "size"), [(8, 4), (9, 5), (10, 5), (4, 2)])
def test_a_cutout_is_a_square_of_half_the_side_or_what_of_it_is_inside(
    side: int, size: int
) -> None:
    zeros = cut_out(torch.ones(2000, 2, side, side), noise()) == 0
    assert torch.equal(zeros[:, 0], zeros[:, 1])
    rows, columns = zeros[:, 0].any(2).sum(1), zeros[:, 0].any(1).sum(1)
    assert torch.equal(zeros[:, 0].sum((1, 2)), rows * columns), "a rectangle"
    assert rows.max() == columns.max() == size
    assert rows.min() >= size // 2
    share = zeros[:, 0].float().mean(0)
    assert share.min() > 0
    assert (share - share.flip(0)).abs().max() < 0.07, "as often above as below"


def test_a_change_of_colours_leaves_the_mean_over_draws() -> None:
    image = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = recoloured(image.expand(20_000, -1, -1, -1), noise())
    assert torch.allclose(found.mean(0), image[0], atol=0.02)
    assert found.std(0).min() > 0.1


def test_colours_change_where_there_are_three_channels_alone() -> None:
    grey = torch.rand(4, 1, 8, 8)
    assert torch.equal(augmented(grey, noise()), cut_out(translated(grey, made := noise()), made))
    made = noise()
    colour = torch.rand(4, 3, 8, 8)
    expected = cut_out(translated(recoloured(colour, made), made), made)
    assert torch.equal(augmented(colour, noise()), expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_discriminator_sees_augmented_images_alone_but_in_evaluations(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, objective = built(settle("cgan", "onehot", loss, **SMALL), data_spec("classes"))
    monkeypatch.setattr(
        "gtk.plugins.losses.adversarial.augmented", lambda images, _: 0 * images + 0.25
    )
    seen: list[Tensor] = []
    original = model.discriminate

    def discriminate(images: Tensor, condition: Tensor) -> Tensor:
        seen.append(images)
        return original(images, condition)

    model.discriminate = discriminate
    count = 8 * objective.batches
    batch = Batch(torch.rand(count, 1, 8, 8), torch.arange(count) % 3)
    context = Context(noise(), torch.tensor(0), 100)
    list(objective.updates(model, batch, context))
    assert len(seen) >= 3
    assert all((images == 0.25).all() for images in seen)
    seen.clear()
    with torch.no_grad():
        objective.evaluate(model, batch, context)
    assert len(seen) == 2
    assert not any((images == 0.25).any() for images in seen)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("conditioner", ["onehot", "projection", "unconditional"])
def test_both_parts_learn_with_it(loss: str, conditioner: str) -> None:
    options = {**SMALL, "hidden_dims": (12, 12), "discriminator_normalization": "spectral"}
    settings = settle("cgan", conditioner, loss, **options)
    start, _ = built(settings, data_spec("classes"))
    model = trained(settings, dataset("classes", 160), steps=3)
    for part, module in model.parts().items():
        before = dict(start.parts()[part].named_parameters())
        changed = [not torch.equal(item, before[name]) for name, item in module.named_parameters()]
        assert any(changed), part
        assert all(item.isfinite().all() for item in module.parameters())


@pytest.mark.parametrize("size", [(1, 1), (3, 64), (28, 3)])
def test_images_that_are_too_small_to_move_are_refused(size: tuple[int, int]) -> None:
    data = dataset("classes", 160, size)
    settings = settle("cgan", "onehot", "wasserstein-gp", **SMALL)
    model, loss = built(settings, data.spec)
    message = f"augment moves images by an eighth of each side, which {size[0]}x{size[1]} pixels"
    with pytest.raises(InvalidValue, match=message):
        Trainer(model, loss, data, settings.train, torch.device("cpu"))
    assert model.training
