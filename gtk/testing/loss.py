"""What a loss promises: judged on a model that it is for."""

import copy
from dataclasses import replace
from typing import Any

import torch

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Loss
from gtk.core.models.build import build
from gtk.core.models.device import fork_random_state
from gtk.core.registry.discovery import MODEL, Installed, find, installed
from gtk.core.settings.choice import Choice, Settings
from gtk.core.storage.run import Run
from gtk.core.storage.runs import RunPlace
from gtk.core.training.store import ImageStore
from gtk.core.training.trainer import Trainer
from gtk.core.training.training import Training, load_dataset, resumed_training
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.core.values.seeding import derive_seed
from gtk.testing.check import Check, CheckFailed, CheckSkipped, Specimen, needs
from gtk.testing.process_state import Surroundings
from gtk.testing.replayed_step import (
    CPU,
    Game,
    context,
    expect_clean_yields,
    expect_own_noise,
    expect_repeatable_updates,
    expect_sound_evaluation,
    expect_sound_updates,
)
from gtk.testing.weights import same_bits

#: Options that keep gtk's own models small; other models are as they are by default.
SMALL: dict[str, dict[str, Any]] = {
    "vae": {"hidden_dims": (16,), "latent_dim": 2},
    "cvae": {"hidden_dims": (16,), "latent_dim": 2},
    # Not over the batch: a gradient penalty could not act on what that gives.
    "gan": {"channels": (8, 8), "latent_dim": 8, "discriminator_normalization": "group"},
    "cgan": {"channels": (8, 8), "latent_dim": 8, "discriminator_normalization": "group"},
}
OURS = "generative-toolkit"
UNCONDITIONAL = f"{OURS}/unconditional"
#: Images in a batch.
BATCH = 16
#: Of a training that is resumed after all but the last.
EPOCHS = 2


def check_described(specimen: Specimen) -> None:
    """It is a `gtk.Loss` that says what it requires, its unit, its criterion and its batches."""
    target: Any = specimen.plugin.spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Loss)):
        raise CheckFailed(f"its target {target!r:.60} is no gtk.Loss: derive it from one")
    left_out = sorted(getattr(target, "__abstractmethods__", ()))
    if left_out:
        raise CheckFailed(f"{target.__name__} has no {left_out[0]}(): write it")
    requires: Any = getattr(target, "requires", None)
    try:
        issubclass(torch.nn.Module, requires)
    except TypeError as error:
        raise CheckFailed(
            f"its requires is {requires!r:.60}, which no model can be held against ({error}): name "
            "a protocol of methods that is marked @runtime_checkable, such as "
            "gtk.LatentVariableModel, or a class"
        ) from error
    unit: Any = getattr(target, "unit", None)
    if not isinstance(unit, str) or not unit.strip():
        raise CheckFailed('it does not say what its numbers are in: set unit = "nats per image"')
    criterion: Any = target.criterion
    if criterion is not None and not isinstance(criterion, str):
        raise CheckFailed(
            f"its criterion is {criterion!r:.40}: name a term of evaluate(), or None where none "
            "says which weights are better"
        )


@needs(check_described)
def check_model(specimen: Specimen) -> None:
    """A model that is installed can be trained with it."""
    played(specimen)


@needs(check_model)
def check_reads_only(specimen: Specimen) -> None:
    """It changes neither the images nor the conditions that it is given."""
    game = _game(specimen)  # a batch of its own, which no other check has played with
    before = copy.deepcopy(game.batch)
    game.play()
    with torch.no_grad():
        game.loss.evaluate(game.model, game.batch, context(0))
    for name, value in vars(before).items():
        if value is not None and not torch.equal(value, getattr(game.batch, name)):
            raise CheckFailed(
                f"it changes the batch's {name}: leave out operations in place, such as mul_() or "
                "images -= ..."
            )


