"""Published data sets: pixels, labels and names out of files as they are published."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from PIL import Image
from published_files import (
    celeba_lists,
    cifar100_files,
    idx,
    idx_files,
    only_read,
    pixels,
    write,
    write_face,
)

import gtk
from gtk.core.registry.spec import NoConfig
from gtk.core.storage.cache import cache_folder
from gtk.core.values.errors import InvalidValue, UserError, WorkFailed
from gtk.core.values.preprocessing import Preprocessing
from gtk.core.values.tracking import heard_by
from gtk.plugins.datasets import (
    CelebAConfig,
    EMNISTConfig,
    celeba,
    cifar,
    emnist,
    gtk_datasets,
    mnist,
    svhn,
    unpacking,
)
from gtk.plugins.datasets.decoding import decode

NONE = NoConfig()
IDX = [
    (mnist.load, "MNIST", "mnist", "0", "9"),
    (mnist.load_fashion_mnist, "FashionMNIST", "fashion-mnist", "T-shirt/top", "Ankle boot"),
    (mnist.load_kmnist, "KMNIST", "kmnist", "o", "wo"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(("load", "folder", "name", "first", "last"), IDX, ids=lambda item: item)
def test_data_sets_in_mnists_files(
    load: Any, folder: str, name: str, first: str, last: str, packed: bool, root: Path
) -> None:
    write(root / folder / "raw", idx_files(), packed=packed)
    with only_read(root):
        data = load(NONE, root)
    assert data.spec.name == name
    assert data.spec.image_shape == (1, 28, 28)
    names = data.spec.condition.names
    assert (len(names), names[0], names[-1]) == (10, first, last)
    assert np.array_equal(data.train.images[:, 0], pixels(0, 30, 28, 28))
    assert np.array_equal(data.test.images[:, 0], pixels(1, 8, 28, 28))
    assert data.train.labels.tolist() == [i % 10 for i in range(30)]
    assert data.test.labels.tolist() == [*range(8)]


def test_class_names_are_torchvisions() -> None:
    from torchvision.datasets import EMNIST, KMNIST, FashionMNIST

    assert list(mnist.CLOTHES) == FashionMNIST.classes
    assert list(mnist.HIRAGANA) == KMNIST.classes
    for split, names in emnist.CLASSES.items():
        known = EMNIST.classes_split_dict[split]
        assert list(names) == [name for name in known if name != "N/A"], split
    assert set(emnist.CLASSES) == set(EMNIST.splits)


def test_file_names_are_torchvisions() -> None:
    from torchvision.datasets import CIFAR10, CIFAR100, CelebA

    for reader, files in ((CIFAR10, cifar.FILES10), (CIFAR100, cifar.FILES100)):
        listed = [name for name, _ in (*reader.train_list, *reader.test_list)]
        assert [*listed, reader.meta["filename"]] == list(files)
    lists = {name for _, _, name in CelebA.file_list if name.endswith(".txt")}
    assert lists == set(celeba.LISTS)


def test_the_second_start_decodes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "MNIST" / "raw", idx_files())
    first = mnist.load(NONE, root)
    monkeypatch.setattr(torchvision.datasets, "MNIST", None)  # whoever decodes fails
    second = mnist.load(NONE, root)
    assert isinstance(second.train.images, np.memmap)
    assert np.array_equal(first.train.images, second.train.images)
    assert np.array_equal(first.test.labels, second.test.labels)
    os.utime(root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte", ns=(0, 0))
    with pytest.raises(InvalidValue, match="lacks a readable MNIST/raw"):
        mnist.load(NONE, root)


def test_nothing_unpacked_stays(root: Path) -> None:
    write(root / "MNIST" / "raw", idx_files(), packed=True)
    mnist.load(NONE, root)
    assert not list((cache_folder() / "unpacked").iterdir())


def test_plain_files_go_before_packed_ones(root: Path) -> None:
    files = idx_files()
    write(root / "MNIST" / "raw", dict.fromkeys(files, b"damaged"), packed=True)
    write(root / "MNIST" / "raw", files)
    assert len(mnist.load(NONE, root).train) == 30


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("train-images-idx3-ubyte", idx(pixels(0, 30, 20, 20)), "(30, 1, 20, 20)"),
        ("train-images-idx3-ubyte", idx(pixels(0, 30, 28, 28))[:-5], "invalid for input of size"),
        ("train-labels-idx1-ubyte", idx(np.arange(20) % 10), "labels are int64 (20,)"),
        ("t10k-labels-idx1-ubyte", idx(np.arange(8) + 5), "its labels must be in 0..9, not 5..12"),
        ("t10k-labels-idx1-ubyte", b"", ""),
    ],
)
def test_damaged_files_of_mnist(root: Path, file: str, content: bytes, reason: str) -> None:
    write(root / "MNIST" / "raw", {**idx_files(), file: content})
    with pytest.raises(InvalidValue, match="lacks a readable MNIST/raw: give the folder") as error:
        mnist.load(NONE, root)
    assert reason in str(error.value)
    assert str(cache_folder()) not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_packed_file_that_was_cut_short_is_named(root: Path) -> None:
    write(root / "MNIST" / "raw", idx_files(), packed=True)
    file = root / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InvalidValue, match=r"\(MNIST/raw/train-images-idx3-ubyte.gz: "):
        mnist.load(NONE, root)
    assert not list((cache_folder() / "decoded").glob("*/images.bin"))


def test_a_file_that_is_missing_is_named(root: Path) -> None:
    files = idx_files()
    del files["t10k-labels-idx1-ubyte"]
    write(root / "MNIST" / "raw", files)
    with pytest.raises(InvalidValue, match=r"\(MNIST/raw/t10k-labels-idx1-ubyte is missing\)"):
        mnist.load(NONE, root)


def test_what_unpacks_to_too_much_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_BYTES", 20_000)
    write(root / "MNIST" / "raw", idx_files(), packed=True)
    with pytest.raises(InvalidValue, match="unpacks to more than 20,000 bytes"):
        mnist.load(NONE, root)


def test_an_archive_that_unpacks_to_too_much_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MOST_BYTES", 60_000)
    write(root / "cifar-100-python", {**cifar100_files(monkeypatch), "a": b"\0" * 80_000})
    pack_tar(root, "cifar-100-python")
    with pytest.raises(InvalidValue, match="unpacks to more than 60,000 bytes"):
        cifar.load_cifar100(NONE, root)


def test_a_cache_that_cannot_be_written_is_no_damaged_file(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gtk.core.storage.cache import ImageWriter

    def full(writer: ImageWriter, images: Any) -> None:
        raise OSError(28, "No space left on device")

    write(root / "MNIST" / "raw", idx_files())
    monkeypatch.setattr(ImageWriter, "add", full)
    with pytest.raises(WorkFailed, match="No space left on device.*GENERATIVE_TOOLKIT_CACHE") as e:
        mnist.load(NONE, root)
    assert not isinstance(e.value, InvalidValue)


def emnist_files(split: str) -> dict[str, bytes]:
    files = idx_files(int(split == "letters"), ("train", "test"))
    return {f"emnist-{split}-{name}": content for name, content in files.items()}


def write_emnist(root: Path, split: str, packing: str) -> None:
    raw = root / "EMNIST" / "raw"
    if packing != "zip":
        write(raw, emnist_files(split), packed=packing == "gz")
        return
    raw.mkdir(parents=True)
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for name, content in emnist_files(split).items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content, 1))
        archive.writestr("../outside", b"never unpacked")


@pytest.mark.parametrize("packing", ["plain", "gz", "zip"])
def test_emnist_is_upright(packing: str, root: Path) -> None:
    write_emnist(root, "balanced", packing)
    with only_read(root):
        data = emnist.load(EMNISTConfig(), root)
    assert np.array_equal(data.train.images[:, 0], pixels(0, 30, 28, 28).transpose(0, 2, 1))
    assert np.array_equal(data.test.images[:, 0], pixels(1, 8, 28, 28).transpose(0, 2, 1))
    assert data.spec.condition is not None
    assert "".join(data.spec.condition.names) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
    assert not list(cache_folder().rglob("outside"))


def test_emnists_letters_begin_with_a(root: Path) -> None:
    write_emnist(root, "letters", "plain")
    data = emnist.load(EMNISTConfig(split="letters"), root)
    assert data.spec.condition is not None
    assert data.spec.condition.names[data.train.labels[0]] == "a"
    assert data.test.labels.tolist() == [*range(8)]


@pytest.mark.parametrize(("split", "count"), [("byclass", 62), ("bymerge", 47), ("digits", 10)])
def test_emnists_splits_are_data_of_their_own(split: Any, count: int, root: Path) -> None:
    write_emnist(root, split, "plain")
    write_emnist(root, "mnist", "plain")
    data = emnist.load(EMNISTConfig(split=split), root)
    assert data.spec.condition is not None
    assert data.spec.condition.count == count
    with pytest.raises(
        InvalidValue, match="EMNIST/raw/emnist-letters-train-images-idx3-ubyte is missing"
    ):
        emnist.load(EMNISTConfig(split="letters"), root)


def pack_tar(root: Path, folder: str, files: dict[str, bytes] | None = None) -> None:
    """Pack a folder of the root, with these files instead of its own, and remove it."""
    with tarfile.open(root / f"{folder}.tar.gz", "w:gz", compresslevel=1) as archive:
        for path in sorted((root / folder).iterdir()):
            content = (files or {}).get(path.name, path.read_bytes())
            entry = tarfile.TarInfo(f"{folder}/{path.name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
            path.unlink()
        stranger = tarfile.TarInfo("../outside")
        archive.addfile(stranger, io.BytesIO())
    (root / folder).rmdir()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "tar"])
def test_cifar100_has_fine_classes(
    packed: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / "cifar-100-python", cifar100_files(monkeypatch))
    if packed:
        pack_tar(root, "cifar-100-python")
    with only_read(root):
        data = cifar.load_cifar100(NONE, root)
    names = tuple(f"thing {number}" for number in range(100))
    assert data.spec == gtk.DataSpec("cifar100", 3, 32, 32, gtk.ConditionSpec(names))
    assert np.array_equal(data.train.images, pixels(0, 5, 3072).reshape(5, 3, 32, 32))
    assert np.array_equal(data.test.images, pixels(1, 3, 3072).reshape(3, 3, 32, 32))
    assert data.train.labels.tolist() == [99, 92, 85, 78, 71]
    assert not list(cache_folder().rglob("outside"))


def test_a_strangers_archive_is_refused_before_it_is_unpickled(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    class Stranger:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (Path("code-ran"),)

    write(root / "cifar-100-python", cifar100_files(monkeypatch))
    pack_tar(root, "cifar-100-python", {"meta": pickle.dumps(Stranger(), 2)})
    with pytest.raises(InvalidValue, match="lacks a readable cifar-100-python"):
        cifar.load_cifar100(NONE, root)
    assert not Path("code-ran").exists()


def test_an_archive_that_lacks_a_file_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "cifar-100-python", cifar100_files(monkeypatch))
    (root / "cifar-100-python" / "test").unlink()
    pack_tar(root, "cifar-100-python")
    with pytest.raises(InvalidValue, match=r"cifar-100-python.tar.gz lacks cifar-100-python/test"):
        cifar.load_cifar100(NONE, root)


def test_svhns_ten_is_a_zero(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from published_files import md5
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    root.mkdir()
    listed = {}
    for seed, (split, labels) in enumerate({"train": [1, 10, 9, 5], "test": [10, 2]}.items()):
        path = root / f"{split}_32x32.mat"
        images = pixels(seed, len(labels), 3, 32, 32).transpose(2, 3, 1, 0)
        savemat(path, {"X": images, "y": np.array(labels, np.uint8)[:, None]})
        listed[split] = ["", path.name, md5(path.read_bytes())]
    monkeypatch.setattr(SVHN, "split_list", {**listed, "extra": ["", "", ""]})
    with only_read(root):
        data = svhn.load(NONE, root)
    assert data.spec == gtk.DataSpec("svhn", 3, 32, 32, gtk.ConditionSpec(tuple("0123456789")))
    assert np.array_equal(data.train.images, pixels(0, 4, 3, 32, 32))
    assert np.array_equal(data.test.images, pixels(1, 2, 3, 32, 32))
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([1, 0, 9, 5], [0, 2])
    (root / "test_32x32.mat").write_bytes(b"another")
    with pytest.raises(InvalidValue, match="lacks a readable train_32x32.mat and test_32x32.mat"):
        svhn.load(NONE, root)


PARTS = [0, 1, 2, 0, 2, 0]  # of images 1 to 6: 0 to train on, 1 to validate on, 2 to test on


def write_celeba(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Image.Image]:
    write(root / "celeba", celeba_lists(monkeypatch, PARTS))
    folder = root / "celeba" / "img_align_celeba"
    return [write_face(folder / f"{number:06}.jpg", number) for number in range(1, 7)]


def zip_faces(root: Path) -> None:
    folder = root / "celeba" / "img_align_celeba"
    with zipfile.ZipFile(root / "celeba" / "img_align_celeba.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"img_align_celeba/{path.name}")
            path.unlink()
    folder.rmdir()


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_celeba_is_cut_and_scaled(
    packed: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = write_celeba(root, monkeypatch)
    if packed:
        zip_faces(root)
    heard: list[tuple[str, int, int]] = []
    with only_read(root), heard_by(lambda *told: heard.append(told)):
        data = celeba.load(CelebAConfig(image_size=32), root)
    names = tuple(f"Attribute_{number}" for number in range(40))
    assert data.spec == gtk.DataSpec("celeba", 3, 32, 32, gtk.ConditionSpec(names, "attributes"))
    for split, numbers in ((data.train, [1, 4, 6]), (data.test, [3, 5])):
        for image, label, number in zip(split.images, split.labels, numbers, strict=True):
            middle = faces[number - 1].crop((15, 35, 163, 183))
            scaled = middle.resize((32, 32), Image.Resampling.BICUBIC)
            assert np.array_equal(image.transpose(1, 2, 0), np.asarray(scaled))
            assert label.nonzero()[0].tolist() == [number]
    assert heard[0] == ("decoding celeba", 0, 5)
    assert heard[-1] == ("decoding celeba", 5, 5)
    assert data.notes == (celeba.VALIDATION_NOTE,)


def test_a_file_is_cut_as_celebas_images_are(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_celeba(root, monkeypatch)
    config = CelebAConfig(image_size=32)
    data = celeba.load(config, root)
    reading = Preprocessing.of(config)
    assert reading == Preprocessing("crop", (), (178, 218, 148))
    assert Preprocessing.from_manifest(reading.manifest()) == reading
    files = sorted((root / "celeba" / "img_align_celeba").iterdir())
    shape = data.spec.image_shape
    cut = [decode(file, shape, reading.fit, centre=reading.centre).images[0] for file in files]
    known = {image.tobytes() for split in (data.train, data.test) for image in split.images}
    assert known <= {image.tobytes() for image in cut}
    assert decode(files[0], shape, reading.fit).images[0].tobytes() not in known


@pytest.mark.parametrize("centre", [(1,), (10, 10, 11), (10, 10, 0), (10.0, 10, 5)])
def test_a_centre_that_does_not_fit_is_refused(centre: Any) -> None:
    with pytest.raises(gtk.InvalidValue, match="centre must be"):
        Preprocessing("crop", (), centre)


def test_celebas_largest_faces_are_not_scaled(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = write_celeba(root, monkeypatch)
    data = celeba.load(CelebAConfig(image_size=148), root)
    assert np.array_equal(
        data.train.images[0].transpose(1, 2, 0), np.asarray(faces[0])[35:183, 15:163]
    )


def test_a_chunk_of_faces_more_than_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_celeba(root, monkeypatch)
    whole = celeba.load(CelebAConfig(image_size=9), root).train.images.copy()
    monkeypatch.setattr(celeba, "CHUNK", 2)
    os.utime(root / "celeba" / "img_align_celeba", ns=(0, 0))  # so that it is decoded anew
    assert np.array_equal(celeba.load(CelebAConfig(image_size=9), root).train.images, whole)


@pytest.mark.parametrize("size", [0, 149])
def test_celebas_impossible_sizes(size: int) -> None:
    with pytest.raises(
        ValueError, match=f"image_size must be in 1..148, the crop's size, not {size}"
    ):
        CelebAConfig(image_size=size)


def test_a_damaged_face_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_celeba(root, monkeypatch)
    file = root / "celeba" / "img_align_celeba" / "000004.jpg"
    content = file.read_bytes()
    for damaged in (b"no image", content[:2000]):
        file.write_bytes(damaged)
        with pytest.raises(
            InvalidValue, match=r"lacks a readable celeba.*img_align_celeba/000004.jpg"
        ):
            celeba.load(CelebAConfig(), root)
    file.unlink()
    with pytest.raises(InvalidValue, match="img_align_celeba/000004.jpg is missing"):
        celeba.load(CelebAConfig(), root)
    Image.new("RGB", (64, 64)).save(file, format="JPEG")
    with pytest.raises(
        InvalidValue, match=r"000004.jpg has 64x64 pixels instead of the 178x218 of aligned"
    ):
        celeba.load(CelebAConfig(), root)
    file.unlink()
    with pytest.raises(InvalidValue, match=r"000004.jpg"):
        celeba.load(CelebAConfig(), root)


def test_celeba_without_its_images(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "celeba", celeba_lists(monkeypatch, PARTS))
    with pytest.raises(
        InvalidValue, match="celeba/img_align_celeba and celeba/img_align_celeba.zip are missing"
    ):
        celeba.load(CelebAConfig(), root)


def fake_download(monkeypatch: pytest.MonkeyPatch, fails: bool = False) -> list[Path]:
    """Have torchvision's MNIST write small files where it would download them."""
    calls = []

    def download(reader: Any) -> None:
        folder = Path(reader.raw_folder)
        calls.append(folder)
        write(folder, idx_files())
        if fails:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)
    return calls


