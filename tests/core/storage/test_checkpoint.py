"""Checkpoints appear whole, are pruned, and are chosen by step, latest or best."""

import errno
import hashlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gtk.core.storage import stored_checkpoint
from gtk.core.storage.checkpoint import Checkpoint, CheckpointFolder
from gtk.core.values.errors import InvalidValue, UnknownName, UserError, WorkFailed
from gtk.core.values.ordinary_file import read_ordinary


def checkpoint(step: int, validation: float | None = None, **training: Tensor) -> Checkpoint:
    facts = {"metrics_bytes": 7, "pending": {}, "validation": validation}
    return Checkpoint(step, {"weight": torch.full((2, 3), float(step))}, training, facts)


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "run" / "checkpoints")


def test_what_is_saved_is_what_is_loaded(folder: CheckpointFolder) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    saved = checkpoint(7, one=shared, other=shared, turned=shared.t(), scalar=torch.tensor(3))
    path = folder.save(saved)
    assert sorted(item.name for item in path.iterdir()) == [
        "digests.json", "model.safetensors", "state.json", "training.safetensors",
    ]  # fmt: skip
    loaded = folder.load(7)
    for name, value in {**saved.model, **saved.training}.items():
        assert torch.equal({**loaded.model, **loaded.training}[name], value)
    assert loaded.state["metrics_bytes"] == 7


@pytest.mark.parametrize(
    ("keep", "kept"), [(1, [2, 6]), (3, [2, 4, 5, 6]), (9, [1, 2, 3, 4, 5, 6])]
)
def test_the_newest_and_the_best_are_kept(
    folder: CheckpointFolder, keep: int, kept: list[int]
) -> None:
    for step, loss in ((1, 5.0), (2, 3.0), (3, 4.0), (4, 6.0), (5, 7.0), (6, 3.0)):
        folder.save(checkpoint(step, loss))
        folder.prune(keep)
    assert folder.steps() == kept
    assert folder.best() == 2, "of equals the earlier"


def test_choosing(folder: CheckpointFolder) -> None:
    folder.save(checkpoint(10, 1.0))
    folder.save(checkpoint(20, 2.0))
    assert [folder.choose(which) for which in (None, "best", "latest", 20, "10")] == [
        10, 10, 20, 20, 10,
    ]  # fmt: skip
    with pytest.raises(UnknownName, match="has no checkpoint '30'. It has: 10, 20, latest, best"):
        folder.choose("30")


def test_without_validation_the_latest_stands(folder: CheckpointFolder) -> None:
    folder.save(checkpoint(10))
    folder.save(checkpoint(20))
    assert folder.choose(None) == 20
    with pytest.raises(UnknownName, match="has no best checkpoint: it was trained without"):
        folder.choose("best")


def test_a_run_without_checkpoints_says_how_to_get_one(folder: CheckpointFolder) -> None:
    with pytest.raises(UnknownName, match="has no checkpoint yet.* gtk train --resume"):
        folder.choose(None)


def test_a_half_written_checkpoint_is_not_seen(folder: CheckpointFolder) -> None:
    folder.save(checkpoint(10))
    left_over = folder.path / ".000000020.partial"
    left_over.mkdir()
    (left_over / "model.safetensors").write_bytes(b"half")
    assert folder.steps() == [10]
    folder.save(checkpoint(20))
    assert folder.steps() == [10, 20]
    assert not left_over.exists()


def test_a_folder_on_its_way_out_is_not_seen(folder: CheckpointFolder) -> None:
    for step in (10, 20):
        folder.save(checkpoint(step, 1.0))
    (folder.folder(10) / "state.json").unlink()
    (folder.path / "5").mkdir()
    assert folder.steps() == [20]
    assert folder.choose(None) == 20


def test_a_validation_that_is_damaged_is_named(folder: CheckpointFolder) -> None:
    folder.save(checkpoint(10, 1.0))
    for content in ("{", "null", "{}"):
        (folder.folder(10) / "state.json").write_text(content)
        with pytest.raises(InvalidValue, match=r"000000010/state.json is damaged, and "):
            folder.choose(None)


def test_a_damaged_file_is_named(folder: CheckpointFolder) -> None:
    path = folder.save(checkpoint(10)) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InvalidValue, match=r"model.safetensors is damaged\. Remove .*checkpoints,"):
        folder.load_model(10)
    folder.save(checkpoint(20))
    with pytest.raises(InvalidValue, match="damaged. Use checkpoint=20, or leave checkpoint out"):
        folder.load_model(10)


