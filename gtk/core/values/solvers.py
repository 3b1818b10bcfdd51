"""Solvers: one step along a velocity, from time t to time s, with numpy arrays or torch tensors.

All have the signature `Step`. A state goes in and out, a tuple of arrays (B, ...) whose number and
shapes stay the same, so that a step can be repeated in a loop whose only counter is an index.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gtk.core.values.noise import NoiseSpec
from gtk.core.values.path import Numeric, Path, spread
from gtk.core.values.solver_config import SolverConfig, TwiceConfig

#: What the noise of all steps is called.
STEP_NOISE = "steps"
#: log(alpha/sigma) at the step before the first: so far away that it has no weight.
LONG_AGO = -1e30

State = tuple[Numeric, ...]
#: Maps x (B, C, H, W) at a time, 0-d, to its velocity (B, C, H, W).
Velocity = Callable[[Numeric, Numeric], Numeric]
#: Maps (velocity, path, x, t, s, state, noise) to (x, state): x (B, C, H, W) at time t to x at time
#: s, both 0-d; noise is standard normal, (B, C, H, W), and None for a solver that draws none.
Step = Callable[[Velocity, Path, Numeric, Numeric, Numeric, State, Numeric], tuple[Numeric, State]]


def euler(
    velocity: Velocity, path: Path, x: Numeric, t: Numeric, s: Numeric, state: State = (),
    noise: Numeric = None,
) -> tuple[Numeric, State]:  # fmt: skip
    """Go straight on: x + (s - t) v(x, t), of order 1."""
    return x + (s - t) * velocity(x, t), state


def heun(
    velocity: Velocity, path: Path, x: Numeric, t: Numeric, s: Numeric, state: State = (),
    noise: Numeric = None,
) -> tuple[Numeric, State]:  # fmt: skip
    """Go on with the mean of the velocities at either end, of order 2.

    Karras et al. (arXiv:2206.00364), algorithm 1, also in the last step, where their model has no
    velocity.
    """
    first = velocity(x, t)
    second = velocity(x + (s - t) * first, s)
    return x + (s - t) * (first + second) / 2, state


def midpoint(
    velocity: Velocity, path: Path, x: Numeric, t: Numeric, s: Numeric, state: State = (),
    noise: Numeric = None,
) -> tuple[Numeric, State]:  # fmt: skip
    """Go on with the velocity in the middle, of order 2; it needs none at time 1."""
    middle = x + (s - t) * velocity(x, t) / 2
    return x + (s - t) * velocity(middle, (t + s) / 2), state


def dpm_plus_plus(
    velocity: Velocity, path: Path, x: Numeric, t: Numeric, s: Numeric, state: State,
    noise: Numeric = None,
) -> tuple[Numeric, State]:  # fmt: skip
    """Solve for the noise exactly, with an image extrapolated from this step and the last.

    Lu et al., DPM-Solver++ (arXiv:2211.01095), algorithm 2, "2M", of order 2. The first step is of
    order 1, and so is one to an image without noise, where log(alpha/sigma) is infinite. The state
    is the image of the step before (B, C, H, W), and log(alpha/sigma) at its time (B,).
    """
    before, log_snr_before = state
    image = path.image_from_velocity(x, velocity(x, t), t)
    log_snr = log_snr_before * 0 + path.half_log_snr(t)
    share = (path.half_log_snr(s) - log_snr) / (2 * (log_snr - log_snr_before))
    share = spread(share * (path.sigma(s) > 0), x)
    kept = path.sigma(s) / path.sigma(t)
    x = kept * x + (path.alpha(s) - kept * path.alpha(t)) * (image + share * (image - before))
    return x, (image, log_snr)


def ddim(
    velocity: Velocity, path: Path, x: Numeric, t: Numeric, s: Numeric, state: State = (),
    noise: Numeric = None,
) -> tuple[Numeric, State]:  # fmt: skip
    """Mix the image and the noise of x anew: Song, Meng and Ermon (arXiv:2010.02502), eta = 0.

    Of order 1; on a straight path it is `euler`.
    """
    now = velocity(x, t)
    image, own = path.image_from_velocity(x, now, t), path.noise_from_velocity(x, now, t)
    return path.mix(image, own, s), state


def ancestral(
    velocity: Velocity, path: Path, x: Numeric, t: Numeric, s: Numeric, state: State,
    noise: Numeric,
) -> tuple[Numeric, State]:  # fmt: skip
    """Mix image and noise anew, some of the noise drawn anew: as DDPM does.

    Ho, Jain and Abbeel (arXiv:2006.11239), algorithm 2; Song, Meng and Ermon (arXiv:2010.02502),
    equation 16 with eta = 1, for any path: x's own noise keeps (ratio(s) / ratio(t))^2 of the
    variance, and the given `noise`, drawn for this step, has the rest.
    """
    now = velocity(x, t)
    image, own = path.image_from_velocity(x, now, t), path.noise_from_velocity(x, now, t)
    share = path.ratio(s) * path.alpha(t) / path.sigma(t)
    return path.mix(image, share * own + (1 - share * share) ** 0.5 * noise, s), state


def stateless(x: Numeric) -> State:
    """Return the state of a solver that has none."""
    return ()


def no_image_before(x: Numeric) -> State:
    """Return the state of `dpm_plus_plus` before its first step from x (B, C, H, W)."""
    return x * 0, x.reshape(x.shape[0], -1)[:, 0] * 0 + LONG_AGO


@dataclass(frozen=True)
class Solver:
    """A step with what a loop of it needs.

    Attributes:
        step: takes one step.
        summary: one line for listings and help.
        config: the class of its options.
        begin: returns the state before the first step from x.
        draws: whether a step takes noise.
    """

    step: Step
    summary: str
    config: type[SolverConfig] = SolverConfig
    begin: Callable[[Numeric], State] = stateless
    draws: bool = False

    @property
    def name(self) -> str:
        """That of its function, with ++ for plus_plus."""
        return self.step.__name__.replace("_plus_plus", "++")

    @property
    def evaluations(self) -> int:
        """How often a step evaluates the velocity."""
        return 2 if issubclass(self.config, TwiceConfig) else 1

    def evaluations_of(self, config: SolverConfig) -> int:
        """Return how often an image takes an evaluation, at most."""
        return config.steps * self.evaluations * (1 if config.guidance == 1 else 2)

    def step_noise(self, config: SolverConfig, shape: tuple[int, ...]) -> dict[str, NoiseSpec]:
        """Return the noise of all steps, by its name, of a solver whose steps draw.

        Args:
            config: the options.
            shape: of an image's noise, (C, H, W).
        """
        return {STEP_NOISE: NoiseSpec((config.steps, *shape))} if self.draws else {}


_ALL = (
    Solver(euler, "Straight steps along the velocity."),
    Solver(heun, "Steps along the mean of the velocities at both ends.", TwiceConfig),
    Solver(midpoint, "Steps along the velocity in the middle.", TwiceConfig),
    Solver(
        dpm_plus_plus,
        "DPM-Solver++ (2M): steps that use the image of the step before.",
        begin=no_image_before,
    ),
    Solver(ddim, "DDIM: mix image and noise anew."),
    Solver(ancestral, "DDPM's: mix image and noise anew, with new noise in each step.", draws=True),
)

#: By the name that samplers have.
SOLVERS: Mapping[str, Solver] = MappingProxyType({solver.name: solver for solver in _ALL})
