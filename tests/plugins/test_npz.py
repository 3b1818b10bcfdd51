"""A user's .npz file: what its arrays become, and what is refused."""

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gtk.core.registry.spec import NoConfig
from gtk.core.storage.cache import CACHE_VARIABLE
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.plugins.datasets import NpzConfig, npz, npz_array

COUNT = 30
#: Each image has one level, which says which it is.
IMAGES = np.arange(COUNT, dtype=np.uint8)[:, None, None] * np.ones((4, 5), np.uint8)
PATH = Path("things.npz")


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def load(**arrays: Any) -> Dataset:
    np.savez(PATH, **arrays)
    return npz.load(NoConfig(), PATH)


def values(data: Dataset) -> list[Any]:
    """Return the labels in the order of the images."""
    levels = np.concatenate([data.train.images[:, 0, 0, 0], data.test.images[:, 0, 0, 0]])
    assert sorted(levels.tolist()) == list(range(COUNT))
    labels = np.concatenate([data.train.labels, data.test.labels])
    return labels[np.argsort(levels)].tolist()


def refusal(**arrays: Any) -> str:
    with pytest.raises(InvalidValue) as error:
        load(**arrays)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("things.npz: ")


def test_images_alone_have_no_condition() -> None:
    data = load(images=IMAGES)
    assert data.spec.condition is None
    assert data.spec.image_shape == (1, 4, 5)
    assert data.spec.name == "things"
    assert (len(data.train), len(data.test)) == (27, 3)
    assert values(data) == [0] * COUNT


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4, 5, 3), (3, 4, 5)), ((4, 5, 1), (1, 4, 5)), ((3, 4, 5), (3, 4, 5)),
     ((1, 4, 5), (1, 4, 5)), ((3, 4, 3), (3, 3, 4)), ((1, 5, 3), (3, 1, 5))],
)  # fmt: skip
def test_channels_are_last_or_first(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (COUNT, *shape), dtype=np.uint8)
    data = load(images=images, test_images=images[:2])
    assert data.spec.image_shape == expected
    if shape[-1] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    assert np.array_equal(data.train.images, images)
    assert np.array_equal(data.test.images, images[:2])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 4, 5, 3), dtype=np.uint8)
    before = load(images=images, labels=np.arange(COUNT) % 3)
    monkeypatch.setattr(npz_array, "BLOCK_BYTES", 4 * 5 * 3 * 7)
    np.savez_compressed(PATH, images=images, labels=np.arange(COUNT) % 3)
    after = npz.load(NoConfig(), PATH)
    assert np.array_equal(before.train.images, after.train.images)
    assert np.array_equal(before.test.images, after.test.images)


def test_whole_numbers_are_classes() -> None:
    labels = np.array([2, 10, -1] * 10, dtype=np.int8)
    data = load(images=IMAGES, labels=labels)
    assert data.spec.condition == ConditionSpec(("-1", "2", "10"))
    assert values(data) == [1, 2, 0] * 10
    assert data.test.labels.tolist().count(0) == 1, "a tenth of each class"


def test_names_are_for_the_numbers() -> None:
    data = load(images=IMAGES, labels=np.arange(COUNT) % 2, names=["cup", "jug", "mug"])
    assert data.spec.condition == ConditionSpec(("cup", "jug", "mug"))
    assert values(data) == [0, 1] * 15


