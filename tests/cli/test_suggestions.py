"""What gtk says of names that it does not know: the right one, what it lacks, what to install."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.registry import suggestion
from gtk.core.registry.entry_points import PackageEntry
from gtk.core.registry.installed import KINDS, installed
from gtk.core.registry.options import options_of
from gtk.core.registry.train_config import TrainConfig
from gtk.core.registry.unknown_plugin import unknown_plugin
from gtk.core.values.errors import UnknownName
from gtk.plugins.other_names import OTHER_NAMES

Command = Callable[..., Any]
EXAMPLES = Path(__file__).parents[2] / "examples"

OPTIONS = [
    ("train --plugin cvae --lr 1", "Did you mean '--learning-rate'?"),
    ("train --plugin cvae --bs 1", "Did you mean '--batch-size'?"),
    ("train --plugin cvae --batch 1", "Did you mean '--batch-size'?"),
    ("train --plugin cvae --batch_size 1", "Did you mean '--batch-size'?"),
    ("train --plugin cvae --BatchSize 1", "Did you mean '--batch-size'?"),
    ("train --plugin cvae --wd 1", "Did you mean '--weight-decay'?"),
    ("train --plugin cvae --l2-regularization 1", "Did you mean '--weight-decay'?"),
    ("train --plugin cvae --weight-decy 1", "Did you mean '--weight-decay'?"),
    ("train --plugin cvae --latent-size 1", "Did you mean '--latent-dim'?"),
    ("train --plugin cvae --z_dim 1", "Did you mean '--latent-dim'?"),
    ("train --plugin cvae --latnt-dim 1", "Did you mean '--latent-dim'?"),
    ("train --model cvae", "Did you mean '--plugin'?"),
    ("train --plugin cvae --n-epochs 1", "Did you mean '--epochs'?"),
    ("train --plugin cvae --dataset mnist", "Did you mean '--data'?"),
    ("train --plugin cvae --pretrained x", "Did you mean '--init-from'?"),
    ("train --plugin cvae --grad-accum 2", "Did you mean '--accumulate'?"),
    ("train --plugin flow --cfg-scale 2", "Did you mean '--guidance'?"),
    ("train --plugin cvae --guidance 2", "It is an option of solvers, such as sampler heun."),
    ("train --plugin flow --temperature 2", "It is an option of sampler direct."),
    ("train --plugin cvae --gpu", "Did you mean '--device cuda'?"),
    ("train --plugin cvae --cpu", "Did you mean '--device cpu'?"),
    ("train --plugin cvae --output x", "Did you mean '--runs'?"),
    ("train --plugin cvae --num-workers 1", "gtk has no workers:"),
    ("train --plugin cvae --optim sgd", "Did you mean '--optimizer'?"),
    ("train --plugin cvae --adamw", "Did you mean '--optimizer adamw'?"),
    ("train --plugin cvae --nesterov", "gtk has no option for Nesterov momentum."),
    ("train --plugin cvae --amp", "Did you mean '--precision bf16'?"),
    ("train --plugin cvae --dropout 1", "gtk has no dropout in its networks."),
    ("train --plugin cvae --ema 1", "Did you mean '--average-decay'?"),
    ("train --plugin cvae --model-ema", "Did you mean '--average-decay'?"),
    ("train --plugin cvae --ema-momentum 1", "Did you mean '--average-decay'?"),
    ("train --plugin cvae --num-heads 1", "gtk has no attention."),
    ("train --plugin cvae --vflip", "it mirrors images only from left to right."),
    ("train --plugin cvae --in-channels 1", "size and channels of images follow from the data."),
    ("train --plugin cvae --output-dim 1", "size and channels of images follow from the data."),
    ("train --plugin cvae --min-epochs 1", "gtk has no least number of epochs."),
    ("train --plugin cvae --step-size 1", "gtk has no steps or limits of the learning rate"),
    ("train --plugin cvae --eta 1", "gtk has no steps or limits of the learning rate"),
    ("train --plugin cvae --checkpoint 1", "Did you mean '--resume'?"),
    ("train --latent-dim 1", "Plugins have options of their own: name the model with --plugin"),
    ("train --plugin cvae --side 1", "No such option '--side'. See: gtk train --help"),
    ("train --plugin cvae --image-size 1", "No such option '--image-size'. See: gtk train --help"),
    ("sample x --num 1", "Did you mean '-n'?"),
    ("sample x --output a.png", "Did you mean '--out'?"),
    ("sample x -o a.png", "Did you mean '--out'?"),
    ("sample x --class 1", "Did you mean '--label'?"),
    ("export x --half", "Did you mean '--precision fp16'?"),
    ("export x --tol 1", "Did you mean '--tolerance'?"),
    ("generate", "Did you mean 'sample'?"),
    ("trian", "Did you mean 'train'?"),
    ("plugins nwe", "Did you mean 'new'?"),
    ("train --recipe CVAE-MLP", "Did you mean 'cvae-mlp'?"),
    ("eval", "A training ends with the figures on the test images."),
]
PLUGINS = [
    ("--plugin CVAE", "Did you mean 'cvae'?"),
    ("--plugin dcgan", "It is a gan with --network conv."),
    ("--plugin stable-diffusion", "gtk has no such diffusion model, only diffusion and flow."),
    ("--plugin generative-toolkit/cvea", "Did you mean 'cvae'?"),
    ("--plugin cvae --data FashionMNIST", "Did you mean 'fashion-mnist'?"),
    ("--plugin cvae --data Fashion_MNIST", "Did you mean 'fashion-mnist'?"),
    ("--plugin cvae --data CIFAR-10", "Did you mean 'cifar10'?"),
    (
        "--plugin cvae --data qmnist",
        "gtk has no such data set; a folder of images is --data folder",
    ),
    ("--plugin gan --loss wgan-gp", "Did you mean 'wasserstein-gp'?"),
    ("--plugin gan --loss lsgan", "Did you mean 'least-squares'?"),
    ("--plugin gan --loss r3gan", "Did you mean 'relativistic'?"),
    ("--plugin DDPM", "Did you mean 'diffusion'?"),
    ("--plugin flow --loss cfm", "Did you mean 'flow-matching'?"),
    ("--plugin SNGAN", "It is a gan with --discriminator-normalization spectral."),
    ("--plugin gan --loss bce", "For a GAN it is minimax; for a VAE it is an option, --likelihood"),
    ("--plugin cvae --conditioner FiLM", "Did you mean 'film'?"),
    ("--plugin cvae --conditioner one_hot", "Did you mean 'onehot'?"),
    ("--plugin cvae --conditioner my-flow", "If 'my-flow' is your own, install it again"),
    (
        "--plugin straight-flow",
        "not installed: in the folder of gtk's repository, pip install ./examples/gtk",
    ),
    ("--plugin VQ-VAE", "pip install ./examples/gtk-plugin-vqvae"),
    ("--plugin flow --sampler rk4", "pip install ./examples/gtk-plugin-flow"),
    ("--plugin gtk-plugin-flow/straight-flow", "pip install ./examples/gtk-plugin-flow"),
    (
        "--plugin their-package/vae",
        "Package 'their-package' is not installed here. Install it: pip",
    ),
    ("--loss x/y --plugin cvae", "Package 'x' is not installed here. Install it: pip install x"),
]
PATHS = [
    ("--plugin ./my_model.py", "takes the name of an installed plugin, not a path."),
    ("--plugin my_model.py", "gtk plugins new NAME --kind model"),
    ("--plugin folders/flat", "takes the name of an installed plugin, not a path."),
    ("--plugin notes.txt", "takes the name of an installed plugin, not a path."),
    ("--plugin ./folder", "takes the name of an installed plugin, not a path."),
    ("--plugin cvae --loss ./loss.py", "gtk plugins new NAME --kind loss"),
    ("--plugin cvae --conditioner ~/c.py", "gtk plugins new NAME --kind conditioner"),
    ("--plugin cvae --data ./flat", "use folder:./flat. That is --data folder --data-root ./flat."),
    ("--plugin cvae --data flat", "use folder:flat. That is --data folder --data-root flat."),
    ("--plugin cvae --data ./absent", "./absent does not exist. A folder of images is given as f"),
    ("--plugin cvae --data absent.npz", "absent.npz does not exist. A folder of images is given"),
    (r"--plugin cvae --data C:\photos", r"C:\photos does not exist. A folder of images is given"),
    ("--plugin cvae --data notes.py", "takes the name of an installed plugin, not a path. A fold"),
]
RUNS = [
    ("inspect RUN --part Decoder", "Did you mean 'decoder'?"),
    ("inspect x.txt", "x.txt does not exist: give the folder or the name of a run, or the .onnx"),
    ("sample models/decoder.bin --out a.png", "models/decoder.bin does not exist: give the folder"),
    ("sample models/decoder.bin", "models/decoder.bin does not exist: give the folder"),
    ("bench x.bin", "x.bin does not exist"),
    ("export runs/none", "runs/none does not exist"),
    ("train --resume x.pt", "x.pt does not exist"),
    ("data digits --out none/a.png", "none is not a folder you can write to, since it does not ex"),
    (
        "train --plugin cvae --device tpu",
        "device 'tpu' cannot be used here (there is no such type;",
    ),
]


@pytest.mark.parametrize(
    ("line", "message"),
    [*OPTIONS, *((f"train {line}", said) for line, said in [*PLUGINS, *PATHS]), *RUNS],
)
def test_one_line_has_the_right_name_or_what_to_do(
    gtk_command: Command, small_run: gtk.Run, workplace: Path, line: str, message: str
) -> None:
    (workplace / "flat").mkdir()
    (workplace / "folders" / "flat").mkdir(parents=True)
    (workplace / "notes.py").touch()
    (workplace / "notes.txt").touch()
    result = gtk_command(*line.replace("RUN", str(small_run.path)).split())
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err


PYTHON: list[tuple[dict[str, Any], str]] = [
    ({"nesterov": True}, "unknown option 'nesterov'. gtk has no option for Nesterov momentum."),
    ({"wd": 0.1}, "Did you mean 'weight_decay'?"),
    ({"lr": 0.1}, "Did you mean 'learning_rate'?"),
    ({"dataset": "mnist"}, "Did you mean 'data'?"),
    ({"gpu": True}, "Did you mean \"device='cuda'\"?"),
    ({"z_dim": 3}, "Did you mean 'latent_dim'?"),
]


@pytest.mark.parametrize(("options", "message"), PYTHON)
def test_python_has_the_same_suggestions(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownName, match=re.escape(message)):
        gtk.train("cvae", **options)


def test_python_takes_no_model() -> None:
    with pytest.raises(UnknownName, match=r"unknown option 'model'\. Did you mean 'plugin'\?"):
        gtk.train(model="cvae")


def test_a_recipe_has_the_same_suggestions(gtk_command: Command, workplace: Path) -> None:
    (workplace / "mine.toml").write_text('[model]\nname = "cvae"\n[train]\nwd = 0.1\n')
    assert "Did you mean 'weight_decay'?" in gtk_command("train", "--recipe", "mine.toml").err
    (workplace / "mine.toml").write_text('[model]\nname = "straight-flow"\n')
    assert "pip install ./examples/gtk-plugin-flow" in gtk_command(
        "train", "--recipe", "mine.toml"
    ).err  # fmt: skip


def test_a_run_names_the_package_to_install(
    gtk_command: Command, small_run: gtk.Run, workplace: Path
) -> None:
    text = (small_run.path / "run.json").read_text()
    (workplace / "runs" / "theirs").mkdir(parents=True)
    changed = text.replace('"package": "generative-toolkit"', '"package": "their-package"')
    (workplace / "runs" / "theirs" / "run.json").write_text(changed)
    for line in ("sample theirs --out a.png", "train --resume theirs"):
        result = gtk_command(*line.split())
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "Install it: pip install their-package" in result.err


def test_names_that_are_suggested_exist() -> None:
    tables = {kind.name: kind for kind in KINDS}
    for kind, table in OTHER_NAMES.items():
        names = {item.name for item in installed(tables[kind])}
        examples = {"model": {"vqvae"}, "loss": {"vae-gan"}}.get(kind, set())
        assert {answer for answer in table if " " not in answer} <= names | examples
    configs = {"train": TrainConfig}
    known = {option.name for option in options_of(configs)}
    for name in known:
        said = suggestion.suggestion(name, known, suggestion.OPTIONS)
        assert said == f" Did you mean {name!r}?", "a word of the table is an option of its own"


def test_the_examples_are_those_in_the_repository() -> None:
    found = dict[str, list[str]]()
    for file in EXAMPLES.glob("*/pyproject.toml"):
        project = tomllib.loads(file.read_text())["project"]
        points = project["entry-points"].values()
        found[project["name"]] = sorted({name for names in points for name in names})
        assert file.parent.name == project["name"]
    names = [it for package in found for it in (*found[package], f"{package}/{found[package][0]}")]
    answers = [str(unknown_plugin("model", name, ["vae"], ["gtk.models"])) for name in names]
    for package in found:
        assert sum(f"pip install ./examples/{package}." in said for said in answers) == 2


def test_a_package_says_what_else_its_plugins_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_names.py").write_text(
        'OTHER_NAMES = {"model": {"unet": "u_net"}, "loss": {"It is an option.": "tv"}}\n'
    )
    (tmp_path / "their_broken.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    entries = [
        PackageEntry(suggestion.OTHER_NAMES, "theirs", "theirs", "1", module)
        for module in ("their_broken", "their_names")
    ]
    monkeypatch.setattr(suggestion, "read_entry_points", lambda _: entries)
    assert suggestion.suggested_plugin("model", "U-Net", ["unet"]) == " Did you mean 'unet'?"
    assert suggestion.suggested_plugin("model", "U-Net", []) == "", "it is not installed"
    assert suggestion.suggested_plugin("plugin", "TV", []) == " It is an option."
