"""The kit's checks of every kind but models: they pass, and they fail."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folders import write_images
from published_files import (
    celeba_lists,
    cifar100_files,
    idx_files,
    md5,
    pixels,
    write,
    write_face,
)
from torch import Tensor, nn

import gtk
from gtk.core.registry.discovery import Plugin
from gtk.core.registry.installed import CONDITIONER, KINDS, LOSS, Installed, installed
from gtk.core.settings.image_source import DATA_VARIABLE
from gtk.plugins.losses.elbo import ELBO
from gtk.testing import CheckResult, check_plugin
from gtk.testing.check import Check, Specimen, check_name
from gtk.testing.conditioner import check_acts, check_gradients, check_images_alone, check_runs
from gtk.testing.kit import run_check
from gtk.testing.loss import check_without_labels
from gtk.testing.package import check_config, check_owner, check_spec

OURS = "generative-toolkit"

WRONG = {
    "conditioner": {
        "refusing": "constructs",
        "plain": "layers",
        "idle": "acts",
        "deaf": "acts",
        "mixing": "bf16",
        "modest": "acts",
        "narrow": "widths",
        "crowded": "images_alone",
        "hasty": "leaves_inputs",
        "spare": "gradients",
        "classes": "runs",
        "shared": "own_weights",
        "seeding": "globals",
        "starting": "globals",
        "untraced": "exports",
    },
    "loss": {
        "bored": "model",
        "rows": "updates",
        "rolling": "seeds",
        "hiding": "resume",
        "counting": "keeps_no_state",
        "drawing": "own_noise",
        "misnamed": "evaluation",
        "labelled": "without_labels",
        "scaling": "reads_only",
        "leaking": "yields",
        "mixing": "bf16",
        "unmet": "described",
        "threading": "globals",
        "seeding": "globals",
        "starting": "globals",
        "untrained": "networks",
        "claiming": "compiles",
        "recompiling": "compiles",
    },
    "sampler": {
        "plain": "described",
        "idle": "model",
        "bright": "images",
        "rolling": "pure",
        "flat": "noise_matters",
        "guessing": "fit",
        "looking": "export",
    },
    "metric": {
        "plain": "described",
        "nameless": "described",
        "everywhere": "described",
        "unmet": "described",
        "shapeless": "constructs",
        "silent": "figures",
        "talkative": "figures",
        "typed": "figures",
        "endless": "figures",
        "outside": "figures",
        "unjudged": "figures",
        "hungry": "few_images",
        "uneven": "batches",
        "inverting": "reads_only",
        "centring": "reads_only",
        "training": "reads_only",
        "tuning": "reads_only",
        "rolling": "pure",
        "detailed": "records",
        "undefined": "records",
        "seeding": "globals",
    },
    "dataset": {
        "dark": "images_differ",
        "fresh": "repeatable",
        "kept": "repeatable",
        "counted": "loads",
        "foreign": "description",
        "absent": "labels_differ",
        "mirrored": "trains",
        "tidy": "files_are_only_read",
        "abrupt": "missing_files",
        "peeking": "held_out",
        "seeding": "globals",
        "setting": "globals",
        "stray": "working_folder",
    },
    "callback": {
        "wanting": "constructs",
        "silent": "hooks",
        "unmarked": "hooks",
        "misspelt": "hooks",
        "latent": "raises_nothing",
        "meddling": "same_bits",
        "seeding": "globals",
        "marking": "globals",
        "littering": "writes_into_the_run",
        "squatting": "writes_into_the_run",
    },
}


def results_of(kind: str, name: str, data: str = "digits") -> list[CheckResult]:
    """Run the checks of a kind; of every plugin those that start no process."""
    checks = check_owner, check_spec, check_config, *checks_of_kind(kind)
    specimen = Specimen(next(item for item in KINDS if item.name == kind), name, data)
    return [run_check(check, specimen) for check in checks]


@pytest.mark.parametrize(
    ("kind", "name", "check"),
    [
        pytest.param(
            kind, name, check, marks=pytest.mark.long if check.startswith("export") else []
        )
        for kind, names in WRONG.items()
        for name, check in names.items()
    ],
)
def test_what_is_wrong_is_found_by_the_check_for_it(
    outside: Path, tmp_path: Path, kind: str, name: str, check: str
) -> None:
    (tmp_path / "file").write_text("1")
    path = tmp_path if name == "tidy" else tmp_path / "file"
    data = f"wrong-{name}:{path}" if name in ("tidy", "abrupt") else "digits"
    results = results_of(kind, f"wrong-{name}", data)
    failed = {result.check: result.message for result in results if result.status == "failed"}
    assert list(failed) == [check], failed
    assert ": " in failed[check], "a message says what is wrong: how to mend it"
    assert "\n" not in failed[check]


def built_in(*kinds: str) -> list[object]:
    """Return kind and name of every plugin of gtk's."""
    short = {"elbo", "samples"}  # conditioners are exported
    return [
        pytest.param(
            item.kind,
            item.name,
            marks=[] if item.name in short or item.kind == "metric" else pytest.mark.long,
        )
        for kind in KINDS
        if kind.name in kinds
        for item in installed(kind)
        if item.package == OURS
    ]


