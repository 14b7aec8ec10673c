"""How fast the pages are built, opened and filtered, in a real Chromium, and how large they are."""

from __future__ import annotations

import gzip
import json
import re
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.report.publish import publish
from tests.figures import write_figures
from tests.report.browser import open_browser, open_page
from tests.report.conftest import declare, make_report, record_all
from tests.spaces import write_space
from tests.tiny import TinyWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.bench

TITLE = "The published site: built, opened, filtered"
COMMAND = "nox -s bench -- tests/benchmarks/test_site_bench.py"
SIZES = {"6,000 cells": (15, 50), "50,000 cells": (25, 250)}
"""Releases of verl and of engines; four Pythons and two days make eight cells of each pair."""

BUILT_S, OPENED_MS, FILTERED_MS, FIRST_BYTES = 10.0, 1000.0, 100.0, 300 * 1024
ROUNDS = 3

READY = """
addEventListener("DOMContentLoaded", () =>
  requestAnimationFrame(() => setTimeout(() => { globalThis.readyMs = performance.now(); })));
"""
FILTER = """
async ([name, value]) => {
  const field = document.getElementById("filters").elements[name];
  const before = performance.now();
  if (field.type === "checkbox") field.checked = value;
  else field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  document.getElementById("grid").getBoundingClientRect();
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - before;
}
"""
FILTERS: tuple[tuple[str, object, object], ...] = (
    ("rung", "imports", ""),
    ("torch", "2.8.0", ""),
    ("cuda", "12.8", ""),
    ("driver", "550.54", ""),
    ("conditional", True, False),
    ("engine", "vllm", ""),
    ("verl", ">=0.5", ""),
    ("release", "<0.9", ""),
    ("python", "3.11", "3.12"),
    ("when", "release", "today"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless Chromium."""
    with open_browser() as made:
        yield made


@pytest.mark.parametrize("size", SIZES)
def test_made_up_space_is_built_opened_and_filtered_in_time(
    browser: Any,  # noqa: ANN401 -- playwright's own
    tmp_path: Path,
    size: str,
) -> None:
    """The limits that were set hold for thousands and for tens of thousands of cells."""
    checkout = TinyWorkspace(root=tmp_path / "checkout")
    declare(checkout)
    record_all(checkout)
    verls, engines = SIZES[size]
    cells = write_space(checkout.workspace.evidence / "space", verls=verls, engines=engines)
    started = time.perf_counter()
    publish(make_report(checkout), root=checkout.root)
    built_s = time.perf_counter() - started

    found = {"cells": cells, "built_s": round(built_s, 2)}
    found |= _measure(browser, checkout.workspace.reports)
    write_figures("site_bench", title=TITLE, command=COMMAND, figures={size: found}, rows=[])

    assert built_s < BUILT_S
    _assert_quick(found)


def test_the_published_site_is_opened_and_filtered_in_time(browser: Any) -> None:  # noqa: ANN401 -- playwright's own
    """What is committed is measured as it lies there."""
    found = _measure(browser, Path("reports"))
    write_figures(
        "site_bench", title=TITLE, command=COMMAND, figures={"as published": found}, rows=[]
    )

    _assert_quick(found)


def _assert_quick(found: dict[str, Any]) -> None:
    assert found["first_page_gzip_bytes"] < FIRST_BYTES
    assert found["opened_ms"] < OPENED_MS
    assert max(found["filtered_ms"].values()) < FILTERED_MS


def _measure(browser: Any, site: Path) -> dict[str, Any]:  # noqa: ANN401 -- playwright's own
    with open_page(browser, viewport={"width": 1400, "height": 900}) as page:
        page.add_init_script(READY)
        opened = []
        for _ in range(ROUNDS):
            page.goto((site.resolve() / "index.html").as_uri())
            page.wait_for_function("globalThis.readyMs !== undefined")
            opened.append(page.evaluate("globalThis.readyMs"))
        shown = page.evaluate("document.querySelectorAll('#grid td').length")
        filtered = {name: _filter(page, name, value, back=back) for name, value, back in FILTERS}
    return {
        "opened_ms": round(statistics.median(opened)),
        "shown_cells": shown,
        "filtered_ms": filtered,
        "first_page_gzip_bytes": sum(len(gzip.compress(data)) for data in _first_page(site)),
        "site_bytes": sum(
            path.stat().st_size
            for path in site.rglob("*")
            if path.suffix in {".html", ".js", ".css"}
        ),
        "snapshot": _snapshot(site),
    }


def _filter(page: Any, name: str, value: object, *, back: object) -> float:  # noqa: ANN401 -- playwright's own
    """Return the slower of setting and taking back a filter, the median of some rounds, in ms."""
    there, again = [], []
    for _ in range(ROUNDS):
        there.append(page.evaluate(FILTER, [name, value]))
        again.append(page.evaluate(FILTER, [name, back]))
    return round(max(statistics.median(there), statistics.median(again)), 1)


def _first_page(site: Path) -> Iterator[bytes]:
    """Yield what the browser reads to show the table: the page, its scripts, style and data."""
    page = (site / "index.html").read_bytes()
    yield page
    for name in re.findall(r'(?:src|href)="((?:site|data)/[^"]+)"', page.decode()):
        yield (site / name).read_bytes()


def _snapshot(site: Path) -> str:
    text = (site / "data" / "space.js").read_text(encoding="utf-8")
    found: str = json.loads(re.findall(r'"snapshot":("[0-9a-f]+")', text)[0])
    return found
