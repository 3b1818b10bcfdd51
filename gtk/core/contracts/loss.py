"""The contract Loss: an objective, which says which updates a step takes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, ParamSpec

import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.noise import Noise
from gtk.core.values.errors import PluginError

#: The type of the models that a loss takes, for type checkers; by default any.
ModelType = TypeVar("ModelType", default=Any)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Context:
    """What a loss is called with besides the model and the batch.

    Attributes:
        noise: the generator to draw from; global generators are seeded, too, but not for this.
        step: the number of steps done, a 0-d tensor.
        total_steps: the number of steps the training will have.
        networks: those of `Loss.networks`, on the device; in train mode in `updates`, and in eval
            mode in `evaluate`.
        learning_rates: of the parts in this step, by name; `learning_rate` returns them.
        gather: returns a detached tensor's values in all batches of the step, in their order.
    """

    noise: Noise
    step: Tensor
    total_steps: int
    networks: Mapping[str, nn.Module] = field(default_factory=dict)
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    gather: Callable[[Tensor], list[Tensor]] = lambda own: [own]
    _done: int | None = field(default=None, init=False, repr=False, compare=False)
    _compiler: Callable[..., Any] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def start_step(self, done: int) -> None:
        """Set the number of steps done; for the trainer."""
        self.step.fill_(done)
        object.__setattr__(self, "_done", done)  # a tenth of the time that a new context takes

    def compile_with(self, compiler: Callable[..., Any]) -> None:
        """Have `compiled` compile functions; for the trainer."""
        object.__setattr__(self, "_compiler", compiler)

    def compiled(self, function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        """Return a pure function of tensors compiled, once, or without `compile` as it is.

        It draws nothing from `noise` and is differentiated once at most. Give a method or a
        function of a module: one made in each step would be compiled in each step.
        """
        return function if self._compiler is None else self._compiler(function)

    def is_due(self, every: int) -> bool:
        """Return whether this is the first of every `every` steps, for what few steps compute.

        In a training it does not wait for the device, as reading `step` would.
        """
        done = int(self.step) if self._done is None else self._done
        return done % every == 0

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of values (B, ...) over all images of the step: (...).

        It is for a mean that the loss is not linear in, such as one that is clamped: where a step
        has several batches, the average of their losses would differ from the loss of all images.
        Its gradient is that of this batch's own mean, which averages to the right one where the
        loss depends on the mean in the same way in every batch.
        """
        own = values.mean(0)
        gathered = self.gather(own.detach())
        if len(gathered) == 1:
            return own
        return own + (torch.stack(gathered).mean(0) - own).detach()

    def learning_rate(self, part: str | None = None) -> float:
        """Return a part's learning rate in this step, a float; None means the model's only part.

        Only `updates` may ask: an evaluation must not depend on the step before it.

        Raises:
            PluginError: there is no such part, None is one of several, or `evaluate` asks.
        """
        rates = self.learning_rates
        own = [name for name in rates if name not in self.networks]
        if part is None and len(own) == 1:
            part = own[0]
        if part is None or part not in rates:
            known = f"the parts are {', '.join(rates)}" if rates else "only updates may ask for one"
            raise PluginError(f"the loss asks for the learning rate of part {part!r}: {known}.")
        return rates[part]


@dataclass(frozen=True)
class Update:
    """One optimizer step to take.

    Attributes:
        loss: a scalar with a gradient.
        terms: named scalars to report beside it: tensors of one number, or Python's or numpy's
            numbers. Names of losses, "loss" and PART_loss, are taken.
        part: which of the model's parts or of the loss's networks to train; None is the model's
            only part.
        statistics: of the batch, detached, for what the model learns without gradients;
            `Model.after_update` is called with them after the step, also if there are none. An
            update of one of the loss's networks has none, and does not call it.
    """

    loss: Tensor
    terms: Mapping[str, Tensor | float] = field(default_factory=dict)
    part: str | None = None
    statistics: Mapping[str, Tensor] = field(default_factory=dict)


class Loss(ABC, Generic[ModelType]):
    """An objective of models of one type: `Loss[LatentVariableModel]`. It keeps no state.

    Args:
        config: the plugin's options.

    Attributes:
        requires: the protocol of the methods that it calls on a model, or a class of models.
        unit: of its values.
        criterion: the evaluated term, lower is better, that chooses the best checkpoint; None
            if no term tells which weights are better, as with adversarial losses.
        batches: how many batches one step takes; `Batch.split` returns them.
        compiles: whether `updates` calls `context.compiled` in each step.
    """

    requires: ClassVar[type]
    unit: ClassVar[str]
    criterion: ClassVar[str | None] = "loss"
    batches: int = 1
    compiles: bool = False

    def __init__(self, config: Any) -> None:  # noqa: ANN401 - the plugin's own class
        self.config = config

    def networks(self, model: ModelType) -> dict[str, nn.Module]:
        """Return new networks that the objective needs, by name, such as a discriminator.

        By default there are none. The trainer owns them and hands them back as `context.networks`.
        Each is a part of its own, with its own optimizer and state in the training's checkpoints;
        none is averaged, sampled from or exported. A network whose parameters all have
        `requires_grad` False is not trained, and stays in eval mode.

        Called once, on the CPU and without gradients, with the untrained model in eval mode. First
        weights are drawn from torch's global generator, which is seeded and restored.
        """
        return {}

    @abstractmethod
    def updates(self, model: ModelType, batch: Batch, context: Context) -> Iterator[Update]:
        """Yield the updates of one step; the trainer takes each before it asks for the next.

        Never yield inside `torch.no_grad()` or autocast: that state would leak into the trainer.
        """

    @abstractmethod
    def evaluate(self, model: ModelType, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Return terms per image, (B,) each, on held-out data; `criterion` is one of them."""

    def check(self, model: ModelType, total_steps: int) -> None:
        """Refuse a model or a training that does not suit this loss, before it starts.

        Raises:
            InvalidValue: says what does not fit, and what to choose instead.
        """
