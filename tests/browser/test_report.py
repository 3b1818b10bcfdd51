"""A report and a comparison, as a reader with a browser, a keyboard or a phone has them."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gtk
from gtk.cli.main import run as gtk_command
from gtk.core.registry.spec import NoConfig
from gtk.core.storage.evaluations import EvaluationLine, add_evaluations
from gtk.core.storage.training_time import write_training_seconds
from gtk.pictures.report import report, write_report
from gtk.plugins.datasets import digits

Visit = Callable[..., Any]
PHONE = {"viewport": {"width": 375, "height": 700}, "has_touch": True, "is_mobile": True}
#: An image of the digits is 8 pixels wide, and each of its pixels 12 on the screen.
FACTOR = 12


def visible(page: Any, name: str) -> list[str]:
    """Return the alternative texts of the pictures of a kind that are to be seen."""
    return [
        image.get_attribute("alt")
        for image in page.locator(f"section[aria-labelledby={name}] img").all()
        if image.is_visible()
    ]


def on_screen(page: Any, item: Any) -> np.ndarray[Any, Any]:
    """Return the pixels of an element, which is drawn at the nearest whole pixel."""
    item.scroll_into_view_if_needed()
    box = {name: round(value) for name, value in item.bounding_box().items()}
    with Image.open(io.BytesIO(page.screenshot(clip=box))) as screen:
        return np.asarray(screen.convert("L"))


def shown_image(page: Any) -> np.ndarray[Any, Any]:
    """Return the image of the chosen point, as it is on the screen, in its own pixels."""
    pixels = on_screen(page, page.locator(".thumb"))
    assert pixels.shape == (8 * FACTOR, 8 * FACTOR)
    return pixels[FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]


def point_at(page: Any, at: int) -> None:
    """Put the pointer on a point of the latent space."""
    svg = page.locator(".map svg")
    svg.scroll_into_view_if_needed()
    box = page.locator(".map circle").nth(at).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def alone(page: Any) -> list[int]:
    """Return points that no other one is near, so that the pointer means them."""
    places = np.array([
        [float(circle.get_attribute(name)) for name in ("cx", "cy")]
        for circle in page.locator(".map circle").all()
    ])  # fmt: skip
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return [int(at) for at in np.argsort(-distances.min(axis=1))[:6]]


def test_the_slider_goes_through_the_epochs(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report)
    assert visible(page, "samples") == ["Samples after epoch 20"]
    slider = page.get_by_label("Samples: epoch")
    output = page.locator("output[for=samples-epoch]")
    assert output.inner_text() == "epoch 20"
    last = page.locator("section[aria-labelledby=samples] .sheet").screenshot()
    slider.fill("0")
    assert output.inner_text() == "epoch 1"
    assert visible(page, "samples") == ["Samples after epoch 1"]
    assert visible(page, "reconstructions") == ["Reconstructions after epoch 1"], "in step"
    assert page.locator("section[aria-labelledby=samples] .sheet").screenshot() != last


def test_the_picture_of_an_epoch_is_the_file_s(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report, viewport={"width": 1600, "height": 1200})
    page.get_by_label("Samples: epoch").fill("1")
    shown = page.locator("section[aria-labelledby=samples] img:not([hidden])")
    box = shown.bounding_box()
    with Image.open(small_run.pictures / "samples-0002.png") as image:
        assert (box["width"], box["height"]) == image.size
        file = np.asarray(image.convert("L"))
    pixels = on_screen(page, shown)
    assert np.array_equal(pixels[8:-8, 8:-8], file[8:-8, 8:-8])


def test_the_slider_follows_the_arrow_keys(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report)
    slider = page.get_by_label("Reconstructions: epoch")
    slider.focus()
    for key, epoch in (("ArrowLeft", 18), ("ArrowLeft", 16), ("ArrowRight", 18), ("Home", 1)):
        page.keyboard.press(key)
        assert page.locator("output[for=reconstructions-epoch]").inner_text() == f"epoch {epoch}"
        assert visible(page, "reconstructions") == [f"Reconstructions after epoch {epoch}"]
        assert slider.get_attribute("aria-valuetext") == f"epoch {epoch}"


def test_pointing_at_a_point_shows_its_image(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report)
    test = digits.load(NoConfig(), None).test
    assert not page.locator(".peek").is_visible()
    for at in alone(page):
        point_at(page, at)
        name = page.locator(".peek output").inner_text()
        assert name == f"class {test.labels[at]}, test image {at}"
        assert np.array_equal(shown_image(page), test.images[at, 0])
    page.mouse.move(1, 1)
    assert not page.locator(".peek").is_visible()


def test_arrow_keys_go_from_point_to_point(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report)
    test = digits.load(NoConfig(), None).test
    page.locator(".map svg").focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
        at = int(page.locator(".peek output").inner_text().rpartition(" ")[2])
        assert np.array_equal(shown_image(page), test.images[at, 0])
        seen.append(float(page.locator("circle.chosen").get_attribute("cx")))
    assert seen[0] <= seen[1] <= seen[2], "to the right"
    assert seen[4] <= seen[3], "and back"
    page.keyboard.press("Escape")
    assert not page.locator(".peek").is_visible()


def test_a_class_can_be_picked_out(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report)
    labels = digits.load(NoConfig(), None).test.labels
    page.get_by_role("button", name="3", exact=True).click()
    assert page.locator("circle.kept").count() == (labels == 3).sum()
    page.locator(".map svg").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".peek output").inner_text().startswith("class 3,")
    page.get_by_role("button", name="3", exact=True).click()
    assert not page.locator(".map.filtered").count()


def test_names_of_classes_break_nowhere_where_there_is_room(
    visit: Visit, small_run: gtk.Run
) -> None:
    page = visit(small_run.report)
    heights = page.locator("button.pick bdi").evaluate_all(
        """names => names.map((name) => {
          name.textContent = "golden retriever";
          return name.getClientRects().length && name.offsetHeight;
        })"""
    )
    assert len(heights) == 10
    assert max(heights) < 40, "one line"


def test_curves_say_what_they_show(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report)
    page.locator(".chart svg").first.focus()
    page.keyboard.press("Home")
    first = small_run.metrics()[0]
    readout = page.locator(".readout").first.inner_text()
    assert readout.startswith(f"step {first['step']}: training {first['terms']['loss']:.5g}")
    page.keyboard.press("End")
    last = small_run.metrics()[-1]
    assert f"test {last['terms']['loss']:.5g}" in page.locator(".readout").first.inner_text()
    page.locator(".chart svg").nth(1).hover()
    assert page.locator(".readout").nth(1).inner_text().startswith("step ")


def test_everything_can_be_reached_with_the_tab_key(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName + document.activeElement.type"))
    assert {"svgundefined", "INPUTrange", "BUTTONbutton", "DIVundefined"} <= reached


def test_the_dark_has_colours_of_its_own(visit: Visit, small_run: gtk.Run) -> None:
    colors = {}
    for scheme in ("light", "dark"):
        page = visit(small_run.report, color_scheme=scheme)
        colors[scheme] = [
            page.evaluate(f"getComputedStyle(document.querySelector('{what}')).{which}")
            for what, which in (
                ("body", "backgroundColor"), ("body", "color"), (".card", "backgroundColor"),
                ("polyline.train", "stroke"), ("svg text", "fill"),
            )
        ]  # fmt: skip
    assert all(light != dark for light, dark in zip(*colors.values(), strict=True))
    assert [sum(map(int, color[4:-1].split(","))) < 384 for color in
            (colors["dark"][0], colors["light"][1])] == [True, True]  # fmt: skip


def test_what_is_wider_than_a_phone_fades_out_where_it_goes_on(
    visit: Visit, small_run: gtk.Run, tmp_path: Path
) -> None:
    run = gtk.Run(shutil.copytree(small_run.path, tmp_path / "small"))
    names = [f"a long name {at}" for at in range(20)]
    details = {"classes": {}, "confusion": (np.eye(20, dtype=int) + 1).tolist(), "names": names}
    figure: Any = {"value": 0.5, "unit": "", "share": True, "better": "higher"}
    line = EvaluationLine(
        metric="class-accuracy", hash="0a1b2c3d", figures={"accuracy": figure}, details=details,
        protocol={"images": 1000}, made={}, created="",
    )  # fmt: skip
    add_evaluations(run.path, [line])
    write_report(run)
    page = visit(run.report, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = page.locator(".wide, pre")
    cut = boxes.evaluate_all("boxes => boxes.map(it => it.scrollWidth > it.clientWidth + 1)")
    page.wait_for_function("document.querySelector('.more')")
    marked = boxes.evaluate_all("boxes => boxes.map(it => it.classList.contains('more'))")
    assert marked == cut
    confusion = page.locator(".confusion .wide")
    assert confusion.evaluate("it => getComputedStyle(it).maskImage").startswith("linear-gradient")
    confusion.evaluate("it => { it.scrollLeft = it.scrollWidth; }")
    page.wait_for_function("!document.querySelector('.confusion .more')")


@pytest.mark.parametrize("width", [360, 375, 800])
def test_a_phone_scrolls_in_one_direction(visit: Visit, small_run: gtk.Run, width: int) -> None:
    page = visit(small_run.report, viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    sizes = page.evaluate(
        "[...document.querySelectorAll('section, .map, .frames, .chart')]"
        ".map(item => item.getBoundingClientRect().right)"
    )
    assert max(sizes) <= width


def test_a_finger_shows_an_image(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report, **PHONE)
    svg = page.locator(".map svg")
    svg.scroll_into_view_if_needed()
    box = page.locator(".map circle").nth(alone(page)[0]).bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator(".peek").is_visible()
    assert page.locator(".peek output").inner_text().endswith(str(alone(page)[0]))


def test_without_a_script_the_last_epoch_is_there(visit: Visit, small_run: gtk.Run) -> None:
    page = visit(small_run.report, java_script_enabled=False)
    assert visible(page, "samples") == ["Samples after epoch 20"]
    assert page.locator(".chart polyline").count() == 3
    assert not page.locator(".slider").first.is_visible()


def nasty_run(run: gtk.Run, folder: Path) -> gtk.Run:
    """Copy a run and give its classes names that want to act."""
    path = shutil.copytree(run.path, folder / "nasty")
    bad = [
        "<script>document.title='owned'</script>",
        "<img src=http://127.0.0.1:9/x onerror=alert(1)>",
        "</style><style>body{display:none}</style>", "</script><script>alert(1)</script>",
        "\" onfocus=\"document.title='owned'\" autofocus=\"", "שלום", "👩‍👩‍👧 " * 20, "\x1b[2J",
        "a very long name of a class that goes on and on", "猫",
    ]  # fmt: skip
    for name, place in (("run.json", ("data_spec", "condition", "names")),
                        ("pictures/latents.json", ("classes",))):  # fmt: skip
        document = table = json.loads((path / name).read_text())
        for key in place[:-1]:
            table = table[key]
        table[place[-1]] = bad
        (path / name).write_text(json.dumps(document))
    return gtk.Run(path)


def test_names_do_nothing_in_a_browser(visit: Visit, small_run: gtk.Run, tmp_path: Path) -> None:
    run = nasty_run(small_run, tmp_path)
    write_report(run)
    page = visit(run.report, **PHONE)
    assert page.title() == "cvae on digits · nasty"
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.locator(".heads bdi").first.inner_text() == (
        "<script>document.title='owned'</script>"
    )
    assert page.locator("h1").is_visible()
    page.locator(".map svg").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".peek").is_visible()


def test_even_markup_that_slips_in_can_neither_act_nor_call(
    browser: Any, small_run: gtk.Run, tmp_path: Path
) -> None:
    text = report(small_run)
    bad = "<script>document.title='owned'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>"
    file = tmp_path / "page.html"
    file.write_text(text.replace("<main>", f"<main>{bad}"))
    page = browser.new_page()
    answered: list[str] = []
    page.on("response", lambda response: answered.append(response.url))
    page.goto(file.as_uri())
    assert page.title().startswith("cvae on digits")
    assert not any(url.startswith("http") for url in answered)
    page.close()


def test_a_comparison_reads_well_on_a_phone_too(
    visit: Visit, small_run: gtk.Run, tmp_path: Path
) -> None:
    other = gtk.train(plugin="vae", latent_dim=3, epochs=3, log_every=11, name="other", quiet=True)
    file = tmp_path / "compare.html"
    code = gtk_command(["compare", str(small_run.path), str(other.path), "--out", str(file)])
    assert code == 0
    page = visit(file, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert [image.get_attribute("alt") for image in page.locator("img").all()] == [
        "Samples of small", "Samples of other",
    ]  # fmt: skip
    colors = page.evaluate(
        "[...document.querySelectorAll('.chart:first-of-type polyline')]"
        ".map(line => getComputedStyle(line).stroke)"
    )
    assert len(set(colors)) == 2
    page.locator(".chart svg").first.focus()
    page.keyboard.press("End")
    readout = page.locator(".readout").first.inner_text()
    assert "small test" in readout
    assert "other test" in readout


def evaluated(run: gtk.Run, folder: Path, name: str, accuracy: float) -> Path:
    """Copy a run, with an accuracy and a time of training."""
    path = shutil.copytree(run.path, folder / name)
    table: Any = {"value": accuracy, "unit": "", "share": True, "better": "higher"}
    line = EvaluationLine(
        metric="class-accuracy", hash="aa", figures={"accuracy": table}, details={},
        protocol={"images": 9}, made={}, created="",
    )  # fmt: skip
    add_evaluations(path, [line])
    write_training_seconds(path, 100 * accuracy)
    return path


def test_a_figure_s_name_orders_the_runs_of_a_comparison(
    visit: Visit, small_run: gtk.Run, tmp_path: Path
) -> None:
    given = {"low": 0.5, "high": 0.9, "middle": 0.7}
    paths = [evaluated(small_run, tmp_path, name, value) for name, value in given.items()]
    file = tmp_path / "compare.html"
    assert gtk_command(["compare", *map(str, paths), "--out", str(file)]) == 0
    page = visit(file)

    def row(number: int) -> list[str]:
        cells: list[str] = page.locator("section[aria-labelledby=figures] tr").nth(number) \
            .locator("th, td").all_inner_texts()  # fmt: skip
        return cells[1:]

    accuracy = page.get_by_role("button", name="class-accuracy accuracy (aa)")
    seconds = page.get_by_role("button", name="seconds of training")
    assert row(0) == ["low", "high", "middle"]
    accuracy.click()
    assert row(0) == ["high", "middle", "low"]
    assert row(-2) == ["90.0", "70.0", "50.0"], "every row is in this order"
    seconds.focus()
    page.keyboard.press("Enter")
    assert row(0) == ["low", "middle", "high"]
    assert [it.get_attribute("aria-pressed") for it in (accuracy, seconds)] == ["false", "true"]
    seconds.click()
    assert row(0) == ["low", "high", "middle"], "as before"


def test_a_chart_of_costs_fits_a_phone_in_the_colours_of_the_runs(
    visit: Visit, small_run: gtk.Run, tmp_path: Path
) -> None:
    paths = [evaluated(small_run, tmp_path, name, value)
             for name, value in (("one", 0.5), ("another-run", 0.9))]  # fmt: skip
    file = tmp_path / "compare.html"
    assert gtk_command(["compare", *map(str, paths), "--out", str(file)]) == 0
    page = visit(file, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    names = page.locator(".scatter text.name")
    assert names.all_text_contents() == ["one", "another-run"]
    looks = "(items, name) => items.map((it) => getComputedStyle(it)[name])"
    colors = [page.locator(f".scatter {it}").evaluate_all(looks, "fill")
              for it in ("circle", "text.name")]  # fmt: skip
    assert colors[0] == colors[1]
    assert len(set(colors[0])) == 2
    frame = page.locator(".scatter svg").bounding_box()
    for box in (it.bounding_box() for it in names.all()):
        assert box["x"] >= frame["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"]
        assert box["height"] >= 10, "it can be read"
