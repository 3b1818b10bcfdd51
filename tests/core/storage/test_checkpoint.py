"""Checkpoints appear whole, are pruned, and are chosen by step, latest or best."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from gtk.core.storage.checkpoint import Checkpoint, CheckpointFolder
from gtk.core.values.errors import InvalidValue, UnknownName, UserError


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
        "model.safetensors", "state.json", "training.safetensors",
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
        with pytest.raises(InvalidValue, match=r"000000010/state.json is damaged\. Remove"):
            folder.choose(None)


def test_a_damaged_file_is_named(folder: CheckpointFolder) -> None:
    path = folder.save(checkpoint(10)) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InvalidValue, match=r"model.safetensors is damaged .*with checkpoint"):
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


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/.000000020.partial"])
def test_no_checkpoint_is_written_through_a_link(
    folder: CheckpointFolder, tmp_path: Path, name: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "key").write_text("secret")
    link = folder.path.parent / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "home")
    with pytest.raises(UserError, match=f"{name} is a link, and gtk follows none there"):
        folder.save(checkpoint(20))
    assert [item.name for item in (tmp_path / "home").iterdir()] == ["key"]
