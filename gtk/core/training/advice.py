"""What a training tells its user before it begins: notes on settings that may not be meant."""

import math
from collections.abc import Iterator

from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.choice import Settings
from gtk.core.training.arithmetic import has_maps
from gtk.core.training.trainer import Trainer
from gtk.core.training.warm_start import Weights
from gtk.core.values.by_part import each_number
from gtk.core.values.class_balance import imbalance
from gtk.core.values.dataset import Dataset
from gtk.core.values.setting import setting
from gtk.core.values.text import counted

#: A training of fewer steps than SHORT shows little of what a model can do; ENOUGH steps do.
SHORT, ENOUGH = 1_000, 3_000


def advice_on_data(dataset: Dataset, config: TrainConfig) -> Iterator[str]:
    """Yield the notes that need no model, which a resumed training gives again."""
    unequal = "" if config.balance else imbalance(dataset)
    if unequal:
        yield unequal
    if config.optimizer == "adamw" and not any(each_number(config.weight_decay)):
        usual = setting("weight_decay", 0.01)
        yield f"adamw without weight decay is adam: {usual} is what PyTorch's has by default"


def advice_at_start(
    settings: Settings, trainer: Trainer, images: int, weights: Weights | None
) -> Iterator[str]:
    """Yield the notes on a training from the first step, on so many images, from these weights."""
    yield from _on_length(settings, trainer, images)
    yield from _on_new_weights(settings, weights)
    yield from _on_frozen_weights(settings, trainer, weights)
    yield from _on_arithmetic(settings, trainer)


def _on_length(settings: Settings, trainer: Trainer, images: int) -> Iterator[str]:
    """Tell if a small data set makes a training of the usual epochs short."""
    steps, epochs = trainer.schedule.total_steps, settings.train.epochs
    usual = settings.choice.presets["train"].get("epochs", TrainConfig.epochs)
    unchosen = epochs == usual or "epochs" in settings.suggestible
    if unchosen and steps < SHORT:
        more = math.ceil(ENOUGH / trainer.schedule.steps_per_epoch)
        yield (
            f"{counted(images, 'training image')} {'makes' if images == 1 else 'make'} "
            f"{counted(steps, 'step')} in {epochs} epochs, which is a short training: "
            f"{setting('epochs', more)} makes {ENOUGH} or more"
        )


def _on_new_weights(settings: Settings, weights: Weights | None) -> Iterator[str]:
    """Tell if the run that is repeated began with other weights than new ones."""
    recipe = settings.choice.recipe
    if recipe.init_from and weights is None:
        again = setting("init_from", recipe.init_from)
        yield (
            f"{recipe.name} is of a run that began with the weights of {recipe.init_from}, and "
            f"this training begins with new ones: {again} takes those"
        )


def _on_frozen_weights(
    settings: Settings, trainer: Trainer, weights: Weights | None
) -> Iterator[str]:
    """Tell of weights that are frozen without having been trained."""
    model = trainer.learner.model
    taken = {} if weights is None else weights.fitting(model)
    frozen = [name for name, item in model.named_parameters() if not item.requires_grad]
    new = [name for name in frozen if name not in taken]
    if settings.train.freeze and new:
        yield (
            f"{setting('freeze')} keeps {counted(len(new), 'tensor')} of new weights, which "
            f"nothing has trained, such as {new[0]}: "
            f"{setting('init_from', example='RUN')} starts from trained ones"
        )


def _on_arithmetic(settings: Settings, trainer: Trainer) -> Iterator[str]:
    """Tell of a memory format that applies to nothing, and of bf16 where no plugin promises it."""
    learner, train = trainer.learner, settings.train
    maps = has_maps(learner.model, *learner.context.networks.values())
    if train.memory_format == "channels-last" and not maps:
        yield (
            f"{setting('memory_format', train.memory_format)} changes nothing here, as the "
            "networks have no convolutions"
        )
    if train.precision == "bf16":
        for plugin in settings.choice.without_bf16:
            yield (
                f"{plugin} does not say that it bears bf16: compare figures with those of "
                f"{setting('precision', 'fp32')}"
            )
