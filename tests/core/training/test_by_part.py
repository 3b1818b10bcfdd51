"""Settings by part, from an option to the optimizers, the loss, the figures and the files."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import gtk
from gtk.cli.config_options import click_option
from gtk.cli.main import run as run_gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.registry.train_config import TrainConfig
from gtk.core.registry.train_request import TrainRequest
from gtk.core.training.evaluation import evaluate
from gtk.core.training.store import ImageStore
from gtk.core.values.by_part import ByPart
from gtk.core.values.errors import PluginError
from gtk.train_function import choose

GAN = (
    "train", "--plugin", "gan", "--network", "mlp", "--hidden-dims", "8", "--latent-dim", "2",
    "--epochs", "1", "--batch-size", "360", "--log-every", "2",
)  # fmt: skip
RATES = {"generator": 1e-4, "discriminator": 4e-4}
TEXT = "generator=0.0001,discriminator=0.0004"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A run whose parts have rates of their own, and what it has told."""
    folder = tmp_path_factory.mktemp("parts")
    lines: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr("gtk.cli.json_lines.print_json", lines.append)
        patching.setattr("gtk.defaults.PICTURES", ("curves", "report"))
        options = ["--learning-rate", "generator=1e-4,discriminator=4e-4", "--decay", "cosine"]
        files = ["--runs", str(folder), "--json", "--callback", "tensorboard"]
        assert run_gtk([*GAN, *options, *files]) == 0
    return folder / "gan-digits-0001", lines


def test_lines_and_metrics_have_each_parts_rate(
    told: tuple[Path, list[dict[str, Any]]],
) -> None:
    folder, lines = told
    assert lines[0]["event"] == "start"
    assert lines[0]["learning_rate"] == RATES
    assert "failed" not in {line["event"] for line in lines}
    written = [line for line in gtk.Run(folder).metrics() if line["split"] == "train"]
    steps = [line for line in lines if line["event"] == "step"]
    assert [line["learning_rate"] for line in written] == [it["learning_rate"] for it in steps]
    last = written[-1]["learning_rate"]
    assert last["discriminator"] == pytest.approx(4 * last["generator"])
    assert last["generator"] < 1e-4


def test_event_files_have_each_parts_rate(told: tuple[Path, list[dict[str, Any]]]) -> None:
    events: Any = EventAccumulator(str(told[0] / "tensorboard" / "train")).Reload()  # type: ignore[no-untyped-call]
    tags = {f"training/learning_rate/{part}" for part in RATES}
    assert tags <= set(events.Tags()["scalars"])
    assert (told[0] / "report.html").exists()
    assert (told[0] / "pictures" / "curves.png").exists()


def test_run_json_has_the_text_which_a_recipe_takes(
    told: tuple[Path, list[dict[str, Any]]],
) -> None:
    train = json.loads((told[0] / "run.json").read_text())["train"]
    assert train["learning_rate"] == TEXT
    assert train["optimizer"] == "adam"
    assert gtk.Run(told[0]).settings.train.learning_rate == RATES


