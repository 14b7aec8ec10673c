"""The records that count are chosen and judged; stale and contradicting ones are said."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.report.assemble import choose
from pytest_verlcompat.store.jsonl import append
from tests.report.conftest import make_report
from tests.tiny import TinyWorkspace, make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import CellReport, Report

FIRST = "verl0.6.1-vllm0.11.0"


def _cell(report: Report, cell_id: str = FIRST) -> CellReport:
    return next(each for each in report.cells if each.cell.id == cell_id)


def test_every_verdict_comes_out(report: Report) -> None:
    """One cell each, and whether it is what its file declares."""
    found = {each.cell.values["vllm"]: each for each in report.cells}

    assert {version: each.verdict.kind.value for version, each in found.items()} == {
        "0.11.0": "compatible",
        "0.12.0": "incompatible",
        "0.13.0": "conditional",
        "0.14.0": "unresolvable",
        "0.15.0": "untested",
        "0.16.0": "incompatible",
    }
    assert [version for version, each in found.items() if not each.as_expected] == [
        "0.12.0",
        "0.15.0",
    ]


@pytest.mark.parametrize("change", [{"lock_sha256": "other"}, {"subject_sha256": "other"}])
def test_stale_record_does_not_count(checkout: TinyWorkspace, change: dict[str, str]) -> None:
    """Evidence of another lock or of other code is counted as stale and says nothing."""
    good = _cell(make_report(checkout)).records[-1]
    stale = dataclasses.replace(
        good, outcome=Outcome.FAILED, started_at="2027-01-01T00:00:00Z", **change
    )
    append(stale, path=checkout.workspace.evidence / f"{FIRST}.jsonl")

    cell = _cell(make_report(checkout))

    assert cell.stale == 1
    assert cell.verdict.kind.value == "compatible"


def test_record_of_a_probe_that_is_gone_does_not_count(checkout: TinyWorkspace) -> None:
    """What nobody can run any more proves nothing."""
    good = _cell(make_report(checkout)).records[-1]
    append(
        dataclasses.replace(good, subject="gone", outcome=Outcome.FAILED),
        path=checkout.workspace.evidence / f"{FIRST}.jsonl",
    )

    assert _cell(make_report(checkout)).stale == 1


def test_cell_without_a_valid_lock_is_untested(checkout: TinyWorkspace) -> None:
    """A lock that does not fit its cell makes all evidence stale; the report is still made."""
    path = checkout.root / "matrix" / "locks" / FIRST / "requirements.txt"
    path.write_text("# inputs-sha256: other\nverl==0.6.1 --hash=sha256:00\n")

    cell = _cell(make_report(checkout))

    assert cell.lock is None
    assert cell.records == ()
    assert cell.verdict.kind.value == "untested"


@pytest.mark.parametrize(
    ("said", "chosen", "contradicted"),
    [
        (["passed"], "passed", False),
        (["passed", "skipped"], "passed", False),
        (["skipped", "passed"], "passed", False),
        (["passed", "errored"], "passed", False),
        (["skipped", "errored"], "errored", False),
        (["failed", "passed"], "passed", True),
        (["passed", "failed"], "failed", True),
        (["passed", "failed", "skipped"], "failed", True),
    ],
)
def test_newest_that_says_something_counts(
    said: list[str], chosen: str, *, contradicted: bool
) -> None:
    """A skip on one machine does not hide a pass on another; opposite results are marked."""
    records = [
        make_evidence(outcome=Outcome(word), started_at=f"2026-01-0{day}T00:00:00Z")
        for day, word in enumerate(said, start=1)
    ]

    for order in (records, records[::-1]):
        found, opposite = choose(order)

        assert found["engine"].outcome.value == chosen
        assert opposite == (("engine",) if contradicted else ())


def test_snapshot_names_what_counts(checkout: TinyWorkspace) -> None:
    """Equal evidence has one name; one more record that counts gives another."""
    before = make_report(checkout).snapshot
    same = make_report(checkout).snapshot
    good = _cell(make_report(checkout)).records[-1]
    append(
        dataclasses.replace(good, started_at="2027-01-01T00:00:00Z"),
        path=checkout.workspace.evidence / f"{FIRST}.jsonl",
    )

    assert before == same
    assert make_report(checkout).snapshot != before


def test_damaged_evidence_is_reported_and_the_rest_counts(checkout: TinyWorkspace) -> None:
    """One torn line does not cost the table."""
    with (checkout.workspace.evidence / f"{FIRST}.jsonl").open("a") as handle:
        handle.write("{torn\n")

    report = make_report(checkout)

    assert report.damaged == (f"{FIRST}.jsonl:5: not a JSON object; was the file edited or cut?",)
    assert _cell(report).verdict.kind.value == "compatible"


@pytest.mark.parametrize("text", ["{", "[]"])
def test_damaged_figure_is_an_error_with_its_name(checkout: TinyWorkspace, text: str) -> None:
    """A figure that cannot be read is not silently left out."""
    checkout.write("reports/figures/broken.json", text)

    with pytest.raises(EvidenceError, match=r"figures/broken\.json: is not "):
        make_report(checkout)


def test_nothing_recorded_gives_a_table_of_untested(checkout: TinyWorkspace) -> None:
    """A fresh checkout has a report."""
    for path in checkout.workspace.evidence.glob("*.jsonl"):
        path.unlink()

    report = make_report(checkout)

    assert {each.verdict.kind.value for each in report.cells} == {"untested"}
