"""The published pages in a real browser: usable, accessible, inert, and without any request."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.report.publish import publish
from pytest_verlcompat.report.site_inputs import SiteInputs
from pytest_verlcompat.store.jsonl import append
from tests.report.browser import open_browser, open_page, show
from tests.report.conftest import (
    HOSTILE,
    declare,
    make_report,
    record_all,
    record_beside,
    record_space,
)
from tests.spaces import write_space
from tests.tiny import TinyWorkspace, make_evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

CELL = "verl0.6.1-vllm0.11.0"
HOSTILE_CELL = "verl0.6.1-vllm0.16.0"
PAGES = (
    "index.html",
    "cell.html#verl0.6.1-vllm0.19.0-extra-python3.12-glibc2.35-today",
    "fits.html",
    "releases.html",
    "extensions.html",
    "rot.html",
    "gpu.html",
    "figures.html",
    "cells/index.html",
    f"cells/{CELL}.html",
    f"cells/{HOSTILE_CELL}.html",
    "failures/index.html",
    "failures/VC001.html",
)
DOCTOR = {
    "environment": {
        "machine": "Linux x86_64, glibc 2.35, 1 x NVIDIA H100 80GB HBM3",
        "driver": "550.54.15, up to CUDA 12.4",
        "python": "cpython 3.12.1",
    },
    "distributions": {
        "verl": {"version": "0.6.1"},
        "vllm": {"version": "0.18.0"},
        "torch": {"version": "2.7.0+cu126"},
    },
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a published site with every kind of page and hostile records."""
    checkout = TinyWorkspace(root=tmp_path_factory.mktemp("checkout"))
    declare(checkout)
    record_all(checkout)
    lock = next(each.lock for each in make_report(checkout).cells if each.cell.id == CELL)
    assert lock is not None
    flaky = make_evidence(
        cell_id=CELL, lock_sha256=lock.sha256, outcome=Outcome.FAILED,
        started_at="2025-01-01T00:00:00Z",
    )  # fmt: skip
    append(flaky, path=checkout.workspace.evidence / f"{CELL}.jsonl")
    _record_space(checkout)
    figure = json.loads(Path("reports/figures/abi_table.json").read_text(encoding="utf-8"))
    checkout.write("reports/figures/abi_table.json", json.dumps(figure))
    publish(
        make_report(checkout),
        root=checkout.root,
        inputs=SiteInputs(catalogue=load_catalogue()[:5], needs={"loop": "uvloop<0.22"}),
    )
    return checkout.workspace.reports


def _record_space(checkout: TinyWorkspace) -> None:
    record_space(
        checkout,
        {},
        {"release": "0.18.0"},
        {"release": "0.19.0"},
        {"release": "0.20.0", "resolution": "unresolvable", "why": [HOSTILE, "m" * 2_000_000]},
        {"release": "0.21.0", "python": "3.11"},
        {"release": HOSTILE, "resolution": "unresolvable"},
        {"release": "0.22.0+" + "l" * 3000, "resolution": "unresolvable"},
        {"release": "0.19.0", "when": "release", "as_of": "2026-01-01"},
    )
    record_space(checkout, {"verl": "0.7.0", "release": "0.19.0"}, name="0.7.0")
    with (checkout.workspace.evidence / "space" / "0.6.1.jsonl").open("a") as handle:
        handle.write('{"schema": 99}\n{"schema": 1, "verl": "0.6')
    rung = {"schema": 1, "rung": "imports", "rules": "0"}
    versions = {"verl": "0.6.1", "vllm": "0.19.0"}
    missing = [{"name": HOSTILE, "provider": HOSTILE, "at": HOSTILE, "line": HOSTILE}]
    record_beside(
        checkout,
        "rungs/imports/0.6.1.jsonl",
        {**rung, "versions": versions, "outcome": "failed", "missing": missing},
        {**rung, "versions": {"verl": "0.6.1", "vllm": "0.18.0"}, "outcome": "passed"},
        {**rung, "versions": {"verl": "0.7.0", "vllm": "0.19.0"}, "outcome": "passed"},
    )
    turn = {"fault": "pyarrow-numpy", "day": "2026-10-09", "culprits": [HOSTILE]}
    line = {"verl": "0.6.1", "vllm": "0.18.0", "form": "extra", "python": "3.12", "glibc": "2.35"}
    line |= {"born": "2026-01-01", "today": "2026-11-19", "turns": [turn]}
    checkout.write("reports/space/rot.jsonl", json.dumps(line))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless Chromium."""
    with open_browser() as made:
        yield made


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Any, site: Path, page: str, scheme: str) -> None:  # noqa: ANN401 -- playwright's own
    """Landmarks, names, table headers and contrast are as axe-core wants them, in both colours."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    source = Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    name, mark, address = page.partition("#")
    with open_page(browser, color_scheme=scheme) as shown:
        show(shown, site / name, mark + address)
        if page == "index.html":
            shown.click("#grid td")
            shown.wait_for_selector("#panel:not([hidden])")
        shown.wait_for_timeout(100)
        shown.evaluate(source)
        result = shown.evaluate("axe.run(document)")

    assert [
        (each["id"], [node["html"][:200] for node in each["nodes"]][:3])
        for each in result["violations"]
    ] == []


