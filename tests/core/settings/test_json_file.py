"""JSON files are checked by a schema, with limits, before anything in them is used."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gtk.core.settings.json_file import read_json
from gtk.core.values.errors import InvalidValue


@dataclass(frozen=True)
class Entry:
    step: int
    terms: dict[str, float]
    other: Any = None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"step": 1}', "missing required field `terms`"),
        (b'{"step": true, "terms": {}}', "Expected `int`, got `bool` - at `$.step`"),
        (b'{"step": null, "terms": {}}', "Expected `int`, got `null` - at `$.step`"),
        (b'{"step": 1.5, "terms": {}}', "Expected `int`, got `float` - at `$.step`"),
        (b'{"step": 1, "terms": {"loss": Infinity}}', "malformed"),
        (b'{"step": 1, "terms": {"loss": 1e400}}', "out of range"),
        (b'{"step": 1, "terms": {}, "other": ' + b"9" * 5_000 + b"}", "out of range"),
        (b'{"step": 1, "terms": {}, "other": ' + b"[" * 200_000, "nested too deeply"),
        (b'{"step": 1, "terms": {}, "other": "\xff"}', "UTF-8"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_does_not_fit_the_schema_is_one_error(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InvalidValue, match="x.json is damaged: ") as caught:
        read_json(tmp_path / "x.json", Entry, 1_000_000)
    assert reason in str(caught.value)


def test_only_an_ordinary_file_of_limited_size_is_read(tmp_path: Path) -> None:
    file, link, pipe = tmp_path / "x.json", tmp_path / "link.json", tmp_path / "pipe.json"
    file.write_text('{"step": 1, "terms": {"loss": 2}, "new": 3}')
    assert read_json(file, Entry, 1_000) == Entry(1, {"loss": 2.0})
    link.symlink_to(file)
    os.mkfifo(pipe)
    for path, limit, reason in (
        (file, 10, "it is larger than 10 bytes"),
        (link, 1_000, "it is a link"),
        (pipe, 1_000, "it is not an ordinary file"),
        (tmp_path, 1_000, "it is not an ordinary file"),
    ):
        with pytest.raises(InvalidValue) as caught:
            read_json(path, Entry, limit)
        assert str(caught.value) == f"{path} cannot be read: {reason}"
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent.json", Entry, 1_000)
