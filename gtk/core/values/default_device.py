"""torch's default device, which a caller may have set, and which gtk does not use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def on_cpu_by_default() -> Iterator[None]:
    """Have torch make on the CPU, inside, every tensor whose device is not named.

    gtk makes orders, noise and weights there and moves them to the device that it was given,
    whatever `torch.set_default_device` says. Where torch is not imported yet, nobody has set one.
    """
    torch = sys.modules.get("torch")
    if torch is None or torch.get_default_device().type == "cpu":
        yield
        return
    with torch.device("cpu"):  # only here, since it makes every call of torch slower
        yield
