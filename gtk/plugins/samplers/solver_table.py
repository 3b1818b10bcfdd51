"""The solvers of flow and diffusion models by the names of their samplers."""

from collections.abc import Mapping
from types import MappingProxyType

from gtk.core.values.solvers import (
    Solver,
    ancestral,
    ddim,
    dpm_multistep,
    euler,
    heun,
    midpoint,
    no_image_before,
)

SOLVERS: Mapping[str, Solver] = MappingProxyType(
    {
        "euler": Solver(euler),
        "heun": Solver(heun, evaluations=2),
        "midpoint": Solver(midpoint, evaluations=2),
        "dpm++": Solver(dpm_multistep, begin=no_image_before),
        "ddim": Solver(ddim),
        "ancestral": Solver(ancestral, draws=True),
    }
)
