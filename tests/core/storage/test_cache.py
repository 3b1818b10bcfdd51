"""Decoded images are kept whole or not at all, found again, and made anew when they are stale."""

import errno
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gtk.core.storage import cache
from gtk.core.storage.cache import Decoded, ImageWriter, cache_folder, cached_dataset, fingerprint
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.errors import InvalidValue, UserError, WorkFailed

SHAPE = (1, 2, 3)
SPEC = DataSpec("spots", *SHAPE, ConditionSpec(("dark", "light")))
IMAGES = np.arange(5 * 6, dtype=np.uint8).reshape(5, *SHAPE)
LABELS = np.array([0, 1, 0, 1, 1])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


def decoder(images: np.ndarray = IMAGES) -> tuple[Callable[[ImageWriter], Decoded], list[int]]:  # type: ignore[type-arg]
    calls = []

    def decode(writer: ImageWriter) -> Decoded:
        calls.append(len(images))
        for image in images:
            writer.add(image[None])
        return Decoded(SPEC, 3, LABELS[: len(images)], ("two were skipped",))

    return decode, calls


def get(decode: Callable[[ImageWriter], Decoded], content: str = "a", **key: str) -> Dataset:
    return cached_dataset({"name": "spots", **key}, content, SHAPE, decode)


def check(data: Dataset) -> None:
    assert data.spec == SPEC
    assert data.notes == ("two were skipped",)
    assert np.array_equal(data.train.images, IMAGES[:3])
    assert np.array_equal(data.test.images, IMAGES[3:])
    assert data.train.labels.tolist() == [0, 1, 0]
    assert data.test.labels.tolist() == [1, 1]


def test_images_are_decoded_once_and_then_mapped(folder: Path) -> None:
    decode, calls = decoder()
    for _ in range(3):
        data = get(decode)
        check(data)
        assert isinstance(data.train.images, np.memmap)
    assert calls == [5]
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".lock"]


def test_other_options_are_another_entry(folder: Path) -> None:
    decode, calls = decoder()
    get(decode, size="64")
    get(decode, size="32")
    assert len(calls) == 2
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2


def test_changed_content_takes_the_old_ones_place(folder: Path) -> None:
    decode, _ = decoder(255 - IMAGES)
    old = get(decode, "old")
    decode, calls = decoder()
    check(get(decode, "new"))
    assert calls == [5]
    assert np.array_equal(old.train.images, 255 - IMAGES[:3]), "who had the old ones keeps them"
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 1


def test_the_shape_of_images_may_be_left_to_the_decoder() -> None:
    decode, calls = decoder()
    for _ in range(2):
        check(cached_dataset({"name": "spots"}, "a", None, decode))
    assert calls == [5]

    def mixed(writer: ImageWriter) -> Decoded:
        writer.add(IMAGES)
        writer.add(IMAGES.reshape(5, 1, 3, 2))
        raise AssertionError("images of two shapes were taken")

    with pytest.raises(ValueError, match="is not .1, 2, 3."):
        cached_dataset({"name": "spots"}, "b", None, mixed)


def cut(entry: Path) -> None:
    (entry / "images.bin").write_bytes((entry / "images.bin").read_bytes()[:-1])


def other_version(entry: Path) -> None:
    facts = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps({**facts, "version": 0}))


def other_labels(entry: Path) -> None:
    np.save(entry / "labels.npy", np.array([0, 7, 0, 1, 1]))


def endless_labels(entry: Path) -> None:
    with (entry / "labels.npy").open("wb") as file:
        facts = {"descr": "<i8", "fortran_order": False, "shape": (10**14,)}
        np.lib.format.write_array_header_1_0(file, facts)  # type: ignore[arg-type]


def entries(**changed: object) -> Callable[[Path], None]:
    def change(entry: Path) -> None:
        facts = json.loads((entry / "entry.json").read_text())
        (entry / "entry.json").write_text(json.dumps(facts | changed))

    return change


def pipe(entry: Path) -> None:
    (entry / "entry.json").unlink()
    os.mkfifo(entry / "entry.json")


def other_condition(entry: Path) -> None:
    facts = json.loads((entry / "entry.json").read_text())
    facts["spec"]["condition"] = "dark, light"
    (entry / "entry.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        other_version,
        other_labels,
        lambda entry: (entry / "images.bin").unlink(),
        lambda entry: (entry / "labels.npy").write_bytes(b"\x93NUMPY"),
        lambda entry: (entry / "labels.npy").write_bytes(b""),
        lambda entry: (entry / "labels.npy").write_bytes(b"PK\x03\x04"),
        endless_labels,
        other_condition,
        entries(train_count=-2),
        entries(train_count=6),
        entries(count=None),
        entries(notes=[1]),
        pipe,
        lambda entry: (entry / "entry.json").write_text("{"),
        lambda entry: (entry / "entry.json").write_text("[]"),
    ],
)
def test_a_damaged_entry_is_made_again(folder: Path, damage: Callable[[Path], None]) -> None:
    decode, calls = decoder()
    get(decode)
    damage(next(path for path in folder.iterdir() if path.is_dir()))
    check(get(decode))
    check(get(decode))
    assert calls == [5, 5]


