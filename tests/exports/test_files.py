"""An exported file and the JSON beside it belong together, whenever a kill or a reader comes."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kills import killed_everywhere

import gtk
from gtk.core.values.errors import UserError
from gtk.core.values.temporary import beside
from gtk.exports.bench import open_file
from gtk.exports.files import check_pair, digest_of, find_manifest, sha256, write_exports

OLD, NEW = b"an older graph", b"another graph"


def write(folder: Path, content: bytes, *parts: str) -> None:
    manifest = {"schema": 2, "part": "decoder", "of": sha256(content)}
    write_exports({folder / f"{part}.onnx": (content, manifest) for part in parts})


def write_old(folder: Path) -> None:
    write(folder, OLD, "decoder")


def write_new(folder: Path) -> None:
    write(folder, NEW, "decoder")


def write_two_old(folder: Path) -> None:
    write(folder, OLD, "decoder", "encoder")


def write_two_new(folder: Path) -> None:
    write(folder, NEW, "decoder", "encoder")


def found(place: Path, part: str) -> bytes:
    """Return an exported file that is there, and is the one that its manifest describes."""
    path = place / f"{part}.onnx"
    check_pair(path)
    manifest = find_manifest(path, digest_of(path))
    assert manifest is not None
    assert manifest["of"] == digest_of(path)
    visible = json.loads(path.with_suffix(".json").read_text())
    assert visible == manifest, "what a kill has left is finished by the next reader"
    return path.read_bytes()


def test_only_what_a_killed_export_has_left_is_finished(tmp_path: Path) -> None:
    """Not what a living process is about to finish, and not through a link."""
    write(tmp_path, OLD, "decoder")
    path, old = tmp_path / "decoder.onnx", (tmp_path / "decoder.json").read_bytes()
    write(tmp_path, NEW, "decoder")
    new = (tmp_path / "decoder.json").read_bytes()

    def left(process: int) -> Path:
        name = beside(path.with_suffix(".json"), "partial").name
        return tmp_path / re.sub(r"\.\d+(-\d+)?\.partial$", f".{process}.partial", name)

    for item in (left(os.getppid()), beside(path.with_suffix(".json"), "partial")):
        path.with_suffix(".json").write_bytes(old)
        item.write_bytes(new)
        check_pair(path)
        assert path.with_suffix(".json").read_bytes() == old
        item.unlink()
    dead = left(2**31 - 1)
    (tmp_path / "elsewhere").write_bytes(new)
    dead.symlink_to(tmp_path / "elsewhere")
    check_pair(path)
    assert path.with_suffix(".json").read_bytes() == old
    dead.unlink()
    dead.write_bytes(new)
    check_pair(path)
    assert path.with_suffix(".json").read_bytes() == new
    assert not dead.exists()


def test_a_kill_anywhere_leaves_the_old_pair_or_the_new_one(tmp_path: Path) -> None:
    places = killed_everywhere(tmp_path, write_old, write_new)
    contents = [found(place, "decoder") for place in places]
    new = contents.index(NEW)
    assert contents == [OLD] * new + [NEW] * (len(places) - new)
    for place in places:
        write_new(place)  # which also removes what the kill has left
        assert sorted(item.name for item in place.iterdir()) == ["decoder.json", "decoder.onnx"]


@pytest.mark.parametrize("error", [OSError(28, "no space left"), KeyboardInterrupt()])
def test_a_failure_anywhere_leaves_the_old_files_or_the_new_ones(
    tmp_path: Path, error: BaseException
) -> None:
    for place in killed_everywhere(tmp_path, write_two_old, write_two_new, error):
        assert found(place, "decoder") == found(place, "encoder")


def without_one(folder: Path) -> None:
    folder.mkdir()


def test_a_kill_anywhere_in_the_first_export_leaves_whole_files(tmp_path: Path) -> None:
    for place in killed_everywhere(tmp_path, without_one, write_new):
        for path in place.glob("*.onnx"):
            check_pair(path)  # a file alone holds its own manifest
            assert path.read_bytes() == NEW


def altered(path: Path) -> None:
    """Change a bit of a weight, which leaves the file readable."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_file_that_is_not_the_one_described_is_not_used(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gtk.cli import main

    path = tmp_path / "small.onnx"
    path.write_bytes(exported.read_bytes())
    altered(path)
    assert main.run(["sample", str(path), "--out", "alone.png"]) == 0, "alone it is a whole file"
    path.with_suffix(".json").write_bytes(exported.with_suffix(".json").read_bytes())
    message = "small.onnx is not the file that small.json describes: one of the two was changed"
    for command in (["sample", str(path), "--out", "a.png"], ["bench", str(path)]):
        capsys.readouterr()
        assert main.run(command) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert main.run(["inspect", str(path)]) == 1
    with pytest.raises(UserError, match="is not the file that"):
        open_file(path, "cpu", tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"epochs": 3}', '{"file": 5, "schema": 2}'])
def test_other_json_beside_a_file_says_nothing_of_it(
    exported: Path, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(exported.read_bytes())
    path.with_suffix(".json").write_text(content)
    check_pair(path)


def test_no_file_is_exported_through_a_link_in_a_run(small_run: gtk.Run, tmp_path: Path) -> None:
    run = gtk.Run(shutil.copytree(small_run.path, tmp_path / "runs" / "mine"))
    (tmp_path / "precious").write_text("years of work")
    (run.path / "mine-decoder.onnx").symlink_to(tmp_path / "precious")
    for export in (gtk.export, gtk.export_all):
        with pytest.raises(UserError, match="mine-decoder.onnx is a link, and gtk does not foll"):
            export(run, overwrite=True)
    assert (tmp_path / "precious").read_text() == "years of work"


def test_a_reader_between_two_renames_finds_a_pair(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gtk.exports.inspection import inspect_file

    manifest = json.loads(exported.with_suffix(".json").read_text())
    del manifest["file"]
    path, seen = tmp_path / "small.onnx", []
    write_exports({path: (b"old", {**manifest, "step": 1})})
    replace: Callable[..., Any] = Path.replace

    def look_and_replace(self: Path, target: Path) -> Any:
        if target.name == "small.json":
            seen.append(inspect_file(path)[1].problem)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look_and_replace)
    write_exports({path: (exported.read_bytes(), manifest)})
    assert seen == [""]
    assert gtk.exports.runtime.load(path).contract == manifest
