"""A training starts from other weights as far as they fit, and never needs their source again."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import gtk
from gtk.core.storage.run_folder import has_checkpoint
from gtk.core.training.training import Training
from gtk.core.training.warm_start import Weights, read_weights
from gtk.core.values.errors import GtkError, InvalidValue

RUNS = Path("runs")

pytestmark = pytest.mark.usefixtures("no_pictures")


class Notes(toys.Notes):
    """Keeps the weights that a training starts from, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, Tensor] = {}

    @gtk.hookimpl
    def gtk_train_start(self, run: gtk.Run) -> None:
        self.first = run.load_model(0).state_dict() if 0 in run.checkpoints.steps() else {}


def options(run: gtk.Run, **changed: Any) -> dict[str, Any]:
    """Return the options of a short training with the networks of a run."""
    model = {name: value for name, value in run.document["model"].items() if name != "name"}
    return {"epochs": 1, "quiet": True, **model, **changed}


def weights(run: gtk.Run) -> dict[str, Tensor]:
    return run.load_model().state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("kind", ["run", "name", "file", "module"])
def test_a_training_starts_from_a_run_a_file_or_a_module(
    small_run: gtk.Run, workplace: Path, kind: str
) -> None:
    source: Any = {"run": small_run.path, "name": "source"}.get(kind, small_run.load_model())
    if kind == "name":
        shutil.copytree(small_run.path, "runs/source")
    if kind == "file":
        save_file(weights(small_run), "w.safetensors")
        source = "w.safetensors"
    notes = Notes()
    run = gtk.train("cvae", init_from=source, callbacks=[notes], **options(small_run))
    assert same(notes.first, weights(small_run)), "saved before the first step"
    assert not same(weights(run), notes.first), "and trained"
    total = len(notes.first)
    assert f"{total} of the model's {total} tensors come from " in notes.notes[-1]
    found = run.document["init_from"]
    assert found["step"] == (440 if kind in ("run", "name") else None)
    if kind == "file":
        assert found["sha256"] == hashlib.sha256(Path("w.safetensors").read_bytes()).hexdigest()
        assert found["source"] == str(workplace / "w.safetensors")
    if kind == "run":
        file = small_run.path / "checkpoints/000000440/model.safetensors"
        assert found["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_kill_at_any_moment_changes_nothing_and_the_source_is_not_needed(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(small_run.path, "runs/source")
    given = options(small_run, average_decay=0.9, init_from="source", epochs=2)
    whole = gtk.train("cvae", name="whole", **given)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "go_on", _killed)
        with pytest.raises(KeyboardInterrupt):
            gtk.train("cvae", name="killed", **given)
    shutil.rmtree("runs/source")
    rest = gtk.train(resume="killed", quiet=True)
    for name in ("metrics.jsonl", "checkpoints/000000044/training.safetensors"):
        assert (rest.path / name).read_bytes() == (whole.path / name).read_bytes()
    again = gtk.train(resume="killed", epochs=3, quiet=True)
    assert again.document["init_from"] == whole.document["init_from"]
    averaged = load_file(whole.path / "checkpoints/000000000/model.safetensors")
    assert same(averaged, weights(small_run)), "averages start from them, too"


def _killed(*_: object) -> gtk.Run:
    raise KeyboardInterrupt


def test_a_training_that_fails_at_once_leaves_nothing(
    small_run: gtk.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(training: Training, run: gtk.Run, rates: object) -> gtk.Run:
        assert run.checkpoints.steps() == [0]
        assert not has_checkpoint(run.path), "no step was taken that could be lost"
        raise InvalidValue("no")

    monkeypatch.setattr(Training, "go_on", fail)
    with pytest.raises(InvalidValue):
        gtk.train("cvae", init_from=small_run.path, name="x", **options(small_run))
    assert not Path("runs/x").exists()


def test_what_does_not_fit_is_counted_and_named(small_run: gtk.Run) -> None:
    notes = Notes()
    given = options(small_run, latent_dim=3, callbacks=[notes])
    gtk.train("cvae", init_from=small_run.path, **given)
    old, new = weights(small_run), notes.first
    kept = {name for name in new if name in old and new[name].shape == old[name].shape}
    assert 0 < len(kept) < len(new)
    assert all(torch.equal(new[name], old[name]) for name in kept)
    note = notes.notes[-1]
    assert note.startswith(f"{len(kept)} of the model's {len(new)} tensors come from ")
    other = next(name for name in new if name not in kept)
    assert re.search(rf"; new are {re.escape(other)} \([0-9x]+ there, [0-9x]+ here\)", note)


def test_another_number_of_classes_another_size_and_other_names_are_fine() -> None:
    class Net(nn.Module):
        def __init__(self, classes: int, size: int, **more: nn.Module) -> None:
            super().__init__()
            self.embedding = nn.Embedding(classes, 4)
            self.body = nn.Linear(4, 4)
            self.head = nn.Linear(4, size)
            for name, module in more.items():
                setattr(self, name, module)

    old = Net(3, 8, extra=nn.Linear(2, 2), more=nn.Linear(2, 2)).half()
    new: Any = Net(5, 16, fresh=nn.BatchNorm1d(4))
    note = read_weights(old, RUNS).load_into(new)
    assert torch.equal(new.body.weight, old.body.weight.float())
    assert note == (
        "2 of the model's 10 tensors come from a Net; new are embedding.weight (3x4 there, 5x4 "
        "here), head.weight (8x4 there, 16x4 here), head.bias (8 there, 16 here) and 5 more; not "
        "used are extra.bias, extra.weight, more.bias and 1 more"
    )


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"weight": torch.zeros(3, 3), "other": torch.zeros(2)},
            "fits the model: it has other (2), weight (3x3), and the model weight (2x2), bias (2)",
        ),
        ({}, "nothing in x fits the model: it has nothing, and the model weight (2x2), bias (2)"),
        ({"bias": torch.zeros(2, dtype=torch.int32)}, "it has bias (2 int32), and the model"),
        ({"bias": torch.tensor([0, torch.inf])}, "'bias' of x is not finite. Start from other"),
        ({"bias": torch.tensor([0, 1e300], dtype=torch.float64)}, "'bias' of x is not finite."),
    ],
)
def test_weights_that_cannot_be_used_are_refused(tensors: dict[str, Tensor], message: str) -> None:
    model: Any = nn.Linear(2, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InvalidValue, match=re.escape(message)):
        Weights("x", tensors, "").load_into(model)
    assert same(before, model.state_dict())


