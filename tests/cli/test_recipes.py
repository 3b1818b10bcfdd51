"""`gtk recipes`, `gtk train --recipe`, and mistakes in a recipe, as a user meets them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.settings.recipe import LARGEST
from gtk.defaults import RECIPES

Command = Callable[..., Any]


def test_recipes_are_listed_with_data_model_figures_and_summary(gtk_command: Command) -> None:
    rows = [re.split(" {2,}", line) for line in gtk_command("recipes").out.splitlines()]
    found = {row[0]: row[1:] for row in rows if len(row) == 5}
    assert found["cvae-mlp"][:3] == ["mnist", "cvae", "-"]
    assert found["flow-digits"][:3] == ["digits", "flow", "3 figures"]
    assert found["vae-2d"][3].startswith("VAE with a latent code of two numbers")


def test_a_recipe_is_printed_as_it_is_and_starts_another(gtk_command: Command) -> None:
    result = gtk_command("recipes", "cvae-mlp")
    assert result.out.encode() == (RECIPES / "cvae-mlp.toml").read_bytes()
    Path("mine.toml").write_text(result.out)
    arguments = ("--data", "digits", "--epochs", 1, "--quiet")
    result = gtk_command("train", "--recipe", "mine.toml", *arguments)
    assert (result.code, result.out) == (0, "runs/cvae-digits-0001\n")
    result = gtk_command("train", "--recipe", "cvae-mlp", *arguments)
    assert (result.code, result.out) == (0, "runs/cvae-mlp-0001\n")
    mine, own = (gtk.load(name).document for name in ("cvae-digits-0001", "cvae-mlp-0001"))
    assert (mine["recipe"], own["recipe"]) == ("mine.toml", "cvae-mlp")
    for table in ("train", "data", "model", "conditioner", "loss"):
        assert mine[table] == own[table]


def test_help_shows_what_the_recipe_makes_of_the_defaults(gtk_command: Command) -> None:
    def defaults(*arguments: object) -> dict[str, str]:
        text = " ".join(gtk_command("train", *arguments, "--help").out.split())
        parts = [part for part in text.split(" --") if "[default: " in part]
        return {part.split()[0]: part.split("[default: ")[1].split("]")[0] for part in parts}

    assert defaults()["data"] == "digits"
    plain = defaults("--plugin", "cvae")
    assert (plain["data"], plain["latent-dim"]) == ("digits", "by the data:")
    shown = defaults("--recipe", "vae-2d")
    assert {
        "plugin": "vae", "data": "mnist", "conditioner": "unconditional", "loss": "elbo",
        "latent-dim": "2", "hidden-dims": "400", "batch-size": "50", "epochs": "20",
    }.items() <= shown.items()  # fmt: skip
    assert defaults("--recipe", "vae-2d", "--plugin", "cvae")["latent-dim"] == "16"


def test_flags_beat_the_recipe(gtk_command: Command) -> None:
    result = gtk_command(
        "train", "--recipe", "vae-2d", "--data", "digits", "--hidden-dims", "5", "--dry-run"
    )
    assert result.code == 0
    assert "encoder: 349 parameters" in result.out, "64 x 5 + 5 + 5 x 4 + 4"
    assert "28 steps an epoch, 560 in all" in result.out


def test_a_run_is_repeated_by_its_run_json(gtk_command: Command, small_run: gtk.Run) -> None:
    file = small_run.path / "run.json"
    result = gtk_command("train", "--recipe", file, "--device", "cpu", "--name", "again")
    assert result.code == 0
    for name in ("metrics.jsonl", "checkpoints/000000440/model.safetensors"):
        if small_run.document["device"] == "cpu":
            assert Path("runs/again", name).read_bytes() == (small_run.path / name).read_bytes()


def complete(line: str) -> list[str]:
    """Ask for completions as a shell does."""
    environment = {
        **os.environ, "_GTK_COMPLETE": "bash_complete", "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }  # fmt: skip
    command = [str(Path(sys.executable).parent / "gtk")]
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert not result.stderr
    return result.stdout.splitlines()


def test_the_shell_completes_recipes() -> None:
    assert complete("gtk train --recipe vae-") == [
        f"plain,{path.stem}" for path in sorted(RECIPES.glob("vae-*.toml"))
    ]
    assert complete("gtk train --recipe ./mi") == ["file,./mi"]
    assert complete("gtk recipes cvae-ml") == ["plain,cvae-mlp"]
    assert complete("gtk train --recipe vae-2d --late") == ["plain,--latent-dim"]
    assert complete("gtk train --recipe nothing --epo") == ["plain,--epochs"]


MODEL = '[model]\nname = "cvae"\n'
#: Every line has the letters of a key, so each might begin it.
LINES = "# 'epochs', x\n" * 50_000
MISTAKES: list[tuple[str, str]] = [
    ("summary = 'x'\n[model]\nlatent_dim = = 3", "line 3: not TOML: Invalid value: 'latent_dim ="),
    (f"{MODEL}latent_dim = 3\nlatent_dim = 4", "line 4: not TOML: Cannot overwrite a value"),
    (f'{MODEL}kind = "open', "line 3: not TOML: Unterminated string: 'kind = \"open'"),
    (f"{MODEL}\n[modle]\na = 1", "line 4: unknown table 'modle'. Did you mean 'model'?"),
    (f"epochs = 3\n{MODEL}", "line 1: unknown top-level key 'epochs'"),
    (f"{MODEL}latnt_dim = 3", "line 3: [model] latnt_dim: unknown option of model 'cvae' 'latnt_d"),
    (f"{MODEL}latent-dim = 3", "line 3: [model] latent-dim: unknown option of model 'cvae' 'laten"),
    (f"{MODEL}\n[train]\nepoch = 3", "'epoch'. Did you mean 'epochs'?"),
    (f"{MODEL}\n[train]\nepoch = 3", "line 5: [train] epoch: unknown option of training"),
    (f"{MODEL}\n[train]\nname = 'x'", "line 5: [train] name: unknown option of training 'name'"),
    (f"{MODEL}\n[data]\nnme = 'x'", "line 5: [data] nme: unknown option of data set 'digits'"),
    (f"{MODEL}latent_dim = 'x'", "line 3: [model] latent_dim: takes a whole number, not 'x'"),
    (f"{MODEL}latent_dim = 1979-05-27", "line 3: [model] latent_dim: takes a whole number, not"),
    (f"{MODEL}latent_dim = 3.0", "line 3: [model] latent_dim: takes a whole number, not 3.0"),
    (f"{MODEL}latent_dim = true", "line 3: [model] latent_dim: takes a whole number, not True"),
    (f"{MODEL}hidden_dims = [[1]]", "line 3: [model] hidden_dims: takes whole numbers such as"),
    (f"{MODEL}\n# -1\nlatent_dim = 0", "line 5: [model] latent_dim: must be at least 1, not 0"),
    (f"{MODEL}[train]\nepochs = 0", "line 4: [train] epochs: must be at least 1, not 0"),
    (
        f'{MODEL}[train]\noptimizer = "sgd"\nadam_beta1 = 0.5',
        "line 5: [train] adam_beta1: is an option of adam, adamw, radam and muon, and",
    ),
    (f"{MODEL}[train]\nmomentum = 0.5", "line 4: [train] momentum: is an option of sgd and"),
    (f'{MODEL}[train]\nweight_decay = "a=x"', "line 4: [train] weight_decay: takes a number, or"),
    (f"{MODEL}[train]\nlearning_rate = nan", "line 4: [train] learning_rate: must be more than"),
    (f"{MODEL}[train]\nlearning_rate = 1{'0' * 400}", "line 4: [train] learning_rate: "),
    (f"{MODEL}[loss]\n\nbeta = -1", "line 5: [loss] beta: must be 0 or more"),
    ("[model]\nname = 'cvea'", "line 2: [model] name: unknown model 'cvea'. Did you mean 'cvae'?"),
    ("[model]\nname = 3", "line 2: [model] name: must be a string, not 3"),
    (f"{MODEL}[loss]\nname = 'elbow'", "line 4: [loss] name: unknown loss 'elbow'. Did you mean"),
    (f"{MODEL}[data]\nname = 'minst'", "line 4: [data] name: unknown data set 'minst'. Did you"),
    (f"{MODEL}[conditioner]\nname = 'hot'", "line 4: [conditioner] name: unknown conditioner 'hot"),
    (f"{MODEL}[data]\nroot = 3", "line 4: [data] root: must be a string, not 3"),
    (f"{MODEL}[data]\nroot = 'x'", "line 4: [data] root: data set 'digits' is embedded"),
    (f"{MODEL}\n[model.deep]\na = 1", "line 4: [model] deep: must be a value, not a table"),
    (f"{MODEL}sizes = [{{a = 1}}]", "line 3: [model] sizes: must be a value, not a table"),
    ("[[model]]\nname = 'cvae'", "line 1: [model]: must be a table. Write its values below it."),
    ("model = 'cvae'", "line 1: [model]: must be a table. Write its values below it."),
    (f"summary = 3\n{MODEL}", "line 1: summary must be a string, not 3"),
    ("[train]\nepochs = 3", "mine.toml names no model: write name = ... below [model]"),
    ("", "mine.toml names no model: write name = ... below [model]"),
    (f'{MODEL}"a\\nb\\u001b" = 1', "line 3: [model] a b\\x1b: unknown option of model"),
    (f"{MODEL}x = {'[' * 3000}", "mine.toml cannot be read: "),
    (f"{MODEL}x = 1{'0' * 5000}", "mine.toml cannot be read: "),
    (f"{MODEL}x = [[0x{'f' * 5000}]]", "mine.toml has an integer of thousands of digits"),
    (f"summary = 0x{'f' * 5000}", "mine.toml has an integer of thousands of digits"),
    (f"{MODEL}{'a.' * 400_000}a = 1", "line 3: a name has more than 20 dots"),
    (f"{MODEL}x = {{{' a .' * 100_000} a = 1}}", "line 3: a name has more than 20 dots"),
    (f"{MODEL}[{'a.' * 400_000}a]", "line 3: a name has more than 20 dots"),
    (f"{MODEL}[train]\n{LINES}epochs = 0", "line 50004: [train] epochs: must be at least 1"),
    (f'{MODEL}x = """\n{LINES}"""\n', "line 3: [model] x: unknown option"),
]  # fmt: skip


def refused(gtk_command: Command, folder: Path, *arguments: object) -> str:
    """Run a training that must be refused in one line, and return the line."""

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = files()
    result = gtk_command("train", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("gtk: error: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert files() == before
    return str(result.err)


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[text[-40:] for text, _ in MISTAKES])
def test_a_mistake_in_a_recipe_is_shown_where_it_stands(
    gtk_command: Command, workplace: Path, text: str, message: str
) -> None:
    (workplace / "mine.toml").write_text(text)
    error = refused(gtk_command, workplace, "--recipe", "mine.toml")
    assert "mine.toml" in error
    assert message in error
    with pytest.raises(gtk.UserError) as raised:
        gtk.train(recipe="mine.toml")
    typed = str(raised.value).replace("plugin=NAME", "--plugin NAME")
    assert f"gtk: error: {typed}\n" == error


def test_windows_line_ends_and_marks_are_no_mistake(gtk_command: Command, workplace: Path) -> None:
    text = f"{MODEL}hidden_dims = [5]\nlatent_dim = 0\n".replace("\n", "\r\n")
    (workplace / "mine.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert "mine.toml, line 4: [model] latent_dim" in refused(
        gtk_command, workplace, "--recipe", "mine.toml"
    )


def test_a_file_that_is_no_recipe_is_named(gtk_command: Command, workplace: Path) -> None:
    (workplace / "folder.toml").mkdir()
    (workplace / "latin.toml").write_bytes(b'# fine\nsummary = "\xe9"\n')
    (workplace / "large.toml").write_bytes(b"#" * (LARGEST + 1))
    for name, message in (
        ("folder.toml", "recipe folder.toml cannot be read: Is a directory"),
        ("none.toml", "recipe none.toml cannot be read: No such file"),
        ("latin.toml", "latin.toml, line 2: not UTF-8 text"),
        ("large.toml", "large.toml is larger than 1,000,000 bytes"),
        ("folder.toml/x.toml", "recipe folder.toml/x.toml cannot be read"),
        (".", ". is a folder, not a recipe"),
        ("cvae-mpl", "unknown recipe 'cvae-mpl'. Did you mean 'cvae-mlp'?"),
        ("", "unknown recipe ''"),
    ):
        for extra in ((), ("--plugin", "cvae"), ("--help",)):
            assert message in refused(gtk_command, workplace, "--recipe", name, *extra)
    assert "unknown recipe 'cvae-mpl'. Did you" in gtk_command("recipes", "cvae-mpl").err
    assert "unknown recipe 'mine.toml'" in gtk_command("recipes", "mine.toml").err


@pytest.mark.parametrize(
    ("table", "key", "value", "message"),
    [
        ("model", "latent_dim", 0, "[model] latent_dim: must be at least"),
        ("model", "latent_dim", "x", "[model] latent_dim: takes a whole number"),
        ("model", "latnt_dim", 3, "[model] latnt_dim: unknown option of model 'cvae' 'latnt_dim'"),
        ("loss", "beta", {"a": 1}, "[loss] beta: must be a value, not a table"),
        ("loss", "name", "gone", "[loss] name: unknown loss 'generative-toolkit/gone'"),
        ("data", "root", 3, "[data] root: must be a string, not 3"),
    ],
)
def test_a_mistake_in_a_run_json_is_shown_where_it_stands(
    gtk_command: Command,
    workplace: Path,
    small_run: gtk.Run,
    table: str,
    key: str,
    value: object,
    message: str,
) -> None:
    document = json.loads((small_run.path / "run.json").read_text())
    document[table][key] = value
    text = json.dumps(document, indent=2)
    (workplace / "run.json").write_text(text)
    lines = text.split("\n")
    start = lines.index(f'  "{table}": {{')
    line = next(n for n in range(start, len(lines)) if f'"{key}": ' in lines[n]) + 1
    error = refused(gtk_command, workplace, "--recipe", "run.json")
    assert f"run.json, line {line}: {message}" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 1,\n"train" 3}', "some.json, line 2: not JSON: Expecting ':' delimiter"),
        ("{}", "some.json is not the run.json of a run: it has no 'format'"),
        ("[]", "some.json is not the run.json of a run: its structure differs"),
        ("3", "some.json is not the run.json of a run: its structure differs"),
        ('{\n"format": 2}', "some.json, line 2: format 2, this gtk reads 1"),
        ('{"format": 1, "train": {}}', "some.json is not the run.json of a run: it has no 'data'"),
        (
            '{"format": 1, "train": 3}',
            "some.json is not the run.json of a run: its structure differs",
        ),
        ("[" * 100_000, "some.json cannot be read"),
        (f"[1{'0' * 5000}]", "some.json cannot be read"),
    ],
    ids=lambda text: text[:40],
)
def test_a_json_file_that_is_no_run_is_refused(
    gtk_command: Command, workplace: Path, text: str, message: str
) -> None:
    (workplace / "some.json").write_text(text)
    assert message in refused(gtk_command, workplace, "--recipe", "some.json")


def test_a_resumed_run_follows_no_recipe(
    gtk_command: Command, workplace: Path, small_run: gtk.Run
) -> None:
    shutil.copytree(small_run.path, workplace / "runs" / "small")
    arguments = ("--resume", "small", "--recipe", "cvae-mlp", "--epochs", 30)
    assert "leave out --recipe (" in refused(gtk_command, workplace, *arguments)


METRIC = """[model]
name = "vae"
[train]
metric = "likelihood"
[metric.likelihood]
samples = 7
"""


def test_options_of_metrics_are_those_of_the_metrics_that_are_named(gtk_command: Command) -> None:
    Path("mine.toml").write_text(METRIC)
    page = gtk_command("train", "--recipe", "mine.toml", "--help").out
    _, _, own = page.partition("Options of metric likelihood:")
    assert "--likelihood-samples INTEGER" in own
    assert "[default: 7]" in own
    line = ["train", "--plugin", "vae", "--epochs", "1", "--name", "run", "--quiet"]
    result = gtk_command(*line, "--metric", "diversity,likelihood", "--likelihood-images", 5)
    assert result.code == 0
    assert gtk.load("run").settings.metrics == {"likelihood": {"samples": 50, "images": 5}}
    result = gtk_command(*line, "--likelihood-images", 5)
    assert result.code == 2
    assert "No such option '--likelihood-images'" in result.err
