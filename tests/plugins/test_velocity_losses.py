"""`flow-matching` and `edm`: times, weights, and which noise goes with which image."""

from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor
from worlds import built, data_spec, dataset, settle, trained

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context
from gtk.core.contracts.noise import Noise
from gtk.core.values.errors import InvalidValue
from gtk.core.values.path import PATHS, Path
from gtk.plugins.families.velocity import DATA_DEVIATION
from gtk.plugins.losses import EDMConfig, FlowMatchingConfig
from gtk.plugins.losses.coupling import coupled
from gtk.plugins.losses.edm import EDM
from gtk.plugins.losses.flow_matching import FlowMatching

CPU = torch.device("cpu")
IMAGES, NOISE = torch.randn(2, 6, 1, 2, 2, generator=torch.Generator().manual_seed(0))
TIMES = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


class Constant:
    """A velocity of 0 on a straight path, which notes where it is asked for."""

    path = gtk.StraightPath()
    asked: Tensor
    time: Tensor

    def velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        self.asked, self.time = x, time
        return torch.zeros_like(x)


def context(seed: int = 0) -> Context:
    noise = Noise(CPU)
    noise.seed(seed)
    return Context(noise, torch.tensor(0), 1)


def cost(noise: Tensor) -> float:
    return float((IMAGES[: len(noise)] - noise).square().sum())


def test_the_loss_is_the_squared_distance_from_noise_to_image() -> None:
    model, images = Constant(), (IMAGES[:4] / 2 + 0.5).clamp(0, 1)
    found = FlowMatching(FlowMatchingConfig(time="uniform")).evaluate(
        model,
        Batch(images, None),
        context(),  # type: ignore[arg-type]
    )["loss"]
    noise = context().noise.normal(*images.shape)
    wanted = (images * 2 - 1 - noise).square().mean((1, 2, 3))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        model.asked, torch.lerp(noise, images * 2 - 1, model.time[:, None, None, None])
    )


def test_times_are_distributed_as_the_papers_say() -> None:
    path, count = PATHS["straight"], 20000
    uniform, normal = (
        FlowMatching(FlowMatchingConfig(time=time)).times(path, context().noise, count)  # type: ignore[arg-type]
        for time in ("uniform", "logit-normal")
    )
    edges = torch.tensor([0.1, 0.5, 0.8])
    assert torch.allclose(uniform.quantile(edges), edges, atol=0.02)
    logit = normal.logit()
    assert abs(logit.mean()) < 0.03
    assert abs(logit.std() - 1) < 0.03
    for each in PATHS.values():
        times = EDM(EDMConfig()).times(each, context().noise, count)
        assert times.min() >= 0
        assert times.max() <= 1
        logs = each.ratio(times).log()
        assert abs(logs.quantile(0.5) + 1.2) < 0.05
        assert abs(logs.quantile(0.8413) - logs.quantile(0.5) - 1.2) < 0.05


@each_path
def test_edm_weighs_the_denoised_image_as_the_paper_does(path: Path) -> None:
    x, velocity = torch.randn(2, 7, 1, 2, 2, dtype=torch.float64)
    wrong = velocity + 0.3
    images = [path.image_from_velocity(x, rows, TIMES) for rows in (velocity, wrong)]
    ratio = path.ratio(TIMES)
    weight = (ratio**2 + DATA_DEVIATION**2) / (ratio * DATA_DEVIATION) ** 2
    wanted = weight * (images[0] - images[1]).square().mean((1, 2, 3))
    found = EDM(EDMConfig()).weights(path, TIMES) * (velocity - wrong).square().mean((1, 2, 3))
    torch.testing.assert_close(found, wanted)


@each_path
@pytest.mark.parametrize("gamma", [0.5, 5.0])
def test_min_snr_weighs_the_denoised_image(path: Path, gamma: float) -> None:
    x, velocity = torch.randn(2, 7, 1, 2, 2, dtype=torch.float64)
    images = [path.image_from_velocity(x, rows, TIMES) for rows in (velocity, velocity + 0.3)]
    weight = path.ratio(TIMES).pow(-2).clamp(max=gamma)
    wanted = weight * (images[0] - images[1]).square().mean((1, 2, 3))
    for loss in (FlowMatching(FlowMatchingConfig(min_snr=gamma)), EDM(EDMConfig(min_snr=gamma))):
        torch.testing.assert_close(loss._chosen_weights(path, TIMES) * 0.3**2, wanted)
    ends = FlowMatching(FlowMatchingConfig(min_snr=gamma))._chosen_weights(
        path, torch.tensor([0.0, 1.0])
    )
    assert ends.isfinite().all()


