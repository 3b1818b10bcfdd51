"""metrics.jsonl is read line by line, and of a large one memory holds a part."""

import hashlib
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gtk.core.storage import metrics_file
from gtk.core.storage.early_stop import EarlyStop
from gtk.core.storage.metrics_file import MetricsFile
from gtk.core.values.errors import UserError


def line(step: int, split: str = "train", **entries: Any) -> dict[str, Any]:
    return {"step": step, "epoch": 1, "split": split, **entries, "terms": {"loss": step / 8}}


def file_of(folder: Path, lines: list[dict[str, Any]]) -> MetricsFile:
    file = MetricsFile(folder / "metrics.jsonl")
    file.path.write_text("".join(json.dumps(item) + "\n" for item in lines))
    return file


def test_lines_are_those_in_the_first_bytes_that_are_whole(tmp_path: Path) -> None:
    lines = [line(step, unit="nats", images=3, learning_rate=0.5) for step in range(1, 4)]
    file = file_of(tmp_path, lines)
    assert list(file.lines()) == file.overview() == lines
    end = len(json.dumps(lines[0]) + json.dumps(lines[1])) + 2
    assert list(file.lines(end)) == lines[:2]
    assert list(file.lines(end - 1)) == lines[:1]
    with file.path.open("a") as cut:
        cut.write('{"step": 4, "ep')
    assert list(file.lines()) == lines
    assert list(MetricsFile(tmp_path / "absent").lines()) == []
    assert MetricsFile(tmp_path / "absent").overview() == []


def test_the_digest_is_that_of_the_file_and_reads_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    class Counting:
        def __init__(self) -> None:
            self.hash = hashlib.new("sha256")
            self.update = lambda part: (read.append(len(part)), self.hash.update(part))
            self.hexdigest = self.hash.hexdigest

    monkeypatch.setattr(hashlib, "sha256", Counting)
    file = MetricsFile(tmp_path / "metrics.jsonl")

    def check() -> None:
        content = file.path.read_bytes() if file.path.exists() else b""
        assert file.digest() == (len(content), hashlib.new("sha256", content).hexdigest())

    check()
    for step in range(1, 4):
        file.append(line(step))
        assert not file.path.stat().st_mode & 0o111, "it is no program"
        check()
    assert sum(read) == (size := file.path.stat().st_size)
    _, sha256 = file.digest()
    file.append(line(4, split="test"))
    assert file.cut_back(size, 3, sha256) == file.cut_back(size, 3) == ""
    check()
    changed = file.path.read_bytes().replace(b"0.25", b"0.35")
    file.path.write_bytes(changed)
    assert "is not as it was at step 3: some of its figures" in file.cut_back(size, 3, sha256)
    assert file.path.read_bytes() == changed
    check()
    file.path.write_bytes(changed[:90])
    check()
    assert "has lost lines from before step 3" in file.cut_back(size, 3, sha256)
    check()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "missing required field `step`"),
        ("[]", "Expected `object`, got `array`"),
        ('{"step": -1', "Expected `int` >= 0"),
        ('{"step": true', "Expected `int`, got `bool` - at `$.step`"),
        ('{"step": 1, "epoch": 1e400', "out of range"),
        ('{"step": 1, "split": "other"', "Invalid enum value 'other'"),
        ('{"step": 1, "terms": {"loss": null}', "Expected `float`, got `null`"),
        ('{"step": 1, "terms": {"loss": NaN}', "malformed"),
        ('{"step": 1, "terms": {"loss": 1e999}', "out of range"),
        ('{"step": 1, "later": ' + "[" * 60_000, "nested too deeply"),
        ('{"step": 1, "unit": "' + "x" * 70_000 + '"', "truncated"),
    ],
    ids=lambda value: value[:40],
)
def test_a_line_that_does_not_fit_is_named(tmp_path: Path, text: str, reason: str) -> None:
    file = file_of(tmp_path, [line(1)])
    with file.path.open("a") as more:
        more.write(text + "\n")
    with pytest.raises(UserError, match=r"line 2 of .*metrics.jsonl is damaged: ") as caught:
        file.overview()
    assert reason in str(caught.value)


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    pipe, link = MetricsFile(tmp_path / "pipe"), MetricsFile(tmp_path / "link")
    os.mkfifo(pipe.path)
    link.path.symlink_to("/dev/zero")
    for file, reason in ((pipe, "it is not an ordinary file"), (link, "it is a link")):
        with pytest.raises(UserError, match=f"cannot be read: {reason}"):
            list(file.lines())


def test_of_a_large_file_a_part_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line(step) for step in range(3000)]
    lines[1234]["split"] = "validation"
    lines[2000]["split"] = "test"
    file = file_of(tmp_path, lines)
    size = file.path.stat().st_size
    monkeypatch.setattr(metrics_file, "LARGEST", size)
    assert file.overview() == lines
    monkeypatch.setattr(metrics_file, "LARGEST", size // 10)
    chosen = file.overview()
    assert 300 <= len(chosen) <= 304
    steps = [item["step"] for item in chosen]
    assert steps == sorted(steps)
    assert {0, 1234, 2000, 2999} <= {*steps}, "the last of each split, too"
    assert max(after - before for before, after in pairwise(steps)) <= 12
    assert len(list(file.lines())) == 3000


def test_a_validation_without_its_term_does_not_count(tmp_path: Path) -> None:
    good = line(1, "validation", monitor="loss")
    lines = [good, *({**good, "step": 2, "monitor": name} for name in ("kl", "")), line(3)]
    del lines[2]["monitor"]
    stop = EarlyStop(1, file_of(tmp_path, lines).lines())
    assert not stop.reached
