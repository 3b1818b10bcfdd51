"""A few inputs of each kind, the same in each run of the tests."""

from random import Random

from hypothesis import HealthCheck, Phase, given, settings, strategies
from readers import Kind, attempt

#: Nothing is kept between runs, and slow machines are no failure.
FEW = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),  # making an input that hangs smaller would take hours
    suppress_health_check=list(HealthCheck),
)


def check(kind: Kind) -> None:
    """Try some inputs."""

    @FEW
    @given(strategies.randoms(use_true_random=False))
    def holds(random: Random) -> None:
        attempt(kind, kind.make(random))

    holds()
