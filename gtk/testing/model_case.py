"""A model with a conditioner and a loss on a few images, which the checks of models test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gtk.core.contracts.conditioner import Conditioner
from gtk.core.contracts.loss import Loss
from gtk.core.contracts.model import Model
from gtk.core.models.build import build
from gtk.core.models.device import fork_random_state
from gtk.core.settings.choice import Choice, Settings
from gtk.core.storage.run import Run
from gtk.core.training.store import ImageStore
from gtk.core.training.trainer import Trainer
from gtk.core.training.training import load_dataset
from gtk.core.values.dataset import Dataset, Split, spread
from gtk.core.values.errors import GtkError
from gtk.testing.check import CheckFailed, Specimen
from gtk.testing.conditioning_probe import ConditioningProbe
from gtk.testing.process_state import GlobalSeeds
from gtk.testing.replayed_step import CPU, ReplayedStep

#: Images of a step of each batch that the loss takes; of the training; of the test.
BATCH_SIZE, TRAIN, TEST = 16, 160, 32
#: Images of a draw.
COUNT = 24
#: Steps after which a model counts as trained.
STEPS = 20
#: More than any warm-up; checks take only the first steps.
EPOCHS = 10_000
#: Of the global generator while a model is constructed: a value that a plugin would not choose.
SEED = 3_141_592_653
#: What a training takes over from the plugin's own settings.
KEPT = ("learning_rate", "adam_beta1", "adam_beta2", "clip_norm", "average_decay")


@dataclass(frozen=True)
class ModelCase:
    """A model under test with a conditioner, a loss and data.

    Attributes:
        name: "" for the model's own conditioner and loss, else the difference, for messages.
        settings: of a training.
        dataset: with few images.
    """

    name: str
    settings: Settings
    dataset: Dataset

    @property
    def conditional(self) -> bool:
        """Whether a condition acts."""
        conditioner: Any = self.settings.choice.conditioner.spec.resolve()
        return bool(conditioner.conditional)

    def construct(self) -> tuple[Model, ConditioningProbe]:
        """Construct the model, with the record of its conditioner's layers.

        Raises:
            CheckFailed: the constructor seeds torch's global generator.
        """
        choice, configs = self.settings.choice, self.settings.configs
        strategy: Conditioner = choice.conditioner.spec.resolve()(
            configs["conditioner"], self.dataset.spec.condition
        )
        record = ConditioningProbe(strategy)
        with fork_random_state(CPU):
            torch.default_generator.manual_seed(SEED)
            model = choice.model.spec.resolve()(configs["model"], self.dataset.spec, record)
            if torch.initial_seed() != SEED:
                raise CheckFailed(
                    f"constructing {type(model).__name__} seeds torch's global generator, so that "
                    "every --seed starts with the same weights: leave that out"
                )
        model.condition = self.dataset.spec.condition if self.conditional else None
        return model, record

    def build(self, seed: int = 0) -> tuple[Model, Loss]:
        """Build model and loss as a training with this seed does."""
        train = replace(self.settings.train, seed=seed)
        return build(replace(self.settings, train=train), self.dataset.spec)

    def trainer(self, seed: int = 0) -> Trainer:
        """Return a trainer before its first step."""
        model, loss = self.build(seed)
        return Trainer(model, loss, self.dataset, replace(self.settings.train, seed=seed), CPU)

    def replayed_step(self, model: Model | None = None) -> ReplayedStep:
        """Return a step of the loss on a batch, with a new model unless one is given."""
        built, loss = self.build()
        conditional = self.dataset.spec.condition is not None
        store = ImageStore(self.dataset.train, conditional=conditional, device=CPU)
        return ReplayedStep(
            model or built, loss, store.batch(torch.arange(BATCH_SIZE * loss.batches))
        )

    @cached_property
    def trained(self) -> Trainer:
        """A trainer after `STEPS` steps, its model in eval mode; it must not be trained further."""
        trainer = self.trainer()
        take_steps(trainer, STEPS)
        trainer.published.eval()
        return trainer

    @property
    def model(self) -> Model:
        """The trained model, as it would be saved, in eval mode."""
        return self.trained.published

    def conditions(self, count: int) -> Tensor | None:
        """Return the examples, repeated to `count` rows; None if unconditional."""
        condition = self.model.condition
        if condition is None:
            return None
        examples = torch.from_numpy(condition.examples())
        return examples[torch.arange(count) % len(examples)]

    def noise(self, count: int, seed: int = 0) -> Tensor:
        """Return noise (count, *noise.shape) for the model."""
        return torch.from_numpy(self.model.noise.draw(count, seed))

    def draw(
        self,
        count: int = COUNT,
        *,
        model: Model | None = None,
        noise: Tensor | None = None,
        condition: Tensor | None = None,
        global_seed: int = 0,
    ) -> Tensor:
        """Sample as gtk does: in eval mode, without gradients.

        Args:
            count: how many images, where no noise is given.
            model: the trained one by default.
            noise: drawn, with examples of conditions, by default.
            condition: of each image, where noise is given.
            global_seed: of the global generators, on which samples should not depend.
        """
        if noise is None:
            noise, condition = self.noise(count), self.conditions(count)
        with GlobalSeeds(global_seed), torch.no_grad():
            return (model or self.model).sample(noise, condition)


def take_steps(trainer: Trainer, count: int) -> list[dict[str, float]]:
    """Take `count` steps from the trainer's current one, and return the terms of each."""
    terms = []
    with fork_random_state(CPU):
        batches = trainer.schedule.batches(trainer.step)
        for _ in range(count):
            trainer.learner.pending.clear()
            trainer.train_step(next(batches))
            terms.append(trainer.learner.pending.means())
    return terms


