"""Options of metrics that a training computes: given, in recipes and in run.json."""

import json
from pathlib import Path
from typing import Any

import pytest

import gtk
from gtk.core.settings.choice import Choice, Settings
from gtk.core.storage.comparison import compared, differing_settings
from gtk.core.storage.run_document import write_json
from gtk.core.values.errors import GtkError, InvalidValue, PluginError, UnknownName
from gtk.defaults import find_recipe
from gtk.plugins.metrics.likelihood_bounds import Likelihood

pytestmark = pytest.mark.usefixtures("no_pictures")

RECIPE = """[model]
name = "vae"
[train]
metric = "likelihood"
[metric.likelihood]
samples = 7
"""
#: What a short training is given.
SHORT: dict[str, Any] = {
    "epochs": 2, "metric_every": 1, "validation": 40, "validate_every": "1 epoch",
    "hidden_dims": (8,), "quiet": True,
}  # fmt: skip


def settle(text: str = '[model]\nname = "vae"\n', **options: Any) -> Settings:
    """Settle what a recipe and options say."""
    Path("mine.toml").write_text(text)
    choice = Choice.by_name(None, recipe=find_recipe("mine.toml"), default_data="digits")
    return choice.settle(options, None)


def figures(run: gtk.Run) -> list[dict[str, float]]:
    return [line["terms"] for line in run.metrics() if line["split"] == "generated"]


def test_an_option_beats_the_recipe_which_beats_the_default() -> None:
    defaults = {"likelihood": {"samples": 50, "images": 500}}
    assert settle(metric="likelihood").metrics == defaults
    assert settle(RECIPE).metrics == {"likelihood": {"samples": 7, "images": 500}}
    found = settle(RECIPE, likelihood_samples=9, likelihood_images=3)
    assert found.metrics == {"likelihood": {"samples": 9, "images": 3}}
    inline = RECIPE.replace("[metric.likelihood]\n", "[metric]\nlikelihood.")
    assert settle(inline).metrics["likelihood"]["samples"] == 7


def test_options_are_of_the_metrics_that_are_computed() -> None:
    monitored: dict[str, Any] = {
        "monitor": "likelihood.nll",
        "validation": 9,
        "likelihood_samples": 4,
    }
    assert settle(**monitored).metrics == {"likelihood": {"samples": 4, "images": 500}}
    assert settle(RECIPE, metric="none").metrics == {}
    assert settle().metrics == {}
    assert settle(metric="diversity").as_document().get("metric") is None, "it has no options"
    own = "generative-toolkit/likelihood"
    assert settle(RECIPE.replace('"likelihood"', f'"{own}"')).metrics[own]["samples"] == 7
    with pytest.raises(UnknownName, match="unknown option 'likelihood_samples'"):
        settle(likelihood_samples=4)
    with pytest.raises(UnknownName, match="'likelihood_sample'. Did you mean 'likelihood_samples'"):
        settle(metric="likelihood", likelihood_sample=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("samples = 7", "samples = 0"), r"line 6: [metric.likelihood] samples: must be within 1"),
        (("samples = 7", 'images = "x"'), "line 6: [metric.likelihood] images: takes a whole"),
        (("samples", "sample"), "line 6: [metric.likelihood] sample: unknown option of metric"),
        (("metric.likelihood", "metric.nearest"), "line 6: [metric.nearest] samples: unknown opt"),
        (("metric.likelihood", "metric.neer"), "line 5: [metric.neer]: unknown metric 'neer'"),
        (("samples = 7", "samples = {a = 1}"), "line 6: [metric.likelihood] samples: must be a va"),
        (("[metric.likelihood]\n", "[metric]\n"), "[metric] samples: must be a table of the metr"),
        (("[metric.likelihood]\n", "[[metric]]\n"), "[metric]: must be tables, each of a metric"),
        (('metric = "likelihood"\n', ""), "line 4: [metric.likelihood]: the recipe computes no"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_recipe_is_shown_where_it_stands(
    change: tuple[str, str], message: str
) -> None:
    with pytest.raises(GtkError) as error:
        settle(RECIPE.replace(*change))
    assert str(error.value).startswith("mine.toml")
    assert message in str(error.value)


def test_a_wrong_value_is_refused_before_anything_is_written() -> None:
    for value in (0, "many", 1.5):
        with pytest.raises(InvalidValue, match="samples"):
            gtk.train("vae", metric="likelihood", likelihood_samples=value, **SHORT)
    assert not Path("runs").exists()


def test_no_other_plugin_has_an_option_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Choice.by_name("vae", "digits")
    (option,) = (it for it in choice.options if it.name == "latent_dim")
    taken = [*choice.options, type(option)("model", "x", "likelihood_images", int, 1, "Taken.")]
    monkeypatch.setitem(choice.__dict__, "options", taken)
    with pytest.raises(PluginError, match="'likelihood' and model both have an option --likelihoo"):
        choice.metric_options({"metric": "likelihood"})


def test_they_decide_the_figures_and_are_kept_by_resumed_and_repeated_trainings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {
        "likelihood_samples": 3, "likelihood_images": 10, "monitor": "likelihood.nll",
    }  # fmt: skip
    taken = []
    compute = Likelihood.compute

    def watched(metric: Likelihood) -> Any:
        taken.append((metric.config.samples, metric.count))
        return compute(metric)

    monkeypatch.setattr(Likelihood, "compute", watched)
    run = gtk.train("vae", name="first", metric="likelihood", **given, **SHORT)
    table = {"likelihood": {"samples": 3, "images": 10}}
    assert json.loads((run.path / "run.json").read_text())["metric"] == table
    assert len(figures(run)) == 2
    again = gtk.train(recipe=run.path / "run.json", name="again", quiet=True)
    assert again.document["metric"] == table
    assert figures(again) == figures(run)
    longer = gtk.train(resume="first", epochs=3, quiet=True)
    assert longer.document["metric"] == table
    assert len(figures(longer)) == 3
    assert {*taken} == {(3, 10)}
    with pytest.raises(InvalidValue, match="leave out likelihood_samples"):
        gtk.train(resume="first", epochs=4, likelihood_samples=9)


def test_a_comparison_shows_options_that_differ() -> None:
    for name, samples in (("a", 3), ("b", 4)):
        given: dict[str, Any] = {"likelihood_samples": samples, "likelihood_images": 10}
        gtk.train("vae", name=name, metric="likelihood", **given, **SHORT)
    rows = differing_settings(compared([gtk.load("a"), gtk.load("b")]))
    assert [(row.name, row.values) for row in rows] == [("metric likelihood samples", [3, 4])]


def test_a_run_opens_without_the_package_of_its_metric(small_run: gtk.Run, tmp_path: Path) -> None:
    document = json.loads((small_run.path / "run.json").read_text())
    path = tmp_path / "run.json"
    write_json(path, {**document, "metric": {"elsewhere": {"depth": [1, 2]}}})
    found = Settings.from_document(json.loads(path.read_text()))
    assert found.as_document()["metric"] == {"elsewhere": {"depth": [1, 2]}}
