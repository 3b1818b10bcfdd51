"""The example page: a class and a place on the pad give the image that PyTorch draws for them."""

import base64
import functools
import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import gtk

PAGE = Path(gtk.__file__).parents[1] / "examples" / "web"
SMALL: dict[str, Any] = {"channels": (6, 8), "hidden_dims": (12,), "epochs": 1, "quiet": True}


class Quiet(SimpleHTTPRequestHandler):
    """A static file server that does not log."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, web_runtime: list[Path]) -> Iterator[tuple[Path, str]]:
    """A folder with the page, and the address at which it is served; no model in it yet."""
    folder = tmp_path / "site"
    (folder / "onnxruntime").mkdir(parents=True)
    for path in PAGE.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    for path in web_runtime:
        shutil.copy(path, folder / "onnxruntime")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def look(browser: Any, site: tuple[Path, str]) -> Iterator[Callable[..., Any]]:
    """Return a function that opens the page; it must ask nobody else and complain of nothing."""
    contexts, requests, complaints = [], [], []

    def open_page(wait: str = "#stage:not([hidden])", query: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site[1] + query)
        page.wait_for_selector(wait)
        return page

    open_page.complaints = complaints  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    assert all(url.startswith((site[1], "data:")) for url in requests), requests
    assert complaints == []


def shown(page: Any) -> NDArray[np.int64]:
    """Return the pixels of the page's image: (H, W, 3)."""
    address: str = page.evaluate("document.getElementById('image').toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert image.getchannel("A").getextrema() == (255, 255)
    pixels: NDArray[np.int64] = np.asarray(image.convert("RGB")).astype(int)
    return pixels


def after(page: Any, action: Callable[[], Any]) -> NDArray[np.int64]:
    """Do something, and return the pixels that it leads to."""
    drawn = page.evaluate("document.documentElement.dataset.drawn")
    action()
    page.wait_for_selector(f"html:not([data-drawn='{drawn}'])")  # the page forbids eval
    return shown(page)


def code(page: Any, size: int, seed: int = 1) -> NDArray[np.float32]:
    """Return the latent code that the page shows: (1, size)."""
    noise = np.random.default_rng(seed).standard_normal(size, dtype=np.float32)
    axes = [int(page.input_value(f"#{name}")) for name in ("across", "up")]
    text = page.get_attribute("#pad", "aria-valuetext")
    across, up = (float(part.split()[1]) for part in text.split(", "))
    noise[axes[1]], noise[axes[0]] = up, across
    return noise[None]


def expected(run: gtk.Run, noise: NDArray[np.float32], label: Any) -> NDArray[np.int64]:
    """Return what PyTorch draws: (H, W, 3)."""
    image = run.generate(noise, None if label is None else [label])[0].astype(int)
    return np.stack([image] * 3, axis=-1) if image.ndim == 2 else image


def test_a_class_and_the_pad_change_the_image_as_pytorch_would(
    small_run: gtk.Run, site: tuple[Path, str], look: Callable[..., Any]
) -> None:
    gtk.export(small_run, site[0] / "model.onnx")
    page = look()
    first = shown(page)
    assert abs(first - expected(small_run, code(page, 16), 0)).max() <= 1
    chosen = after(page, lambda: page.get_by_role("radio", name="7", exact=True).check())
    assert abs(chosen - expected(small_run, code(page, 16), 7)).max() <= 1
    assert abs(chosen - first).max() > 20
    box = page.locator("#pad").bounding_box()
    place = (box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"])
    moved = after(page, lambda: page.mouse.click(*place))
    noise = code(page, 16)
    assert sorted(noise[0, [int(page.input_value(f"#{name}")) for name in ("across", "up")]]) == (
        pytest.approx([1.8, 2.4], abs=0.05)
    )
    assert abs(moved - expected(small_run, noise, 7)).max() <= 1
    assert abs(moved - chosen).max() > 20
    page.focus("#pad")
    pressed = after(page, lambda: page.keyboard.press("Shift+ArrowLeft"))
    assert code(page, 16) == pytest.approx(noise, abs=0.501)
    assert not np.array_equal(code(page, 16), noise)
    assert abs(pressed - expected(small_run, code(page, 16), 7)).max() <= 1
    home = after(page, lambda: page.keyboard.press("Home"))
    assert abs(home - chosen).max() == 0
    another = after(page, lambda: page.click("#another"))
    assert abs(another - expected(small_run, code(page, 16, seed=2), 7)).max() <= 1
    other = after(page, lambda: page.select_option("#across", "3"))
    assert abs(other - expected(small_run, code(page, 16, seed=2), 7)).max() <= 1


@pytest.mark.parametrize(
    ("plugin", "data", "options", "exported"),
    [
        ("vae", "digits", {}, {}),
        ("vae", "digits", {"latent_dim": 1}, {}),
        ("cgan", "digits", {}, {}),
        ("cvae", "stripes", {"network": "conv"}, {}),
        ("cvae", "stripes", {"network": "conv"}, {"image": "uint8", "layout": "nhwc"}),
        ("cvae", "stripes", {}, {"layout": "nhwc", "batch_size": 4}),
        ("cvae", "marks", {}, {"image": "uint8"}),
        ("cvae", "ramps", {"conditioner": "embedding"}, {"precision": "fp16", "tolerance": 0.01}),
        ("cvae", "digits", {"prior": "learned"}, {}),
    ],
    ids=str,
)
def test_every_kind_of_file_is_drawn(
    outside: Path,
    site: tuple[Path, str],
    look: Callable[..., Any],
    plugin: str,
    data: str,
    options: dict[str, Any],
    exported: dict[str, Any],
) -> None:
    run = gtk.train(
        plugin=f"generative-toolkit/{plugin}", data=data, batch_size=20, **{**SMALL, **options}
    )
    gtk.export(run, site[0] / "model.onnx", **exported)
    page = look()
    size = run.load_model().noise.shape[0]
    condition = run.condition
    label: Any = None if condition is None else 0
    if condition is not None and condition.kind == "attributes":
        label = {condition.names[1]: 1}
        after(page, lambda: page.get_by_role("checkbox", name=condition.names[1]).check())
    elif condition is not None and condition.kind == "continuous":
        name, low = condition.names[0], condition.ranges[0][0]
        label = {name: low}
        after(page, lambda: page.get_by_role("slider", name=name).fill(str(low)))
    box = page.locator("#pad").bounding_box()
    place = (box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"])
    found = after(page, lambda: page.mouse.click(*place))
    levels = 2 if exported.get("precision") == "fp16" else 1
    assert abs(found - expected(run, code(page, size), label)).max() <= levels


def test_a_denoiser_s_image_appears_with_the_steps_and_guidance_that_are_chosen(
    flow_files: Path, site: tuple[Path, str], look: Callable[..., Any]
) -> None:
    for suffix in (".onnx", ".json"):
        shutil.copy(flow_files / f"denoiser{suffix}", site[0] / f"model{suffix}")
    run = gtk.load(flow_files / "flow")

    def wanted(label: int, seed: int, **options: Any) -> NDArray[np.int64]:
        image = run.sample(labels=[label], seed=seed, **options)[0].astype(int)
        return np.stack([image] * 3, axis=-1)

    page = look("html[data-drawn]", query="?seed=7")
    assert page.locator("#pad").is_hidden()
    assert abs(shown(page) - wanted(0, 7)).max() <= 1
    assert page.inner_text("#place") == "seed 7, step 3 of 3"
    chosen = after(page, lambda: page.get_by_role("radio", name="7", exact=True).check())
    assert abs(chosen - wanted(7, 7)).max() <= 1
    longer = after(page, lambda: page.fill("#steps", "9"))
    assert abs(longer - wanted(7, 7, steps=9)).max() <= 1
    guided = after(page, lambda: page.fill("#guidance", "3"))
    assert abs(guided - wanted(7, 7, steps=9, guidance=3.0)).max() <= 1
    other = after(page, lambda: page.select_option("#sampler", "dpm++"))
    assert abs(other - wanted(7, 7, sampler="dpm++", guidance=3.0)).max() <= 1
    another = after(page, lambda: page.click("#another"))
    assert abs(another - wanted(7, 8, sampler="dpm++", guidance=3.0)).max() <= 1
    drawn = after(page, lambda: page.select_option("#sampler", "ancestral"))
    assert abs(drawn - wanted(7, 8, sampler="ancestral", guidance=3.0)).max() <= 1


def test_a_seed_in_the_address_draws_numpy_s_noise(
    small_run: gtk.Run, site: tuple[Path, str], look: Callable[..., Any]
) -> None:
    gtk.export(small_run, site[0] / "model.onnx")
    page = look(query=f"?seed={2**63 + 1}")
    assert abs(shown(page) - expected(small_run, code(page, 16, seed=2**63 + 1), 0)).max() <= 1
    another = after(page, lambda: page.click("#another"))
    assert abs(another - expected(small_run, code(page, 16, seed=2**63 + 2), 0)).max() <= 1
    assert page.inner_text("#place").startswith(f"seed {2**63 + 2}, ")
    page = look("#message:not(:empty)", query="?seed=-1")
    page.locator("#message", has_text="a seed is").wait_for()


def test_what_cannot_be_drawn_is_said(
    small_run: gtk.Run, site: tuple[Path, str], look: Callable[..., Any]
) -> None:
    folder = site[0]

    def message() -> str:
        page = look("#message:not(:empty)")
        page.locator("#message").filter(has_not_text="Loading").wait_for()
        said: str = page.inner_text("#message")
        look.complaints[:] = [  # type: ignore[attr-defined]
            text
            for text in look.complaints  # type: ignore[attr-defined]
            if "404" not in text
        ]
        return said

    assert "model.json is not beside this page" in message()
    (folder / "model.json").write_text("no")
    assert "model.json is not JSON" in message()
    (folder / "model.json").write_text("{}")
    assert "is not what gtk export writes" in message()
    (folder / "model.json").unlink()  # gtk export replaces no JSON but its own
    gtk.export(small_run, folder / "model.onnx", part="encoder")
    assert "model.onnx holds the encoder, which does not make images from noise" in message()
    gtk.export(small_run, folder / "model.onnx", overwrite=True)
    sidecar = json.loads((folder / "model.json").read_text())
    sidecar["file"]["sha256"] = "0" * 64
    (folder / "model.json").write_text(json.dumps(sidecar))
    assert "does not describe this model.onnx" in message()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 800, 1600])
def test_it_fits_every_width(
    small_run: gtk.Run, site: tuple[Path, str], look: Callable[..., Any], width: int, scheme: str
) -> None:
    gtk.export(small_run, site[0] / "model.onnx")
    page = look(viewport={"width": width, "height": 700}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("#image", "#pad", "#another"):
        box = page.locator(name).bounding_box()
        assert box["width"] > 40
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_a_finger_moves_the_pad(
    small_run: gtk.Run, site: tuple[Path, str], look: Callable[..., Any]
) -> None:
    gtk.export(small_run, site[0] / "model.onnx")
    page = look(viewport={"width": 360, "height": 900}, has_touch=True, is_mobile=True)
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    place = (box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    found = after(page, lambda: page.touchscreen.tap(*place))
    noise = code(page, 16)
    assert -1.6 < noise[0, int(page.input_value("#across"))] < -1.4
    assert abs(found - expected(small_run, noise, 0)).max() <= 1
