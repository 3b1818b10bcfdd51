"""A recipe's settings become a training's, and its mistakes are shown where they stand."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.models.build import build
from gtk.core.models.summary import parameter_count
from gtk.core.registry.options import as_table
from gtk.core.settings import plugin_lookup
from gtk.core.settings.choice import Choice, Settings
from gtk.core.settings.line_number import line_in_json, line_in_toml
from gtk.core.settings.recipe import Recipe
from gtk.core.storage.run import Run
from gtk.core.storage.run_document import write_json
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue, PluginError, UnknownName, UserError
from gtk.defaults import RECIPES, built_in_names, find_recipe
from gtk.plugins.losses import ELBOConfig
from gtk.plugins.vae import VAEConfig

pytestmark = pytest.mark.usefixtures("no_pictures")
MNIST = DataSpec("mnist", 1, 28, 28, ConditionSpec(tuple("0123456789")))
CIFAR10 = DataSpec("cifar10", 3, 32, 32, ConditionSpec(tuple("0123456789")))
SMALL = """summary = "Small."
[data]
name = "digits"
[model]
name = "cvae"
latent_dim = 3
hidden_dims = [5, 4]
[conditioner]
name = "embedding"
embedding_dim = 6
[loss]
beta = 0.5
[train]
epochs = 2
learning_rate = 1
"""


def write(text: str, name: str = "mine.toml") -> Recipe:
    """Write a recipe and read it."""
    Path(name).write_text(text)
    return find_recipe(name)


def settle(recipe: Recipe, plugin: str | None = None, **names: str) -> Settings:
    """Settle what a recipe says with these plugins chosen."""
    return Choice.by_name(plugin, **names, recipe=recipe, default_data="digits").settle({}, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", built_in_names())
def test_a_built_in_recipe_settles(name: str) -> None:
    recipe = find_recipe(name)
    settings = settle(recipe)
    assert settings.recipe == recipe.name == name
    assert 10 < len(recipe.summary) <= 80
    for table, values in recipe.tables.items():
        for key, value in values.items():
            assert settings.as_document()[table][key] == value


@pytest.mark.parametrize(
    ("name", "part", "count"),
    [
        ("cvae-mlp", None, 108_752),
        ("vae-mlp", None, 652_824),
        ("vae-2d", None, 631_188),
        ("cgan-conv", "generator", 2_215_553),
        ("cgan-conv", "discriminator", 440_769),
        ("vae-conv", "encoder", 2_077_440),
        ("vae-conv", "decoder", 6_077_635),
    ],
)
def test_a_built_in_recipe_has_its_sources_parameter_count(
    name: str, part: str | None, count: int
) -> None:
    model, _ = build(settle(find_recipe(name)), CIFAR10 if name == "vae-conv" else MNIST)
    assert parameter_count(model if part is None else model.networks()[part]) == count


def test_a_wheel_brings_the_recipes(tmp_path: Path) -> None:
    root, source = Path(gtk.__file__).parents[1], tmp_path / "source"
    (source / "gtk").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    shutil.copytree(root / "gtk", source / "gtk", dirs_exist_ok=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "-w", str(tmp_path)]
    subprocess.run([*command, str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"gtk/plugins/recipes/{name}.toml" for name in built_in_names()} <= set(names)


def test_a_file_sets_everything_it_names_and_nothing_else() -> None:
    document = settle(write(SMALL)).as_document()
    assert document["recipe"] == "mine.toml"
    sizes = VAEConfig(latent_dim=3, hidden_dims=(5, 4))
    assert document["model"] == {"name": "cvae", **as_table(sizes)}
    assert document["conditioner"]["embedding_dim"] == 6
    assert document["loss"] == {"name": "elbo", **as_table(ELBOConfig(beta=0.5))}
    assert document["train"]["epochs"] == 2
    assert document["train"]["learning_rate"] == 1.0
    assert document["train"]["batch_size"] == 64, "the data set's own default"
    assert settle(write(""), "cvae").as_document()["data"]["name"] == "digits"


def test_flag_beats_recipe_beats_specs() -> None:
    choice = Choice.by_name(None, recipe=write(SMALL), default_data="digits")
    settings = choice.settle({"epochs": 7, "latent_dim": 9, "beta": 2}, None)
    assert settings.train.epochs == 7
    assert settings.configs["model"].latent_dim == 9
    assert settings.configs["model"].hidden_dims == (5, 4)
    assert settings.configs["loss"].beta == 2


def test_options_go_with_the_plugin_they_were_written_for() -> None:
    recipe = write(SMALL)
    other = settle(recipe, "vae")
    assert other.configs["model"].latent_dim == 16, "the other model's own"
    assert other.choice.conditioner.spec.name == "embedding", "the recipe names it"
    assert other.configs["conditioner"].embedding_dim == 6
    assert other.configs["loss"].beta == 0.5, "both models' own loss is the same"
    assert other.train.epochs == 2
    same = settle(recipe, "generative-toolkit/cvae", conditioner="onehot", loss="elbo")
    assert same.configs["model"].latent_dim == 3
    assert same.configs["loss"].beta == 0.5
    assert same.as_document()["conditioner"] == {"name": "onehot"}


def test_options_without_a_name_belong_to_the_recipes_models_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    find = plugin_lookup.find

    def find_vae_without_elbo(kind: Any, name: str) -> Any:
        plugin = find(kind, name)
        if name == "vae":
            return replace(plugin, spec=replace(plugin.spec, loss="iwae"))
        return plugin

    monkeypatch.setattr(plugin_lookup, "find", find_vae_without_elbo)
    recipe = write('[model]\nname = "vae"\n[loss]\nbeta = 0.5\n')
    assert settle(recipe, "cvae").configs["loss"].beta == 1.0


def test_the_root_is_for_the_recipes_data_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    text = '[data]\nname = "mnist"\nroot = "data"\n[model]\nname = "vae"\n'
    recipe = write(text, "folder/mine.toml")
    monkeypatch.setenv("GENERATIVE_TOOLKIT_DATA", "/elsewhere")
    assert settle(recipe).data_root == Path("folder/data")
    assert settle(recipe, dataset="digits").data_root is None
    choice = Choice.by_name(None, recipe=recipe, default_data="digits")
    assert choice.settle({}, Path("mine")).data_root == Path("mine")
    assert settle(write(text.replace('"data"\n', '"/data"\n'))).data_root == Path("/data")


def test_a_name_claimed_twice_is_settled_by_a_flag(outside: Path) -> None:
    with pytest.raises(PluginError, match=r"mine.toml, line 5: \[model\] name: model 'cvae' is cl"):
        settle(write(SMALL))
    assert settle(write(SMALL), "gtk-plugin-twin/cvae").configs["model"].latent_dim == 3


def test_training_from_a_recipe(tmp_path: Path) -> None:
    run = gtk.train(recipe="cvae-mlp", data="digits", epochs=1, quiet=True)
    assert run.path == Path("runs/cvae-mlp-0001")
    assert run.document["recipe"] == "cvae-mlp"
    assert run.document["model"]["hidden_dims"] == [64]
    (tmp_path / "mine.toml").write_text(SMALL)
    run = gtk.train(recipe=tmp_path / "mine.toml", quiet=True)
    assert run.path == Path("runs/cvae-digits-0001")
    assert run.document["recipe"] == "mine.toml"
    assert gtk.train(resume=run.path, epochs=3, quiet=True).document["recipe"] == "mine.toml"
    with pytest.raises(InvalidValue, match="leave out recipe"):
        gtk.train(resume=run.path, recipe="cvae-mlp", epochs=4)


def outcome(run: Run) -> list[bytes]:
    """Return a run's figures and its last weights."""
    step = run.checkpoints.steps()[-1]
    weights = run.checkpoints.folder(step) / "model.safetensors"
    return [(run.path / "metrics.jsonl").read_bytes(), weights.read_bytes()]


