"""The pages: reviewed as text, equal bytes, no other host, and whatever a stack said is text."""

from __future__ import annotations

import html
import html.parser
import re
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.report import site_pages
from pytest_verlcompat.report.publish import find_changes, publish, render_all
from pytest_verlcompat.report.site_inputs import Declared, SiteInputs
from pytest_verlcompat.store.jsonl import append
from tests.report.conftest import HOSTILE, make_report, record_space
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from tests.conftest import CheckGolden
    from tests.tiny import TinyWorkspace

CELL = "verl0.6.1-vllm0.16.0"
INPUTS = SiteInputs(
    declared=(
        Declared(
            verl="0.6.1",
            engine="vllm",
            declared="<=0.11.0",
            documented=(("docs 0.8.3", "docs/install.rst"), (HOSTILE, HOSTILE)),
            gated=">=0.7.0",
            disagreements=(HOSTILE,),
        ),
    ),
    needs={"loop": "uvloop<0.22"},
    effects={"loop": HOSTILE},
    catalogue=load_catalogue()[:3],
    recipes={CELL: ("install.sh",)},
)
GOLDEN = ("index.html", "releases.html", "cells/index.html", f"cells/{CELL}.html", "figures.html")


class _Tags(html.parser.HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.targets: set[str] = set()
        self.scripts: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names.update(name for name, _ in attrs)
        self.targets.update(value or "" for name, value in attrs if name in {"href", "src"})
        if tag == "script":
            self.scripts.append(dict(attrs).get("src") or "inline")

    def handle_data(self, data: str) -> None:
        self.text += data


def _pages(checkout: TinyWorkspace) -> dict[str, str]:
    files = site_pages.render_site(make_report(checkout), INPUTS)
    return {name: text for name, text in files.items() if name.endswith(".html")}


@pytest.mark.parametrize("name", GOLDEN)
def test_page_is_as_reviewed(checkout: TinyWorkspace, check_golden: CheckGolden, name: str) -> None:
    """What people open, as source."""
    record_space(checkout, {"release": "0.19.0"}, {"release": "0.20.0", "form": "bare"})

    check_golden(_pages(checkout)[name], f"report/site/{name.replace('/', '-')}")


def test_hostile_text_is_inert_in_every_page(checkout: TinyWorkspace) -> None:
    """What a stack prints is shown as it is: no tag, no attribute, no link comes of it."""
    record_space(checkout, {"verl": HOSTILE, "release": HOSTILE, "python": HOSTILE})

    pages = _pages(checkout)

    for name, page in pages.items():
        tags = _Tags(page)
        assert tags.tags.isdisjoint({"img", "iframe", "object", "i", "base"}), name
        assert not any(each.startswith("on") or each == "style" for each in tags.names), name
        assert not any("javascript:" in each.lower() for each in tags.targets), name
        assert all(re.fullmatch(r"(\.\./)?(data|site)/[a-z-]+\.js", each) for each in tags.scripts)
    cell = _Tags(pages[f"cells/{CELL}.html"])
    assert "<script>alert(1)</script> <img src=x onerror=alert(2)>" in cell.text
    assert "{{ 7*7 }}" in cell.text


def test_links_leave_the_site_only_to_sources(checkout: TinyWorkspace) -> None:
    """Nothing is loaded from anywhere; what can be followed is a file here or a source."""
    for name, page in _pages(checkout).items():
        tags = _Tags(page)
        loaded = re.findall(r"""<(?:script|link|img)[^>]*(?:src|href)=["']([^"']+)""", page)
        loaded.remove("../changes.atom" if "/" in name else "changes.atom")  # named, not loaded
        assert all(re.fullmatch(r"(\.\./)?(site|data)/[\w.-]+", each) for each in loaded), name
        assert site_pages.POLICY in html.unescape(page), name
        assert all(
            re.fullmatch(r"https://.+|#[\w.-]+|[\w./+-]+(#[\w.+-]+)?", each)
            for each in tags.targets
        ), name


def test_every_relative_link_leads_somewhere(checkout: TinyWorkspace) -> None:
    """No page points at a page, script or record that is not there."""
    report = make_report(checkout)
    publish(report, root=checkout.root, inputs=INPUTS)
    checkout.write(f"reports/recipes/{CELL}/install.sh", "#!/bin/sh")

    for page in checkout.workspace.reports.rglob("*.html"):
        for target in _Tags(page.read_text(encoding="utf-8")).targets:
            path = target.partition("#")[0]
            if path and not path.startswith("https://"):
                assert (page.parent / path).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "http://x.example/", "data:text/html,x", "index:verl==0.6.1"]
)
def test_address_that_is_not_safe_to_follow_is_no_link(address: str) -> None:
    """Only https is followed; the rest is shown."""
    assert site_pages.link(address) == address
    assert '<a href="https://x.example/a"' in site_pages.link("https://x.example/a")


