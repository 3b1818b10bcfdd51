"""A real browser, where one is installed."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

#: What the program is called on this or that system.
NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Where this says "required", a missing browser is a failure.
VARIABLE = "GENERATIVE_TOOLKIT_BROWSER"
REQUIRED = os.environ.get(VARIABLE) == "required"
#: The folder with the files of onnxruntime-web, which has to be there where this names one.
ORT_VARIABLE = "GENERATIVE_TOOLKIT_ORT_WEB"
EXAMPLES = Path(__file__).parents[2] / "examples"


def absent(reason: str) -> NoReturn:
    """Skip, or fail where a browser is required."""
    if REQUIRED:
        pytest.fail(f"{reason}, and {VARIABLE} says that a browser is required")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def ort_web() -> Path:
    """Where the files of onnxruntime-web are; tests are skipped, with the reason, without them."""
    named = os.environ.get(ORT_VARIABLE)
    folders = [
        EXAMPLES / name / "node_modules" / "onnxruntime-web" / "dist" for name in ("node", "web")
    ]
    for folder in [Path(named)] if named else folders:
        if (folder / "ort-wasm-simd-threaded.wasm").exists():
            return folder
    if named:
        pytest.fail(f"{ORT_VARIABLE} is {named}, where onnxruntime-web is not")
    pytest.skip("onnxruntime-web is not installed: npm install in examples/node")


@pytest.fixture(scope="session")
def node(ort_web: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return a function that runs a script of JavaScript.

    It takes the script's path and arguments, and returns what `subprocess.run` does. The script may
    import onnxruntime-web, and files of the example page, as scripts in examples/node do.
    """
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    folder = tmp_path_factory.mktemp("examples") / "node"
    folder.mkdir()
    (folder.parent / "web").symlink_to(EXAMPLES / "web")
    (folder / "node_modules").symlink_to(ort_web.parents[1])

    def run(script: str | Path, *arguments: str) -> Any:
        text = script.read_text() if isinstance(script, Path) else script
        (folder / "script.mjs").write_text(text)
        command = [program, str(folder / "script.mjs"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; tests are skipped, with the reason, where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed: pip install -e '.[browser]'")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        absent(f"none of {', '.join(NAMES)} is installed")
    # Chromium's own sandbox does not start for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a file; it must ask nobody and complain of nothing.

    The keyword arguments are those of a browser's context: viewport, color_scheme, ...
    """
    contexts, requests, complaints = [], [], []

    def open_page(path: Path, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.resolve().as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert requests, "nothing was opened"
    assert all(url.startswith(("file:", "data:image/")) for url in requests), requests
    assert len({url for url in requests if url.startswith("file:")}) == 1, requests
    assert complaints == []


@pytest.fixture(scope="session")
def web_runtime(ort_web: Path) -> list[Path]:
    """The files of the npm package onnxruntime-web that the example page loads."""
    return [ort_web / name for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")]
