"""What all tests share: a folder to work in, a small trained run, outside packages."""

import importlib
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # workers that share the cores, and torch reads it at once
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import gtk
from gtk.core.registry import discovery
from gtk.core.storage.cache import CACHE_VARIABLE

DATA_VARIABLE = "GENERATIVE_TOOLKIT_DATA"
DATA_ROOT = os.environ.get(DATA_VARIABLE)
PACKAGES = Path(__file__).parent / "packages"
#: A package that takes names from gtk's own plugins; only tests of that have it installed.
RIVAL = "rival"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test an empty working folder, and check that it changes nothing global."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path.with_name(f"{tmp_path.name}-cache")))
    before = torch.get_default_dtype(), torch.get_num_threads(), torch.get_rng_state()
    yield tmp_path
    after = torch.get_default_dtype(), torch.get_num_threads(), torch.get_rng_state()
    assert before[:2] == after[:2]
    torch.set_rng_state(before[2])


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
    unpacked = tmp_path_factory.mktemp("cifar10") / folder.name
    unpacked.mkdir()
    shutil.copy(folder / "batches.meta", unpacked)
    for path in packed:
        with lzma.open(path) as source, (unpacked / path.stem).open("wb") as target:
            shutil.copyfileobj(source, target)
    return unpacked.parent


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """A cvae trained for a few epochs on digits; not to be written to."""
    runs = tmp_path_factory.mktemp("small")
    return gtk.train(plugin="cvae", runs=runs, name="small", epochs=20, quiet=True)


@pytest.fixture(scope="session")
def default_run(tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """What `gtk train --plugin cvae` makes; not to be written to."""
    return gtk.train(plugin="cvae", runs=tmp_path_factory.mktemp("default"), quiet=True)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outside packages of tests/packages, really installed into a folder of their own."""
    folder = tmp_path_factory.mktemp("packages")
    return install_packages(folder, [path for path in PACKAGES.iterdir() if path.name != RIVAL])


@pytest.fixture(scope="session")
def rival(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of names that others have, installed into a folder of its own."""
    return install_packages(tmp_path_factory.mktemp("rival"), [PACKAGES / RIVAL])


def install_packages(folder: Path, packages: Iterable[Path]) -> Path:
    """Install packages from copies of their folders, and return where they are."""
    sources = folder / "sources"
    for path in packages:
        shutil.copytree(path, sources / path.name)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--no-compile"]
    target = folder / "site"
    subprocess.run(
        [*command, "--target", str(target), *(str(item) for item in sorted(sources.iterdir()))],
        check=True,
        capture_output=True,
    )
    return target


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


def forget_plugins() -> None:
    """Have discovery look again."""
    importlib.invalidate_caches()
    discovery.installed.cache_clear()
    discovery._manager.cache_clear()
