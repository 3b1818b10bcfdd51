"""Files of one request appear together or not at all."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from gtk.core.values.errors import UserError, WorkFailed
from gtk.core.values.output import write_file, write_files


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_written_and_replaced_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old a")
    write_files({tmp_path / "a": b"new a", tmp_path / "b": b"new b"})
    assert contents(tmp_path) == {"a": b"new a", "b": b"new b"}


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.EACCES, "no")])
def test_what_happens_between_two_renames_undoes_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    (tmp_path / "a").write_text("old a")
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if target.name == "c":
            raise failure
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    kind = UserError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(kind):
        write_files({tmp_path / name: b"new" for name in "abc"})
    assert contents(tmp_path) == {"a": b"old a"}


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, WorkFailed), (errno.EDQUOT, WorkFailed), (errno.EROFS, UserError)],
)
def test_a_full_disk_is_no_mistake_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(self: Path, content: bytes) -> Any:
        raise OSError(number, "what is wrong")

    monkeypatch.setattr(Path, "write_bytes", fail)
    for write in (
        lambda: write_file(tmp_path / "a", b""),
        lambda: write_files({tmp_path / "a": b"", tmp_path / "b": b""}),
    ):
        with pytest.raises(kind, match="a cannot be written: what is wrong"):
            write()
    assert contents(tmp_path) == {}


def test_files_of_long_and_like_names_do_not_meet(tmp_path: Path) -> None:
    paths = [tmp_path / f"{'n' * 200}{end}" for end in (".onnx", ".json", "-encoder.onnx")]
    write_files({path: path.suffix.encode() for path in paths})
    write_files({path: path.name.encode() for path in paths})
    assert [path.read_bytes() for path in paths] == [path.name.encode() for path in paths]
    assert len(contents(tmp_path)) == 3


def test_two_names_of_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    (tmp_path / "a.onnx").symlink_to("a.json")
    with pytest.raises(UserError, match="two of these are the same file"):
        write_files({tmp_path / "a.onnx": b"graph", tmp_path / "a.json": b"words"})
    assert (tmp_path / "a.json").read_text() == "old"


def test_a_synced_file_is_on_the_disk_before_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    replace = Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))

    def note(self: Path, target: Path) -> Path:
        synced.append(0)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", note)
    write_file(tmp_path / "a", b"1", synced=True)
    assert synced == [(tmp_path / "a").stat().st_ino, 0, tmp_path.stat().st_ino]
    write_file(tmp_path / "b", b"1")
    assert synced[3:] == [0]