@pytest.mark.parametrize(
    ("kind", "name"), built_in("conditioner", "loss", "sampler", "metric", "callback")
)
def test_everything_built_in_passes(kind: str, name: str) -> None:
    results = results_of(kind, name)
    failed = [result for result in results if result.status != "passed"]
    assert not failed


def test_an_outside_metric_passes(outside: Path) -> None:
    for data in ("digits", "stripes"):
        results = results_of("metric", "brightness", data)
        assert not [result for result in results if result.status != "passed"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("class-accuracy", "it refuses to be used with data set 'marks': "),
        ("kernel-distance", "it asks for a judge, and the images of 'marks' have no classes. "),
    ],
)
def test_a_metric_that_does_not_fit_the_data_is_not_checked(
    outside: Path, name: str, reason: str
) -> None:
    results = {result.check: result for result in results_of("metric", name, "marks")}
    assert results["described"].status == "passed"
    assert results["constructs"].status == results["figures"].status == "skipped"
    assert results["figures"].message.startswith(reason)
    assert "Check it with " in results["figures"].message


class Stopping:
    """A callback that ends each training in the middle of its second epoch."""

    @gtk.hookimpl
    def gtk_step_end(self, progress: gtk.Progress) -> None:
        if progress.step > 25:
            raise gtk.StopTraining("enough")


def test_a_callback_that_ends_trainings_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtk.plugins.callbacks.curves.CurvePictures", Stopping)
    results = results_of("callback", "curves")
    assert not [result for result in results if result.status != "passed"]


@pytest.mark.long
def test_the_whole_kit_passes() -> None:
    results = check_plugin("progress", "callback")
    assert not [result for result in results if result.status != "passed"]
    assert {"owner", "thin_import", "import_globals"} <= {result.check for result in results}


#: Of the published data sets the files below have too few images for all of their labels.
FEW = {"cifar100", "celeba", "emnist", "svhn"}


@pytest.mark.parametrize(
    "name",
    ["digits", "npz", "folder", "mnist", "fashion-mnist", "kmnist", "emnist", "cifar100",
     "svhn", "celeba", pytest.param("cifar10", marks=[pytest.mark.real_data, pytest.mark.long])],
)  # fmt: skip
def test_every_data_set_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, name: str
) -> None:
    if name == "cifar10":
        root = request.getfixturevalue("cifar10_root")
    else:
        root = write_files(tmp_path / "files", monkeypatch, name)
    results = results_of("dataset", name, "digits" if root is None else f"{name}:{root}")
    found = {result.check: result for result in results if result.status != "passed"}
    failed = {check: one.message for check, one in found.items() if one.status == "failed"}
    assert list(failed) == (["labels_differ"] if name in FEW else []), failed
    own = name in ("npz", "folder")
    skipped = {check for check, one in found.items() if one.status == "skipped"}
    assert ("missing_files" in skipped) == (not own)
    assert ("files_are_only_read" in skipped) == (root is None)


