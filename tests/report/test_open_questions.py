"""A green row says what stands behind it and what could not be tried."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_verlcompat.issues.language import find_language
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import judge
from pytest_verlcompat.report.assemble import CellReport
from pytest_verlcompat.report.words import TRANSLATIONS, render_outcome, render_reason
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
    assert render_outcome(record) == "passed, 2 names undecided"


def test_probes_that_lack_the_same_are_named_together() -> None:
    """What needed it differs, what is lacking is said once."""
    records = [
        make_evidence(subject=name, outcome=Outcome.SKIPPED, lacks=(f"a driver, for {name}",))
        for name in ("one", "two")
    ]

    reason = render_reason(_report(make_evidence(subject="engine"), *records))

    assert reason == "not tried here: one, two (host lacks a driver)"


def test_red_row_names_the_first_cause_and_what_fails_too() -> None:
    """The lowest rung speaks; the others are named, not told again."""
    cause = Cause(kind="ImportError", first_line="no x")
    failing = [
        make_evidence(subject=name, outcome=Outcome.FAILED, cause=cause) for name in ("b", "a", "c")
    ]

    assert render_reason(_report(*failing)) == "a: ImportError: no x; failing too: b, c"


def test_row_without_evidence_says_that_it_went_stale() -> None:
    """A row that was green and is untested now tells why."""
    report = dataclasses.replace(_report(), stale=3)

    assert "changed since the evidence" in render_reason(report)


def test_reason_is_said_in_the_language_of_the_readme() -> None:
    """The sentence around is translated, names of probes and of what is lacking are not."""
    skipped = make_evidence(subject="engine", outcome=Outcome.SKIPPED, lacks=("a driver",))
    chinese = find_language("zh_CN", folder=TRANSLATIONS)

    reason = render_reason(_report(make_evidence(), skipped), language=chinese)

    assert reason == "此处未能测试：engine（主机缺少 a driver）"