def test_only_what_gtk_made_is_removed(folder: CheckpointFolder, tmp_path: Path) -> None:
    folder.save(checkpoint(10))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "key").write_text("secret")
    (folder.path / ".DS_Store").write_text("of a file manager")
    (folder.path / ".notes").mkdir()
    (folder.path / ".000000020.partial.old").mkdir()
    (folder.path / ".20.partial").mkdir()
    (folder.path / ".ssh").symlink_to(tmp_path / "home")
    (folder.path / ".000000010.removed").mkdir()
    folder.save(checkpoint(20))
    folder.prune(1)
    assert sorted(item.name for item in folder.path.iterdir()) == [
        ".000000020.partial.old", ".20.partial", ".DS_Store", ".notes", ".ssh", "000000020",
    ]  # fmt: skip
    assert (tmp_path / "home" / "key").read_text() == "secret"


def test_what_a_killed_removal_has_left_goes_without_another_checkpoint(
    folder: CheckpointFolder,
) -> None:
    folder.save(checkpoint(10))
    (folder.path / ".000000005.removed").mkdir()
    folder.prune(1)
    assert [item.name for item in folder.path.iterdir()] == ["000000010"]


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/.000000020.partial"])
def test_no_checkpoint_is_written_through_a_link(
    folder: CheckpointFolder, tmp_path: Path, name: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "key").write_text("secret")
    link = folder.path.parent / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "home")
    with pytest.raises(UserError, match=f"{name} is a link, and gtk does not follow links there"):
        folder.save(checkpoint(20))
    assert [item.name for item in (tmp_path / "home").iterdir()] == ["key"]


FILES = ("model.safetensors", "training.safetensors", "state.json", "digests.json")


def again(folder: CheckpointFolder) -> CheckpointFolder:
    """Return the folder as another process sees it, which has compared nothing yet."""
    return CheckpointFolder(folder.path)


@pytest.fixture
def two(folder: CheckpointFolder) -> CheckpointFolder:
    """Checkpoints of steps 10 and 20."""
    for step in (10, 20):
        folder.save(checkpoint(step, one=torch.ones(5)))
    return again(folder)


def test_the_files_are_those_that_safetensors_writes(folder: CheckpointFolder) -> None:
    saved = checkpoint(10, empty=torch.zeros(0, 2), one=torch.tensor(3), half=torch.ones(3).half())
    path = folder.save(saved)
    for name, tensors in (("model", saved.model), ("training", saved.training)):
        save_file(dict(tensors), path.parent / name)
        assert (path / f"{name}.safetensors").read_bytes() == (path.parent / name).read_bytes()
    assert load_file(path / "training.safetensors")["half"].dtype == torch.float16


def test_others_may_read_the_files_if_the_umask_lets_them(folder: CheckpointFolder) -> None:
    before = os.umask(0o027)
    try:
        path = folder.save(checkpoint(10))
    finally:
        os.umask(before)
    assert {oct(item.stat().st_mode & 0o777) for item in path.iterdir()} == {"0o640"}


def flip(content: bytes, numbers: random.Random) -> bytes:
    place, bit = numbers.randrange(len(content)), 1 << numbers.randrange(8)
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