@pytest.mark.parametrize("dtype", ["U", "S"])
def test_texts_are_classes(dtype: str) -> None:
    data = load(images=IMAGES, labels=np.array(["mug", "a cup"] * 15, dtype=dtype))
    assert data.spec.condition == ConditionSpec(("a cup", "mug"))
    assert values(data) == [1, 0] * 15


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64])
def test_0_and_1_are_attributes(dtype: type) -> None:
    labels = np.array([[0, 1], [1, 1], [0, 0]] * 10, dtype=dtype)
    data = load(images=IMAGES, labels=labels, names=["red", "round"])
    assert data.spec.condition == ConditionSpec(("red", "round"), "attributes")
    assert values(data) == labels.tolist()
    assert load(images=IMAGES, labels=labels).spec.condition == ConditionSpec(
        ("value-0", "value-1"), "attributes"
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_a_vector(dtype: type) -> None:
    data = load(images=IMAGES, labels=np.linspace(-1, 2, COUNT, dtype=dtype), names=["angle"])
    assert data.spec.condition == ConditionSpec(("angle",), "continuous", ((-1.0, 2.0),))
    labels = np.random.default_rng(0).normal(size=(COUNT, 2)).astype(dtype)
    data = load(images=IMAGES, labels=labels)
    assert data.spec.condition is not None
    assert data.spec.condition.names == ("value-0", "value-1")
    assert np.array_equal(np.array(values(data)), labels.astype(np.float32))


def test_a_split_of_ones_own() -> None:
    data = load(
        images=IMAGES[:20], labels=np.arange(20) % 2,
        test_images=IMAGES[20:], test_labels=np.arange(20, 30) % 3,
    )  # fmt: skip
    assert data.spec.condition == ConditionSpec(("0", "1", "2"))
    assert values(data) == [*(np.arange(20) % 2), *(np.arange(20, 30) % 3)]
    assert len(data.test) == 10
    data = load(images=IMAGES[:20], labels=np.arange(20.0), test_images=IMAGES[20:],
                test_labels=np.arange(20.0, 30))  # fmt: skip
    assert data.spec.condition == ConditionSpec(("value",), "continuous", ((0.0, 29.0),))


@pytest.mark.parametrize("dtype", [np.int8, np.int64])
@pytest.mark.parametrize("other", [np.uint8, np.uint32, np.uint64])
def test_whole_numbers_of_two_types_stay_classes(dtype: type, other: type) -> None:
    first, second = np.arange(20).astype(dtype) % 3 - 1, np.arange(20, 30).astype(other) % 3
    if other is np.uint64:
        second[0] = 2**64 - 1  # which neither int64 nor float64 has
    data = load(images=IMAGES[:20], labels=first, test_images=IMAGES[20:], test_labels=second)
    names = ("-1", "0", "1", "2", *([str(2**64 - 1)] if other is np.uint64 else []))
    assert data.spec.condition == ConditionSpec(names)
    assert [int(names[label]) for label in values(data)] == [*first.tolist(), *second.tolist()]


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (np.arange(COUNT) % 3 * 1.0, "stored as float64 (30,), and were taken for one number"),
        (
            np.arange(COUNT, dtype=np.float32)[:, None],
            "float32 (30, 1), and were taken for one number",
        ),
        (np.arange(COUNT)[:, None] % 2, "int64 (30, 1), and were taken for one attribute"),
        (np.eye(3, dtype=int)[np.arange(COUNT) % 3], "were taken for 3 attributes: for 3 classes"),
        (
            np.eye(3)[np.arange(COUNT) % 3],
            "were taken for 3 numbers: for 3 classes save labels.arg",
        ),
    ],
)
def test_labels_that_look_like_classes_are_noted(labels: Any, what: str) -> None:
    (note,) = load(images=IMAGES, labels=labels).notes
    assert what in note


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ((COUNT, 4, 3), "was taken for 30 grey images of 3x4 pixels: if it is one image"),
        ((COUNT, 3, 4, 1), "whose last axis was taken for the channels: if it is the second"),
    ],
)
def test_a_shape_that_may_mean_two_things_is_noted(shape: tuple[int, ...], what: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (note,) = load(images=images).notes
    assert what in note


def levels_in(low: float, high: float, dtype: type) -> Dataset:
    numbers = np.linspace(low, high, 256)
    numbers = np.rint(numbers) if np.issubdtype(dtype, np.integer) else numbers
    images = numbers.astype(dtype)[:, None, None].repeat(2, 1)
    np.savez(PATH, images=images)
    return npz.load(NpzConfig(range=(low, high)), PATH)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(0, 1, np.float32), (-1, 1, np.float64), (0, 255, np.float32), (0, 65535, np.uint16),
     (-1000, 3096, np.int16)],
)  # fmt: skip
def test_a_range_makes_levels_of_any_numbers(low: float, high: float, dtype: type) -> None:
    data = levels_in(low, high, dtype)
    found = np.concatenate([data.train.images, data.test.images])[:, 0, 0, 0]
    assert sorted(found.tolist()) == list(range(256))
    assert not data.notes


