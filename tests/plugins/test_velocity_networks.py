"""The U-Net and the transformer, which map a noisy image, a time and a condition to an image."""

import math
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from worlds import CONDITIONS

from gtk.core.contracts.conditioner import Conditioner, ConditioningRecord
from gtk.core.contracts.normalization import Normalization
from gtk.exports.translate import _quiet
from gtk.plugins.conditioners import EmbeddingConfig
from gtk.plugins.conditioners.embedding import Embedding
from gtk.plugins.conditioners.modulation import ConditionalNormalization, FiLM
from gtk.plugins.conditioners.onehot import OneHot
from gtk.plugins.conditioners.projection import Projection
from gtk.plugins.conditioners.unconditional import Unconditional
from gtk.plugins.networks.attention import PLAIN_PIXELS, attend, head_count
from gtk.plugins.networks.network_settings import TransformerSettings, UNetSettings
from gtk.plugins.networks.patches import Patches
from gtk.plugins.networks.time_embedding import TimeEmbedding
from gtk.plugins.networks.transformer import Transformer, positions
from gtk.plugins.networks.unet import UNet

UNET = UNetSettings(channels=(8, 16), attention_sizes=(5,))
TRANSFORMER = TransformerSettings(width=16, depth=2, patch=2)
NETWORKS = {UNet: UNET, Transformer: TRANSFORMER}
CONDITIONERS = [Embedding, FiLM, ConditionalNormalization, OneHot]
SIZE = (9, 7)


def conditioner(kind: type[Conditioner], condition: str = "classes") -> Conditioner:
    return kind(EmbeddingConfig(embedding_dim=4), CONDITIONS[condition])


def make(
    network: type[nn.Module],
    kind: type[Conditioner] = FiLM,
    shape: tuple[int, int, int] = (2, *SIZE),
    settings: Any = None,
    *,
    raw: bool = False,
) -> nn.Module:
    """Return a network, with random weights wherever they start at 0 unless `raw`."""
    torch.manual_seed(0)
    built = network(settings or NETWORKS[network], shape, conditioner(kind), "denoiser")
    if not raw:
        with torch.no_grad():
            for parameter in built.parameters():
                if not parameter.any():
                    parameter.normal_(0, 0.2)
    return built.eval()


def inputs(count: int = 3, shape: tuple[int, int, int] = (2, *SIZE)) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, *shape, generator=generator)
    return x, torch.rand(count, generator=generator), torch.arange(count) % 3


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("size", [(9, 7), (28, 28), (33, 20), (3, 1)], ids=str)
def test_images_of_any_size_keep_their_shape(
    network: type[nn.Module], patch: int, size: tuple[int, int]
) -> None:
    settings = {
        UNet: UNetSettings(channels=(4, 4, 8), patch=patch),
        Transformer: TransformerSettings(width=8, depth=1, patch=patch),
    }[network]
    shape = (2, *size)
    result = make(network, shape=shape, settings=settings)(*inputs(2, shape))
    assert result.shape == (2, *shape)
    assert (result != 0).all(), "every pixel is an output of the last layer"