@pytest.mark.parametrize("page", PAGES)
def test_whatever_records_say_is_text(browser: Any, site: Path, page: str) -> None:  # noqa: ANN401 -- playwright's
    """No script of a record runs, nothing outside the folder is asked for, no policy is broken."""
    name, mark, address = page.partition("#")
    with open_page(browser) as shown:
        show(shown, site / name, mark + address)
        if page == "index.html":
            for cell in shown.query_selector_all("#grid td"):
                cell.click()
                shown.wait_for_timeout(20)
        shown.wait_for_timeout(150)

        assert shown.said == []
        assert all(each.startswith(site.as_uri()) for each in shown.asked)
        assert shown.evaluate("document.querySelectorAll('img, iframe, object').length") == 0
        assert not any(
            each.lower().startswith("javascript")
            for each in shown.evaluate("[...document.links].map((each) => each.href)")
        )
        width = shown.evaluate("document.body.innerText.length")
        assert width < 60_000


def test_policy_refuses_markup_scripts_and_other_hosts(browser: Any, site: Path) -> None:  # noqa: ANN401 -- playwright's own
    """Even a mistake of ours in a script would not run what a record holds."""
    with open_page(browser) as shown:
        show(shown, site / "index.html")
        refused = shown.evaluate(
            """() => ["<b>x</b>", "<img src=x onerror=alert(1)>"].map((each) => {
              try { document.body.innerHTML = each; return false; } catch { return true; }
            })"""
        )
        shown.evaluate("new Image().src = 'https://evil.example/x.png'")
        shown.wait_for_timeout(100)
        strange = shown.evaluate(
            """() => Promise.all(
              ["https://evil.example/x.js", "../x.js", "data:text/javascript,1"].map(
                (each) => verlcompat.load(each).then(() => "loaded", () => "refused")))"""
        )

    assert refused == [True, True]
    assert strange == ["refused"] * 3
    assert shown.refused == ["https://evil.example/x.png"]
    assert [each for each in shown.asked if "evil" in each] == shown.refused


def test_filters_live_in_the_address(browser: Any, site: Path) -> None:  # noqa: ANN401 -- playwright's own
    """A link made by one reader shows another the same cells; nonsense in it does no harm."""
    with open_page(browser) as shown:
        show(shown, site / "index.html")
        shown.fill("[name=verl]", "0.6.*")
        shown.select_option("[name=rung]", "imports")
        address = shown.evaluate("location.hash")
        told = shown.inner_text("#summary")
        lines = shown.query_selector_all("#grid tbody tr:not([hidden]) th span")
        rows = [each.inner_text() for each in lines]
        show(shown, site / "cell.html")
        show(shown, site / "index.html", address)
        again = shown.inner_text("#summary")
        show(shown, site / "cell.html")
        show(shown, site / "index.html", "#python=%00&verl=((((&only=<b>&rung=7&torch=%F0&glibc=9")
        odd = shown.evaluate("document.querySelectorAll('#grid td').length")

    assert "verl=0.6.*" in address
    assert "rung=imports" in address
    assert rows == ["vLLM 0.18.0", "vLLM 0.11.0"]
    assert told == again
    assert odd > 0


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("only=rotten", ["vLLM 0.18.0"]),
        ("only=installed", ["vLLM 0.11.0"]),
        ("torch=2.8.0&cuda=12.8&driver=530", ["vLLM 0.19.0", "vLLM 0.18.0", "vLLM 0.11.0"]),
        ("driver=470.1", []),
        ("release=>%3D0.18+<0.19", ["vLLM 0.18.0"]),
        ("python=3.11", ["vLLM 0.21.0"]),
    ],
)
def test_each_filter_leaves_what_it_names(
    browser: Any,  # noqa: ANN401 -- playwright's own
    site: Path,
    address: str,
    rows: list[str],
) -> None:
    """What is shown is what was asked for; the rest is hidden, never shown as good or bad."""
    with open_page(browser) as shown:
        show(shown, site / "index.html", f"#{address}")
        visible = shown.evaluate(
            """[...document.querySelectorAll('#grid tbody tr:not([hidden])')]
            .filter((each) => [...each.cells].slice(1).some((cell) =>
              !cell.className.includes("off") && cell.textContent.trim().length > 1))
            .map((each) => each.cells[0].firstChild.textContent)"""
        )

    assert visible == rows


