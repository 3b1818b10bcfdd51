"""Networks of any image size: sizes by stride and output padding, and the published ones exact."""

import pytest
import torch
from torch import nn
from worlds import SIZES, built, data_spec, settle

from gtk.core.contracts.normalization import Normalization
from gtk.core.values.errors import InvalidValue
from gtk.plugins.networks.stage import Stage, sizes_down

STAGES = [Stage(kernel, stride, padding) for kernel in (3, 4, 5) for stride in (1, 2, 3)
          for padding in (0, 1, 2)]  # fmt: skip


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_output_padding_undoes_every_size_and_is_smaller_than_the_stride(stage: Stage) -> None:
    for large in range(8, 70):
        small = stage.smaller(large)
        assert (
            small
            == nn.Conv1d(1, 1, stage.kernel, stage.stride, stage.padding)(
                torch.zeros(1, 1, large)
            ).shape[2]
        )
        padding = stage.output_padding(small, large)
        assert 0 <= padding < stage.stride
        back = nn.ConvTranspose1d(1, 1, stage.kernel, stage.stride, stage.padding, padding)
        assert back(torch.zeros(1, 1, small)).shape[2] == large


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("model", ["vae", "cvae", "gan", "cgan"])
def test_every_network_is_built_for_every_size(
    model: str, network: str, channels: int, size: tuple[int, int]
) -> None:
    spec = data_spec("classes", size, channels)
    options = {"network": network, "channels": (4, 6, 8), "hidden_dims": (9,)}
    networks, _ = built(settle(model, **options), spec)
    labels = torch.tensor([0, 2])
    noise = torch.from_numpy(networks.noise.draw(2, seed=0))
    images = networks.sample(noise, labels)
    assert images.shape == (2, channels, *size)
    assert 0 <= images.min() <= images.max() <= 1
    if model.endswith("vae"):
        assert networks.encode(images, labels).mean.shape == (2, *networks.noise.shape)
    else:
        assert networks.discriminate(images, labels).shape == (2,)


@pytest.mark.parametrize("model", ["vae", "gan"])
def test_no_layer_resizes_or_crops(model: str) -> None:
    networks, _ = built(
        settle(model, network="conv", channels=(4, 6, 8)), data_spec("none", (9, 13))
    )
    kinds = {type(module).__name__ for module in networks.modules() if not list(module.children())}
    assert kinds <= {
        "Conv2d", "ConvTranspose2d", "Linear", "ReLU", "LeakyReLU", "BatchNorm2d", "PassThrough",
        "ScoreLayer", "StandardPrior",
    }  # fmt: skip


def test_sizes_go_the_tutorials_way() -> None:
    stages = [Stage(4, 2, 1), Stage(4, 2, 1), Stage(3, 2, 0)]
    assert sizes_down((28, 28), stages) == [(28, 28), (14, 14), (7, 7), (3, 3)]


def test_an_image_too_small_for_the_layers_is_refused_with_the_reason() -> None:
    settings = settle("gan", kernels=(4, 4, 3), paddings=(1, 1, 0))
    with pytest.raises(InvalidValue) as error:
        built(settings, data_spec("none", (8, 8)))
    assert str(error.value) == (
        "model 'gan' cannot be built for world: convolution 3 of 3 (kernel 3, stride 2, padding 0) "
        "needs 3 pixels and gets maps of 2x2: use fewer convolutions or more padding"
    )


@pytest.mark.parametrize("features", range(2, 70))
def test_group_normalization_leaves_something_of_a_vector(features: int) -> None:
    layer = Normalization("group").build(features, spatial=False, affine=False)
    normalized = layer(torch.randn(3, features, generator=torch.Generator().manual_seed(0)))
    assert (normalized.std(1) > 0.5).all()


def test_group_normalization_has_groups_that_divide_any_width() -> None:
    for width in (1, 7, 48, 33):
        options = {"network": "conv", "normalization": "group", "channels": (width, width)}
        networks, _ = built(settle("vae", **options), data_spec("none"))
        norms = [item for item in networks.modules() if isinstance(item, nn.GroupNorm)]
        assert {item.num_channels for item in norms} >= {width}
        assert all(item.num_channels % item.num_groups == 0 for item in norms)


def test_the_vaes_normalization_follows_the_activation_and_the_gans_comes_before() -> None:
    vae, _ = built(settle("vae", network="conv", normalization="batch"), data_spec("none"))
    gan, _ = built(settle("gan"), data_spec("none"))
    first = [name for name, _ in vae.encoder.hidden[0].named_children()]
    second = [name for name, _ in gan.generator.hidden[0].named_children()]
    assert first == ["transform", "activation", "normalization"]
    assert second == ["transform", "normalization", "activation"]
    assert [name for name, _ in vae.decoder.hidden[-1].named_children()] == [
        "transform", "activation",
    ], "right before the output nothing is normalized"  # fmt: skip
    assert [name for name, _ in gan.discriminator.hidden[0].named_children()] == [
        "transform", "activation",
    ]  # fmt: skip


def test_epsilon_and_momentum_reach_every_normalization() -> None:
    options = {"normalization": "batch", "norm_epsilon": 1e-3, "norm_momentum": 0.01}
    for network in ("mlp", "conv"):
        networks, _ = built(settle("vae", network=network, **options), data_spec("none"))
        norms = [item for item in networks.modules() if "BatchNorm" in type(item).__name__]
        assert len(norms) >= 2
        assert {(item.eps, item.momentum) for item in norms} == {(1e-3, 0.01)}
