"""Draw from a flow or diffusion model: steps of a solver along its velocity."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gtk.core.contracts.iteration import Iteration
from gtk.core.contracts.sampler import Sampler
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.solver_config import SolverConfig, absent_row
from gtk.core.values.solvers import SOLVERS, Solver, heun, stateless
from gtk.core.values.time_grid import TIME_GRIDS
from gtk.plugins.families.velocity import VelocityModel, check_path

#: The fewest steps from an image back to noise.
LEAST_BACK = 64


class Solved(Sampler[VelocityModel]):
    """Steps of a solver on a grid of times, with classifier-free guidance.

    Raises:
        InvalidValue: guidance of a model that was not trained without a condition as well.
    """

    requires = VelocityModel
    config: SolverConfig
    solver: ClassVar[Solver]

    def __init__(self, config: SolverConfig, model: VelocityModel) -> None:
        super().__init__(config, model)
        check_path(model)
        if config.guidance != 1:
            owner: Any = model
            absent_row(owner.condition)
        self.evaluations = self.solver.evaluations_of(config)

    @property
    def noise(self) -> Mapping[str, NoiseSpec]:
        """The noise that becomes the image, and for a solver that draws, that of every step."""
        own = self.model.noise
        return {"z": own, **self.solver.step_noise(self.config, own.shape)}

    def module(self) -> nn.Module:
        """Return the whole draw."""
        return _Draw(self.model, self.config, self.solver)

    def inverse(self) -> nn.Module | None:
        """Return the way back from images to noise; None of a solver that draws in each step."""
        return None if self.solver.draws else _Inverse(self.model, self.config, self.solver)


class Euler(Solved):
    """Steps of `euler`."""

    solver = SOLVERS["euler"]


class Heun(Solved):
    """Steps of `heun`."""

    solver = SOLVERS["heun"]


class Midpoint(Solved):
    """Steps of `midpoint`."""

    solver = SOLVERS["midpoint"]


class DPMSolver(Solved):
    """Steps of `dpm_plus_plus`."""

    solver = SOLVERS["dpm++"]


class DDIM(Solved):
    """Steps of `ddim`."""

    solver = SOLVERS["ddim"]


class Ancestral(Solved):
    """Steps of `ancestral`."""

    solver = SOLVERS["ancestral"]


class _Draw(Iteration):
    """The draw; its state is x, the noise of all steps of a solver that draws, and the solver's."""

    times: Tensor
    absent: Tensor

    def __init__(self, model: Any, config: SolverConfig, solver: Solver) -> None:  # noqa: ANN401 - a `VelocityModel` that is a `Model`
        super().__init__()
        self.model: Any = model
        self.count = config.steps
        self._config, self._solver = config, solver
        device = next(model.parameters()).device
        times = TIME_GRIDS[config.grid](config.steps, model.path)
        self.register_buffer("times", torch.from_numpy(times).to(device), persistent=False)
        if config.guidance != 1:
            absent = torch.from_numpy(model.condition.absent).to(device)
            self.register_buffer("absent", absent, persistent=False)

    def begin(self, z: Tensor, *others: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        """Begin with noise (B, C, H, W), and that of the steps, (B, steps, C, H, W)."""
        return (z, *others, *self._solver.begin(z))

    def step(self, index: Tensor, *state: Tensor, condition: Tensor | None) -> tuple[Tensor, ...]:
        """Go from one time to the next."""
        x, *own = state
        noise = own[: self._solver.draws]
        drawn: Any = [rows.index_select(1, index.reshape(1))[:, 0] for rows in noise] or [None]

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            return self._velocity(x, time.expand(x.shape[0]), condition)

        between = self._time(index), self._time(index + 1)
        rest = tuple(own[self._solver.draws :])
        x, rest = self._solver.step(velocity, self.model.path, x, *between, rest, *drawn)
        return (x, *noise, *rest)

    def end(self, *state: Tensor) -> Tensor:
        """Return the images (B, C, H, W), in 0..1."""
        return (state[0] / 2 + 0.5).clamp(0, 1)

    def _time(self, index: Tensor) -> Tensor:
        """Return a time of the grid: `times[index]` would wait for a GPU."""
        return self.times.index_select(0, index.reshape(1)).reshape(())

    def _velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Return the velocity, guided in the interval."""
        own: Tensor = self.model.velocity(x, time, condition)
        config = self._config
        if config.guidance == 1 or condition is None:
            return own
        inside = config.guides(time).view(-1, 1, 1, 1)
        # Looked at only where it is free: a GPU would be waited for, and a graph has no `if`.
        looked_at = inside.device.type == "cpu" and not torch.compiler.is_exporting()
        if config.limited and looked_at and not inside.any():
            return own
        without = self.model.velocity(x, time, self.absent.expand_as(condition))
        return torch.where(inside, config.guided(own, without), own)


class _Inverse(nn.Module):
    """The way from an image, at time 1, back to noise, at time 0, along the same velocity.

    By the solver's own step; or by Heun's if that needs the step before, as that of `dpm++`, which
    divides by the noise and so cannot begin at an image. Many steps, since an error grows on the
    way to noise. There is no guidance, with which an image's noise would not be standard normal:
    Mokady et al., Null-text Inversion (arXiv:2211.09794), section 3.2.
    """

    def __init__(self, model: Any, config: SolverConfig, solver: Solver) -> None:  # noqa: ANN401 - a `VelocityModel` that is a `Model`
        super().__init__()
        self.model: Any = model
        self._step = solver.step if solver.begin is stateless else heun
        times = TIME_GRIDS[config.grid](max(config.steps, LEAST_BACK), model.path)
        self._times = times[::-1].tolist()

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map images (B, C, H, W) in 0..1 and their condition to noise (B, C, H, W)."""
        x = images * 2 - 1

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            found: Tensor = self.model.velocity(x, time.expand(x.shape[0]), condition)
            return found

        for t, s in pairwise(x.new_tensor(self._times)):
            x, _ = self._step(velocity, self.model.path, x, t, s, (), None)
        return x
