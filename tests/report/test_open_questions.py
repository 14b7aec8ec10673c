"""A green row says what stands behind it and what could not be tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import judge
from pytest_verlcompat.report.assemble import CellReport
from pytest_verlcompat.report.words import render_outcome, render_reason
from tests.tiny import make_cell, make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence


def _report(*records: Evidence) -> CellReport:
    return CellReport(
        cell=make_cell(),
        lock=None,
        verdict=judge(records),
        records=records,
        contradicted=(),
        stale=0,
    )


def test_green_row_names_what_its_host_could_not_try() -> None:
    """A probe skipped on a rung that counts as passed is said; one on an untested rung is not."""
    passed = make_evidence(subject="one", outcome=Outcome.PASSED)
    skipped = make_evidence(subject="engine", outcome=Outcome.SKIPPED, lacks=("a driver",))
    gpu = make_evidence(subject="gpu", outcome=Outcome.SKIPPED, lacks=("a GPU",), rung=Rung.GPU)

    assert (
        render_reason(_report(passed, skipped, gpu))
        == "not tried here: engine (host lacks a driver)"
    )


def test_undecided_names_are_said_and_not_counted_as_good() -> None:
    """Findings that could not be decided stand beside the outcome and in the reason."""
    findings = [{"weight": "unknown"}, {"weight": "suspect"}, {"weight": "unknown"}]
    record = make_evidence(
        subject="import_surface", outcome=Outcome.PASSED, facts={"findings": findings}
    )

    assert render_reason(_report(record)) == "import_surface: 2 names undecided"
    assert render_outcome(record) == "passed, 2 undecided"
