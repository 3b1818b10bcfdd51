"""Muon: orthogonal updates of matrices, as torch's own has them, and Adam's for the rest."""

import pytest
import torch
import toys
from torch import Tensor, nn

from gtk.core.registry.train_config import TrainConfig
from gtk.core.training.muon import Muon, orthogonal
from gtk.core.training.optimizer import Optimizers


def matrix(rows: int, columns: int) -> Tensor:
    """Return a matrix whose singular values lie between 0.01 and 1."""
    generator = torch.Generator().manual_seed(rows)
    least = min(rows, columns)
    left, _ = torch.linalg.qr(torch.randn(rows, least, generator=generator))
    right, _ = torch.linalg.qr(torch.randn(columns, least, generator=generator))
    return left * torch.logspace(0, -2, least) @ right.T


@pytest.mark.parametrize("shape", [(6, 6), (8, 40), (40, 8), (1, 5)])
def test_singular_values_come_near_one_and_their_vectors_stay(shape: tuple[int, int]) -> None:
    given = matrix(*shape)
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    values = left.T @ orthogonal(given[None])[0] @ right.T
    assert ((values.diagonal() > 0.65) & (values.diagonal() < 1.25)).all()
    assert torch.allclose(values, torch.diag(values.diagonal()), atol=1e-4)


def test_it_is_the_iteration_of_the_paper() -> None:
    given = matrix(8, 40).double()
    expected = given / given.norm()
    for _ in range(5):
        square = expected @ expected.T
        expected = 3.4445 * expected + (-4.775 * square + 2.0315 * square @ square) @ expected
    assert torch.allclose(orthogonal(given[None])[0], expected, atol=1e-6)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_gradient_near_one_rank_stays_bounded(kind: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    long, wide = torch.randn(64, 1, generator=generator), torch.randn(1, 288, generator=generator)
    weight = nn.Parameter(torch.zeros(64, 288, dtype=kind))
    noise = torch.randn(64, 288, generator=generator)
    weight.grad = (long @ wide + 1e-5 * noise).to(kind)
    Muon([weight], lr=1.0).step()
    assert torch.linalg.matrix_norm(weight.detach().float(), 2) < 1.3 * 0.2 * 288**0.5


def test_a_gradient_of_zeros_moves_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(1, 3, 4)), torch.zeros(1, 3, 4))


def trained(kind: type[torch.optim.Optimizer], weight: Tensor, **options: object) -> Tensor:
    """Return a weight after five steps down different gradients."""
    own = nn.Parameter(weight.clone())
    optimizer = kind([own], lr=0.02, **options)
    for step in range(5):
        own.grad = matrix(8, 40 + step)[:, :40]
        optimizer.step()
    return own.detach()


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_five_steps_are_those_of_torch_which_computes_in_bf16(decay: float) -> None:
    weight = torch.ones(8, 40)
    found = trained(Muon, weight, weight_decay=decay) - weight
    options = {"weight_decay": decay, "adjust_lr_fn": "match_rms_adamw"}
    expected = trained(torch.optim.Muon, weight, **options) - weight
    assert (found - expected).norm() < 0.03 * expected.norm()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_the_matrix_of_its_filters(layout: torch.memory_format) -> None:
    filters, flat = nn.Parameter(torch.zeros(8, 10, 2, 2)), nn.Parameter(torch.zeros(8, 40))
    filters.data = filters.data.to(memory_format=layout)
    for parameter in (filters, flat):
        optimizer = Muon([parameter], lr=0.1)
        for step in range(2):
            parameter.grad = matrix(8, 40 + step)[:, :40].reshape(parameter.shape)
            optimizer.step()
    assert torch.allclose(filters.flatten(1), flat, atol=1e-6)


def test_an_update_has_the_size_of_adams() -> None:
    weight = nn.Parameter(torch.zeros(8, 40))
    weight.grad = matrix(8, 40) / 1000
    Muon([weight], lr=0.1).step()
    assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.2)


def test_vectors_and_embeddings_are_adams() -> None:
    model = toys.model()
    model.second = nn.ModuleList([nn.Linear(3, 4), nn.Embedding(5, 2), nn.LayerNorm(6)])  # type: ignore[assignment]
    gain = nn.Parameter(torch.ones(1, 6, 1))  # numbers along one axis are a vector
    model.second.register_parameter("gain", gain)
    found = Optimizers(model, TrainConfig(optimizer="muon", learning_rate=0.1, adam_beta1=0.5))
    before = {name: value.detach().clone() for name, value in model.second.named_parameters()}
    found.step("second", sum(item.sum() for item in model.second.parameters()))  # type: ignore[arg-type]
    moved = {
        name: (before[name] - value).mean().item()
        for name, value in model.second.named_parameters()
    }
    # Adam's first step moves every number by the rate; a gradient of ones has one singular value.
    size = 0.1 * 0.2 * 2 * orthogonal(torch.ones(1, 4, 3))[0, 0, 0].item()
    assert moved == pytest.approx(
        {name: size if name == "0.weight" else 0.1 for name in moved}, rel=1e-3
    )
    keys = {name.rpartition("/")[2] for name in found.state() if "0.weight" in name}
    assert keys == {"momentum_buffer"}


def test_weights_of_one_shape_are_changed_as_each_would_be_alone() -> None:
    torch.manual_seed(0)
    shapes = [(6, 2, 3, 3), (4, 9), (6, 2, 3, 3), (9, 4), (6, 2, 3, 3)]
    first = [torch.randn(shape) for shape in shapes]
    gradients = [[torch.randn(shape) for shape in shapes] for _ in range(3)]

    def stepped(chosen: list[int]) -> list[torch.Tensor]:
        weights = [first[at].clone().requires_grad_() for at in chosen]
        optimizer = Muon(weights, lr=0.1, weight_decay=0.1)
        for step in gradients:
            for weight, at in zip(weights, chosen, strict=True):
                weight.grad = step[at]
            optimizer.step()
        return weights

    together = stepped([*range(5)])
    for at, weight in enumerate(together):
        assert torch.equal(weight, stepped([at])[0])
    assert not torch.equal(together[0], together[2])
