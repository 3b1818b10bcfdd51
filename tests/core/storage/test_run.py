"""A run folder is all there is: it rebuilds the model without the data, and is never lost."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import gtk
from gtk.core.registry.options import as_table
from gtk.core.storage.run import Run
from gtk.core.storage.run_document import write_json
from gtk.core.storage.runs import find_run, list_runs, new_run_path
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue, UnknownName, UserError
from gtk.plugins.datasets import digits
from gtk.plugins.losses import ELBOConfig
from gtk.plugins.vae import VAEConfig

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_a_run_folder_holds_what_the_design_says(small_run: Run) -> None:
    names = sorted(
        str(path.relative_to(small_run.path))
        for path in small_run.path.rglob("*")
        if path.is_file() and path.parent.name != "000000300"
    )
    assert names == [
        ".lock",
        "checkpoints/000000308/digests.json",
        "checkpoints/000000308/model.safetensors",
        "checkpoints/000000308/state.json",
        "checkpoints/000000308/training.safetensors",
        "checkpoints/000000440/digests.json",
        "checkpoints/000000440/model.safetensors",
        "checkpoints/000000440/state.json",
        "checkpoints/000000440/training.safetensors",
        "metrics.jsonl",
        "pictures/curves.png",
        *(f"pictures/latents-{epoch:04d}.png" for epoch in (1, *range(2, 21, 2))),
        "pictures/latents-images.png",
        "pictures/latents.json",
        *(
            f"pictures/{kind}-{epoch:04d}.png"
            for kind in ("reconstructions", "samples")
            for epoch in (1, *range(2, 21, 2))
        ),
        "report.html",
        "run.json",
        "timing.json",
    ]


def test_run_json_says_everything_that_decides_the_training(small_run: Run) -> None:
    document = json.loads((small_run.path / "run.json").read_text())
    assert document["train"]["epochs"] == 20
    assert document["threads"] == 1, "the data set's own default"
    assert document["train"]["batch_size"] == 64, "the data set's own default"
    assert document["data"] == {"name": "digits", "root": None}
    assert document["model"] == {"name": "cvae", **as_table(VAEConfig(hidden_dims=(256, 128)))}
    assert document["model"]["latent_dim"] == 16
    assert document["conditioner"] == {"name": "onehot"}
    assert document["loss"] == {"name": "elbo", **as_table(ELBOConfig(beta=0.4))}
    assert document["packages"]["loss"]["package"] == "generative-toolkit"
    assert document["data_spec"]["condition"]["names"] == list("0123456789")


def test_the_model_is_rebuilt_without_the_data(
    small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_data(root: Path | None) -> None:
        raise AssertionError("the data were loaded")

    monkeypatch.setattr(digits, "load", no_data)
    images = gtk.load(small_run.path).sample(labels=[3], seed=1)
    assert images.shape == (1, 8, 8)
    assert images.dtype == np.uint8
    assert DataSpec.from_json(small_run.document["data_spec"]).image_shape == (1, 8, 8)


def test_sampling_does_not_depend_on_batches_or_state(small_run: Run) -> None:
    before = torch.get_rng_state()
    whole = small_run.sample(count=23, seed=5).astype(int)
    split = small_run.sample(count=23, seed=5, batch_size=4).astype(int)
    assert abs(whole - split).max() <= 1
    assert np.array_equal(whole, small_run.sample(count=23, seed=5))
    assert not np.array_equal(whole, small_run.sample(count=23, seed=6))
    assert np.array_equal(small_run.sample(count=7, seed=5), whole[:7])
    assert torch.equal(before, torch.get_rng_state())


def test_the_label_decides_what_is_drawn(small_run: Run) -> None:
    ones, eights = (small_run.sample(labels=[label] * 8).mean(0) for label in (1, 8))
    assert abs(ones - eights).max() > 50


def test_labels_are_checked(small_run: Run) -> None:
    for labels, message in (
        ([10], "label 10 is out of range"),
        ([-1], "out of range"),
        (["x"], "unknown label 'x'"),
        ([], "give one for each"),
    ):
        with pytest.raises(UserError, match=message):
            small_run.sample(labels=labels)  # type: ignore[arg-type]
    for arguments, message in (
        ({"count": 0}, "count must be a whole number of at least 1, not 0"),
        ({"count": 2.5}, "count must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"seed": None}, "seed must be a whole number of at least 0, not None"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"labels": [3.7]}, "a label must be a whole number or a name, not 3.7"),
        ({"labels": "12"}, "labels must be a list"),
        ({"device": ""}, "device '' cannot be used here"),
    ):
        with pytest.raises(InvalidValue, match=message):
            small_run.sample(**arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="1 label for 2 images"):
        small_run.sample(labels=[1], count=2)


def test_an_unconditional_run_takes_no_label() -> None:
    run = gtk.train(plugin="vae", epochs=1, quiet=True)
    assert run.condition is None
    assert run.sample(count=3).shape == (3, 8, 8)
    with pytest.raises(InvalidValue, match="takes no label"):
        run.sample(labels=[1])


def test_the_best_checkpoint_stands_for_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([9.0, 3.0, 5.0, 4.0, 6.0, 7.0])  # at steps 40, 80, 120, 160, 176, and the test

    def evaluate(*_: object, **__: object) -> dict[str, float]:
        return {"loss": next(measured)}

    monkeypatch.setattr("gtk.core.training.reporter.evaluate", evaluate)
    run = gtk.train(plugin="cvae", epochs=8, validation=30, checkpoint_every=40, quiet=True)
    assert run.checkpoints.steps() == [80, 120, 160, 176]
    assert run.checkpoints.choose(None) == 80
    expected = run.checkpoints.load_model(80)
    for name, value in run.load_model().state_dict().items():
        assert torch.equal(value, expected[name])
    assert not np.array_equal(run.sample(seed=1), run.sample(seed=1, checkpoint="latest"))


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_a_damaged_checkpoint_does_not_stand_for_the_run(
    small_run: Run, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(shutil.copytree(small_run.path, tmp_path / "copy"))
    file = run.checkpoints.folder(440) / name
    content = bytearray(file.read_bytes())
    content[-9] ^= 4
    file.write_bytes(content)
    assert np.array_equal(run.sample(seed=1), small_run.sample(seed=1, checkpoint=308))
    warning = f"{file} is damaged: the checkpoint of step 308 is used instead"
    assert [record.getMessage() for record in caplog.records] == [warning]
    for which in (440, "440", "latest"):
        with pytest.raises(InvalidValue, match="440/.* is damaged. Use checkpoint="):
            run.checkpoints.load(run.checkpoints.choose(which))


def test_averaged_weights_stand_for_the_run() -> None:
    run = gtk.train(plugin="cvae", epochs=2, average_decay=0.99, quiet=True)
    checkpoint = run.checkpoints.load(run.checkpoints.choose(None))
    weights = run.load_model().state_dict()
    for name, value in weights.items():
        assert torch.equal(value, checkpoint.model[name])
        assert not torch.equal(value, checkpoint.training[f"weights/{name}"])


def test_runs_are_numbered_after_the_last(tmp_path: Path) -> None:
    assert new_run_path(tmp_path / "none", None, "cvae", "digits").name == "cvae-digits-0001"
    for name in ("cvae-digits-0001", "cvae-digits-0007", "vae-digits-0009", "cvae-digits-best"):
        (tmp_path / name).mkdir()
    assert new_run_path(tmp_path, None, "cvae", "digits").name == "cvae-digits-0008"


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "", "latest", "a b", "-x"])
def test_a_name_must_be_a_folders(name: str) -> None:
    with pytest.raises(InvalidValue, match="cannot name a run"):
        new_run_path(Path("runs"), name, "cvae", "digits")


def test_a_run_is_found_by_folder_name_or_latest(small_run: Run) -> None:
    runs = small_run.path.parent
    assert find_run(small_run.path).path == small_run.path
    assert find_run("small", runs).path == small_run.path
    assert find_run("latest", runs).path == small_run.path
    assert [run.name for run in list_runs(runs)] == ["small"]
    with pytest.raises(UnknownName, match="unknown run 'smal'. Did you mean 'small'?"):
        find_run("smal", runs)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    (tmp_path / "future").mkdir()
    (tmp_path / "future" / "run.json").write_text('{"format": 2}')
    for name, message in (
        ("empty", "is not a run: .* does not exist"),
        ("broken", "run.json is damaged: Input data was truncated. Restore it from a copy, or tr"),
        ("future", "has format 2, this gtk reads 1. Use the gtk that made it"),
    ):
        with pytest.raises(UserError, match=message):
            find_run(tmp_path / name)
    assert list_runs(tmp_path) == []
    with pytest.raises(UnknownName, match=r"has no run yet. Make one with: gtk train"):
        find_run("latest", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {}}, r"run.json is damaged: .* missing required field `name` - at `\$.model`"),
        ({"data_spec": {"name": "x"}}, "run.json is damaged: .* missing .* - at `.*data_spec`"),
        ({"threads": "many"}, r"damaged: Expected `int`, got `str` - at `\$.threads`"),
        ({"model": {"name": "cvae", "latent_dim": "x"}}, "run.json is damaged: latent_dim takes"),
        (
            {"model": {"name": "cvae", "latent_dim": 17}},
            "do not fit the model that .*run.json describes: the code of generative-toolkit .*anew",
        ),
    ],
)
def test_a_damaged_run_is_named(
    small_run: Run, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = shutil.copytree(small_run.path, tmp_path / "copy")
    write_json(path / "run.json", {**small_run.document, **change})
    with pytest.raises(UserError, match=message) as error:
        find_run(path).load_model()
    assert "\n" not in str(error.value)
    named = re.search(
        r"anew \(tensor '\S+' is float32 \(.*\) instead of float32 ", str(error.value)
    )
    assert bool(named) == ("do not fit" in message)


@pytest.mark.parametrize(
    "line",
    ["{}", "[]", '{"step": 1, "epoch": 1, "split": "train", "terms": {"loss": Infinity}}',
     '{"step": 1, "epoch": 1, "split": "train", "terms": {"loss": "low"}}',
     '{"step": "one", "epoch": 1, "split": "train", "terms": {}}'],
)  # fmt: skip
def test_damaged_metrics_are_named_by_line(small_run: Run, tmp_path: Path, line: str) -> None:
    run = Run(shutil.copytree(small_run.path, tmp_path / "copy"))
    count = len(run.metrics())
    with run.metrics_file.path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(UserError, match=f"line {count + 1} of .*metrics.jsonl is damaged"):
        run.metrics()


def test_a_name_taken_in_the_meantime_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    first = gtk.train(plugin="cvae", epochs=1, quiet=True)
    paths = iter([Path("runs/free"), first.path, Path("runs/next")])
    monkeypatch.setattr("gtk.core.storage.runs.new_run_path", lambda *_: next(paths))
    second = gtk.train(plugin="cvae", epochs=2, quiet=True)
    assert second.path == Path("runs/next")
    assert gtk.load(first.path).checkpoints.steps() == [22]


def test_an_existing_folder_is_never_overwritten_unasked(small_run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="exists. Choose another name, add overwrite=True to"):
        gtk.train(plugin="cvae", name="mine", epochs=1, quiet=True)
    with pytest.raises(UserError, match="exists and is not a run, so it is not overwritten"):
        gtk.train(plugin="cvae", name="mine", epochs=1, quiet=True, overwrite=True)
    assert (tmp_path / "runs" / "mine" / "thesis.txt").read_text() == "years of work"


def test_what_lies_in_a_run_is_never_removed_with_it(tmp_path: Path) -> None:
    run = gtk.train(plugin="cvae", name="mine", epochs=1, quiet=True)
    (run.path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds thesis.txt, which is not gtk's, so it is not repl"):
        gtk.train(plugin="cvae", name="mine", epochs=1, quiet=True, overwrite=True)
    assert (run.path / "thesis.txt").read_text() == "years of work"
    (tmp_path / "runs" / "link").symlink_to(run.path.absolute())
    (run.path / "thesis.txt").unlink()
    with pytest.raises(UserError, match="is a link, so it is not replaced"):
        gtk.train(plugin="cvae", name="link", epochs=1, quiet=True, overwrite=True)


def test_overwriting_replaces_a_run_as_a_whole() -> None:
    gtk.train(plugin="cvae", name="mine", epochs=2, quiet=True)
    gtk.export("mine")
    run = gtk.train(plugin="vae", name="mine", epochs=1, quiet=True, overwrite=True)
    assert run.document["model"]["name"] == "vae"
    assert run.checkpoints.steps() == [22]
