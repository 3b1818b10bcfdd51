"""The trainer's own settings, and the option names that no plugin may take."""

import math
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a training runs; the same names are options of `gtk train` and arguments of `gtk.train`.

    Raises:
        ValueError: a value outside its range; the message names the field and the range.
    """

    epochs: int = field(default=30, metadata={"help": "Passes over the training images."})
    batch_size: int = field(default=128, metadata={"help": "Images in one step."})
    learning_rate: float = field(default=1e-3, metadata={"help": "Adam's step size."})
    seed: int = field(default=0, metadata={"help": "Decides every random draw of the training."})
    threads: int = field(
        default=0,
        metadata={
            "help": "CPU threads; 0 means as many as torch takes. Part of the result's bits."
        },
    )
    validation: int = field(
        default=0,
        metadata={
            "help": "Training images held out to choose the best checkpoint; 0 keeps the last."
        },
    )
    average_decay: float = field(
        default=0.0,
        metadata={
            "help": "Decay per step of a running average of the weights, which sampling and "
            "export then use; 0 for none."
        },
    )
    checkpoint_every: int = field(
        default=0,
        metadata={
            "help": "Steps between checkpoints; 0 means the first end of an epoch after 300 steps."
        },
    )
    sample_every: int = field(
        default=0,
        metadata={"help": "Epochs between sample pictures; 0 draws about ten in all."},
    )
    log_every: int = field(
        default=50, metadata={"help": "Steps between lines in metrics.jsonl and on the screen."}
    )

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("seed", "threads", "validation", "checkpoint_every", "sample_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be more than 0, not {self.learning_rate}")
        if not 0 <= self.average_decay < 1:
            raise ValueError(
                f"average_decay must be in 0..1, less than 1, not {self.average_decay}"
            )


#: Names of arguments of `gtk.train` and options of `gtk train` that are not trainer settings.
REQUEST_NAMES = frozenset(
    {
        "plugin", "data", "data_root", "conditioner", "loss", "name", "runs", "device",
        "resume", "callback", "callbacks", "dry_run", "overwrite", "quiet", "help", "model",
        "train",
    }
)  # fmt: skip

#: A plugin with an option of one of these names is refused when it is loaded.
RESERVED_NAMES = REQUEST_NAMES | {field.name for field in fields(TrainConfig)}