def test_a_run_is_repeated_to_the_same_bits() -> None:
    first = gtk.train(
        plugin="cvae", conditioner="embedding", latent_dim=5, beta=0.3, seed=7, epochs=2,
        batch_size=50, validation=30, average_decay=0.9, threads=2, device="cpu", quiet=True,
    )  # fmt: skip
    again = gtk.train(recipe=first.path / "run.json", quiet=True)
    assert outcome(first) == outcome(again)
    assert again.document["recipe"] == "cvae-digits-0001/run.json"
    changed = {**first.document, "created": None, "recipe": None}
    assert {**again.document, "created": None, "recipe": None} == changed


def test_a_run_is_repeated_on_its_device_with_its_threads(
    small_run: Run, tmp_path: Path, outside: Path
) -> None:
    document = json.loads((small_run.path / "run.json").read_text())
    document["train"]["threads"] = 0
    write_json(tmp_path / "copy.json", {**document, "threads": 3, "device": "cuda:77"})
    recipe = find_recipe(tmp_path / "copy.json")
    assert settle(recipe).train.threads == 3
    assert settle(recipe).choice.model.installed.package == "generative-toolkit", "not the twin"
    with pytest.raises(InvalidValue, match="device 'cuda:77' cannot be used here"):
        gtk.train(recipe=tmp_path / "copy.json", quiet=True)