def test_optimal_transport_is_the_best_of_all_orders() -> None:
    best = min(cost(NOISE[list(order)]) for order in permutations(range(6)))
    found = coupled(IMAGES, NOISE, None)
    assert cost(found) == pytest.approx(best)
    assert best < cost(NOISE)
    assert sorted(found.flatten().tolist()) == sorted(NOISE.flatten().tolist())


def test_optimal_transport_stays_within_a_class() -> None:
    """Of absent conditions, too, which are a class of their own."""
    labels = torch.tensor([2, 0, 2, 0, 2, 1])
    found = coupled(IMAGES, NOISE, labels)
    for label in labels.unique():
        rows = torch.nonzero(labels == label)[:, 0]
        own = NOISE[rows].flatten().tolist()
        assert sorted(found[rows].flatten().tolist()) == sorted(own)
    orders = [order for order in permutations(range(6)) if all(labels[list(order)] == labels)]
    assert cost(found) == pytest.approx(min(cost(NOISE[list(order)]) for order in orders))


def test_optimal_transport_waits_for_a_gpu_as_often_with_many_classes_as_with_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits, cpu = [], Tensor.cpu

    def counted(values: Tensor) -> Tensor:
        waits.append(values)
        return cpu(values)

    monkeypatch.setattr(Tensor, "cpu", counted)
    coupled(IMAGES, NOISE, torch.tensor([2, 0, 3, 0, 2, 1]))
    assert len(waits) == 2, "for the products and the classes"


def test_images_whose_numbers_differ_keep_their_noise() -> None:
    """Noise that told a number would be other noise than what is drawn from."""
    numbers = torch.arange(12.0).reshape(6, 2)
    assert torch.equal(coupled(IMAGES, NOISE, numbers), NOISE)
    assert not torch.equal(coupled(IMAGES, NOISE, numbers * 0), NOISE)


def test_coupled_noise_lowers_the_loss_and_independent_noise_is_the_draw() -> None:
    model, batch = Constant(), Batch((IMAGES / 2 + 0.5).clamp(0, 1), None)
    apart, together = (
        FlowMatching(FlowMatchingConfig(coupling=coupling)).evaluate(model, batch, context())  # type: ignore[arg-type]
        for coupling in ("independent", "ot")
    )
    assert together["loss"].sum() < apart["loss"].sum()


def test_a_model_with_a_velocity_and_no_path_is_refused() -> None:
    class Pathless:
        def velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
            return x

    assert issubclass(Pathless, FlowMatching.requires)
    with pytest.raises(InvalidValue, match=r"Pathless has velocity\(\), and no path from noise"):
        FlowMatching(FlowMatchingConfig()).check(Pathless(), 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(("model", "loss"), [("flow", "edm"), ("diffusion", "flow-matching")])
def test_each_loss_takes_each_model(model: str, loss: str) -> None:
    """The figures of untrained networks that put out 0, in closed form."""
    settings = settle(model, loss=loss, width=16)
    net, objective = built(settings, data_spec("classes"))
    given: Any = net
    for parameter in given.network.head.parameters():
        parameter.data.zero_()
    batch = Batch(torch.rand(256, 1, 8, 8), torch.zeros(256, dtype=torch.int64))
    value = objective.evaluate(net, batch, context())["loss"]
    assert value.shape == (256,)
    assert value.isfinite().all()
    assert 0.1 < value.mean() < 10


def test_a_step_of_optimal_transport_trains() -> None:
    settings = settle("flow", coupling="ot", width=16, depth=1, batch_size=16)
    model = trained(settings, dataset("classes"), 3)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    with torch.no_grad():
        found = model.velocity(torch.zeros(1, 1, 8, 8), torch.tensor([0.5]), torch.tensor([1]))
    assert found.isfinite().all()
