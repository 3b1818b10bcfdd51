"""Plugins are found without being imported, loaded when named, and refused with a reason."""

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

import gtk
from gtk.core.registry import discovery
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import CONDITIONER, KINDS, LOSS, MODEL, installed
from gtk.core.storage.run_document import write_json
from gtk.core.values.errors import PluginError, UnknownName
from gtk.exports import runtime

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_built_in_plugins_come_through_entry_points() -> None:
    names = {kind.name: {item.name for item in installed(kind)} for kind in KINDS}
    assert names["model"] >= {"cvae", "vae"}
    assert names["conditioner"] >= {"onehot", "embedding", "unconditional"}
    assert names["loss"] >= {"elbo"}
    assert names["dataset"] >= {"digits", "mnist", "cifar10"}


def test_every_built_in_plugin_loads_and_agrees_with_its_entry_point() -> None:
    for kind in KINDS:
        for item in installed(kind):
            spec = find(kind, f"{item.package}/{item.name}").spec
            assert spec.name == item.name
            assert spec.summary.endswith(".")
            assert spec.resolve() is not None


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown model 'cvea'. Did you mean 'cvae'?"):
        find(MODEL, "cvea")


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("misplaced", "gtk.model"), ("gtk-plugin-misplaced/misplaced", "gtk.model"),
        ("cvae-like", "gtk.losses"),
    ],
)  # fmt: skip
def test_a_name_in_another_group_is_told(outside: Path, name: str, group: str) -> None:
    with pytest.raises(UnknownName) as error:
        find(MODEL, name)
    assert str(error.value) == (
        f"unknown model '{name}'. gtk-plugin-misplaced 0.3 has it under '{group}', not "
        "'gtk.models': if it is your own, change that in its pyproject.toml and install it again "
        "(pip install -e .)."
    )
    assert "gtk_plugin_misplaced" not in sys.modules


def test_an_author_is_told_to_install_again() -> None:
    with pytest.raises(UnknownName) as error:
        find(MODEL, "quite-new")
    again, known = str(error.value).split(" Known: ")
    assert again == (
        "unknown model 'quite-new'. If 'quite-new' is your own, install it again (pip install -e "
        ".)."
    )
    assert known == "cgan, cvae, diffusion, flow, gan, vae."


def test_an_outside_package_is_found_and_imported_only_when_named(outside: Path) -> None:
    assert "shift" in {item.name for item in installed(CONDITIONER)}
    find(CONDITIONER, "onehot")
    assert "gtk_plugin_shift" not in sys.modules
    plugin = find(CONDITIONER, "shift")
    assert str(plugin.installed) == "gtk-plugin-shift 0.3"


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (MODEL, "broken", "gtk-plugin-broken 0.3: importing .* failed with ModuleNotFoundError"),
        (MODEL, "misspelt", "gtk-plugin-misspelt 0.3: .*unknown hook 'gtk_model'"),
        (MODEL, "wrong_spec", "gtk-plugin-wrong-spec 0.3: .*must return ModelSpec, not dict"),
        (LOSS, "newer", "gtk-plugin-newer 0.3: .*version 3 of gtk's contracts.* Update gtk"),
        (LOSS, "reserved", "gtk-plugin-reserved 0.3: its option 'seed' has the name of"),
    ],
)  # fmt: skip
def test_bad_packages_are_named_with_the_reason(
    outside: Path, kind: object, name: str, message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        find(kind, name)  # type: ignore[arg-type]


@pytest.mark.parametrize(("api", "loads"), [(0, False), (1, True), (2, True), (3, False)])
def test_plugins_written_for_the_version_before_still_load(api: int, loads: bool) -> None:
    spec = gtk.LossSpec(name="other", summary="Of some version.", target="a:B", api=api)
    assert gtk.LossSpec(name="other", summary="Of now.", target="a:B").api == 2
    with nullcontext() if loads else pytest.raises(PluginError, match=f"for version {api} of"):
        discovery._check(spec)


def test_bad_packages_touch_nothing_that_does_not_name_them(outside: Path) -> None:
    with pytest.raises(PluginError):
        find(MODEL, "misspelt")
    assert find(MODEL, "vae").spec.name == "vae"


def test_a_name_claimed_twice_names_both_and_a_way_out(outside: Path) -> None:
    with pytest.raises(
        PluginError, match=r"generative-toolkit .* and gtk-plugin-twin 0.3"
    ) as error:
        find(MODEL, "cvae")
    assert "generative-toolkit/cvae or gtk-plugin-twin/cvae" in str(error.value)
    assert find(MODEL, "gtk-plugin-twin/cvae").spec.summary == "Another cvae."
    assert find(MODEL, "generative-toolkit/cvae").installed.package == "generative-toolkit"


def test_an_outside_conditioner_conditions_a_built_in_model(outside: Path) -> None:
    run = gtk.train(plugin="vae", conditioner="shift", epochs=1, quiet=True)
    z = torch.zeros(2, 16)
    model = run.load_model()
    with torch.no_grad():
        first, second = model.sample(z, torch.tensor([0, 1]))
    assert not torch.equal(first, second)


def test_a_run_stays_with_the_package_that_made_it(outside: Path) -> None:
    run = gtk.train(plugin="gtk-plugin-twin/cvae", epochs=1, quiet=True)
    assert run.document["packages"]["model"] == {"package": "gtk-plugin-twin", "version": "0.3"}
    assert gtk.load(run.path).settings.choice.model.installed.package == "gtk-plugin-twin"


def test_a_run_whose_plugin_is_missing_says_so(outside: Path) -> None:
    run = gtk.train(plugin="vae", conditioner="shift", epochs=1, quiet=True)
    document = run.document
    document["packages"]["conditioner"]["package"] = "gtk-plugin-gone"
    write_json(run.path / "run.json", document)
    with pytest.raises(UnknownName, match="the run needs a plugin that is not installed"):
        gtk.load(run.path).load_model()


def test_an_outside_data_set_in_colour_goes_all_the_way(outside: Path, tmp_path: Path) -> None:
    run = gtk.train(
        plugin="generative-toolkit/cvae", data="stripes", epochs=40, batch_size=20, quiet=True
    )
    images = run.sample(labels=["rows", "columns"], seed=3)
    assert images.shape == (2, 5, 9, 3)
    across, down = images.astype(int)
    assert across[::2].mean() > across[1::2].mean() + 100
    assert down[:, ::2].mean() > down[:, 1::2].mean() + 100
    exported = gtk.export(run, tmp_path / "stripes.onnx")
    found = runtime.load(exported.path).sample(labels=["rows", "columns"], seed=3)
    assert abs(found.astype(int) - images).max() <= 1


def test_every_kind_is_asked_for_by_a_hook_of_its_own() -> None:
    assert [kind.hook for kind in KINDS] == [
        "gtk_models", "gtk_conditioners", "gtk_losses", "gtk_samplers", "gtk_metrics",
        "gtk_datasets", "gtk_callbacks",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["shift", "soften", "brightness"])
def test_the_page_for_plugin_authors_shows_packages_that_work(name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text()
    package = Path(__file__).parents[2] / "packages" / name
    module = (package / f"gtk_plugin_{name}.py").read_text().split('"""\n\n', 1)[1]
    assert f"```python\n{module}```" in page