def test_a_run_json_may_be_as_large_as_a_run_s(small_run: Run, tmp_path: Path) -> None:
    """Names of thousands of classes make it larger than a TOML file may be."""
    document = json.loads((small_run.path / "run.json").read_text())
    write_json(tmp_path / "large.json", {**document, "notes": ["n" * 2**20] * 15})
    assert find_recipe(tmp_path / "large.json").plugin("model") == "generative-toolkit/cvae"
    write_json(tmp_path / "large.json", {**document, "notes": ["n" * 2**20] * 16})
    with pytest.raises(UserError, match="large.json is larger than 16,777,216 bytes"):
        find_recipe(tmp_path / "large.json")


def test_a_run_from_before_there_were_recipes_opens(small_run: Run, tmp_path: Path) -> None:
    path = shutil.copytree(small_run.path, tmp_path / "old")
    document = json.loads((path / "run.json").read_text())
    assert document.pop("recipe") is None
    write_json(path / "run.json", document)
    assert gtk.load(path).settings.recipe is None
    assert settle(find_recipe(path / "run.json")).train == small_run.settings.train


def test_lines_are_found_where_toml_has_them() -> None:
    text = '''# [model] latent_dim = 1
summary = """
[model]
latent_dim = 2
"""
loss = {name = "elbo", latent_dim = 3}
data.root = "x"
[ "model" ]   # latent_dim
hidden_dims = [
  1, # latent_dim = 4, hidden_dims = 4
]
# latent_dim = 5
"latent_dim" = 6
# latent_dim = 7
'''
    for keys, line in (
        (("model",), 8),
        (("model", "latent_dim"), 13),
        (("model", "hidden_dims"), 9),
        (("loss", "latent_dim"), 6),
        (("data", "root"), 7),
        (("summary",), 2),
        (("model", "beta"), None),
        (("train",), None),
    ):
        assert line_in_toml(text, keys) == line, keys
    document = json.dumps({"data": {"name": 1}, "model": {"name": [1], "x": 2}}, indent=2)
    assert line_in_json(document, ("model", "name")) == 6
    assert line_in_json(document, ("model", "x")) == 9
    assert line_in_json(document, ("loss", "x")) is None
    nested = {"train": {"metric": 1}, "model": {"x": 2}, "metric": {"x": {"y": 3}}}
    assert line_in_json(json.dumps(nested, indent=2), ("metric", "x", "y")) == 10


def test_unknown_recipes_get_the_nearest(small_run: Run) -> None:
    with pytest.raises(UnknownName, match="unknown recipe 'cvae-mpl'. Did you mean 'cvae-mlp'?"):
        find_recipe("cvae-mpl")
    with pytest.raises(UnknownName, match="unknown recipe '../recipes/vae-2d'"):
        find_recipe("../recipes/vae-2d")
    with pytest.raises(UserError, match="is a folder, not a recipe. .*, give its .*run.json"):
        find_recipe(small_run.path)


def test_built_in_recipes_are_plain_text() -> None:
    for path in RECIPES.iterdir():
        assert path.suffix == ".toml"
        assert path.read_text().isascii()