def write_files(root: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Path | None:
    """Write small files as the data set has them, and return where."""
    if name == "digits":
        return None
    if name == "npz":
        root.mkdir()
        images, labels = pixels(0, 40, 8, 8), np.arange(40) % 3
        np.savez(root / "own.npz", images=images, labels=labels)
        return root / "own.npz"
    if name == "folder":
        return write_images(root, [f"{i % 2}/{i}.png" for i in range(40)])
    if name == "cifar100":
        write(root / "cifar-100-python", cifar100_files(monkeypatch))
    elif name == "celeba":
        write(root / "celeba", celeba_lists(monkeypatch, [0, 2, 0, 2]))
        for number in range(1, 5):
            write_face(root / "celeba" / "img_align_celeba" / f"{number:06}.jpg", number)
    elif name == "svhn":
        write_svhn(root, monkeypatch)
    elif name == "emnist":
        files = idx_files(0, ("train", "test"))
        named = {f"emnist-balanced-{path}": content for path, content in files.items()}
        write(root / "EMNIST" / "raw", named)
    else:
        folder = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}[name]
        write(root / folder / "raw", idx_files())
    return root


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    root.mkdir()
    listed = {"extra": ["", "", ""]}
    for seed, (split, count) in enumerate({"train": 9, "test": 2}.items()):
        path = root / f"{split}_32x32.mat"
        images = pixels(seed, count, 3, 32, 32).transpose(2, 3, 1, 0)
        savemat(path, {"X": images, "y": np.arange(1, count + 1, dtype=np.uint8)[:, None]})
        listed[split] = ["", path.name, md5(path.read_bytes())]
    monkeypatch.setattr(SVHN, "split_list", listed)


def test_files_that_nobody_gave_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    results = {result.check: result for result in results_of("dataset", "folder")}
    assert results["loads"].status == "skipped"
    assert "--data folder:PATH" in results["loads"].message
    assert results["missing_files"].status == "passed"
    monkeypatch.setenv(DATA_VARIABLE, "nowhere")
    found = {result.check: result for result in results_of("dataset", "mnist")}
    assert found["loads"].status == "skipped"
    assert "its files are not available" in found["loads"].message


class Binned(gtk.ConditioningLayer):
    """Knows of a number only in which tenth of its range it is."""

    def __init__(self, features: int, ranges: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        self.out_features = features
        self.low, self.high = torch.tensor(ranges).T
        self.tables = nn.ModuleList(nn.Embedding(10, features) for _ in ranges)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        share = (condition - self.low) / (self.high - self.low)
        bins = (share * 10).long().clamp(0, 9)
        codes = [table(bins[:, index]) for index, table in enumerate(self.tables)]
        return hidden + sum(codes).reshape(*hidden.shape[:2], *[1] * (hidden.dim() - 2))


class Binning(gtk.Conditioner):
    def __init__(self, config: object, condition: gtk.ConditionSpec) -> None:
        super().__init__(config, condition)
        if condition.kind != "continuous":
            raise gtk.InvalidValue("only numbers have bins")

    def hidden(self, site: gtk.Site, features: int) -> gtk.ConditioningLayer:
        return Binned(features, self.condition.ranges)


def test_numbers_may_be_put_into_bins() -> None:
    spec = gtk.ConditionerSpec(name="binning", summary="Bins.", target=Binning)
    specimen = Specimen(CONDITIONER, "binning")
    nowhere = Installed("conditioner", "binning", "ours", "1", "here")
    vars(specimen)["plugin"] = Plugin(spec, nowhere)
    for check in (check_runs, check_acts, check_gradients, check_images_alone):
        assert run_check(check, specimen) == CheckResult(check_name(check), "passed")


def test_a_loss_may_refuse_images_without_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = ELBO.updates

    def refuse(self: ELBO, model: Any, batch: Any, context: Any) -> Iterator[gtk.Update]:
        if batch.condition is None:
            raise gtk.InvalidValue("it needs labels. Use another loss")
        return updates(self, model, batch, context)

    monkeypatch.setattr(ELBO, "updates", refuse)
    found = run_check(check_without_labels, Specimen(LOSS, "elbo"))
    assert found.status == "skipped"
    assert found.message == "it refuses images without labels: it needs labels. Use another loss"


def test_a_path_is_looked_for_from_where_the_user_is(workplace: Path) -> None:
    (workplace / "files").mkdir()
    np.savez(workplace / "files" / "own.npz", images=pixels(0, 40, 8, 8), labels=np.arange(40) % 3)
    results = results_of("dataset", "npz", "npz:files/own.npz")
    assert not [result for result in results if result.status != "passed"]


def checks_of_kind(kind: str) -> tuple[Check, ...]:
    checks: tuple[Check, ...] = import_module(f"gtk.testing.{kind}").CHECKS
    return checks


@pytest.mark.parametrize(
    "kind", ["conditioner", "loss", "sampler", "metric", "dataset", "callback"]
)
def test_every_check_can_fail(kind: str) -> None:
    names = {check.__name__.removeprefix("check_") for check in checks_of_kind(kind)}
    assert names == set(WRONG[kind].values())
