"""Data described, gathered and drawn for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gtk.core.contracts.noise import Noise
from gtk.core.models.page_locked import sent
from gtk.core.training.store import ImageStore
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.core.values.errors import InvalidValue, UnknownName
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.seeding import derive_seed

CLOTHES = ConditionSpec(("coat", "bag", "7"))


def test_labels_are_numbers_or_names() -> None:
    assert [CLOTHES.encode(value) for value in (0, "1", "bag", "7")] == [0, 1, 1, 2]


@pytest.mark.parametrize("value", [3, -1, "3", "-1"])
def test_a_label_out_of_range_is_refused(value: int | str) -> None:
    with pytest.raises(InvalidValue, match=r"the 3 classes are 0\.\.2"):
        CLOTHES.encode(value)


def test_an_unknown_class_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown label 'baag'. Did you mean 'bag'?"):
        CLOTHES.encode("baag")


@pytest.mark.parametrize("condition", [CLOTHES, None])
def test_a_data_spec_survives_json(condition: ConditionSpec | None) -> None:
    spec = DataSpec("clothes", 3, 5, 7, condition)
    assert DataSpec.from_json(spec.as_json()) == spec


def test_a_batch_is_the_rows_asked_for_in_0_to_1() -> None:
    images = np.arange(4 * 6, dtype=np.uint8).reshape(4, 1, 2, 3) * 10
    split = Split(images, np.array([5, 6, 7, 8]))
    store = ImageStore(split, conditional=True, device=torch.device("cpu"))
    batch = store.batch(torch.tensor([2, 0, 2]))
    expected = images[[2, 0, 2]].astype(np.float32) / 255
    assert np.array_equal(batch.images.numpy(), expected)
    assert batch.condition is not None
    assert batch.condition.tolist() == [7, 5, 7]
    assert np.array_equal(split.images, images), "gathering must not change the data"


def test_a_store_of_some_rows_counts_them_from_0() -> None:
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    split = Split(images, np.array([5, 6, 7, 8]))
    rows = torch.tensor([1, 3])
    store = ImageStore(split, conditional=True, device=torch.device("cpu"), rows=rows)
    assert len(store) == 2
    batch = store.batch(torch.tensor([1, 0]))
    assert (batch.images * 255).flatten().round().tolist() == [3, 1]
    assert batch.condition is not None
    assert batch.condition.tolist() == [8, 6]


def test_a_mapped_array_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(bytes(range(6)))
    images = np.memmap(tmp_path / "images", np.uint8, mode="c", shape=(6, 1, 1, 1))
    split = Split(images, np.zeros(6, np.int64))
    store = ImageStore(split, conditional=False, device=torch.device("cpu"))
    assert store._images.data_ptr() == images.ctypes.data


def test_of_images_that_are_too_many_for_a_gpu_each_batch_is_copied_from_page_locked_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[torch.Tensor] = []

    def ordinary(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        used.append(torch.empty(shape, dtype=dtype))
        return used[-1]

    images = np.arange(4 * 2, dtype=np.uint8).reshape(4, 1, 2, 1)
    split = Split(images, np.array([5, 6, 7, 8]))
    cpu, gpu = torch.device("cpu"), torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 9)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 4)
    monkeypatch.setattr("gtk.core.models.page_locked.page_locked", ordinary)
    store = ImageStore(split, conditional=True, device=gpu).part(torch.tensor([1, 2, 3]))
    assert store.place == cpu, "where the numbers of images should be, too"
    store._device = torch.device("meta")  # which can be copied to, but is not a GPU
    batch = store.batch(torch.tensor([2, 0]))
    assert batch.images.is_meta
    assert batch.condition is not None
    assert batch.condition.is_meta
    pixels, labels = used
    assert np.array_equal(pixels.numpy(), images[[3, 1]])
    assert labels.tolist() == [8, 6]
    sent(torch.tensor([4, 9]), torch.device("meta"))
    assert used[-1].tolist() == [4, 9]
    assert sent(labels, cpu) is labels


def test_a_batch_is_changed_before_it_becomes_float() -> None:
    split = Split(np.full((1, 1, 2, 2), 10, np.uint8), np.zeros(1, np.int64))
    store = ImageStore(split, conditional=False, device=torch.device("cpu"))
    batch = store.batch(torch.tensor([0]), lambda images: images + 245)
    assert torch.equal(batch.images, torch.ones(1, 1, 2, 2))


def test_an_unlabelled_store_gives_no_condition() -> None:
    split = Split(np.zeros((2, 1, 2, 2), np.uint8), np.zeros(2, np.int64))
    store = ImageStore(split, conditional=False, device=torch.device("cpu"))
    assert store.batch(torch.tensor([1])).condition is None


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 1, 2, 2), np.float32), np.zeros(2, np.int64), "images are float32"),
        (np.zeros((2, 1, 2, 3), np.uint8), np.zeros(2, np.int64), "should be uint8"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(2, np.int32), "labels are int32"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(3, np.int64), r"should be int64 \(2,\)"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.array([0, 3]), r"labels must be in 0..2, not 0..3"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.array([-1, 0]), "labels must be in 0..2, not -1..0"),
    ],
)
def test_a_data_set_that_is_not_what_it_says_is_refused(
    images: np.ndarray,
    labels: np.ndarray,
    message: str,  # type: ignore[type-arg]
) -> None:
    good = Split(np.zeros((1, 1, 2, 2), np.uint8), np.zeros(1, np.int64))
    with pytest.raises(InvalidValue, match=message):
        Dataset(DataSpec("clothes", 1, 2, 2, CLOTHES), Split(images, labels), good)


def test_noise_is_drawn_image_by_image() -> None:
    spec = NoiseSpec((3, 2))
    assert np.array_equal(spec.draw(10, seed=4)[:7], spec.draw(7, seed=4))
    assert not np.array_equal(spec.draw(7, seed=4), spec.draw(7, seed=5))
    assert spec.draw(1, seed=0).dtype == np.float32


def test_seeds_differ_by_purpose_and_place() -> None:
    seeds = {
        derive_seed(seed, purpose, *where)
        for seed in (0, 1, 2**40)
        for purpose in ("step", "order")
        for where in ((), (0,), (1,), (1, 1), (11,))
    }
    assert len(seeds) == 3 * 2 * 5
    assert max(seeds) < 2**32


def test_the_seed_function_never_changes() -> None:
    # Old checkpoints go on to the same bits only while this holds.
    assert derive_seed(0, "step", 17) == 1080631511


def test_training_noise_starts_over_with_its_seed() -> None:
    noise = Noise(torch.device("cpu"))
    noise.seed(3)
    first = noise.normal(4, 2)
    noise.seed(3)
    assert torch.equal(first, noise.normal(4, 2))
