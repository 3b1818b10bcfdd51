"""What all tests share: a folder to work in, a small trained run, outside packages."""

import functools
import importlib
import lzma
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # workers that share the cores, and torch reads it at once
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # a thread that waits leaves its core

import torch
from made_once import made_once

import gtk
from gtk import defaults
from gtk.core.evaluation import judge_training
from gtk.core.registry import plugin_module
from gtk.core.registry.installed import all_installed
from gtk.core.storage.cache import CACHE_VARIABLE
from gtk.core.training import trial

DATA_VARIABLE = "GENERATIVE_TOOLKIT_DATA"
DATA_ROOT = os.environ.get(DATA_VARIABLE)
PACKAGES = Path(__file__).parent / "packages"
#: A package that takes names from gtk's own plugins; only tests of that have it installed.
RIVAL = "rival"
#: Builds a wheel of each folder; pip would start three processes for each.
BUILD = """
import os, sys
from setuptools import build_meta
for folder in sys.argv[2:]:
    if os.fork() == 0:  # setuptools builds one package a process
        os.chdir(folder)
        build_meta.build_wheel(sys.argv[1])
        os._exit(0)
    if os.wait()[1]:
        sys.exit(f"{folder} cannot be built")
"""
#: How long a step takes on this machine must not decide the bits of a test.
trial.LONG = math.inf
#: What each test's random numbers start from: no seed that a plugin under test would choose.
SEED = 271_828_182


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have what all tests share be made as on a fresh machine, where no judge is kept."""
    with pytest.MonkeyPatch.context() as patching:
        patching.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test an empty folder and the same random numbers; it changes nothing global."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path.with_name(f"{tmp_path.name}-cache")))
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(SEED)
    before = torch.get_default_dtype(), torch.get_num_threads()
    yield tmp_path
    assert before == (torch.get_default_dtype(), torch.get_num_threads())


@pytest.fixture
def data_root() -> Path:
    """Where the real data sets are; the test is skipped where they are not."""
    if DATA_ROOT is None:
        pytest.skip(f"{DATA_VARIABLE} does not say where MNIST is")
    return Path(DATA_ROOT)


@pytest.fixture(scope="session")
def cifar10_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where CIFAR-10 is, unpacked if it is packed; the test is skipped where it is not."""
    folder = Path(DATA_ROOT or "") / "cifar-10-batches-py"
    if DATA_ROOT is None or not (folder / "batches.meta").exists():
        pytest.skip(f"{DATA_VARIABLE} does not say where CIFAR-10 is")
    packed = sorted(folder.glob("*.xz"))
    if all((folder / path.stem).exists() for path in packed):
        return Path(DATA_ROOT)

    def unpack(root: Path) -> None:
        unpacked = root / folder.name
        unpacked.mkdir()
        shutil.copy(folder / "batches.meta", unpacked)
        for path in packed:
            with lzma.open(path) as source, (unpacked / path.stem).open("wb") as target:
                shutil.copyfileobj(source, target)

    return made_once(tmp_path_factory, "cifar10", unpack)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """A cvae trained for a few epochs on digits; not to be written to."""

    def train(runs: Path) -> None:
        gtk.train(plugin="cvae", runs=runs, name="small", epochs=20, quiet=True)

    return gtk.load(made_once(tmp_path_factory, "small", train) / "small")


@pytest.fixture
def small_copy(small_run: gtk.Run, workplace: Path) -> gtk.Run:
    """The same run, to be written to, in the folder of runs."""
    shutil.copytree(small_run.path, workplace / "runs" / "small")
    return gtk.load("small")


@pytest.fixture
def quick_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have judges be trained in a second; they are bad ones."""
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 3)


@pytest.fixture(scope="session")
def default_run(tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """What `gtk train --plugin cvae` makes; not to be written to."""

    def train(runs: Path) -> None:
        gtk.train(plugin="cvae", runs=runs, quiet=True)

    return gtk.load("latest", runs=made_once(tmp_path_factory, "default", train))


@pytest.fixture(scope="session")
def one_table() -> Iterator[None]:
    """Have torch make its table of ONNX operators once, not for each export: half of the time."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patching:
        made = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
        patching.setattr(ONNXRegistry, "from_torchlib", made)
        yield


@pytest.fixture(scope="session")
def exported(small_run: gtk.Run, one_table: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The decoder of `small_run` as a file, its description beside it; not to be written to."""

    def export(folder: Path) -> None:
        gtk.export(small_run, folder / "small.onnx")

    return made_once(tmp_path_factory, "onnx", export) / "small.onnx"


@pytest.fixture(scope="session")
def flow_files(one_table: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of `flow` that knows images without a class, and its denoiser.onnx."""

    def train(folder: Path) -> None:
        small = {"width": 16, "depth": 1, "epochs": 1, "condition_dropout": 0.1, "quiet": True}
        with pytest.MonkeyPatch.context() as patching:
            patching.setattr(defaults, "PICTURES", ())
            run = gtk.train("flow", runs=folder, sampler="midpoint", steps=3, name="flow", **small)
        gtk.export(run, folder / "denoiser.onnx", part="denoiser")

    return made_once(tmp_path_factory, "flow", train)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outside packages of tests/packages, really installed into a folder of their own."""
    paths = [path for path in PACKAGES.iterdir() if path.name != RIVAL]
    return made_once(tmp_path_factory, "packages", lambda it: install_packages(it, paths)) / "site"


@pytest.fixture(scope="session")
def rival(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of names that others have, installed into a folder of its own."""
    paths = [PACKAGES / RIVAL]
    return made_once(tmp_path_factory, "rival", lambda it: install_packages(it, paths)) / "site"


def install_packages(folder: Path, packages: Iterable[Path]) -> None:
    """Install packages from copies of their folders into its folder `site`."""
    sources, wheels = folder / "sources", folder / "wheels"
    for path in packages:
        shutil.copytree(path, sources / path.name)
    build = [sys.executable, "-c", BUILD, str(wheels), *map(str, sorted(sources.iterdir()))]
    subprocess.run(build, check=True, capture_output=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    install += ["--disable-pip-version-check", "--no-compile", "--target", str(folder / "site")]
    subprocess.run([*install, *map(str, wheels.iterdir())], check=True, capture_output=True)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this test's trainings leave out what takes most of a short one's time."""
    monkeypatch.setattr(defaults, "PICTURES", ())


@pytest.fixture
def outside(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The outside packages, importable and discoverable in this process and its children."""
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("PYTHONPATH", str(packages))
    forget_plugins()
    yield packages
    for name in [name for name in sys.modules if name.startswith("gtk_plugin_")]:
        del sys.modules[name]
    forget_plugins()


@pytest.fixture
def fresh_plugins() -> Iterator[None]:
    """Have discovery look again in this test, and once more after it."""
    forget_plugins()
    yield
    forget_plugins()


def forget_plugins() -> None:
    """Have discovery look again."""
    importlib.invalidate_caches()
    all_installed.cache_clear()
    plugin_module.manager.cache_clear()