@pytest.mark.usefixtures("one_table")
def test_dry_run_and_help_show_them(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "mine.toml").write_text(
        f'[model]\nname = "gan"\n[train]\nlearning_rate = "{TEXT}"\n'
        'optimizer = "sgd"\nmomentum = "generator=0.5,discriminator=0"\n'
    )
    assert run_gtk([*GAN, "--recipe", "mine.toml", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "trainable parameters, sgd, learning rate 0.0001, momentum 0.5, weight decay 0\n",
        "trainable parameters, sgd, learning rate 0.0004, momentum 0, weight decay 0\n",
    ):
        assert words in shown
    assert run_gtk(["train", "--recipe", "mine.toml", "--help"]) == 0
    shown = "".join(capsys.readouterr().out.split())
    assert f"[default:{TEXT}]" in shown
    assert "[default:generator=0.5,discriminator=0]" in shown
    assert not (workplace / "runs").exists()


def test_an_option_that_another_optimizer_of_the_recipe_had_is_left_out(workplace: Path) -> None:
    recipe = workplace / "mine.toml"
    recipe.write_text('[model]\nname = "gan"\n[train]\nadam_beta1 = 0.25\n')
    request = TrainRequest(recipe=recipe, options={"optimizer": "sgd", "momentum": 0.5})
    settings = choose(request).settle(request.options, None)
    assert (settings.train.optimizer, settings.train.momentum) == ("sgd", 0.5)
    document = settings.as_document()
    assert document["train"]["adam_beta1"] == 0.9, "neither the recipe's nor the model's own"


def settled(loss: str, recipe: Path | None = None, **options: Any) -> TrainConfig:
    """Return the trainer's settings of a GAN with a loss."""
    plugin = None if recipe else "gan"
    request = TrainRequest(plugin=plugin, loss=loss, recipe=recipe, options=options)
    return choose(request).settle(options, None).train


def test_a_losss_own_settings_override_the_models(workplace: Path) -> None:
    assert settled("minimax").learning_rate == 2e-4
    train = settled("hinge")
    assert (train.learning_rate, train.adam_beta1, train.adam_beta2) == (4e-4, 0.0, 0.9)
    train = settled("wasserstein-gp")
    assert (train.learning_rate, train.adam_beta1, train.adam_beta2) == (3e-4, 0.0, 0.9)
    train = settled("hinge", learning_rate=1e-3)
    assert (train.learning_rate, train.adam_beta1, train.adam_beta2) == (1e-3, 0.0, 0.9)
    recipe = workplace / "mine.toml"
    recipe.write_text('[model]\nname = "gan"\n[train]\nadam_beta1 = 0.25\n')
    assert settled("hinge", recipe).adam_beta1 == 0.25
    assert settled("hinge", recipe, adam_beta1=0.75).adam_beta1 == 0.75


def test_a_losss_own_settings_are_left_out_where_the_optimizer_lacks_them() -> None:
    train = settled("hinge", optimizer="rmsprop")
    assert (train.learning_rate, train.adam_beta1) == (4e-4, TrainConfig.adam_beta1)


@pytest.mark.parametrize("kind", ["model", "loss"])
@pytest.mark.parametrize("rates", [RATES, TEXT])
def test_a_specs_own_settings_may_be_by_part(kind: str, rates: object) -> None:
    choice = choose(TrainRequest(plugin="gan"))
    plugin = getattr(choice, kind)
    spec = replace(plugin.spec, defaults={"learning_rate": rates})
    changed = replace(choice, **{kind: replace(plugin, spec=spec)})
    assert changed.settle({}, None).train.learning_rate == RATES
    (shown,) = [
        click_option(option, changed.presets["train"]["learning_rate"], "").help
        for option in changed.options
        if option.name == "learning_rate"
    ]
    assert str(shown).replace("1e-4", "0.0001").endswith(f"[default: {TEXT}]")


@pytest.mark.parametrize(("decay", "notes"), [("0", 1), ("model=0", 1), ("0.01", 0)])
def test_adamw_without_weight_decay_is_noted(
    workplace: Path, capsys: pytest.CaptureFixture[str], decay: str, notes: int
) -> None:
    arguments = ["train", "--plugin", "vae", "--optimizer", "adamw", "--weight-decay", decay]
    assert run_gtk([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().err.count("adamw without weight decay is adam") == notes


class Asking(toys.Game):
    """Notes the rates that it is told."""

    def __init__(self, ask: Callable[[Context], object]) -> None:
        super().__init__()
        self.ask, self.told = ask, list[object]()

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        self.told.append(self.ask(context))
        yield from super().updates(model, batch, context)

    def evaluate(self, model: Any, batch: Batch, context: Context) -> Any:
        context.learning_rate("first")


def test_a_loss_is_told_the_rate_of_the_step() -> None:
    loss = Asking(lambda context: [context.learning_rate(part) for part in ("first", "second")])
    rate = ByPart({"first": 0.25, "second": 0.5})
    trainer = toys.trainer(loss, learning_rate=rate, warmup_steps=2)
    rows = trainer.schedule.batches(0)
    for _ in range(3):
        trainer.train_step(next(rows))
    assert loss.told == [[0.125, 0.25], [0.25, 0.5], [0.25, 0.5]]
    images = ImageStore(toys.dataset().test, conditional=False, device=toys.CPU)
    context = trainer.learner.context
    with pytest.raises(PluginError, match="part 'first': only updates may ask"):
        evaluate(trainer.published, loss, images, context, seed=0)


@pytest.mark.parametrize("part", ["third", None])
def test_a_rate_of_no_part_is_one_line(part: str | None) -> None:
    trainer = toys.trainer(Asking(lambda context: context.learning_rate(part)))
    with pytest.raises(PluginError, match=f"part {part!r}: the parts are first, second"):
        trainer.train_step(next(trainer.schedule.batches(0)))
