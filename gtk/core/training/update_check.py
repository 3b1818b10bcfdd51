"""What a loss yields, checked before the step: torch's own errors would not name the loss."""

from collections.abc import Collection

from torch import Tensor

from gtk.core.contracts.loss import Loss, Update
from gtk.core.registry.installed import describe
from gtk.core.training.optimizer import Optimizers
from gtk.core.training.pending_terms import terms_fault
from gtk.core.values.errors import PluginError
from gtk.core.values.setting import setting


class UpdateCheck:
    """Checks updates, and tells which part each trains.

    Args:
        loss: that yields them.
        optimizers: of the parts.
        own_parts: the parts of the model; the others are networks of the loss.
        freezing: whether some of the model is frozen.
    """

    def __init__(
        self, loss: Loss, optimizers: Optimizers, own_parts: Collection[str], *, freezing: bool
    ) -> None:
        self._loss, self._optimizers, self._freezing = loss, optimizers, freezing
        self._own_parts = list(own_parts)
        self._networks = [part for part in optimizers.parts if part not in own_parts]

    def part(self, update: object) -> str:
        """Return the part that an update trains: the model's only one if it names none.

        The loss's networks are parts, too.

        Raises:
            PluginError: it cannot be trained on.
        """
        fault = self._fault(update)
        if fault or not isinstance(update, Update):
            raise PluginError(f"{describe(self._loss)} yields {fault}.")
        if update.part is None and len(self._own_parts) == 1:
            return self._own_parts[0]
        if update.part in self._optimizers.parts:
            return update.part
        brought = ", ".join(self._networks)
        more = f", and the loss's networks are {brought}" if brought else ""
        raise PluginError(
            f"{describe(self._loss)} updates part '{update.part}', the model's parts are "
            f"{', '.join(self._own_parts)}{more}."
        )

    def _fault(self, update: object) -> str:
        if not isinstance(update, Update):
            return f"{type(update).__name__}: yield gtk.Update(loss)"
        loss: object = update.loss
        if not isinstance(loss, Tensor):
            return f"a loss of type {type(loss).__name__}: yield a tensor with a gradient"
        if loss.numel() != 1:
            return f"a loss of shape {tuple(loss.shape)}: yield its mean, a scalar"
        if not loss.requires_grad and not self._optimizers.frozen(update.part):
            frozen = f", or {setting('freeze')} less" if self._freezing else ""
            return (
                "a loss without a gradient: compute it from the model's parameters, outside "
                f"torch.no_grad() and without detach() or item(){frozen}"
            )
        fault = terms_fault(update.terms, self._optimizers.parts)
        if not fault and update.statistics and update.part in self._networks:
            fault = f"its statistics are for the model, and {update.part!r} is the loss's own"
        return f"an update, and {fault}" if fault else ""
