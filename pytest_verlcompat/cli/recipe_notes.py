"""What the evidence says about a cell, as sentences that head its recipes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.report_inputs import make_report
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_verlcompat.execute.workspace import Workspace
    from pytest_verlcompat.matrix.load import Matrix
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.report.assemble import CellReport

_GPU = (Rung.GPU, Rung.TRAIN)
_ORDER = [
    VerdictKind.INCOMPATIBLE,
    VerdictKind.UNTESTED,
    VerdictKind.CONDITIONAL,
    VerdictKind.COMPATIBLE,
]
_SHOWN = 4


def notes_on(
    cells: Iterable[Cell], workspace: Workspace, matrix: Matrix
) -> dict[str, tuple[str, ...]]:
    """Return the sentences for each of *cells*, by its id."""
    reports = {each.cell.id: each for each in make_report(workspace, matrix).cells}
    return {cell.id: tuple(_notes(reports[cell.id], reports)) for cell in cells}


def _notes(report: CellReport, reports: Mapping[str, CellReport]) -> Iterator[str]:
    yield f"verdict: {report.verdict}; {report.cell.title}"
    for condition in report.verdict.conditions:
        yield f"condition: {condition}"
    if report.verdict.culprits:
        names = ", ".join(each.subject for each in report.verdict.culprits[:_SHOWN])
        yield f"DOES NOT WORK: {names} failed. What does: verlcompat recommend"
    yield f"why: {report.cell.reason}"
    yield from _gpu_evidence(report)
    for plainer in find_plainer(report, reports):
        extra = sorted(set(report.cell.values) - set(plainer.cell.values))
        yield (
            f"correction: the same stack without pinning {', '.join(extra)} is "
            f"{plainer.verdict}; take that one: verlcompat recipe {plainer.cell.id}"
        )


def _gpu_evidence(report: CellReport) -> Iterator[str]:
    spoken = [
        each
        for each in report.records
        if each.rung in _GPU and each.outcome in {Outcome.PASSED, Outcome.FAILED}
    ]
    if not spoken:
        yield "evidence: no GPU yet; rungs gpu and train are untested"
    for each in spoken:
        digest = hashlib.sha256(render_line(each).encode()).hexdigest()
        yield f"evidence: {each.subject} {each.outcome.value}, record sha256 {digest}"


def find_plainer(report: CellReport, reports: Mapping[str, CellReport]) -> Iterator[CellReport]:
    """Yield cells that pin less of the same, and are no worse: the surplus pins do nothing."""
    for each in reports.values():
        values = each.cell.values
        less = values.items() < report.cell.values.items() and not each.cell.overrides
        if less and _rank(each) >= _rank(report) and _rank(each) > 1:
            yield each


def _rank(report: CellReport) -> int:
    kind = report.verdict.kind
    return _ORDER.index(kind) if kind in _ORDER else -1