def test_grid_is_walked_and_opened_by_keyboard(browser: Any, site: Path) -> None:  # noqa: ANN401 -- playwright's own
    """Arrows move, Enter opens, Escape closes and gives the focus back."""
    with open_page(browser) as shown:
        show(shown, site / "index.html")
        shown.focus("#grid td[tabindex='0']")
        start = shown.evaluate("document.activeElement.closest('tr').rowIndex")
        shown.keyboard.press("ArrowDown")
        shown.keyboard.press("ArrowRight")
        moved = shown.evaluate("[document.activeElement.closest('tr').rowIndex, "
                               "document.activeElement.cellIndex]")  # fmt: skip
        shown.keyboard.press("Enter")
        shown.wait_for_selector("#panel:not([hidden])")
        title = shown.evaluate("document.activeElement.id")
        shown.keyboard.press("Escape")
        closed = shown.evaluate("[document.getElementById('panel').hidden, "
                                "document.activeElement.tagName]")  # fmt: skip

    assert moved == [start + 1, 2]
    assert title == "panel-title"
    assert closed == [True, "TD"]


def test_head_line_and_first_column_stay(browser: Any, site: Path) -> None:  # noqa: ANN401 -- playwright's own
    """However far one scrolls, release names are there."""
    with open_page(browser, viewport={"width": 390, "height": 500}) as shown:
        show(shown, site / "index.html")
        boxes = shown.evaluate(
            """async () => {
              const place = document.getElementById("grid-scroll");
              const corner = () => place.querySelector(".corner").getBoundingClientRect();
              place.style.maxHeight = "150px"; place.style.maxWidth = "160px";
              const before = corner();
              place.scrollTo({ top: 60, left: 40, behavior: "instant" });
              await new Promise((done) => setTimeout(done, 100));
              const after = corner();
              return [before.x === after.x, before.y === after.y, place.scrollTop > 0];
            }"""
        )

    assert boxes == [True, True, True]


@pytest.mark.parametrize("page", PAGES)
def test_phone_shows_a_page_without_scrolling_sideways(browser: Any, site: Path, page: str) -> None:  # noqa: ANN401 -- playwright's own
    """At 360 pixels only what is meant to scroll does."""
    name, mark, address = page.partition("#")
    with open_page(browser, viewport={"width": 360, "height": 740}) as shown:
        show(shown, site / name, mark + address)
        shown.wait_for_timeout(100)
        wide = shown.evaluate("document.documentElement.scrollWidth")

    assert wide <= 360


def test_large_space_has_every_line_and_fills_it_when_it_is_reached(
    browser: Any,  # noqa: ANN401 -- playwright's own
    tmp_path: Path,
) -> None:
    """All engine releases are there from the start; their cells are made when they come near."""
    checkout = TinyWorkspace(root=tmp_path / "checkout")
    declare(checkout)
    write_space(checkout.workspace.evidence / "space", verls=3, engines=200, pythons=1)
    publish(make_report(checkout), root=checkout.root)
    with open_page(browser) as shown:
        show(shown, checkout.workspace.reports / "index.html")
        lines = shown.locator("#grid tbody tr").count()
        later = shown.locator("#grid td.later").count()
        shown.evaluate(
            "document.getElementById('grid-scroll').scrollTo({top: 1e6, behavior: 'instant'})"
        )
        shown.wait_for_selector("#grid tbody tr:last-child td:not(.later)")
        shown.focus("#grid td[tabindex='0']")
        shown.keyboard.press("Control+Home")
        shown.keyboard.press("Control+End")
        place = shown.evaluate("document.activeElement.closest('tr').rowIndex")

    assert lines == 200
    assert later > 50
    assert place == 200