def test_values_beyond_a_range_are_counted() -> None:
    images = np.array([0, 1, 2, -1, 0.5] * 2, np.float32)[:, None, None]
    np.savez(PATH, images=images, test_images=images)
    data = npz.load(NpzConfig(range=(0, 1)), PATH)
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 255, 255, 0, 128] * 2
    assert data.notes == ("images with values beyond range='0,1', which became black or white: 8",)
    np.savez(PATH, images=np.where(images > 1, np.nan, images))
    with pytest.raises(InvalidValue, match="images has a value that is not a number"):
        npz.load(NpzConfig(range=(0, 1)), PATH)


def test_images_of_0_and_1_are_noted() -> None:
    data = load(images=IMAGES % 2)
    assert data.notes[0].startswith("images is uint8 with no value but 0 and 1, which are both")


def test_images_of_few_levels_are_noted() -> None:
    masks = np.arange(COUNT * 20, dtype=np.uint8).reshape(COUNT, 4, 5) % 20
    (note,) = load(images=masks).notes
    assert note == (
        "images is nearly black: its largest value is 19 of 255: range='0,19' makes that white"
    )


def test_arrays_of_other_names_are_noted() -> None:
    (note,) = load(images=IMAGES, label=np.arange(COUNT) % 2, valid_images=IMAGES).notes
    assert note.startswith("not read: 'label', 'valid_images'; the arrays that are read are images")
    message = refusal(x_train=IMAGES, y_train=np.arange(COUNT))
    assert message.startswith("the array 'images' is missing, the file has 'x_train', 'y_train':")


@pytest.mark.parametrize("names", [{}, {"names": ["a", "b", "c"]}])
def test_classes_without_training_images_are_noted(names: dict[str, Any]) -> None:
    labels = np.arange(COUNT) % 2
    data = load(images=IMAGES, labels=labels, test_images=IMAGES, test_labels=labels * 2, **names)
    assert data.notes == (f"there are no training images of {'c' if names else '2'!r}",)


@pytest.mark.parametrize("limits", [(1,), (1, 1), (2, 1), (0, float("nan")), (0, 1, 2)])
def test_a_range_is_two_numbers(limits: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValue, match="range must be two numbers"):
        NpzConfig(range=limits)


def test_one_class_is_none() -> None:
    data = load(images=IMAGES, labels=np.full(COUNT, 7))
    assert data.spec.condition is None
    assert data.notes == ("all labels are the same, so the images are used without classes",)


