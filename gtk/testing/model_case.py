"""A model with a conditioner and a loss on a few images, which the checks of models test."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.contracts.conditioner import Conditioner
from gtk.core.contracts.loss import Loss
from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.models.build import build, own_sampler
from gtk.core.models.device import fork_random_state
from gtk.core.models.sampler_fit import fit, learns
from gtk.core.models.sampling import draw_noise
from gtk.core.models.suited_settings import suggestion
from gtk.core.settings.choice import Choice, Settings
from gtk.core.storage.run import Run
from gtk.core.storage.run_document import new_document
from gtk.core.training.trainer import Trainer
from gtk.core.training.training import load_dataset
from gtk.core.values.dataset import Dataset, Split, spread
from gtk.core.values.errors import GtkError
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.conditioning_probe import ConditioningProbe
from gtk.testing.process_state import seeded_generators
from gtk.testing.replayed_step import BATCH_SIZE, CPU, ReplayedStep, step_batch

#: Images in the training split and in the test split.
TRAIN, TEST = 160, 32
#: How many images a check samples.
COUNT = 24
#: Steps after which a model counts as trained.
STEPS = 20
#: Epochs of the training; checks take only its first steps: longer than any warm-up.
EPOCHS = 10_000
#: Seed of the global generator while a model is constructed; a plugin would not choose this one.
SEED = 3_141_592_653
#: Training settings that the plugin's own defaults decide.
KEPT = (
    "optimizer", "learning_rate", "adam_beta1", "adam_beta2", "adam_epsilon", "momentum",
    "weight_decay", "clip_norm", "average_decay",
)  # fmt: skip


@dataclass(frozen=True)
class ModelCase:
    """A model under test with a conditioner, a loss and data.

    Attributes:
        name: "" for the model's own conditioner and loss, else the difference, for messages.
        settings: of a training.
        dataset: a few images.
        folder: for files of the checks.
    """

    name: str
    settings: Settings
    dataset: Dataset
    folder: Path

    @property
    def class_name(self) -> str:
        """The name of the model's class, for messages."""
        return str(self.settings.choice.model.spec.resolve().__name__)

    @property
    def conditional(self) -> bool:
        """Whether a condition acts."""
        conditioner: Any = self.settings.choice.conditioner.spec.resolve()
        return bool(conditioner.conditional)

    def construct(self) -> tuple[Model, ConditioningProbe]:
        """Construct the model, which must not seed torch, with a record of conditioned layers."""
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
                    f"constructing {self.class_name} seeds torch's global generator, so that every "
                    "--seed starts with the same weights: remove the call, for example of "
                    "torch.manual_seed(0)"
                )
        model.condition = self.dataset.spec.condition if self.conditional else None
        return model, record

    def build(self, seed: int = 0) -> tuple[Model, Loss]:
        """Build model and loss as a training with this seed does."""
        train = replace(self.settings.train, seed=seed)
        return build(replace(self.settings, train=train), self.dataset.spec)

    def trainer(self, seed: int = 0) -> Trainer:
        """Return a trainer that has taken no step."""
        model, loss = self.build(seed)
        return Trainer(model, loss, self.dataset, replace(self.settings.train, seed=seed), CPU)

    def replayed_step(self, model: Model | None = None) -> ReplayedStep:
        """Return a step of the loss on a batch, with a new model unless one is given."""
        built, loss = self.build()
        return ReplayedStep(model or built, loss, step_batch(self.dataset, loss))

    @cached_property
    def trained(self) -> Trainer:
        """A trainer after `STEPS` steps, with its model in eval mode; do not train it further."""
        trainer = self.trainer()
        take_steps(trainer, STEPS)
        trainer.published.eval()
        return trainer

    @property
    def model(self) -> Model:
        """The trained model in eval mode, as a checkpoint would hold it."""
        return self.trained.published

    def inputs(self, count: int = COUNT) -> dict[str, Tensor]:
        """Return noise for the trained model, and examples of its condition if it has one."""
        condition = self.model.condition
        inputs: dict[str, NDArray[Any]] = {**draw_noise(self.sampler(), count, 0)}
        if condition is not None:
            inputs["condition"] = condition.cycle(count)
        return {name: torch.from_numpy(rows) for name, rows in inputs.items()}

    def draw(
        self,
        inputs: Mapping[str, Tensor] | None = None,
        *,
        model: Model | None = None,
        global_seed: int = 0,
    ) -> Tensor:
        """Sample as gtk does, without gradients; by default the trained model with `inputs()`."""
        inputs = self.inputs() if inputs is None else inputs
        with seeded_generators(global_seed), torch.no_grad():
            sampler = self.sampler(model)
            ports = [inputs[name] for name in sampler.noise]
            images: Tensor = sampler.module()(*ports, condition=inputs.get("condition"))
            return images

    def sampler(self, model: Model | None = None) -> Sampler[Any]:
        """Return the sampler that the model names; by default of the trained model."""
        sampler = own_sampler(self.settings, model or self.model)
        if learns(type(sampler)):
            fit(sampler, self.dataset.train, torch.arange(len(self.dataset.train)), 0)
        return sampler

    def create_run(self, name: str) -> Run:
        """Create a run without a checkpoint in a new folder."""
        path = self.folder / "-".join([name, *self.name.split()])
        return Run.create(path, new_document(self.settings, self.dataset, "cpu", 1, {}))


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

    The second is left out where the model refuses it with a ValueError, since it may require a
    condition.
    """
    return specimen.once("model_cases", lambda: list(_cases(specimen)))


def model_check(*needed: Check) -> Callable[[Callable[[ModelCase], None]], Check]:
    """Decorate a check of one case, which becomes a check of all cases and needs other checks."""

    def decorate(check_case: Callable[[ModelCase], None]) -> Check:
        @needs(*needed)
        @wraps(check_case)
        def check(specimen: Specimen) -> None:
            for case in model_cases(specimen):
                try:
                    check_case(case)
                except (CheckFailed, GtkError) as error:
                    if not case.name:
                        raise
                    raise CheckFailed(f"{case.name}: {error}") from error

        return check

    return decorate


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
    loss: Loss = choice.loss.spec.resolve()(settings.configs["loss"])
    few = replace(
        dataset,
        train=_some(dataset.train, max(TRAIN, 2 * BATCH_SIZE * loss.batches)),
        test=_some(dataset.test, TEST),
    )
    model = choice.model, settings.configs["model"]
    suggested = suggestion(*model, few.spec, len(few.train))
    kept = {key: value for key, value in suggested.items() if key in choice.suggestible() & {*KEPT}}
    settings = replace(settings, train=replace(settings.train, **kept))
    return ModelCase(name, settings, few, specimen.folder)


def _some(split: Split, count: int) -> Split:
    rows = spread(len(split), count)
    return Split(split.images[rows], split.labels[rows])
