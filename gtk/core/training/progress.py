"""The progress of a training, as callbacks get it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gtk.core.values.by_part import PartNumber


@dataclass(frozen=True)
class Progress:
    """The progress of a training at a moment.

    Attributes:
        step: steps done.
        total_steps: steps in the whole training.
        epoch: the epoch that the last step belongs to, counted from 1.
        epochs: epochs in the whole training.
        terms: averages since the last report, in the loss's unit.
        images_per_second: over the same steps, without the time in callbacks and checkpoints.
        learning_rate: of the last step, or of the first before any step; a mapping by part where
            the parts have different ones.
        epoch_seconds: about how long an epoch takes, from measured steps; 0 where none were, as in
            a short training.
        stopped: why the training ended before its last step, by an early stop or a callback's
            `gtk.StopTraining`; else empty.
        interrupted: whether Ctrl-C or another signal ended it in order, after a step; callbacks do
            no long work then.
    """

    step: int
    total_steps: int
    epoch: int
    epochs: int
    terms: Mapping[str, float] = field(default_factory=dict)
    images_per_second: float = 0.0
    learning_rate: PartNumber = 0.0
    epoch_seconds: float = 0.0
    stopped: str = ""
    interrupted: bool = False