def test_a_full_disk_is_one_line_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ImageWriter, images: np.ndarray) -> None:  # type: ignore[type-arg]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    decode, _ = decoder()
    with monkeypatch.context() as patch:
        patch.setattr(ImageWriter, "add", full)
        with pytest.raises(
            WorkFailed, match=r"decoded: No space left .*Make room there, or name another folder in"
        ):
            get(decode)
    assert [path.suffix for path in folder.iterdir()] == [".lock"]
    check(get(decode))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_a_disk_that_fails_at_any_sync_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync, synced = os.fsync, list[int]()
    decode, _ = decoder()
    for good in range(5):
        synced.clear()

        def fail(handle: int, good: int = good) -> None:
            synced.append(os.fstat(handle).st_ino)
            if len(synced) > good:
                raise OSError(number, os.strerror(number))
            fsync(handle)

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(WorkFailed, match=r"decoded images cannot be kept in .*decoded: "):
            get(decode)
    monkeypatch.setattr(os, "fsync", fsync)
    check(get(decode))
    entry = next(path for path in folder.iterdir() if path.is_dir())
    names = ["images.bin", "labels.npy", "entry.json"]
    assert synced == [it.stat().st_ino for it in (*(entry / name for name in names), entry, folder)]


def test_a_failed_rebuild_leaves_no_half_and_the_next_one_works(folder: Path) -> None:
    decode, _ = decoder()
    get(decode, "old")

    def fail(writer: ImageWriter) -> Decoded:
        writer.add(IMAGES)
        raise InvalidValue("bad.png is no image")

    with pytest.raises(InvalidValue, match="bad.png"):
        get(fail, "new")
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".lock"]
    check(get(decode, "new"))


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    decode, _ = decoder()
    get(decode, "old")
    name = next(path.name for path in folder.iterdir() if path.is_dir())
    (folder / f".{name}.1.partial").mkdir()
    get(decode, "new")
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".lock"]


def test_a_cache_that_cannot_be_had_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "file"))
    decode, _ = decoder()
    with pytest.raises(
        UserError, match=r"cannot be kept in .*file.*: Not a directory\. Name another folder in"
    ):
        get(decode)


def test_a_decoder_that_writes_something_else_is_told(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"uint8 \(2, 3\) is not \(1, 2, 3\)"):
        get(lambda writer: writer.add(IMAGES[:, 0]))  # type: ignore[arg-type,return-value]
    assert [path.suffix for path in folder.iterdir()] == [".lock"]


def test_a_set_without_test_images_is_no_special_case() -> None:
    decode, _ = decoder(IMAGES[:3])
    data = get(decode)
    assert (len(data.train), len(data.test)) == (3, 0)


TWO = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_cache
decode, _ = test_cache.decoder()

def slow(writer):
    place = Path(sys.argv[2])
    with (place / "calls").open("a") as file:
        file.write("decoded\\n")
    while not (place / "both").exists():  # until the other one stands at the door, too
        time.sleep(0.01)
    return decode(writer)

print("started", flush=True)
test_cache.check(test_cache.get(slow))
"""


def test_two_processes_decode_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO, str(Path(__file__).parent), str(tmp_path)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
    (tmp_path / "both").touch()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert (tmp_path / "calls").read_text() == "decoded\n"


def test_the_cache_is_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    assert cache_folder().name == "generative-toolkit"


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_the_error_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    for name in ("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(pwd, "getpwuid", dict[int, object]().__getitem__)  # as a container's user
    with pytest.raises(UserError, match=f"no home .* environment variable {cache.CACHE_VARIABLE}"):
        cache_folder()


def test_a_platform_without_an_absolute_folder_is_one_without_a_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    monkeypatch.setattr(cache, "user_cache_path", lambda name: Path("~/.cache") / name)
    with pytest.raises(UserError, match="no home directory"):
        cache_folder()


def test_a_fingerprint_changes_with_names_sizes_times_and_permissions(tmp_path: Path) -> None:
    one, two = tmp_path / "1.png", tmp_path / "2.png"
    one.write_bytes(b"12")
    two.write_bytes(b"12")
    for file in (one, two):
        os.utime(file, ns=(5, 5))
    first = fingerprint(tmp_path, [one, two])
    assert fingerprint(tmp_path, [two, one]) == first
    assert fingerprint(tmp_path, [one]) != first
    os.utime(one, ns=(5, 6))
    second = fingerprint(tmp_path, [one, two])
    one.write_bytes(b"123")
    os.utime(one, ns=(5, 6))
    third = fingerprint(tmp_path, [one, two])
    one.chmod(0)
    assert len({first, second, third, fingerprint(tmp_path, [one, two])}) == 4
    two.rename(tmp_path / "3.png")
    assert fingerprint(tmp_path, [one, tmp_path / "3.png"]) != first
