"""The table [published] of a recipe: what is read, what is refused, and when a figure is met."""

from pathlib import Path

import pytest

from gtk import evaluate_request
from gtk.core.settings.published import MOST_SAMPLES, Published, PublishedFigure
from gtk.core.settings.recipe import Recipe
from gtk.core.values.errors import UserError
from gtk.core.values.figure import Better
from gtk.defaults import built_in_names, find_recipe

MODEL = '[model]\nname = "cvae"\n[published]\n'
ACCURACY = '"class-accuracy.accuracy"'
FIGURE = f"{ACCURACY} = {{value = 0.9, spread = 0.1}}\n"


def read(text: str) -> Recipe:
    """Write a recipe and read it."""
    Path("mine.toml").write_text(text)
    return find_recipe("mine.toml")


def test_figures_are_read_in_their_order_and_settle_nothing() -> None:
    other = '"pack.age/m.real" = {spread = 0, value = 3}\n'
    recipe = read(f"{MODEL}samples = 2_000\n{FIGURE}{other}[train]\nepochs = 2\n")
    assert recipe.published == Published(
        2000,
        (
            PublishedFigure("class-accuracy", "accuracy", 0.9, 0.1),
            PublishedFigure("pack.age/m", "real", 3.0, 0.0),
        ),
    )
    assert recipe.published.metrics == ["class-accuracy", "pack.age/m"]
    assert "published" not in recipe.tables
    header = f"{MODEL}samples = 1\n[published.{ACCURACY}]\nvalue = 0.9\nspread = 0.1\n"
    assert read(header).published == Published(1, recipe.published.figures[:1])
    assert read(MODEL.replace("[published]", "")).published is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"samples = 0\n{FIGURE}", "line 4: [published] samples: must be a whole number in 1..1,0"),
        (f"samples = true\n{FIGURE}", "line 4: [published] samples: must be a whole number in 1.."),
        (f"samples = 2.0\n{FIGURE}", "line 4: [published] samples: must be a whole number in 1..1"),
        (f"samples = {MOST_SAMPLES + 1}\n{FIGURE}", "in 1..1,000,000, not 1000001"),
        (FIGURE, "line 3: [published]: needs samples and a figure. Write them below it."),
        ("samples = 9", "line 3: [published]: needs samples and a figure. Write them below it."),
        (f"sample = 9\n{FIGURE}", "line 4: [published] sample: must be samples, or METRIC.FIGURE"),
        (
            "class-accuracy.accuracy = {value = 1, spread = 0}",
            "line 4: [published] class-accuracy: must be samples, or METRIC.FIGURE in quotation ma",
        ),
        ('".a" = {value = 1, spread = 0}', "line 4: [published] .a: must be samples, or METRIC"),
        (f"{ACCURACY} = 0.9", "line 4: [published] class-accuracy.accuracy: must be a table of"),
        (f"\n{ACCURACY} = {{value = 0.9}}", "line 5: [published] class-accuracy.accuracy: has no "),
        (f"{ACCURACY} = {{value = nan, spread = 0}}", "value must be a finite number, not nan"),
        (f"{ACCURACY} = {{value = 1{'0' * 400}, spread = 0}}", "value must be a finite number"),
        (f"{ACCURACY} = {{value = true, spread = 0}}", "value must be a finite number, not True"),
        (f"{ACCURACY} = {{value = 1, spread = '0'}}", "spread must be a finite number, not '0'"),
        (f"{ACCURACY} = {{value = 1, spread = -0.1}}", "spread must be 0 or more, not -0.1"),
        (
            f"{ACCURACY} = {{value = 1, spread = 0, valeu = 1}}",
            "[published] class-accuracy.accuracy: unknown key of a published figure 'valeu'. Did",
        ),
    ],
)
def test_a_mistake_is_shown_where_it_stands(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        read(f"{MODEL}{text}\n")
    assert "mine.toml, line " in str(raised.value)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_it_is_a_table_and_its_name_is_suggested() -> None:
    with pytest.raises(UserError, match=r"line 1: \[published\]: must be a table"):
        read("published = 3\n")
    with pytest.raises(UserError, match="unknown table 'publishd'. Did you mean 'published'?"):
        read("[publishd]\nsamples = 3\n")


@pytest.mark.parametrize(
    ("better", "met", "missed"),
    [
        ("higher", (0.5, 0.75, 9.0), (0.49, -9.0)),
        ("lower", (-9.0, 0.75, 1.0), (1.01, 9.0)),
        ("", (0.5, 0.75, 1.0), (0.49, 1.01)),
    ],
)
def test_a_figure_may_be_worse_by_its_spread(
    better: Better, met: tuple[float, ...], missed: tuple[float, ...]
) -> None:
    figure = PublishedFigure("m", "f", value=0.75, spread=0.25)
    assert all(figure.is_met(value, better) for value in met)
    assert not any(figure.is_met(value, better) for value in missed)


def test_recipes_publish_as_many_samples_as_gtk_evaluate_draws() -> None:
    assert MOST_SAMPLES == evaluate_request.MOST
    published = [find_recipe(name).published for name in built_in_names()]
    assert sum(it is not None for it in published) >= 4