def test_only_safetensors_are_read(small_run: gtk.Run, workplace: Path) -> None:
    torch.save(weights(small_run), "w.pt")
    shutil.copy("w.pt", "disguised.safetensors")
    Path("old.pth").write_bytes(b"\x80\x02}q\x00.")
    Path("text.safetensors").write_text("no tensors")
    Path("decoder.onnx").write_bytes(b"")
    save_file({"a": torch.zeros(1)}, "cut.safetensors")
    Path("cut.safetensors").write_bytes(Path("cut.safetensors").read_bytes()[:-1])
    pickle = "is a pickle, which could run any code, so gtk does not open it. If you trust it, make"
    for source, message in {
        "w.pt": f"w.pt {pickle} a safetensors file of it: safetensors.torch.save_file(torch.load("
        "'w.pt', weights_only=True), 'w.safetensors')",
        "disguised.safetensors": f"disguised.safetensors {pickle}",
        "old.pth": f"old.pth {pickle}",
        "text.safetensors": "text.safetensors is not a .safetensors file, or is damaged",
        "cut.safetensors": "cut.safetensors is not a .safetensors file, or is damaged",
        "decoder.onnx": "decoder.onnx is an exported file, whose weights have not the model's",
        "nothing": "unknown run 'nothing'",
        "nothing.safetensors": "nothing.safetensors does not exist",
        str(workplace): "is not a run",
        3: "init_from must be a run, a .safetensors file or a torch.nn.Module, not 3",
        "a\0b": "cannot be a path",
        nn.Linear(2, 2, device="meta"): "the weights of a Linear cannot be read: Cannot",
        nn.LazyLinear(2): "the weights of a LazyLinear cannot be read: ",
    }.items():
        with pytest.raises(GtkError) as error:
            gtk.train("cvae", init_from=source, quiet=True)  # type: ignore[arg-type]
        assert message in str(error.value)
    assert not Path("runs").exists()


def test_a_file_whose_length_looks_like_a_pickle_is_read(small_run: gtk.Run) -> None:
    tensors, step = weights(small_run), 0
    for step in range(200):  # the length of the header is a multiple of 8
        save_file(tensors, "w.safetensors", {"text": "x" * 8 * step})
        if Path("w.safetensors").read_bytes().startswith((b"\x80\x04", b"\x80\x05")):
            break
    assert step < 199
    run = gtk.train("cvae", init_from="w.safetensors", **options(small_run))
    assert run.document["init_from"]["source"].endswith("w.safetensors")


@pytest.mark.parametrize(
    ("given", "new"),
    [({}, "6 tensors"), ({"init_from": True}, ""), ({"init_from": True, "latent_dim": 3}, "2 ten")],
)
def test_frozen_weights_that_nothing_has_trained_are_noted(
    small_run: gtk.Run, given: dict[str, Any], new: str
) -> None:
    notes = Notes()
    given = {name: small_run.path if value is True else value for name, value in given.items()}
    gtk.train("cvae", freeze="encoder", callbacks=[notes], **options(small_run, **given))
    found = [note for note in notes.notes if note.startswith("freeze keeps ")]
    assert len(found) == bool(new)
    assert new in "".join(found)


def test_repeating_a_run_that_began_with_other_weights_says_that_they_are_new_ones(
    small_run: gtk.Run,
) -> None:
    given = options(small_run, init_from=small_run.path)
    run = gtk.train("cvae", name="warm", **given)
    for more in ({}, {"init_from": small_run.path}):
        notes = Notes()
        recipe = run.path / "run.json"
        again = gtk.train(recipe=recipe, callbacks=[notes], quiet=True, **more)
        assert any("begins with new ones" in note for note in notes.notes) == (not more)
        assert same(weights(again), weights(run)) == bool(more)


def test_a_resumed_training_takes_no_other_weights(small_run: gtk.Run) -> None:
    with pytest.raises(InvalidValue, match="leave out init_from"):
        gtk.train(resume=small_run.path, init_from=small_run.path)