@needs(check_model)
def check_keeps_no_state(specimen: Specimen) -> None:
    """A step leaves nothing behind in the loss, of which no checkpoint would know."""
    game = _game(specimen)
    before = copy.deepcopy(vars(game.loss))
    game.play()
    changed = [
        name
        for name, value in vars(game.loss).items()
        if name not in before or not _same(before[name], value)
    ]
    if changed:
        raise CheckFailed(
            f"a step changes self.{changed[0]}, which no checkpoint has, so that a training that "
            "is resumed would begin without it: take context.step for what changes with time, and "
            "leave what is learned to the model, in a buffer that Model.after_update() sets"
        )


@needs(check_model)
def check_yields(specimen: Specimen) -> None:
    """No update is yielded inside `torch.no_grad()`, inference mode or autocast."""
    expect_clean_yields(played(specimen))


@needs(check_yields)
def check_updates(specimen: Specimen) -> None:
    """Every update is finite, scalar, and reaches all parameters of a part of the model."""
    expect_sound_updates(played(specimen))


@needs(check_updates, check_reads_only, check_keeps_no_state)
def check_seeds(specimen: Specimen) -> None:
    """The same seed gives the same losses."""
    expect_repeatable_updates(played(specimen))


@needs(check_seeds)
def check_own_noise(specimen: Specimen) -> None:
    """It draws from `context.noise` alone."""
    expect_own_noise(played(specimen))


@needs(check_seeds, check_own_noise)
def check_globals(specimen: Specimen) -> None:
    """Its steps and its evaluation change nothing that is the whole process's."""
    settings, dataset = specimen.once("settings", lambda: _settings(specimen))
    surroundings = Surroundings()
    model, loss = build(settings, dataset.spec)
    trainer = Trainer(model, loss, dataset, settings.train, CPU)
    with fork_random_state(CPU):
        for step, rows in zip(range(2), trainer.schedule.batches(0), strict=False):
            trainer.train_step(rows)
            _expect_seed(derive_seed(settings.train.seed, "layers", step))
        with torch.no_grad():
            loss.evaluate(trainer.published.eval(), _batch(dataset, loss), context(0))
        _expect_seed(derive_seed(settings.train.seed, "layers", step))
    changes = surroundings.changes()
    if changes:
        raise CheckFailed(
            f"a step or evaluate() changes {', '.join(changes)} for the whole process: leave it "
            "alone, or put it back before the next yield; draw from context.noise"
        )


@needs(check_model, check_reads_only)
def check_evaluation(specimen: Specimen) -> None:
    """`evaluate` gives a finite number for each image, its criterion among them."""
    expect_sound_evaluation(played(specimen))


@needs(check_updates, check_evaluation)
def check_without_labels(specimen: Specimen) -> None:
    """It can be played where nothing is conditioned and the images have no labels."""
    settings, dataset = specimen.once("settings", lambda: _settings(specimen))
    try:
        plain = _settled(specimen, settings.choice.model.installed, UNCONDITIONAL)
        model, loss = build(plain, dataset.spec)
    except GtkError as error:
        raise CheckSkipped(f"its model cannot do without a condition: {error}") from error
    game = Game(model, loss, Batch(_batch(dataset, loss).images, None))
    try:
        expect_sound_updates(game)
        expect_sound_evaluation(game)
    except CheckFailed as error:
        raise CheckFailed(f"without labels, {error}") from error
    except InvalidValue as error:
        raise CheckSkipped(f"it refuses images without labels: {error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise CheckFailed(
            f"it fails without labels ({reason}): batch.condition is None there, and so may be "
            "model.condition"
        ) from error


@needs(check_seeds, check_own_noise, check_evaluation)
def check_resume(specimen: Specimen) -> None:
    """A training with it that is resumed ends in the same bits as one that is not."""
    settings, _ = specimen.once("settings", lambda: _settings(specimen))
    settings = replace(settings, train=replace(settings.train, decay="constant"))
    shorter = replace(settings, train=replace(settings.train, epochs=EPOCHS - 1))
    whole = Training(settings, "cpu", []).start(_place(specimen, "whole"))
    part = Training(shorter, "cpu", []).start(_place(specimen, "resumed"))
    training = resumed_training(part, epochs=EPOCHS, data_root=None, device="cpu", callbacks=[])
    ends = [_last_weights(run) for run in (whole, training.go_on(part))]
    if ends[0] != ends[1]:
        raise CheckFailed(
            "a training with it that is resumed ends in other weights than one that is not: keep "
            "nothing from step to step in the loss, and draw from context.noise"
        )