MATRIX = np.zeros((COUNT, 2), dtype=np.int64)
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no-images": ({"pictures": IMAGES}, "the array 'images' is missing, the file has 'pictures': "),
    "float": (
        {"images": IMAGES / 255},
        ("images is float64 instead of uint8: save levels 0..255, (images * 255).round().astype("
        "'uint8')"),
    ),
    "types": (
        {"images": IMAGES, "test_images": IMAGES.astype(np.uint16)},
        "test_images is uint16 instead of uint8: save levels 0..255, ",
    ),
    "16-bits": ({"images": IMAGES.astype(np.uint16)}, "images is uint16 instead of uint8: save"),
    "complex-images": ({"images": IMAGES * 1j}, "images is complex128 instead of uint8"),
    "objects": ({"images": np.array([{}, 1], dtype=object)}, "images has Python objects, which"),
    "object-labels": (
        {"images": IMAGES, "labels": np.array(["a", None] * 15, dtype=object)},
        "labels has Python objects",
    ),
    "flat": ({"images": IMAGES[:, 0]}, "images has shape (30, 5): save (N, H, W), (N, H, W, C)"),
    "channels": ({"images": np.zeros((9, 8, 8, 2), np.uint8)}, "images has shape (9, 8, 8, 2)"),
    "scalar": ({"images": np.uint8(3)}, "images is a single value"),
    "empty": ({"images": IMAGES[:0]}, "images is empty: save at least one image"),
    "no-width": ({"images": IMAGES[:, :, :0]}, "images has images of 0x4: use sides of 1..1024"),
    "large": ({"images": np.zeros((2, 1025, 1), np.uint8)}, "images has images of 1x1025"),
    "columns": (
        {"images": np.asfortranarray(IMAGES)},
        "images is stored in column order: save numpy.ascontiguousarray(images)",
    ),
    "one-image": ({"images": IMAGES[:1]}, "all images would be for training"),
    "too-few-labels": (
        {"images": IMAGES, "labels": np.arange(29)},
        "labels has 29 rows for 30 images: save a row for each image",
    ),
    "complex": ({"images": IMAGES, "labels": np.ones(COUNT, complex)}, "labels is complex128"),
    "cube": ({"images": IMAGES, "labels": np.ones((COUNT, 2, 2))}, "labels is float64 (30, 2, 2)"),
    "texts": ({"images": IMAGES, "labels": MATRIX.astype("U")}, "labels are <U21 (30, 2): save"),
    "counts": (
        {"images": IMAGES, "labels": MATRIX + 2}, "labels (N, n) of whole numbers are attributes",
    ),
    "nan": (
        {"images": IMAGES, "labels": np.where(np.arange(COUNT) == 3, np.nan, 1.5)},
        "value has a number that is not finite",
    ),
    "constant": ({"images": IMAGES, "labels": np.ones(COUNT)}, "value is 1 for all images"),
    "few-names": (
        {"images": IMAGES, "labels": np.arange(COUNT), "names": ["a", "b"]},
        "labels are 0..29, but names are for 0..1: save a name for each class",
    ),
    "many-names": (
        {"images": IMAGES, "labels": MATRIX, "names": ["a", "b", "c"]},
        "names has 3 names for 2 columns of labels: save a name for each",
    ),
    "double-names": (
        {"images": IMAGES, "labels": MATRIX, "names": ["a", "a"]},
        "names has an empty name or a duplicate",
    ),
    "numbers-for-names": (
        {"images": IMAGES, "labels": MATRIX, "names": [1, 2]}, "names is int64 (2,): save strings",
    ),
    "no-test-labels": (
        {"images": IMAGES, "labels": np.arange(COUNT), "test_images": IMAGES},
        "labels or test_labels is missing: give both, or neither",
    ),
    "other-test-labels": (
        {"images": IMAGES, "labels": np.arange(COUNT), "test_images": IMAGES,
         "test_labels": np.arange(30.0)},
        (
            "labels and test_labels differ in type or shape: labels is int64 (30,), test_labels is "
            "float64 (30,): save both alike"
        ),
    ),
    "bool-and-whole-labels": (
        {"images": IMAGES, "labels": np.arange(COUNT) > 3, "test_images": IMAGES,
         "test_labels": np.arange(COUNT)},
        "labels and test_labels differ in type or shape: labels is bool (30,), test_labels is in",
    ),
    "test-labels-alone": (
        {"images": IMAGES, "labels": np.arange(COUNT), "test_labels": np.arange(3)},
        "test_labels has 3 rows for 0 images: save a row for each image",
    ),
    "other-test-images": (
        {"images": IMAGES, "test_images": IMAGES[:, :3]},
        "images and test_images differ in shape: save both alike",
    ),
    "not-utf8": (
        {"images": IMAGES, "labels": np.array([b"\xff", b"a"] * 15)},
        "labels has a string that is not valid",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_line(name: str) -> None:
    arrays, message = WRONG[name]
    assert refusal(**arrays).startswith(message)
    assert not list(Path("cache/decoded").glob("*/*"))


def header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    stream = io.BytesIO()
    facts = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, facts)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            header((10**9, 1000, 1000)),
            (
                "images has another size than its header claims, (1000000000, 1000, 1000): save it "
                "again"
            ),
        ),
        (
            header((2, -4, -4)) + bytes(32),
            "images has another size than its header claims, (2, -4, -4): save it again",
        ),
        (
            header((2, 4, 4)) + bytes(31),
            "images has another size than its header claims, (2, 4, 4): save it again",
        ),
        (
            header((2, 4, 4)) + bytes(33),
            "images has another size than its header claims, (2, 4, 4): save it again",
        ),
        (b"no array", "images is damaged ("),
        (b"", "images is damaged ("),
        (b"\x93NUMPY\x01\x00\xff\xff{" + b"(" * 70_000, "images is damaged ("),
        (b"\x93NUMPY\x09\x00\x01\x00{", "images is damaged ("),
        (b"\x93NUMPY\x01\x00\xff\x1f" + b"(" * 8191, "images is damaged ("),
    ],
)
def test_what_an_array_says_of_itself_is_checked_first(content: bytes, reason: str) -> None:
    with zipfile.ZipFile(PATH, "w") as archive:
        archive.writestr("images.npy", content)
    with pytest.raises(InvalidValue) as error:
        npz.load(NoConfig(), PATH)
    assert str(error.value).startswith(f"things.npz: {reason}")
    assert "\n" not in str(error.value)


