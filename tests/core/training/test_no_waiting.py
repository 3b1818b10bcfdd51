"""A step does nothing that waits for a GPU, whose kernels could not be launched ahead then.

What waits is whatever the CPU has to read before it goes on (a number, the size of a mask), and a
copy from the CPU's ordinary memory. Both are found on any machine.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from worlds import built, data_spec, settle

from gtk.core.models.build import build_sampler
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import SAMPLER
from gtk.core.settings.choice import Choice
from gtk.core.training.averaged_weights import AveragedWeights
from gtk.core.training.pending_terms import as_scalar
from gtk.core.training.training import Training
from gtk.plugins.samplers import SOLVERS

SMALL: dict[str, Any] = {"network": "mlp", "hidden_dims": (8, 8), "latent_dim": 2, "epochs": 2}
CONV: dict[str, Any] = {"network": "conv", "channels": (4, 8), "latent_dim": 2, "epochs": 2}
FEW: dict[str, Any] = {"width": 16, "depth": 1, "average_decay": 0.9}
UNET: dict[str, Any] = {"network": "unet", "channels": (8, 16), "attention_sizes": (4,)}
#: Parts of the names of operations whose result is read by the CPU.
READ = ("_local_scalar_dense", "nonzero", "masked_select", "aten.equal", "aten.unique")


class Watch(TorchDispatchMode):
    """Refuses operations whose result the CPU has to read."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        assert not any(word in name for word in READ), f"{name} waits for the device"
        if name.startswith("aten.index."):
            kinds = [index.dtype for index in args[1] if index is not None]
            assert torch.bool not in kinds, "the size of a mask is waited for"
        return func(*args, **(kwargs or {}))


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse inside what would wait for a GPU."""

    def refused(make: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*args: Any, **options: Any) -> Any:
            # torch's optimizers keep their number of steps on the CPU.
            assert options.get("device") == "cpu", f"torch.{make.__name__} is copied to the device"
            return make(*args, **options)

        return refuse

    with monkeypatch.context() as patch, Watch():
        for make in (torch.from_numpy, torch.tensor, torch.as_tensor):
            patch.setattr(torch, make.__name__, refused(make))
        yield


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("cvae", {}),
        ("cvae", {"condition_dropout": 0.5}),
        ("cvae", {"condition_dropout": 0.5, "conditioner": "embedding"}),
        ("cgan", {"condition_dropout": 0.5, "conditioner": "conditional-norm"}),
        ("cgan", {"condition_dropout": 0.5, "conditioner": "projection", "accumulate": 2}),
        ("vae", {**CONV, "normalization": "batch", "average_decay": (0.9, 0.99)}),
        ("vae", {"flip": True, "shift": 1, "clip_norm": 1.0, "balance": True}),
        ("vae", {"loss": "iwae", "samples": 3, "accumulate": 2}),
        ("gan", {"loss": "wasserstein-gp", "critic_steps": 2}),
        ("gan", {"r1": 1.0, "r2": 1.0, "accumulate": 2}),
        ("cgan", {"loss": "relativistic", "augment": True, "average_decay": 0.9}),
        ("gan", {"discriminator_normalization": "spectral"}),
        *[("vae", {"optimizer": name}) for name in ("adamw", "sgd", "rmsprop", "muon")],
        ("flow", {"network": "mlp", **FEW}),
        ("flow", UNET),
        ("diffusion", {"network": "transformer", **FEW, "condition_dropout": 0.5}),
        ("diffusion", {"path": "variance-preserving", "min_snr": 5.0, **FEW, "accumulate": 2}),
    ],
)
def test_a_step_waits_for_no_device(
    model: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = {"discriminator_normalization": "group"} if model.endswith("gan") else {}
    if model not in ("flow", "diffusion"):
        options = {**(CONV if "network" in options else SMALL), **usual, **options}
    conditioner, loss = options.pop("conditioner", None), options.pop("loss", None)
    settings = Choice.by_name(model, "digits", conditioner, loss).settle(options, None)
    trainer = Training(settings, "cpu", []).trainer
    rows = trainer.schedule.batches(0)
    trainer.train_step(next(rows))  # whatever is made once
    with watched(monkeypatch):
        trainer.train_step(next(rows))
        trainer.train_step(next(rows))


@pytest.mark.parametrize("name", SOLVERS)
def test_a_draw_waits_for_no_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settle("diffusion", network="mlp", **FEW, condition_dropout=0.5)
    model, _ = built(settings, data_spec("classes"))
    plugin = find(SAMPLER, name)
    sampler = build_sampler(plugin, plugin.spec.config(steps=3, guidance=2.0), model)
    noise = [torch.randn(2, *spec.shape) for spec in sampler.noise.values()]
    draw, labels = sampler.module().eval(), torch.arange(2)
    with torch.no_grad(), watched(monkeypatch):
        draw(*noise, condition=labels)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, 2.0), (0.1, 0.1), (np.float64(0.1), 0.1), (np.array(True), 1.0), (-(10**400), math.inf)],
)
def test_a_term_that_is_no_tensor_waits_for_no_device(
    value: Any, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(monkeypatch):
        scalar = as_scalar(value, torch.device("cpu"))
    assert torch.equal(scalar, torch.tensor(expected))  # float32


def test_running_statistics_are_averaged_by_a_call_for_each_type() -> None:
    called = []

    class Calls(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            called.append(str(func))
            return func(*args, **(kwargs or {}))

    model = nn.Sequential(*[nn.BatchNorm1d(3) for _ in range(4)])
    average = AveragedWeights(model, 0.9)  # type: ignore[arg-type]
    for buffer in model.buffers():
        buffer.add_(2)
    with Calls():
        average.update(model)  # type: ignore[arg-type]
    assert called == 3 * ["aten._foreach_copy_.default"], "weights, statistics, counts"
    for buffer, copy in zip(model.buffers(), average.module.buffers(), strict=True):
        assert torch.equal(buffer, copy)
        assert buffer.data_ptr() != copy.data_ptr()


def test_what_waits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    values, mask = torch.ones(3), torch.tensor([True, False, True])
    waits: list[Callable[[], object]] = [
        values.sum().item, values.sum().__bool__, mask.nonzero, lambda: values[mask],
        lambda: torch.tensor(1.0, device=torch.device("cpu")),
    ]  # fmt: skip
    for wait in waits:
        with pytest.raises(AssertionError), watched(monkeypatch):
            wait()
    with watched(monkeypatch):
        assert values[torch.ones(2, dtype=torch.int64)].shape == (2,)