def cut(content: bytes, numbers: random.Random) -> bytes:
    return content[: numbers.randrange(len(content) - 2)]  # not only the newline at its end


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("name", FILES)
def test_no_damage_goes_unnoticed(
    two: CheckpointFolder, name: str, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    file, numbers = two.folder(20) / name, random.Random(5)  # noqa: S311 - draws damage
    whole = file.read_bytes()
    for _ in range(60):
        file.write_bytes(damage(whole, numbers))
        folder = again(two)
        assert folder.latest() == 10
        with pytest.raises(InvalidValue, match="000000020/.* is damaged. Use checkpoint="):
            folder.load(20)
    file.write_bytes(whole)
    assert again(two).latest() == 20


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_damage(
    two: CheckpointFolder, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (two.folder(20) / name).unlink()
    assert [two.latest(), two.latest()] == [10, 10]
    assert [record.getMessage() for record in caplog.records] == [
        f"{two.folder(20) / name} is missing: the checkpoint of step 10 is used instead"
    ]
    with pytest.raises(InvalidValue, match=f"{name} is missing. Use checkpoint="):
        two.load(two.choose("latest"))


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", FILES)
def test_what_is_not_a_file_is_damage(
    two: CheckpointFolder, name: str, put: Callable[[Path], None]
) -> None:
    file = two.folder(20) / name
    file.unlink()
    put(file)
    assert two.latest() == 10


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors"])
def test_a_file_of_another_size_is_not_read(
    two: CheckpointFolder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.truncate(two.folder(20) / name, 1 << 40)  # takes no room on the disk
    read = stored_checkpoint.read_ordinary

    def limited(path: Path, limit: int) -> bytes:
        assert limit <= 1 << 20, path
        return read(path, limit)

    monkeypatch.setattr(stored_checkpoint, "read_ordinary", limited)
    with pytest.raises(InvalidValue, match=rf"20/{name} is damaged"):
        two.load(20)
    assert two.latest() == 10


def test_checkpoints_of_older_versions_have_no_digests(two: CheckpointFolder) -> None:
    for step in (10, 20):
        (two.folder(step) / "digests.json").unlink()
        state = two.folder(step) / "state.json"
        state.write_text(state.read_text().replace('"format": 2', '"format": 1'))
    assert two.load(20).step == two.choose(None) == two.latest() == 20
    weights = two.folder(20) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert [again(two).choose(None), again(two).latest()] == [10, 10]


@pytest.mark.parametrize("name", FILES[:3])
def test_a_checkpoint_without_its_digests_does_not_pass_for_an_older_one(
    two: CheckpointFolder, name: str
) -> None:
    (two.folder(20) / "digests.json").unlink()
    file, numbers = two.folder(20) / name, random.Random(7)  # noqa: S311 - draws damage
    whole = file.read_bytes()
    for _ in range(60):
        file.write_bytes(flip(whole, numbers))
        assert [again(two).steps(), again(two).choose(None), again(two).latest()] == [[10], 10, 10]
        with pytest.raises(InvalidValue, match=r"(digests|state).json is (missing|damaged)"):
            again(two).load(20)


def test_the_next_best_is_used_for_a_best_one_that_is_damaged(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    for step, validation in ((10, 3.0), (20, 1.0), (30, 2.0), (40, None)):
        folder.save(checkpoint(step, validation))
    (folder.folder(20) / "model.safetensors").write_bytes(b"")
    assert again(folder).choose(None) == 30
    assert "000000020/model.safetensors is damaged: the checkpoint of step 30" in caplog.text
    (folder.folder(30) / "state.json").write_text("{}")
    assert again(folder).choose(None) == 10
    assert again(folder).best() == 20
    with pytest.raises(InvalidValue, match="000000030/state.json is damaged. Use checkpoint="):
        again(folder).choose("best")
    shutil.rmtree(folder.folder(10))
    assert again(folder).choose(None) == 40
    folder.prune(1)
    assert folder.steps() == [40]


def test_all_damaged_is_one_line_with_what_is_possible(two: CheckpointFolder) -> None:
    for step in (10, 20):
        (two.folder(step) / "training.safetensors").write_bytes(b"")
    assert two.choose(None) == 20, "whose weights are intact"
    with pytest.raises(InvalidValue, match="20/training.safetensors is damaged, and ") as error:
        two.latest()
    assert str(error.value).endswith(
        "there is no other checkpoint to train on from. The weights of step 20 are intact: sample "
        "and export them with checkpoint=20. Train anew with: gtk train --recipe "
        f"{two.path.parent / 'run.json'}"
    )
    for step in (10, 20):
        (two.folder(step) / "model.safetensors").write_bytes(b"")
    with pytest.raises(InvalidValue, match=r"20/model.safetensors is damaged\. Remove") as error:
        two.latest()
    assert str(error.value).endswith(f": gtk train --resume {two.path.parent}")


def test_weights_are_drawn_though_no_state_is_whole(two: CheckpointFolder) -> None:
    for step in (10, 20):
        (two.folder(step) / "state.json").unlink()
    with pytest.raises(InvalidValue, match="state.json is missing, and .* with checkpoint=20"):
        two.choose(None)
    assert two.load_model(two.choose(20))["weight"].all()


@pytest.mark.parametrize("content", ["null", "[]", '{"step": 20}', '{"step": 1e400}', "[" * 99_999])
@pytest.mark.parametrize("name", ["state.json", "digests.json"])
def test_json_of_another_kind_is_damage(two: CheckpointFolder, name: str, content: str) -> None:
    (two.folder(20) / name).write_text(content)
    assert [two.latest(), two.choose(None), two.best()] == [10, 10, None]


def test_a_checkpoint_under_another_name_is_damage(two: CheckpointFolder) -> None:
    two.folder(20).rename(two.folder(30))
    with pytest.raises(InvalidValue, match="30/state.json is that of step 20. Use checkpoint=10"):
        two.load(30)


@pytest.mark.parametrize("lost", [*FILES[:3], "all"])
def test_a_part_of_a_checkpoint_is_replaced(two: CheckpointFolder, lost: str) -> None:
    for name in FILES[:3] if lost == "all" else [lost]:
        (two.folder(20) / name).unlink()
    (two.path / ".000000020.removed").mkdir()
    two.save(checkpoint(20, one=torch.zeros(2)))
    assert torch.equal(again(two).load(20).training["one"], torch.zeros(2))
    assert sorted(item.name for item in two.path.iterdir()) == ["000000010", "000000020"]


def test_a_link_under_a_steps_name_is_replaced_and_not_followed(
    two: CheckpointFolder, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (two.path / "000000030").symlink_to(tmp_path / "mine")
    two.save(checkpoint(30))
    assert again(two).latest() == 30
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_later_ones_are_removed(two: CheckpointFolder) -> None:
    two.remove_after(10)
    assert [item.name for item in two.path.iterdir()] == ["000000010"]


def refused(*_: object, ignore_errors: bool = False) -> None:
    if not ignore_errors:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "of the folder")


@pytest.mark.parametrize("name", ["rename", "rmtree"])
def test_an_old_checkpoint_that_cannot_be_removed_ends_no_training(
    two: CheckpointFolder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path if name == "rename" else shutil, name, refused)
        two.prune(1)
        two.prune(1)
        if name == "rmtree":
            two.save(checkpoint(30))  # it finds what is left of the other
    assert [record.getMessage() for record in caplog.records] == [
        "of the folder cannot be removed: Permission denied"
    ]
    two.prune(1)
    assert len(list(two.path.iterdir())) == 1


def test_a_damaged_checkpoint_that_cannot_be_removed_is_one_line(
    two: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would pass for one that is saved when its step is trained again."""
    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(UserError, match="0020 is damaged and cannot be removed: Permission denied"):
        two.remove_after(10)


def test_files_are_read_once(two: CheckpointFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def count(path: Path, limit: int) -> bytes:
        read.append(path.name)
        return read_ordinary(path, limit)

    monkeypatch.setattr(stored_checkpoint, "read_ordinary", count)
    assert two.latest() == two.latest() == 20
    loaded = two.load(20)
    assert [read.count(f"{name}.safetensors") for name in ("model", "training")] == [1, 1]
    loaded.model["weight"].zero_()
    assert two.load(20).model["weight"].all(), "what was handed out is not handed out again"
    assert two.latest() == 20
    shutil.copytree(two.folder(10), two.folder(20), dirs_exist_ok=True)
    with pytest.raises(InvalidValue, match="state.json is that of step 10"):
        two.load(20)


def test_files_are_hashed_once(two: CheckpointFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    sha256 = hashlib.sha256

    def count(content: bytes) -> "hashlib._Hash":
        hashed.append(len(content))
        return sha256(content)

    monkeypatch.setattr(hashlib, "sha256", count)
    two.load_model(two.choose(None))
    two.load(two.latest() or 0)
    assert len(hashed) == 4, "weights, optimizer, and both validations"


def test_everything_is_on_the_disk_before_it_appears(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync, rename = os.fsync, Path.rename

    def note(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        fsync(handle)

    def note_rename(self: Path, target: Path) -> Path:
        synced.append(0)
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "rename", note_rename)
    path = folder.save(checkpoint(10))
    places = [*(path / name for name in FILES), path, None, path.parent, path.parent.parent]
    assert synced == [place.stat().st_ino if place else 0 for place in places]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
@pytest.mark.parametrize(
    ("place", "name", "calls"),
    [(os, "fsync", 7), (Path, "write_bytes", 4), (Path, "mkdir", 1), (Path, "rename", 1)],
)
def test_a_disk_that_fails_leaves_the_last_one_good(
    two: CheckpointFolder,
    monkeypatch: pytest.MonkeyPatch,
    place: object,
    name: str,
    calls: int,
    number: int,
) -> None:
    real = getattr(place, name)
    for good in range(calls):
        done: list[object] = []

        def fail(*arguments: Any, good: int = good, done: list[object] = done, **more: Any) -> Any:
            done.append(arguments)
            if len(done) > good:
                raise OSError(number, os.strerror(number))
            return real(*arguments, **more)

        two.remove_after(20)
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fail)
            with pytest.raises(WorkFailed, match="000000030 cannot be written: ") as error:
                two.save(checkpoint(30, one=torch.ones(5)))
        remedy = "The checkpoint of step 20 is saved: make room, and go on with gtk train --resume"
        assert remedy in str(error.value)
        assert again(two).latest() == max(again(two).steps()) >= 20
    two.save(checkpoint(30, one=torch.ones(5)))
    assert again(two).latest() == 30
    assert len(list(two.path.iterdir())) == 3


def test_what_may_not_be_read_is_not_called_damaged(
    two: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(stored_checkpoint, "read_ordinary", refuse)
    for read in (two.steps, two.latest, lambda: two.choose(None), lambda: two.load_model(10)):
        with pytest.raises(UserError, match=r"000000[012]+/.* cannot be read: Permission denied$"):
            read()
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UserError, match=r"run/checkpoints cannot be read: Permission denied$"):
        two.steps()
