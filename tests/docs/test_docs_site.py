"""The site: built without a warning, asking nobody but its own host for anything."""

from __future__ import annotations

import functools
import html
import http.server
import re
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.docs.pages import DOCS
from tests.report.browser import open_browser, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_S = 120.0
LONGEST_LINES = 190
FOREIGN = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)="(?:https?:)?//[^"]*"')
SPOILERS = re.compile(r"/(?:work|root|home)/|\bpypi\.\w+|https?://\S+/simple\b")
"""Paths of a machine and hosts of a registry, which are no reader's."""


def generate(folder: Path) -> list[Path]:
    """Return the pages of the site, written into *folder*."""
    argv = [sys.executable, str(DOCS / "generate"), str(folder)]
    subprocess.run(argv, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=LIMIT_S)
    return sorted(folder.rglob("*.md"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return every page by its name."""
    folder = tmp_path_factory.mktemp("pages")
    return {
        page.relative_to(folder).as_posix(): page.read_text(encoding="utf-8")
        for page in generate(folder)
    }


def test_pages_are_in_the_navigation_and_short(pages: dict[str, str]) -> None:
    """None is forgotten, none is missing, what is written by hand is read in minutes."""
    shown = set(re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text()))

    assert shown == set(pages)
    for page in DOCS.rglob("*.md"):
        assert len(page.read_text(encoding="utf-8").splitlines()) <= LONGEST_LINES, page


def test_pages_name_no_machine(pages: dict[str, str]) -> None:
    """Neither folders of ours nor hosts of an index stand on a page."""
    found = [(name, each) for name, text in pages.items() for each in SPOILERS.findall(text)]

    assert found == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site, built strictly."""
    pytest.importorskip("zensical", reason="zensical is not installed; nox -s docs installs it")
    folder = tmp_path_factory.mktemp("site")
    generate(folder / "build" / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    (folder / "pytest_verlcompat").symlink_to(ROOT / "pytest_verlcompat")
    subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder,
        check=True,
        timeout=LIMIT_S,
    )
    return folder / "build" / "site"


@pytest.mark.slow
def test_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No page names a script, style, font or picture of another host."""
    pages = sorted(site.rglob("*.html"))
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))

    assert len(pages) >= 19
    assert [(page.name, FOREIGN.findall(page.read_text("utf-8"))) for page in pages] == [
        (page.name, []) for page in pages
    ]
    assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", styles)


@pytest.mark.slow
def test_reference_is_generated_from_docstrings(site: Path) -> None:
    """What fixtures, hooks and records say of themselves is on the page."""
    source = (site / "reference" / "python.html").read_text(encoding="utf-8")
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", source)).split())

    for words in (
        "Return one GPU that nobody else uses",
        "Return probe scripts, or folders of them",
        "Digest of the probe script, or of the code of the check",
        "Skip the test unless all requirements are installed",
    ):
        assert words in text
    assert source.count("doc-heading") >= 30


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Return where the site is served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_browser_asks_no_other_host(site: Path, address: str) -> None:
    """Every page is opened, and a search finds something; all of it from where the page is."""
    names = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    with open_browser() as browser, open_page(browser) as page:
        for name in names:
            page.goto(f"{address}/{name}")
            page.wait_for_load_state("networkidle")
        page.goto(f"{address}/index.html")
        page.wait_for_load_state("networkidle")
        page.keyboard.press("/")
        page.locator("input:focus").wait_for()
        page.keyboard.type("probe", delay=50)
        page.get_by_text(re.compile(r"^\d+ results$")).first.wait_for()
        asked, said = list(page.asked), list(page.said)

    assert [each for each in asked if not each.startswith((address, "blob:", "data:"))] == []
    assert any("search" in each for each in asked)
    assert said == []