@pytest.mark.parametrize(
    ("network", "settings", "millions"),
    [
        (UNet, UNetSettings(channels=(32, 64)), 0.533),
        (UNet, UNetSettings(), 2.09),
        (UNet, UNetSettings(channels=(128, 256, 256, 512), blocks=2), 56.0),
        (Transformer, TransformerSettings(width=96, depth=3), 0.553),
        (Transformer, TransformerSettings(width=512, depth=12), 57.6),
    ],
)
def test_sizes_go_from_half_a_million_parameters_to_sixty(
    network: type[nn.Module], settings: Any, millions: float
) -> None:
    built = network(settings, (3, 32, 32), conditioner(Unconditional, "none"), "denoiser")
    count = sum(parameter.numel() for parameter in built.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize("network", NETWORKS)
def test_at_first_a_network_returns_zeros(network: type[nn.Module]) -> None:
    assert not make(network, raw=True)(*inputs()).any()


@pytest.mark.parametrize("network", NETWORKS)
def test_rows_are_independent(network: type[nn.Module]) -> None:
    built = make(network)
    x, time, label = inputs()
    whole = built(x, time, label)
    for row in range(3):
        one = built(x[row : row + 1], time[row : row + 1], label[row : row + 1])
        torch.testing.assert_close(one, whole[row : row + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_pixel_sees_every_pixel(network: type[nn.Module]) -> None:
    built = make(network)
    x, time, label = inputs(1)
    x.requires_grad_()
    for corner in ((0, 0), (8, 6)):
        (gradient,) = torch.autograd.grad(built(x, time, label)[0, 0][corner], x)
        assert (gradient != 0).all()


def test_a_transformer_tells_its_tokens_apart() -> None:
    flat = torch.ones(1, 2, 8, 8)  # whose patches are equal
    result = make(Transformer, shape=(2, 8, 8))(flat, torch.ones(1), torch.zeros(1).long())
    tokens = nn.functional.pixel_unshuffle(result, 2).flatten(2)[0].T
    assert torch.pdist(tokens).min() > 1e-3


def test_positions_are_sinusoids_of_row_and_column() -> None:
    table = positions((3, 5), 8)
    assert table.shape == (3, 5, 8)
    half = [math.cos(2), math.cos(0.02), math.sin(2), math.sin(0.02)]
    assert table[2, 4, :4].tolist() == pytest.approx(half)
    half = [math.cos(4), math.cos(0.04), math.sin(4), math.sin(0.04)]
    assert table[2, 4, 4:].tolist() == pytest.approx(half)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", CONDITIONERS)
def test_every_conditioner_acts_in_the_network(
    network: type[nn.Module], kind: type[Conditioner]
) -> None:
    record = ConditioningRecord(conditioner(kind))
    network(NETWORKS[network], (2, *SIZE), record, "denoiser")
    assert not record.idle_networks({"denoiser": nn.Identity()})
    assert not record.unknown_roles({"denoiser"})
    x, time, _ = inputs(1)
    first, second = (make(network, kind)(x, time, torch.tensor([label])) for label in (0, 1))
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("network", NETWORKS)
def test_a_projection_has_no_place(network: type[nn.Module]) -> None:
    record = ConditioningRecord(conditioner(Projection))
    network(NETWORKS[network], (2, *SIZE), record, "denoiser")
    assert record.idle_networks({"denoiser": nn.Identity()}) == ["denoiser"]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", [*CONDITIONERS, Unconditional])
def test_the_time_acts_with_every_conditioner(
    network: type[nn.Module], kind: type[Conditioner]
) -> None:
    built = make(network, kind)
    x, _, label = inputs(1)
    first, second = (built(x, torch.tensor([time]), label) for time in (0.2, 0.8))
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", [*CONDITIONERS, Unconditional])
def test_the_gradient_reaches_all_parameters(
    network: type[nn.Module], kind: type[Conditioner]
) -> None:
    built = make(network, kind)
    built(*inputs()).square().mean().backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, name
        rows = parameter.grad.flatten(1) if parameter.dim() > 1 else parameter.grad[None]
        assert rows.any(1).all(), name


@pytest.mark.parametrize("network", NETWORKS)
def test_in_bf16_a_result_is_close_to_that_in_fp32(network: type[nn.Module]) -> None:
    built = make(network)
    exact = built(*inputs())
    with torch.autocast("cpu", torch.bfloat16):
        low = built(*inputs()).float()
    assert (low - exact).square().mean().sqrt() < 0.03 * exact.square().mean().sqrt()


def test_neighbouring_times_differ_in_bf16() -> None:
    embedding = TimeEmbedding(16, conditioner(Unconditional, "none"), "denoiser")
    seen: list[Tensor] = []
    embedding.first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    time = torch.tensor([0.9, 0.901])  # one number in bf16
    with torch.autocast("cpu", torch.bfloat16):
        embedding(time, None)
    steps = 1000 * time.double()[:, None] * 10000.0 ** -(torch.arange(64) / 64).double()
    expected = torch.cat([steps.cos(), steps.sin()], 1)
    torch.testing.assert_close(seen[0].double(), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_memory_formats_agree(network: type[nn.Module], memory_format: torch.memory_format) -> None:
    x, time, label = inputs()
    expected = make(network)(x, time, label)
    other = make(network).to(memory_format=memory_format)
    result = other(x.contiguous(memory_format=memory_format), time, label)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize(
    ("network", "kind"), [(UNet, FiLM), (Transformer, ConditionalNormalization)]
)
def test_an_exported_network_agrees_with_torch_for_any_batch(
    network: type[nn.Module], kind: type[Conditioner]
) -> None:
    built = make(network, kind)
    with _quiet():
        program = torch.onnx.export(
            built,
            inputs(2),
            dynamic_shapes=({0: "batch"}, {0: "batch"}, {0: "batch"}),
            input_names=["x", "time", "label"],
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for count in (1, 3):
        given = inputs(count)
        feed = dict(zip(["x", "time", "label"], (item.numpy() for item in given), strict=True))
        (result,) = session.run(None, feed)
        with torch.no_grad():
            np.testing.assert_allclose(result, built(*given).numpy(), rtol=1e-4, atol=1e-4)


def test_patches_are_joined_to_the_image_they_came_from() -> None:
    patches = Patches((2, 9, 7), 4)
    x = torch.randn(3, 2, 9, 7)
    whole = patches.whole(x)
    assert whole.shape == (3, 2, 12, 8)
    assert patches.size == (3, 2)
    maps = nn.functional.pixel_unshuffle(whole, 4)
    assert maps.shape == (3, patches.values, 3, 2)
    assert torch.equal(patches.joined(maps), x)


def test_layer_normalization_is_of_every_pixel_alone() -> None:
    layer = Normalization("layer").build(6, spatial=True, affine=False)
    maps = 3 + 2 * torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(0))
    result = layer(maps)
    assert result.shape == maps.shape
    expected = (maps - maps.mean(1, keepdim=True)) / maps.std(1, correction=0, keepdim=True)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
    vectors = Normalization("layer").build(6, spatial=False, affine=False)(maps[:, :, 0, 0])
    torch.testing.assert_close(vectors, expected[:, :, 0, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("features", range(1, 200))
def test_heads_divide_any_width(features: int) -> None:
    heads = head_count(features)
    assert features % heads == 0
    assert heads == 1 or 16 <= features // heads <= 64


def test_attention_is_on_maps_of_the_chosen_sizes() -> None:
    settings = UNetSettings(channels=(4, 4, 4), blocks=2, attention_sizes=(5, 3))
    built = make(UNet, settings=settings)  # maps of 5x4, 3x2 and 2x1 pixels
    names = [name for name, _ in built.named_modules() if name.endswith("attention.attention")]
    assert len(names) == 4 + 4 + 1


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (UNetSettings, {"channels": ()}, "channels must be at least one width, not ()"),
        (UNetSettings, {"channels": (8, 0)}, "channels must be at least 1 each, not (8, 0)"),
        (UNetSettings, {"attention_sizes": (-1,)},
         "attention_sizes must be at least 1 each, not (-1,)"),
        (UNetSettings, {"blocks": 0}, "blocks must be at least 1, not 0"),
        (UNetSettings, {"patch": 3}, "patch must be 1, 2 or 4, not 3"),
        (TransformerSettings, {"patch": 8}, "patch must be 1, 2 or 4, not 8"),
        (TransformerSettings, {"width": 6}, "width must be a multiple of 4, not 6"),
        (TransformerSettings, {"width": 0}, "width must be a multiple of 4, not 0"),
        (TransformerSettings, {"depth": 0}, "depth must be at least 1, not 0"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(kind: type, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is compared below
        kind(**options)
    assert str(error.value) == message


def test_attention_on_maps_of_another_size_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is compared below
        make(UNet, settings=UNetSettings(attention_sizes=(5, 8)))
    assert str(error.value) == (
        "attention_sizes has 8, and the longer sides of this U-Net's maps are 5, 3: choose among "
        "these"
    )


@pytest.mark.parametrize("pixels", [PLAIN_PIXELS, PLAIN_PIXELS + 1])
def test_attention_in_bf16_is_that_of_fp32_rounded(pixels: int) -> None:
    torch.manual_seed(0)
    parts = torch.randn(3, 2, 2, pixels, 16).bfloat16()
    rounded, exact = parts.requires_grad_(), parts.detach().float().requires_grad_()
    found, expected = attend(*rounded), scaled_dot_product_attention(*exact)
    (gradient,) = torch.autograd.grad(found.float().square().sum(), rounded)
    (exact_gradient,) = torch.autograd.grad(expected.square().sum(), exact)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.004)
    torch.testing.assert_close(gradient.float(), exact_gradient, rtol=0.05, atol=0.02)
