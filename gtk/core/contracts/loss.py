"""The contract Loss: the game that is played on a model."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic

from torch import Tensor
from typing_extensions import TypeVar

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.noise import Noise

#: What a loss calls on a model; a loss that names none takes whatever `requires` says.
ModelType = TypeVar("ModelType", default=Any)


@dataclass(frozen=True)
class Context:
    """What a loss may know besides the model and the batch.

    Attributes:
        noise: where it draws from; global generators are seeded, too, but nothing should need it.
        step: the number of steps done, a 0-d tensor.
        total_steps: the number of steps the training will have.
    """

    noise: Noise
    step: Tensor
    total_steps: int


@dataclass(frozen=True)
class Update:
    """One optimizer step to take.

    Attributes:
        loss: a scalar with a gradient.
        terms: named scalars to report beside it.
        part: which of the model's parts to train; None where it has only one.
        statistics: of the batch, for what the model learns without gradients; after the step they
            are handed to `Model.after_update`. Without a gradient.
    """

    loss: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    part: str | None = None
    statistics: Mapping[str, Tensor] = field(default_factory=dict)


class Loss(ABC, Generic[ModelType]):
    """A loss, best of the type that it calls on: `Loss[LatentVariableModel]`.

    It keeps no state, and is constructed with (config).

    Args:
        config: the plugin's options.

    Attributes:
        requires: the protocol of what it calls on a model, methods only; or the class of the
            models it is for.
        unit: what its numbers are in.
        criterion: the evaluated term, lower is better, that chooses the best checkpoint; None
            where none of its terms says which weights are better, as in adversarial games.
        batches: how many batches one step takes, from which `Batch.split` makes as many.
    """

    requires: ClassVar[type]
    unit: ClassVar[str]
    criterion: ClassVar[str | None] = "loss"
    batches: int = 1

    def __init__(self, config: Any) -> None:  # noqa: ANN401 - the plugin's own class
        self.config = config

    @abstractmethod
    def updates(self, model: ModelType, batch: Batch, context: Context) -> Iterator[Update]:
        """Yield the updates of one step; the trainer takes each before it asks for the next.

        Never yield inside `torch.no_grad()` or autocast: that state would leak into the trainer.
        """

    @abstractmethod
    def evaluate(self, model: ModelType, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Return terms per image, (B,) each, on held-out data; `criterion` is one of them."""

    def check(self, model: ModelType, total_steps: int) -> None:
        """Refuse a model or a training that this loss cannot be played on.

        Called once, before a training starts and before anything is written.

        Raises:
            InvalidValue: says what does not fit, and what to choose instead.
        """
