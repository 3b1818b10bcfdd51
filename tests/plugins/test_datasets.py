"""Data sets: what they hold, and what they say when they cannot be read."""

import hashlib
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import gtk
from gtk.core.registry.spec import NoConfig
from gtk.core.values.errors import InvalidValue, WorkFailed
from gtk.plugins.datasets import cifar, digits, mnist


def test_digits_are_real_and_split_for_good() -> None:
    data = digits.load(NoConfig(), None)
    assert (len(data.train), len(data.test)) == (1440, 357)
    assert data.train.images.shape == (1440, 1, 8, 8)
    assert data.train.images.dtype == np.uint8
    original = load_digits()
    assert np.array_equal(data.test.labels, original.target[np.arange(1797) % 50 >= 40])
    assert np.array_equal(data.test.images[0, 0], np.rint(original.images[40] * 255 / 16))
    assert (data.train.images.min(), data.train.images.max()) == (0, 255)
    assert np.bincount(data.test.labels).min() >= 30, "every class is tested"


def write_idx(path: Path, values: np.ndarray) -> None:  # type: ignore[type-arg]
    """Write an array as MNIST's files hold it: magic number, sizes, bytes."""
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())


@pytest.fixture
def small_mnist(tmp_path: Path) -> Path:
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for prefix, count in (("train", 30), ("t10k", 8)):
        images = generator.integers(0, 256, (count, 28, 28))
        write_idx(raw / f"{prefix}-images-idx3-ubyte", images)
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", np.arange(count) % 10)
    return tmp_path / "data"


def test_mnist_is_read_from_a_copy_which_stays_as_it_is(small_mnist: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_mnist.rglob("*")}
    data = mnist.load(NoConfig(), small_mnist)
    assert data.spec.image_shape == (1, 28, 28)
    assert data.train.images.shape == (30, 1, 28, 28)
    assert data.test.labels.tolist() == [*range(8)]
    expected = np.random.default_rng(0).integers(0, 256, (30, 28, 28))
    assert np.array_equal(data.train.images[:, 0], expected)
    assert before == {path: path.stat().st_mtime_ns for path in small_mnist.rglob("*")}


def test_a_run_trains_on_a_copy_and_remembers_where(small_mnist: Path) -> None:
    run = gtk.train(
        plugin="cvae", data="mnist", data_root=small_mnist, epochs=1, batch_size=10, quiet=True
    )
    assert run.document["data"] == {"name": "mnist", "root": str(small_mnist)}
    assert run.sample(labels=[1]).shape == (1, 28, 28)


def test_a_folder_without_mnist_says_how_to_point_at_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="lacks a readable MNIST/raw: give the folder"):
        mnist.load(NoConfig(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_copy_is_named(small_mnist: Path) -> None:
    (small_mnist / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03xx")
    with pytest.raises(InvalidValue, match="lacks a readable MNIST/raw"):
        mnist.load(NoConfig(), small_mnist)


KINDS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def write_pickle(path: Path, content: Any) -> str:
    """Write a file as CIFAR-10's are, and return its checksum."""
    path.write_bytes(pickle.dumps(content, protocol=2))
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def small_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four images in each file; torchvision takes their checksums for the published ones."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)

    def batch(name: str) -> list[str]:
        images = generator.integers(0, 256, (4, 3 * 32 * 32), dtype=np.uint8)
        content = {"data": images, "labels": generator.integers(0, 10, 4).tolist()}
        return [name, write_pickle(folder / name, content)]

    monkeypatch.setattr(CIFAR10, "train_list", [batch(f"data_batch_{i}") for i in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch")])
    meta = write_pickle(folder / "batches.meta", {"label_names": KINDS})
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": meta})
    return tmp_path / "data"


def test_cifar10_is_read_from_a_copy_which_stays_as_it_is(small_cifar10: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_cifar10.rglob("*")}
    data = cifar.load_cifar10(NoConfig(), small_cifar10)
    assert data.spec == gtk.DataSpec("cifar10", 3, 32, 32, gtk.ConditionSpec(tuple(KINDS)))
    generator = np.random.default_rng(0)
    batches = [
        (generator.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8), generator.integers(0, 10, 4))
        for _ in range(6)
    ]
    for split, expected in ((data.train, batches[:5]), (data.test, batches[5:])):
        assert np.array_equal(split.images, np.concatenate([images for images, _ in expected]))
        assert np.array_equal(split.labels, np.concatenate([labels for _, labels in expected]))
        assert split.images.flags.c_contiguous
    assert before == {path: path.stat().st_mtime_ns for path in small_cifar10.rglob("*")}


def test_a_cvae_trains_on_colour_photographs(small_cifar10: Path) -> None:
    run = gtk.train(
        plugin="cvae", data="cifar10", data_root=small_cifar10, epochs=1, batch_size=10, quiet=True
    )
    assert run.sample(labels=["frog"]).shape == (1, 32, 32, 3)
    assert (run.pictures / "reconstructions-0001.png").exists()


class Stranger:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("code-ran"),)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_strangers_cifar10_is_refused_before_it_is_unpickled(
    small_cifar10: Path, name: str
) -> None:
    write_pickle(small_cifar10 / "cifar-10-batches-py" / name, Stranger())
    with pytest.raises(InvalidValue, match="lacks a readable cifar-10-batches-py: ") as error:
        cifar.load_cifar10(NoConfig(), small_cifar10)
    assert not Path("code-ran").exists()
    assert "\n" not in str(error.value)
    pickle.loads((small_cifar10 / "cifar-10-batches-py" / name).read_bytes())  # noqa: S301 - ours
    assert Path("code-ran").exists(), "it would have run"


def test_a_folder_without_cifar10_says_how_to_point_at_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue) as error:
        cifar.load_cifar10(NoConfig(), tmp_path)
    assert str(error.value) == (
        f"{tmp_path} lacks a readable cifar-10-batches-py: give the folder with "
        "cifar-10-batches-py as data_root, or leave it out to download "
        "(cifar-10-batches-py/data_batch_1 is missing)"
    )
    assert not list(tmp_path.iterdir())


def test_without_a_network_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import MNIST

    # Nothing listens on port 9 of this machine, so the connection is refused at once.
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(
        WorkFailed, match="MNIST could not be downloaded: .* data_root=FOLDER"
    ) as error:
        mnist.load(NoConfig(), None)
    assert "\n" not in str(error.value)


@pytest.mark.real_data
def test_mnist_is_the_real_one(data_root: Path) -> None:
    data = mnist.load(NoConfig(), data_root)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert np.bincount(data.train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip


@pytest.mark.real_data
def test_cifar10_is_the_real_one(cifar10_root: Path) -> None:
    data = cifar.load_cifar10(NoConfig(), cifar10_root)
    assert (len(data.train), len(data.test)) == (50_000, 10_000)
    assert data.spec.condition == gtk.ConditionSpec(tuple(KINDS))
    means = data.train.images.mean(axis=(0, 2, 3)) / 255
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
    assert np.bincount(data.train.labels).tolist() == [5000] * 10


@pytest.mark.real_data
def test_a_cvae_learns_mnist(data_root: Path) -> None:
    run = gtk.train(plugin="cvae", data="mnist", data_root=data_root, epochs=2, quiet=True)
    test = run.metrics()[-1]
    assert test["split"] == "test"
    assert test["images"] == 10_000
    assert test["terms"]["loss"] < 125
