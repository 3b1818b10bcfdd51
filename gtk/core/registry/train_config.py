"""The trainer's own settings."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gtk.core.registry.options import option
from gtk.core.values.by_part import EXAMPLE, PartNumber, each_number
from gtk.core.values.decays import Decays, each_decay
from gtk.core.values.errors import InvalidValue
from gtk.core.values.interval import Interval
from gtk.core.values.setting import setting

#: OpenMP ends the process where it cannot start its threads: no machine wants as many as these.
MOST_THREADS = 1024
#: Words instead of metrics: those that gtk chooses, and none.
AUTO, NONE = "auto", "none"
#: The options that optimizers have besides a rate and a weight decay, each with those that have it.
OPTIMIZERS_WITH = {
    "adam_beta1": ("adam", "adamw", "radam", "muon"),
    "adam_beta2": ("adam", "adamw", "radam", "muon"),
    "adam_epsilon": ("adam", "adamw", "radam", "muon"),
    "momentum": ("sgd", "rmsprop"),
}
#: Settings that a model's plugin may suggest for the data.
SUGGESTIBLE = frozenset({"epochs", "batch_size", "optimizer", "learning_rate"})
#: What counts something, so that 64 bits must do.
COUNTS = (
    "epochs", "batch_size", "accumulate", "warmup_steps", "shift", "validation", "validate_every",
    "patience", "metric_every", "metric_samples", "checkpoint_every", "keep_checkpoints",
    "sample_every", "log_every",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a training runs; the same names are options of `gtk train` and arguments of `gtk.train`.

    Raises:
        ValueError: a value outside its range; the message names the field and the range.
    """

    epochs: int = option(30, "Passes over the training images.")
    batch_size: int = option(128, "Images in one batch: all of a step, unless it has several.")
    accumulate: int = option(
        1, "Batches in one step, whose gradients are averaged: more images without more memory."
    )
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "radam", "muon"] = option(
        "adam",
        "What takes the steps, one for each part of the model: torch's own, or Muon for matrices "
        "and adamw for the rest.",
    )
    learning_rate: PartNumber = option(
        1e-3, f"The optimizer's step size; by part as in {EXAMPLE}, which others take too."
    )
    adam_beta1: PartNumber = option(
        0.9, "adam, adamw, radam, muon: decay of the average gradient; of all parts or by part."
    )
    adam_beta2: PartNumber = option(
        0.999, "adam, adamw, radam, muon: decay of the average squared gradient; or by part."
    )
    adam_epsilon: PartNumber = option(
        1e-8, "adam, adamw, radam, muon: added to the root of that average; or by part."
    )
    momentum: PartNumber = option(0.0, "sgd, rmsprop: the momentum; of all parts or by part.")
    weight_decay: PartNumber = option(
        0.0,
        "Weight decay, of all parts or by part; biases, normalizations and embeddings have none.",
    )
    warmup_steps: int = option(
        0, "Steps in which the learning rate rises to its full size; 0 for none."
    )
    decay: Literal["constant", "cosine", "multistep"] = option(
        "constant",
        "The learning rate after that: constant, to 0 along half a cosine, or to a tenth in eight "
        "stages, each three times as long as the one before.",
    )
    clip_norm: float = option(
        0.0, "The longest gradient, by its L2 norm, of the part that steps; 0: any."
    )
    balance: bool = option(
        False,
        "Draw training images so that all classes are equally frequent. An epoch stays as long: "
        "rare images come several times, and some of the common ones not at all.",
    )
    flip: bool = option(
        False, "Mirror half of a step's images, left to right, chosen anew each time."
    )
    shift: int = option(
        0,
        "Move each image of a step by up to this many pixels, across and down; edge pixels are "
        "repeated.",
    )
    condition_dropout: float = option(
        0.0,
        "Share of a step's images whose condition is left out, chosen anew each time: the model "
        "can then be sampled without one, too.",
    )
    seed: int = option(0, "Decides every random draw of the training.")
    precision: Literal["auto", "fp32", "bf16"] = option(
        "auto",
        "Of matrix products and convolutions; auto tries bf16 in a long training, where the device "
        "has it and all plugins bear it.",
    )
    memory_format: Literal["auto", "channels-last", "contiguous"] = option(
        "auto", "Of images and convolutions' weights; auto tries both in a long training."
    )
    threads: int = option(
        0,
        "CPU threads; 0 for torch's default, or fewer if a long training's trial finds them "
        "faster. Their number changes the result's bits.",
    )
    deterministic: bool = option(
        False, "Use torch's deterministic algorithms alone; they may be slower."
    )
    compile: bool = option(
        False,
        "Compile what the loss computes in a step with torch.compile, which takes up to minutes "
        "and a C++ compiler.",
    )
    validation: int = option(
        0, "Training images held out to choose the best checkpoint; 0 keeps the last."
    )
    validate_on_test: bool = option(
        False,
        "Choose the best checkpoint on the test images instead, as some tutorials do; the test "
        "figure is then not independent.",
    )
    validate_every: Interval = option(
        0, "Steps, or epochs, between validations; 0 for one with each checkpoint."
    )
    monitor: str = option(
        "",
        "What chooses the best checkpoint: a term of the loss, lower is better, or a figure of a "
        "metric as METRIC.FIGURE; by default the loss's own.",
    )
    patience: int = option(
        0, "Stop after this many validations in a row without a new best; 0: never."
    )
    metric: tuple[str, ...] = option(
        (AUTO,),
        "A metric of samples that is computed during the training; several times or with commas; "
        "each has options --METRIC-NAME. "
        "auto: those that judge any samples, where they take less than a tenth of a long training; "
        "none: none.",
    )
    metric_every: int = option(
        0, "Epochs between such figures; 0 for after epochs 1, 2, 4, 8, ..., then ten times in all."
    )
    metric_samples: int = option(1000, "Images that are drawn for such figures.")
    average_decay: Decays = option(
        0.0,
        "Decay per step, less at first, of a running average of the weights, which sampling and "
        "export then use; 0 for none. Of several (0.999,0.9995) they use the first by default.",
    )
    freeze: tuple[str, ...] = option(
        (), "A network or a part of the model that is not trained; several times or with commas."
    )
    checkpoint_every: int = option(
        0, "Steps between checkpoints; 0 means the first end of an epoch after 300 steps."
    )
    keep_checkpoints: int = option(3, "How many of the newest to keep, and the best besides.")
    sample_every: int = option(
        0, "Epochs between pictures; 0 draws after epochs 1, 2, 4, 8, ..., then ten times in all."
    )
    log_every: int = option(50, "Steps between lines in metrics.jsonl and on the screen.")

    def __post_init__(self) -> None:
        for name in (
            "epochs", "batch_size", "accumulate", "metric_samples", "log_every", "keep_checkpoints",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in (
            "seed", "threads", "validation", "checkpoint_every", "sample_every", "warmup_steps",
            "validate_every", "patience", "shift", "metric_every",
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        limits = {"threads": MOST_THREADS, **dict.fromkeys(COUNTS, 2**63 - 1)}
        for name, most in limits.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be {most} or less, not {getattr(self, name)}")
        for name in ("learning_rate", "adam_epsilon"):
            numbers = each_number(getattr(self, name))
            if not all(math.isfinite(number) and number > 0 for number in numbers):
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        for name in ("clip_norm", "weight_decay"):
            numbers = each_number(getattr(self, name))
            if not all(math.isfinite(number) and number >= 0 for number in numbers):
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        self._check_averages()
        for name in ("adam_beta1", "adam_beta2", "momentum", "condition_dropout"):
            if not all(0 <= number < 1 for number in each_number(getattr(self, name))):
                raise ValueError(
                    f"{name} must be at least 0 and less than 1, not {getattr(self, name)}"
                )
        self._check_validation()
        self._check_metrics()

    @property
    def validated(self) -> bool:
        """Whether anything is held out to choose the best checkpoint on."""
        return self.validation > 0 or self.validate_on_test

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics of samples; none while they are not chosen yet."""
        return () if self.metric in {(AUTO,), (NONE,)} else self.metric

    def _check_metrics(self) -> None:
        """Refuse settings of metrics without one, and words for several among names."""
        words = {AUTO, NONE} & {*self.metric}
        if words and len(self.metric) > 1:
            raise ValueError(f"metric {min(words)!r} stands alone, without others")
        if self.metric_every and not self.metrics:
            raise ValueError(
                f"{setting('metric_every', self.metric_every)} needs a metric: name one with "
                f"{setting('metric', example='NAME')}"
            )

    def _check_averages(self) -> None:
        """Refuse decays outside their range, none, and one that is there twice."""
        given, decays = self.average_decay, each_decay(self.average_decay)
        if not all(0 <= decay < 1 for decay in decays):
            raise ValueError(f"average_decay must be at least 0 and less than 1, not {given}")
        if given == () or (len(decays) > 1 and (0 in decays or len({*decays}) < len(decays))):
            raise ValueError(
                f"average_decay must be one decay, or different ones above 0, not {given}"
            )

    def _check_validation(self) -> None:
        """Refuse validation settings that contradict each other, or that need a validation."""
        if self.validation and self.validate_on_test:
            raise ValueError(
                f"{setting('validation')} holds out training images and "
                f"{setting('validate_on_test')} takes the test images instead: give one of the two"
            )
        for name in ("validate_every", "monitor", "patience"):
            if getattr(self, name) and not self.validated:
                raise ValueError(
                    f"{setting(name, getattr(self, name))} needs a validation to look at: hold "
                    f"training images out with {setting('validation', example='N')}"
                )


def suited(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without the options that the optimizer among them lacks."""
    optimizer = values.get("optimizer", TrainConfig.optimizer)
    return {
        name: value
        for name, value in values.items()
        if optimizer in OPTIMIZERS_WITH.get(name, (optimizer,))
    }


def unsettled(chosen: Collection[str]) -> frozenset[str]:
    """Return which of `SUGGESTIBLE` are open where some settings are chosen.

    A learning rate and the options of an optimizer are for that one alone.
    """
    of_optimizer = {"optimizer", "learning_rate"}
    settled = of_optimizer if {*of_optimizer, *OPTIMIZERS_WITH} & {*chosen} else set()
    return SUGGESTIBLE - settled - {*chosen}


def check_suited(given: Iterable[str], config: TrainConfig) -> None:
    """Refuse options that somebody has given and that the optimizer lacks.

    Raises:
        InvalidValue: it names the first.
    """
    for name in given:
        able = OPTIMIZERS_WITH.get(name)
        if able is not None and config.optimizer not in able:
            raise InvalidValue(
                f"{name} is an option of {', '.join(able[:-1])} and {able[-1]}, and the optimizer "
                f"is {config.optimizer}: leave it out"
            )
