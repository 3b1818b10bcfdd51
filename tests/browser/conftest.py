"""A real browser, where one is installed."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

#: What the program is called on this or that system.
NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Where this says "required", a missing browser is a failure.
VARIABLE = "GENERATIVE_TOOLKIT_BROWSER"
REQUIRED = os.environ.get(VARIABLE) == "required"


def absent(reason: str) -> NoReturn:
    """Skip, or fail where a browser is required."""
    if REQUIRED:
        pytest.fail(f"{reason}, and {VARIABLE} says that a browser is required")
    pytest.skip(reason)


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
