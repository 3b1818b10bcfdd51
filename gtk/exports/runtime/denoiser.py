"""Drawing from a file of one evaluation of a flow: the loop is here, and its options the user's."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.argument import check_type, shown
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue, unknown_name
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.path import PATHS, Numeric
from gtk.core.values.setting import setting
from gtk.core.values.solver_config import SolverConfig, absent_row
from gtk.core.values.solvers import SOLVERS, Solver
from gtk.core.values.time_grid import TIME_GRIDS

#: The solver of files whose run draws by a sampler that is none of gtk's solvers.
USUAL = "heun"
#: Whose samplers in a manifest are the solvers here.
OWN = "generative-toolkit"
#: Maps x (B, C, H, W), a time and a condition of each image, or None, to velocities.
Evaluate = Callable[[NDArray[np.float32], float, NDArray[Any] | None], NDArray[np.float32]]
Images = NDArray[np.float32]


def check_denoiser(manifest: Mapping[str, Any]) -> None:
    """Refuse a manifest that is inconsistent as that of one evaluation of a flow, if it is one.

    Raises:
        ValueError: its inputs, outputs, images or path do not fit, or an option of its sampler is
            out of range. Other errors where an entry has the wrong type.
    """
    if "denoiser" not in manifest:
        return
    if manifest["denoiser"]["path"] not in PATHS:
        raise ValueError(f"its path is not one of {', '.join(PATHS)}")
    image, (first, *others), outputs = manifest["image"], manifest["inputs"], manifest["outputs"]
    size = [image[name] for name in ("channels", "height", "width")]
    kinds = ["latent", "time", *(["condition"] if manifest["condition"] is not None else [])]
    fits = [port["kind"] for port in (first, *others)] == kinds
    fits &= [(port["kind"], port["shape"]) for port in outputs] == [("values", size)]
    fits &= first["shape"] == size and (image["layout"], image["dtype"]) == ("NCHW", "float32")
    if not fits or manifest["latent"]["prior"] != "normal":
        raise ValueError("a denoiser maps noise, a time and its condition to velocities of images")
    name, options = _suggested(manifest)
    _config(SOLVERS[name], options)


@dataclass(frozen=True)
class Plan:
    """How images are drawn from a denoiser: what was asked for, checked.

    Attributes:
        solver: whose steps they are.
        config: its options.
        path: the name of the model's path.
        absent: the row of the condition without one, None where nothing is guided.
    """

    solver: Solver
    config: SolverConfig
    path: str
    absent: NDArray[Any] | None

    @property
    def evaluations(self) -> int:
        """How often an image takes an evaluation, at most."""
        return self.solver.evaluations_of(self.config)

    def noise(self, shape: tuple[int, ...]) -> dict[str, NoiseSpec]:
        """Return what is drawn besides the noise of an image, of this shape: that of all steps."""
        return self.solver.step_noise(self.config, shape)

    def states(
        self, evaluate: Evaluate, x: Images, condition: NDArray[Any] | None, drawn: Images | None
    ) -> Iterator[Images]:
        """Yield x (B, C, H, W) at every time, from noise to images in -1..1.

        Args:
            evaluate: the model's velocity.
            x: noise.
            condition: of each image, None for a model without one.
            drawn: the noise of all steps, (B, steps, C, H, W), of a solver that draws.
        """
        path = PATHS[self.path]
        times = TIME_GRIDS[self.config.grid](self.config.steps, path)
        state = self.solver.begin(x)

        def velocity(x: Numeric, time: Numeric) -> Numeric:
            return self._velocity(evaluate, x, time, condition)

        yield x
        for index in range(self.config.steps):
            noise = None if drawn is None else drawn[:, index]
            between = times[index], times[index + 1]
            with np.errstate(all="ignore"):  # what is not finite is refused at the end
                x, state = self.solver.step(velocity, path, x, *between, state, noise)
            yield x

    def _velocity(
        self, evaluate: Evaluate, x: Images, time: Numeric, condition: NDArray[Any] | None
    ) -> Images:
        """Return the velocity, guided in the interval by one call of twice the rows."""
        if self.absent is None or condition is None or not self.config.guides(time):
            return evaluate(x, time, condition)
        absent = np.broadcast_to(self.absent, condition.shape)
        both = evaluate(np.concatenate([x, x]), time, np.concatenate([condition, absent]))
        guided: Images = self.config.guided(*np.split(both, 2))
        return guided


def in_unit_range(x: Numeric) -> Numeric:
    """Return images of -1..1 in 0..1."""
    return x / 2 + 0.5


def plan_of(
    manifest: Mapping[str, Any],
    condition: ConditionSpec | None,
    name: str | None,
    options: Mapping[str, Any],
) -> Plan:
    """Return how to draw: as the run does, with some options changed, or by a solver's defaults.

    Args:
        manifest: of a denoiser.
        condition: the model's.
        name: of a solver, None for the run's.
        options: of the solver, as `SolverConfig` has them.

    Raises:
        InvalidValue: an option of the wrong type, out of range, or guidance of a model that was not
            trained without a condition as well.
        UnknownName: a solver or an option that does not exist.
    """
    named, known = _suggested(manifest) if name is None else (name, {})
    if named not in SOLVERS:
        raise unknown_name("sampler", named, SOLVERS)
    solver = SOLVERS[named]
    config = _config(solver, {**known, **options})
    absent = None if config.guidance == 1 else absent_row(condition)
    return Plan(solver, config, manifest["denoiser"]["path"], absent)


def _suggested(manifest: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the solver of a file's run, and its options."""
    table = manifest.get("sampler") or {}
    if table.get("package") != OWN or table.get("name") not in SOLVERS:
        return USUAL, {}
    known = {item.name for item in fields(SOLVERS[table["name"]].config)}
    return table["name"], {key: value for key, value in table.items() if key in known}


def _config(solver: Solver, options: Mapping[str, Any]) -> SolverConfig:
    """Return a solver's options, checked."""
    defaults = {item.name: item.default for item in fields(solver.config)}
    for name, value in options.items():
        if name not in defaults:
            raise unknown_name(f"option of sampler '{solver.name}'", name, defaults)
        check_type(name, value, type(defaults[name]))
    grid = options.get("grid", defaults["grid"])
    if grid not in TIME_GRIDS:
        raise InvalidValue(
            f"{setting('grid')} must be {' or '.join(TIME_GRIDS)}, not {shown(grid)}"
        )
    try:
        return solver.config(**options)
    except ValueError as error:
        raise InvalidValue(str(error)) from error
