"""Render the cells as JUnit XML: a suite a cell, a case a check or probe, the verdict last.

The form is the one pytest writes (``xunit2``) and Jenkins, GitLab and their like read. A
failure that the cell's file expects is a skipped case, as pytest has it for xfail.

Source: https://github.com/pytest-dev/pytest, testing/example_scripts/junit-10.xsd (the schema of
Jenkins' xunit plugin, against which pytest tests its own files), read 2026-11-20.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from pytest_verlcompat.report.run_cases import Case, Ended, list_cases
from pytest_verlcompat.report.xml_text import document, element, xml_line, xml_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_verlcompat.report.assemble import CellReport, Report

SUFFIX = ".xml"
_TAGS = {
    Ended.FAILED: "failure",
    Ended.ERRORED: "error",
    Ended.SKIPPED: "skipped",
    Ended.EXPECTED: "skipped",
}


def render(report: Report) -> str:
    """Return the cells of *report* as one JUnit document."""
    suites = {cell.cell.id: list_cases(cell) for cell in report.cells}
    everything = [case for cases in suites.values() for case in cases]
    counts = _counts(everything)
    del counts["skipped"]  # the schema has it on suites alone
    root = ET.Element("testsuites", {"name": "verlcompat", **counts})
    for cell in report.cells:
        _suite(root, cell, suites[cell.cell.id])
    return document(root)


def _suite(root: ET.Element, cell: CellReport, cases: tuple[Case, ...]) -> None:
    about = {"name": cell.cell.id, **_counts(cases)}
    if cell.records:
        earliest = min(record.started_at for record in cell.records)
        about["timestamp"] = xml_line(earliest.removesuffix("Z"), limit=40)
    suite = ET.SubElement(root, "testsuite", about)
    facts = {"title": cell.cell.title, "verdict": str(cell.verdict)}
    if cell.contradicted:
        facts["contradicted"] = ", ".join(cell.contradicted)
    properties = ET.SubElement(suite, "properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", {"name": name, "value": xml_line(value)})
    for case in cases:
        _case(suite, cell, case)


def _case(suite: ET.Element, cell: CellReport, case: Case) -> None:
    about = {"classname": cell.cell.id, "name": xml_line(case.name, limit=200)}
    made = ET.SubElement(suite, "testcase", {**about, "time": f"{case.duration_s:.3f}"})
    tag = _TAGS.get(case.ended)
    if tag is None:
        if case.message:
            element(made, "system-out", xml_text(case.message))
        return
    said = {"message": xml_line(case.message)}
    if case.ended is Ended.EXPECTED:
        said = {"type": "verlcompat.expected", "message": xml_line(f"expected: {case.message}")}
    elif case.record is not None and case.record.cause is not None:
        said = {"type": xml_line(case.record.cause.kind, limit=200), **said}
    element(made, tag, xml_text(case.detail), attributes=said)


def _counts(cases: Iterable[Case]) -> dict[str, str]:
    listed = list(cases)
    tags = Counter(_TAGS.get(case.ended) for case in listed)
    return {
        "tests": str(len(listed)),
        "failures": str(tags["failure"]),
        "errors": str(tags["error"]),
        "skipped": str(tags["skipped"]),
        "time": f"{math.fsum(case.duration_s for case in listed):.3f}",
    }