def test_chinese_is_chosen_and_kept(browser: Any, site: Path) -> None:  # noqa: ANN401 -- playwright's own
    """The switch turns the interface and the page says so to a screen reader."""
    with open_page(browser) as shown:
        show(shown, site / "index.html")
        shown.click("#language")
        shown.wait_for_function("document.documentElement.lang === 'zh-CN'")
        chinese = shown.inner_text("h1")
        label = shown.get_attribute("#grid td", "aria-label")
        show(shown, site / "failures/VC001.html")
        shown.wait_for_function("document.documentElement.lang === 'zh-CN'")
        kept = shown.inner_text("h2")
        shown.click("#language")
        english = shown.inner_text("h2")

    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert re.search(r"[\u4e00-\u9fff]", label)
    assert re.search(r"[\u4e00-\u9fff]", kept)
    assert not re.search(r"[\u4e00-\u9fff]", english)


def test_what_fits_ranks_green_cells_with_their_differences(browser: Any, site: Path) -> None:  # noqa: ANN401 -- playwright's own
    """The doctor's output gives the nearest green cells and what would change."""
    with open_page(browser) as shown:
        show(shown, site / "fits.html")
        shown.fill("[name=doctor]", json.dumps(DOCTOR))
        shown.wait_for_selector("#found li table")
        first = shown.inner_text("#found li")
        fields = [
            shown.input_value(f"#machine [name={name}]")
            for name in ("python", "glibc", "driver", "gpu")
        ]
        shown.fill("[name=driver]", "470.82")
        shown.wait_for_function("document.querySelectorAll('#found li').length === 0")
        none = shown.inner_text("#told")

    assert "verl 0.6.1 + vLLM 0.18.0" in first
    assert "torch" in first
    assert "2.7.0+cu126" in first
    assert "→ 2.8.0" in first
    assert fields == ["3.12", "2.35", "550.54.15", "9.0"]
    assert none.endswith("No cell that resolves is known for this machine.")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        '{"environment": 3}',
        '{"environment": {"machine": {"a": 1}, "python": [1]}, "distributions": [1, null]}',
        json.dumps({"environment": {"machine": HOSTILE, "python": HOSTILE, "driver": HOSTILE},
                    "distributions": {HOSTILE: {"version": HOSTILE}}}),
        "x" * 300_000,
    ],
)  # fmt: skip
def test_what_is_pasted_is_only_read(browser: Any, site: Path, text: str) -> None:  # noqa: ANN401 -- playwright's own
    """Whatever is pasted, the page goes on working and runs none of it."""
    with open_page(browser) as shown:
        show(shown, site / "fits.html")
        shown.evaluate(
            """(text) => { const field = document.querySelector("[name=doctor]");
            field.value = text; field.dispatchEvent(new Event("input", { bubbles: true })); }""",
            text,
        )
        shown.wait_for_timeout(200)

        assert shown.said == []
        assert shown.evaluate("document.querySelectorAll('#found img, #found script').length") == 0


def test_address_of_no_cell_says_what_one_looks_like(browser: Any, site: Path) -> None:  # noqa: ANN401 -- playwright's own
    """A mistyped or hostile address gives help, not an empty page."""
    for address in ("#x", "#verl9-vllm9", "#%3Cimg src=x onerror=alert(1)%3E", "#%FF", ""):
        with open_page(browser) as shown:
            show(shown, site / "cell.html", address)

            assert shown.inner_text("h1") == "No such cell"
            assert shown.said == []


def test_release_day_and_today_have_pages_of_their_own(browser: Any, site: Path) -> None:  # noqa: ANN401 -- playwright's own
    """A short address means today; the other day is one link away."""
    with open_page(browser) as shown:
        show(shown, site / "cell.html", "#verl0.6.1-vllm0.19.0")
        text = shown.inner_text("main")
        links = shown.evaluate("[...document.links].map((each) => each.hash)")

    assert "as of 2026-11-19 (today)" in text
    assert "#verl0.6.1-vllm0.19.0-extra-python3.12-glibc2.35-release" in links
