"""A model with a conditioner and a loss on a few images: what the checks of models try."""

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
from gtk.testing.conditioning_probe import WatchedConditioner
from gtk.testing.process_state import GlobalSeeds
from gtk.testing.replayed_step import CPU, Game

#: Images of a step of each batch that the loss takes; of the training; of the test.
BATCH_SIZE, TRAIN, TEST = 16, 160, 32
#: Images of a draw.
COUNT = 24
#: The steps that a trained model has behind it.
STEPS = 20
#: So many that no warm-up is longer; only the first steps are ever taken.
EPOCHS = 10_000
#: Of the global generator while a model is constructed: one that nobody else has chosen.
SEED = 3_141_592_653
#: What a training takes over from the plugin's own settings.
KEPT = ("learning_rate", "adam_beta1", "adam_beta2", "clip_norm", "average_decay")


@dataclass(frozen=True)
class Trial:
    """One way in which a model is tried.

    Attributes:
        name: "" for the model's own conditioner and loss, else what is different, for messages.
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

    def construct(self) -> tuple[Model, WatchedConditioner]:
        """Construct the model alone, and what its conditioner was asked for.

        Raises:
            CheckFailed: that seeds torch's global generator.
        """
        choice, configs = self.settings.choice, self.settings.configs
        strategy: Conditioner = choice.conditioner.spec.resolve()(
            configs["conditioner"], self.dataset.spec.condition
        )
        record = WatchedConditioner(strategy)
        with fork_random_state(CPU):
            torch.default_generator.manual_seed(SEED)
            model = choice.model.spec.resolve()(configs["model"], self.dataset.spec, record)
            if torch.initial_seed() != SEED:
                raise CheckFailed(
                    f"constructing {type(model).__name__} seeds torch's global generator: leave it "
                    "out, or every --seed begins with the same weights"
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

    def game(self, model: Model | None = None) -> Game:
        """Return the loss with a model, one before its first step unless given, and a batch."""
        built, loss = self.build()
        conditional = self.dataset.spec.condition is not None
        store = ImageStore(self.dataset.train, conditional=conditional, device=CPU)
        return Game(model or built, loss, store.batch(torch.arange(BATCH_SIZE * loss.batches)))

    @cached_property
    def trained(self) -> Trainer:
        """A trainer after `STEPS` steps, its model in eval mode; not to be trained on."""
        trainer = self.trainer()
        take_steps(trainer, STEPS)
        trainer.published.eval()
        return trainer

    @property
    def model(self) -> Model:
        """The trained model, as it would be saved, in eval mode."""
        return self.trained.published

    def conditions(self, count: int) -> Tensor | None:
        """Return conditions for so many images, going through the examples; None if none acts."""
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
            model: the trained one unless another is given.
            noise: with the condition that belongs to it.
            condition: of each image.
            global_seed: of the global generators, which sampling should not ask.
        """
        if noise is None:
            noise, condition = self.noise(count), self.conditions(count)
        with GlobalSeeds(global_seed), torch.no_grad():
            return (model or self.model).sample(noise, condition)


def take_steps(trainer: Trainer, count: int) -> list[dict[str, float]]:
    """Take so many steps from wherever the trainer stands, and return each one's terms."""
    terms = []
    with fork_random_state(CPU):
        batches = trainer.schedule.batches(trainer.step)
        for _ in range(count):
            trainer.learner.pending.clear()
            trainer.train_step(next(batches))
            terms.append(trainer.learner.pending.means())
    return terms


def trials(specimen: Specimen) -> list[Trial]:
    """Return the ways in which a model is tried: as it wants to be, and without a condition.

    The second is left out where the model refuses it with a ValueError, as one may that is
    nothing without a condition.
    """
    return specimen.once("trials", lambda: list(_trials(specimen)))


def for_each_trial(specimen: Specimen, look: Callable[[Trial], None]) -> None:
    """Look at each trial of a model; a failure says in which it was found."""
    for trial in trials(specimen):
        try:
            look(trial)
        except (CheckFailed, GtkError) as error:
            if not trial.name:
                raise
            raise CheckFailed(f"{trial.name}: {error}") from error


def create_run(specimen: Specimen, trial: Trial, name: str) -> Run:
    """Return a run of the trial without a checkpoint, in a new folder."""
    name = "-".join([name, *trial.name.split()])
    path = specimen.folder / name
    return Run.create(path, trial.settings, trial.dataset, device="cpu", threads=1)


def _trials(specimen: Specimen) -> Iterator[Trial]:
    own = _trial(specimen, "", None)
    yield own
    if not own.conditional:
        return
    plain = _trial(specimen, "with --conditioner unconditional", "generative-toolkit/unconditional")
    try:
        plain.construct()
    except ValueError:  # InvalidValue is one
        return
    except Exception:  # noqa: BLE001, S110 - `check_construction` will meet it again, and tell
        pass
    yield plain


def _trial(specimen: Specimen, name: str, conditioner: str | None) -> Trial:
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
    return Trial(name, settings, few)


def build_loss(settings: Settings) -> Loss:
    """Return the loss that settings name."""
    loss: Loss = settings.choice.loss.spec.resolve()(settings.configs["loss"])
    return loss


def _some(split: Split, count: int) -> Split:
    rows = spread(len(split), count)
    return Split(split.images[rows], split.labels[rows])
