"""`flow` and `diffusion`: preconditioning, conditioners, and what a trained one draws."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from worlds import CONDITIONS, SIZES, built, data_spec, settle

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context
from gtk.core.contracts.noise import Noise
from gtk.core.settings.choice import Choice
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.path import PATHS, Path
from gtk.core.values.solver_config import TwiceConfig
from gtk.core.values.solvers import heun
from gtk.defaults import find_recipe
from gtk.plugins.families.velocity import DATA_DEVIATION, VelocityModel
from gtk.plugins.flow.preconditioning import LEAST_SHARE, Preconditioning
from gtk.plugins.samplers.solved import Heun

#: Pixels in -1..1, mean and covariance, of images of two pixels.
MEAN = torch.tensor([0.1, -0.2])
COVARIANCE = torch.tensor([[0.09, 0.05], [0.05, 0.06]])
ROWS = 100_000
GENERATOR = torch.Generator().manual_seed(0)
IMAGE, NOISE = torch.randn(2, ROWS, 1, 1, 1, generator=GENERATOR, dtype=torch.float64)
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def edm_target(path: Path, x: Tensor, image: Tensor, time: Tensor) -> Tensor:
    """Return (image - c_skip x/alpha) / c_out, by table 1 of the paper (arXiv:2206.00364)."""
    ratio = path.ratio(time)[:, None, None, None]
    total = ratio**2 + DATA_DEVIATION**2
    skip, out = DATA_DEVIATION**2 / total, ratio * DATA_DEVIATION / total**0.5
    return (image - skip * x / path.alpha(time)[:, None, None, None]) / out


@each_path
@pytest.mark.parametrize("at", [0.05, 0.4, 0.9])
def test_what_goes_in_and_comes_out_has_variance_one(path: Path, at: float) -> None:
    image, time = DATA_DEVIATION * IMAGE, torch.full((ROWS,), at, dtype=torch.float64)
    x = path.mix(image, NOISE, time)
    outputs = {"v": edm_target(path, x, image, time), "x": IMAGE, "epsilon": NOISE}
    for prediction, output in outputs.items():
        conditioning = Preconditioning(path, prediction)  # type: ignore[arg-type]
        assert conditioning.scaled(x, time).std() == pytest.approx(1, abs=0.02)
        assert output.std() == pytest.approx(1, abs=0.02)
        share = path.alpha(time[0]) if prediction == "epsilon" else path.sigma(time[0])
        if prediction == "v" or share > 2 * LEAST_SHARE:
            found, noise = conditioning.image_and_noise(x, output, time)
            torch.testing.assert_close(found, image, atol=1e-9, rtol=0)
            torch.testing.assert_close(noise, NOISE, atol=1e-9, rtol=0)


@each_path
@pytest.mark.parametrize("prediction", ["v", "x", "epsilon"])
def test_both_ends_of_time_give_finite_velocities(path: Path, prediction: Any) -> None:
    conditioning = Preconditioning(path, prediction)
    for at in (0.0, 1.0):
        time, x = torch.full((8,), at), torch.randn(8, 1, 2, 2)
        pair = conditioning.image_and_noise(x, torch.randn(8, 1, 2, 2), time)
        velocity = path.velocity(*pair, time)
        assert velocity.isfinite().all()
        assert velocity.abs().max() < 1e4


@pytest.mark.parametrize("name", ["flow", "diffusion"])
@pytest.mark.parametrize(
    ("conditioner", "kind", "options"),
    [
        ("onehot", "classes", {}),
        ("onehot", "attributes", {}),
        ("embedding", "continuous", {}),
        ("film", "continuous", {}),
        ("film", "classes", {"condition_dropout": 0.1}),
        ("conditional-norm", "attributes", {"normalization": "group"}),
        ("unconditional", "none", {}),
    ],
)
def test_every_conditioner_that_fits_acts(
    name: str, conditioner: str, kind: str, options: dict[str, Any]
) -> None:
    settings = settle(name, conditioner, width=16, depth=2, **options)
    model: Any
    model, _ = built(settings, data_spec(kind, (9, 13), channels=3))
    assert isinstance(model, VelocityModel)
    assert list(model.networks()) == ["denoiser"]
    condition = CONDITIONS[kind]
    rows = None if condition is None else torch.from_numpy(model.condition.cycle(4))
    x = torch.randn(4, 3, 9, 13)
    with torch.no_grad():
        for parameter in model.parameters():  # film and conditional norm begin as the identity
            parameter.add_(0.1 * torch.randn_like(parameter))
        found = model.velocity(x, torch.full((4,), 0.3), rows)
        assert found.shape == x.shape
        if rows is not None:
            other = model.velocity(x, torch.full((4,), 0.3), rows.roll(1, 0))
            assert not torch.allclose(found, other)
        assert not torch.allclose(found, model.velocity(x, torch.full((4,), 0.6), rows))


@pytest.mark.parametrize(
    ("shape", "network", "patch"),
    [
        ((1, 16, 16), "MLP", None),
        ((1, 1, 257), "UNet", 4),
        ((3, 16, 16), "UNet", 1),
        ((1, 28, 28), "UNet", 2),
        ((3, 48, 64), "UNet", 2),
        ((3, 48, 65), "UNet", 4),
    ],
)
def test_the_network_fits_the_images(
    shape: tuple[int, int, int], network: str, patch: int | None
) -> None:
    spec = DataSpec("own", *shape, ConditionSpec(("a", "b")))
    model: Any
    model, _ = built(settle("flow", width=8, depth=1, channels="8,8"), spec)
    assert type(model.network).__name__ == network
    assert getattr(model.config.settings(shape), "patch", None) == patch


def test_flow_alone_is_the_recipe_on_digits() -> None:
    alone = Choice.by_name("flow", "digits").settle({}, None)
    recipe = Choice.by_name(None, recipe=find_recipe("flow-digits")).settle({}, None)
    assert alone.as_document() == {**recipe.as_document(), "recipe": None}


@pytest.mark.parametrize("size", SIZES)
def test_images_of_every_size_are_drawn(size: tuple[int, int]) -> None:
    model, _ = built(settle("flow", width=8, depth=1), data_spec("classes", size))
    draw = Heun(TwiceConfig(steps=2), model.eval()).module()
    images = draw(torch.randn(3, 1, *size), condition=torch.tensor([0, 1, 2]))
    assert images.shape == (3, 1, *size)
    assert images.min() >= 0
    assert images.max() <= 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("flow", {"time": "uniform"}),
        ("flow", {"time": "uniform", "coupling": "ot", "path": "cosine"}),
        ("diffusion", {"prediction": "v"}),
        ("diffusion", {"prediction": "epsilon", "path": "variance-preserving"}),
    ],
)
def test_a_model_of_gaussian_images_draws_their_mean_and_covariance(
    name: str, options: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(0)
    settings = settle(name, "unconditional", width=64, depth=2, **options)
    model, loss = built(settings, data_spec("none", (1, 2)))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    noise = Noise(torch.device("cpu"))
    noise.seed(0)
    root = torch.linalg.cholesky(COVARIANCE)
    given = Context(noise, torch.tensor(0), 1)
    for step in range(500):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / 500)
        pixels = MEAN + torch.randn(128, 2, generator=generator) @ root.T
        batch = Batch((pixels / 2 + 0.5).reshape(-1, 1, 1, 2), None)
        (update,) = loss.updates(model, batch, given)
        optimizer.zero_grad()
        update.loss.backward()
        optimizer.step()
    drawn = solved(model, torch.randn(20_000, 1, 1, 2, generator=generator)).reshape(-1, 2)
    np.testing.assert_allclose(drawn.mean(0), MEAN, atol=0.05)
    np.testing.assert_allclose(drawn.T.cov(), COVARIANCE, atol=0.03)


def solved(model: Any, x: Tensor, steps: int = 20) -> Tensor:
    """Follow a model's velocity from noise (B, C, H, W), without gradients."""
    times = torch.linspace(0, 1, steps + 1)
    with torch.no_grad():
        for t, s in pairwise(times):
            x, _ = heun(lambda x, t: model.velocity(x, t.expand(len(x)), None), model.path, x, t, s)
    return x