def test_what_is_downloaded_is_kept_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_download(monkeypatch)
    for _ in range(2):
        assert len(mnist.load(NONE, None).train) == 30
    assert len(calls) == 1
    assert (cache_folder() / "data" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").exists()
    assert not list((cache_folder() / "data").glob("*partial*"))


def test_a_cache_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GENERATIVE_TOOLKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="file/data cannot be written: Not a directory"):
        mnist.load(NONE, None)


def test_a_download_that_breaks_off_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_download(monkeypatch, fails=True)
    with pytest.raises(WorkFailed, match="MNIST could not be downloaded.*No space left"):
        mnist.load(NONE, None)
    assert [path.name for path in (cache_folder() / "data").iterdir()] in ([".mnist.lock"], [])


def test_all_are_installed_and_faces_are_mirrored() -> None:
    specs = {spec.name: spec for spec in gtk_datasets()}
    assert [name for name, spec in specs.items() if spec.defaults.get("flip")] == ["celeba"]
    assert list(specs) == [
        "digits", "mnist", "fashion-mnist", "kmnist", "emnist", "cifar10", "cifar100", "svhn",
        "celeba", "folder", "npz",
    ]  # fmt: skip


@pytest.mark.real_data
def test_fashion_mnist_is_the_real_one(data_root: Path) -> None:
    data = mnist.load_fashion_mnist(NONE, data_root)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.images.mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert np.bincount(data.train.labels).tolist() == [6000] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
