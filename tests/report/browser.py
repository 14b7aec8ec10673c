"""A real Chromium without a screen, for the tests of the published pages."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def open_browser() -> Iterator[Any]:
    """Yield a Chromium; the test is skipped where there is none, or nothing to drive it."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on PATH")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Any, **context: Any) -> Iterator[Any]:  # noqa: ANN401 -- playwright's own
    """Yield an empty page that notes what it asks for and what it complains of.

    The page has ``asked``, the addresses it requested, ``refused``, those that its policy
    stopped, and ``said``, its errors.
    """
    made = browser.new_context(**context)
    page = made.new_page()
    page.asked, page.refused, page.said = [], [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on(
        "requestfailed",
        lambda request: page.refused.append(request.url) if request.failure == "csp" else None,
    )
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on(
        "console",
        lambda message: page.said.append(message.text) if message.type == "error" else None,
    )
    page.on("dialog", lambda dialog: (page.said.append("dialog"), dialog.dismiss()))
    try:
        yield page
    finally:
        made.close()


def show(page: Any, path: Path, address: str = "") -> None:  # noqa: ANN401 -- playwright's own
    """Load *path* and wait until its scripts are done."""
    page.goto(f"{path.as_uri()}{address}")
    page.wait_for_load_state("load")
