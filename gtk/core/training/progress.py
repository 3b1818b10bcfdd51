"""How far a training has come: what callbacks are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """A moment of a training.

    Attributes:
        step: steps done.
        total_steps: steps in the whole training.
        epoch: the epoch that the last step belongs to, counted from 1.
        epochs: epochs in the whole training.
        terms: averages since the last report, in the loss's unit.
        images_per_second: over the same steps, time in callbacks and checkpoints left out.
        learning_rate: of the last step, or of the first where none is done.
        stopped: why the training ended before its last step, in a sentence; else empty.
    """

    step: int
    total_steps: int
    epoch: int
    epochs: int
    terms: Mapping[str, float] = field(default_factory=dict)
    images_per_second: float = 0.0
    learning_rate: float = 0.0
    stopped: str = ""