def test_contradicted_probe_is_flaky_and_shows_both(checkout: TinyWorkspace) -> None:
    """Of two opposite results of one probe neither is hidden."""
    cell_id = "verl0.6.1-vllm0.11.0"
    lock = next(each.lock for each in make_report(checkout).cells if each.cell.id == cell_id)
    assert lock is not None
    record = make_evidence(
        cell_id=cell_id, lock_sha256=lock.sha256, outcome=Outcome.FAILED,
        started_at="2025-01-01T00:00:00Z",
    )  # fmt: skip
    append(record, path=checkout.workspace.evidence / f"{cell_id}.jsonl")

    pages = _pages(checkout)
    text = " ".join(_Tags(pages[f"cells/{cell_id}.html"]).text.split())

    assert "flaky : passed" in text.replace("flaky:", "flaky :")
    assert "but on 2025-01-01, on Linux x86_64, glibc 2.35, no GPU: failed" in text
    assert "flaky" in pages["cells/index.html"]


def test_megabytes_in_one_field_are_cut(checkout: TinyWorkspace) -> None:
    """A page stays small whatever a record holds, and says how much was left out."""
    cell_id = "verl0.6.1-vllm0.13.0"
    lock = next(each.lock for each in make_report(checkout).cells if each.cell.id == cell_id)
    assert lock is not None
    record = make_evidence(
        cell_id=cell_id, lock_sha256=lock.sha256, condition="z" * 4_000_000,
        started_at="2027-01-01T00:00:00Z",
    )  # fmt: skip
    append(record, path=checkout.workspace.evidence / f"{cell_id}.jsonl")

    page = _pages(checkout)[f"cells/{cell_id}.html"]

    assert len(page) < 40_000
    assert "characters more)" in page


def test_what_nothing_gives_any_more_is_removed(checkout: TinyWorkspace) -> None:
    """The page of a cell that is gone goes with it; other folders are left alone."""
    publish(make_report(checkout), root=checkout.root)
    left = checkout.write("reports/cells/gone.html", "old")
    other = checkout.write("reports/other/kept.html", "kept")

    assert find_changes(make_report(checkout), root=checkout.root) == {left: None}
    publish(make_report(checkout), root=checkout.root)

    assert not left.exists()
    assert other.exists()


def test_pages_name_their_snapshot_and_what_could_not_be_read(checkout: TinyWorkspace) -> None:
    """A reader knows what a page was made from."""
    with (checkout.workspace.evidence / f"{CELL}.jsonl").open("a") as handle:
        handle.write('{"schema_version": 99}\n{"half')
    report = make_report(checkout)

    for name, page in _pages(checkout).items():
        text = _Tags(page).text
        assert f"Snapshot {report.snapshot}" in text, name
        assert "2 lines of the records could not be read" in text, name


def test_rewards_that_are_no_numbers_draw_no_curve(checkout: TinyWorkspace) -> None:
    """Odd facts cost the curve, not the page."""
    cell_id = "verl0.6.1-vllm0.11.0"
    assert "<polyline" in _pages(checkout)[f"cells/{cell_id}.html"]
    lock = make_report(checkout).cells[0].lock
    assert lock is not None
    for number, rewards in enumerate((["x"], 3, None, [0.1], ["nan", 0.5])):
        record = make_evidence(
            cell_id=cell_id,
            lock_sha256=lock.sha256,
            facts={"rewards": rewards},
            started_at=f"2027-01-01T00:00:0{number}Z",
            subject="tiny_grpo",
            subject_sha256="gg",
        )
        append(record, path=checkout.workspace.evidence / f"{cell_id}.jsonl")

        assert "<polyline" not in _pages(checkout)[f"cells/{cell_id}.html"]


def test_nothing_recorded_gives_every_page(checkout: TinyWorkspace) -> None:
    """A fresh checkout has pages that say so."""
    for path in checkout.workspace.evidence.glob("*.jsonl"):
        path.unlink()

    pages = render_all(make_report(checkout))

    assert "Nothing is recorded about the space yet." in pages["index.html"]
    assert "Nothing is recorded yet." in pages["rot.html"]