def test_a_header_that_fills_the_memory_is_not_read() -> None:
    with (
        zipfile.ZipFile(PATH, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w") as stream,
    ):
        stream.write(b"\x93NUMPY\x02\x00" + (2**27).to_bytes(4, "little"))
        for _ in range(2**7):
            stream.write(b" " * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidValue, match="images is damaged"):
            npz.load(NoConfig(), PATH)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "shape"), [("labels", (COUNT, 10**30)), ("names", (10**30,))])
def test_a_shape_that_no_array_can_have_is_one_line(name: str, shape: tuple[int, ...]) -> None:
    np.savez(PATH, images=IMAGES)
    with zipfile.ZipFile(PATH, "a") as archive:
        archive.writestr(f"{name}.npy", header(shape, "<U0"))
    with pytest.raises(
        InvalidValue, match=f"^things.npz: {name} has another size than its header claims,"
    ):
        npz.load(NoConfig(), PATH)


def test_a_damaged_file_is_one_line() -> None:
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 40, 50), dtype=np.uint8)
    np.savez_compressed(PATH, images=images)
    whole = PATH.read_bytes()
    for content in (whole[:1000], b"", b"text", whole[:20_000] + b"x" * 100 + whole[20_100:]):
        PATH.write_bytes(content)
        with pytest.raises(InvalidValue, match="damaged") as error:
            npz.load(NoConfig(), PATH)
        assert "\n" not in str(error.value)
        assert not list(Path("cache/decoded").glob("*/*"))


def test_labels_too_large_for_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz_array, "MOST_BYTES", 2**20)
    labels = np.zeros(COUNT, dtype="U20000")
    assert (
        refusal(images=IMAGES, labels=labels) == "labels has more than 1 MiB: save a smaller array"
    )


def test_a_file_that_is_none() -> None:
    for path, message in ((Path("none.npz"), "does not exist"), (Path(), "is not a file")):
        with pytest.raises(InvalidValue, match=f"^{path} {message}: give an .npz file"):
            npz.load(NoConfig(), path)
    with pytest.raises(InvalidValue, match=r"^x+\.npz cannot be read: File name too long$"):
        npz.load(NoConfig(), Path("x" * 300 + ".npz"))


def test_it_is_read_again_when_it_changes() -> None:
    assert load(images=IMAGES).spec.width == 5
    assert load(images=IMAGES[:, :, :3]).spec.width == 3


def test_a_file_of_very_many_entries_is_refused_before_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with zipfile.ZipFile(PATH, "w") as archive:
        for number in range(25_000):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(InvalidValue, match=r"things.npz has too many entries: save a few arrays"):
        npz.load(NoConfig(), PATH)
    record = b"PK\6\6" + bytes(36) + (1 << 40).to_bytes(8, "little") + bytes(8)
    PATH.write_bytes(record + b"PK\6\7" + bytes(16) + b"PK\5\6" + bytes(18))
    with pytest.raises(InvalidValue, match="has too many entries"):
        npz.load(NoConfig(), PATH)