def model_cases(specimen: Specimen) -> list[ModelCase]:
    """Return the model with its own conditioner, and without a condition.

    The second is left out where the model refuses it with a ValueError, as a model may that
    requires a condition.
    """
    return specimen.once("model_cases", lambda: list(_cases(specimen)))


def for_each_case(specimen: Specimen, look: Callable[[ModelCase], None]) -> None:
    """Check each case of a model; the message of a failure names the case."""
    for case in model_cases(specimen):
        try:
            look(case)
        except (CheckFailed, GtkError) as error:
            if not case.name:
                raise
            raise CheckFailed(f"{case.name}: {error}") from error


def create_run(specimen: Specimen, case: ModelCase, name: str) -> Run:
    """Create a run of the case, still without a checkpoint, in a new folder."""
    name = "-".join([name, *case.name.split()])
    path = specimen.folder / name
    return Run.create(path, case.settings, case.dataset, device="cpu", threads=1)


def _cases(specimen: Specimen) -> Iterator[ModelCase]:
    own = _case(specimen, "", None)
    yield own
    if not own.conditional:
        return
    plain = _case(specimen, "with --conditioner unconditional", "generative-toolkit/unconditional")
    try:
        plain.construct()
    except ValueError:  # InvalidValue is one
        return
    except Exception:  # noqa: BLE001, S110 - `check_construction` reports it
        pass
    yield plain


def _case(specimen: Specimen, name: str, conditioner: str | None) -> ModelCase:
    choice = Choice.by_name(specimen.name, specimen.data, conditioner)
    presets = {table: dict(values) for table, values in choice.presets.items()}
    train = {key: value for key, value in presets["train"].items() if key in KEPT}
    presets["train"] = {**train, "epochs": EPOCHS, "batch_size": BATCH_SIZE}
    presets["model"] |= specimen.options
    settings = choice.settle_tables(presets, None)
    dataset = specimen.once("dataset", lambda: load_dataset(settings))
    batches = build_loss(settings).batches
    few = replace(
        dataset,
        train=_some(dataset.train, max(TRAIN, 2 * BATCH_SIZE * batches)),
        test=_some(dataset.test, TEST),
    )
    return ModelCase(name, settings, few)


def build_loss(settings: Settings) -> Loss:
    """Return the loss that settings name."""
    loss: Loss = settings.choice.loss.spec.resolve()(settings.configs["loss"])
    return loss


def _some(split: Split, count: int) -> Split:
    rows = spread(len(split), count)
    return Split(split.images[rows], split.labels[rows])
