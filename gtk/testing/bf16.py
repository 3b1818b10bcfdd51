"""Steps in bf16, for plugins whose specs say that they bear it."""

import math
from collections.abc import Callable

import torch

from gtk.core.training.arithmetic import Arithmetic
from gtk.core.training.trainer import Trainer
from gtk.testing.check import CheckFailed, error_line
from gtk.testing.model_case import take_steps

#: Steps that are taken in bf16.
FEW = 3
#: How far a term of the first step may be from fp32's, as a share of it or of 1, if it is less.
CLOSE = 0.05
REMEDY = "correct it, or leave bf16=True out of the spec"


def expect_bf16(make: Callable[[], Trainer]) -> None:
    """Check that a training's first steps in bf16 are finite and close to those in fp32."""
    exact, low = make(), make()
    low.learner.use(Arithmetic("bf16", "contiguous", torch.get_num_threads()))
    try:
        terms = take_steps(low, FEW)
    except Exception as error:
        raise CheckFailed(f"a step in bf16 fails ({error_line(error)}): {REMEDY}") from error
    for name, noted in low.learner.pending.tensors().items():
        if noted.dtype != torch.float32:
            raise CheckFailed(
                f"in bf16 the term {name!r} is {str(noted.dtype).removeprefix('torch.')}, with "
                "three digits: call .float() on what a network returns before you sum it up"
            )
    for name, value in take_steps(exact, 1)[0].items():
        its = terms[0][name]
        # A penalty of every few steps is in those alone.
        if not all(math.isfinite(step[name]) for step in terms if name in step):
            raise CheckFailed(f"in bf16 the term {name!r} is not finite in {FEW} steps: {REMEDY}")
        if abs(its - value) > CLOSE * max(1.0, abs(value)):
            raise CheckFailed(
                f"in bf16 the first {name!r} is {its:.4g} instead of {value:.4g}: {REMEDY}"
            )