CHECKS: tuple[Check, ...] = (
    check_described,
    check_model,
    check_reads_only,
    check_keeps_no_state,
    check_yields,
    check_updates,
    check_seeds,
    check_own_noise,
    check_globals,
    check_evaluation,
    check_without_labels,
    check_resume,
)


def _expect_seed(seed: int) -> None:
    """Refuse another seed of torch's global generator than the trainer has set."""
    if torch.initial_seed() != seed:
        raise CheckFailed(
            "a step or evaluate() seeds torch's global generator, which makes dropout alike in "
            "every step: leave that out, and draw from context.noise"
        )


def _same(first: Any, second: Any) -> bool:  # noqa: ANN401 - whatever a loss has
    """Say whether two values are equal, of those kinds for which that can be said."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return same_bits(first.detach(), second.detach())
    plain = (int, float, str, bool, tuple, list, dict, type(None))
    if isinstance(first, plain) and isinstance(second, plain):
        return repr(first) == repr(second)
    return type(first) is type(second)


def _place(specimen: Specimen, name: str) -> RunPlace:
    return RunPlace(specimen.folder, name, False)


def _last_weights(run: Run) -> bytes:
    folder = run.checkpoints.folder(run.checkpoints.steps()[-1])
    return (folder / "model.safetensors").read_bytes()


def played(specimen: Specimen) -> Game:
    """Return the loss on a small model that it is for, put together once for all checks."""
    return specimen.once("game", lambda: _game(specimen))


def _game(specimen: Specimen) -> Game:
    settings, dataset = specimen.once("settings", lambda: _settings(specimen))
    model, loss = build(settings, dataset.spec)
    batches: Any = loss.batches
    if not isinstance(batches, int) or batches < 1:
        raise CheckFailed(f"its batches is {batches!r}: it takes a whole number of them, 1 or more")
    return Game(model, loss, _batch(dataset, loss))


def _batch(dataset: Dataset, loss: Loss) -> Batch:
    """Return as many images as one step takes."""
    conditional = dataset.spec.condition is not None
    store = ImageStore(dataset.train, conditional=conditional, device=CPU)
    return store.batch(torch.arange(BATCH * loss.batches) % len(store))


def _settings(specimen: Specimen) -> tuple[Settings, Dataset]:
    """Choose a model that the loss is for: its own package's, or else gtk's, or anybody's."""
    requires: Any = specimen.plugin.spec.resolve().requires
    own = specimen.plugin.installed.package
    # A conditional one first, which is asked more of.
    models = sorted(
        installed(MODEL),
        key=lambda item: (item.package != own, item.package != OURS, item.name[0] != "c"),
    )
    for item in models:
        try:
            target: Any = find(MODEL, f"{item.package}/{item.name}").spec.resolve()
        except GtkError:  # another's plugin that is broken
            continue
        if not issubclass(target, requires):
            continue
        settings = _settled(specimen, item)
        dataset = load_dataset(settings)
        try:
            build(settings, dataset.spec)
        except InvalidValue as error:
            raise CheckFailed(f"with model '{item.name}' it is refused: {error}") from error
        return settings, dataset
    raise CheckSkipped(
        f"no model that is installed is a {requires.__name__}: install one beside it, best in the "
        "same package"
    )


def _settled(specimen: Specimen, model: Installed, conditioner: str | None = None) -> Settings:
    """Settle a training of a model with the loss, small if the model is gtk's."""
    name = f"{model.package}/{model.name}"
    choice = Choice.by_name(name, specimen.data, conditioner, specimen.name)
    tables = {table: dict(values) for table, values in choice.presets.items()}
    tables["loss"] |= specimen.options
    tables["train"] |= {"epochs": EPOCHS, "batch_size": 64}
    if model.package == OURS:
        tables["model"] |= SMALL[model.name]
    return choice.settle_tables(tables, None)
