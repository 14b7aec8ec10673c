"""Every other form holds the same report, is as reviewed, and stays valid whatever a stack says."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import uuid
from datetime import datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.model.verdict import VerdictKind, judge
from pytest_verlcompat.report import (
    render_atom,
    render_csv,
    render_ctrf,
    render_json,
    render_junit,
    render_markdown,
)
from pytest_verlcompat.report.assemble import CellReport, Report
from pytest_verlcompat.report.forms import list_forms, render_form
from pytest_verlcompat.report.run_cases import started_ms
from tests.report.conftest import HOSTILE
from tests.tiny import make_cell, make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence
    from tests.conftest import CheckGolden

FORMS = {"atom": "changes.atom", "csv": "matrix.csv", "ctrf": "ctrf.json", "junit": "junit.xml"}
ATOM = "{http://www.w3.org/2005/Atom}"
NASTY = [
    HOSTILE,
    "\x00\x01\x0b\x1b[2J\x7f\x85\u2028\ufffe]]>",
    "=HYPERLINK(0)",
    "&" * 100_000,
    "x" * 3_000_000,
    "",
    "\n\n",
]


def _report(cells: list[CellReport]) -> Report:
    """Return a report on *cells*."""
    return Report(
        cells=tuple(cells),
        axes=("alpha",),
        distributions={"alpha": "alpha"},
        probe_titles={},
        figures=(),
        damaged=(),
    )


def _cell(*records: Evidence, **changes: object) -> CellReport:
    """Return the report on one cell, *changes* being fields of the cell."""
    return CellReport(
        cell=make_cell(**changes),
        lock=None,
        verdict=judge(records),
        records=records,
        contradicted=(),
        stale=0,
        history=records,
    )


@pytest.fixture(params=NASTY, ids=range(len(NASTY)))
def nasty(request: pytest.FixtureRequest) -> Report:
    """Return a report in which every text of a stack is a nasty one."""
    text: str = request.param
    cause = Cause(kind=text, first_line=text, detail=text)
    failed = make_evidence(subject=text, outcome=Outcome.FAILED, cause=cause)
    skipped = make_evidence(subject=f"{text}2", outcome=Outcome.SKIPPED, lacks=(text,))
    passed = make_evidence(subject="c", condition=text, facts={"a": text, text[:9]: [text] * 3})
    return _report([_cell(failed, skipped, passed, title=text, reason=text)])


@pytest.mark.parametrize("form", FORMS)
def test_form_is_as_reviewed(report: Report, form: str, check_golden: CheckGolden) -> None:
    """Fields, order and words of each form."""
    check_golden(render_form(report, form), f"report/{FORMS[form]}")


def test_forms_are_found_by_listing_the_folder(report: Report) -> None:
    """Each form of the folder can be asked for by name and is not empty."""
    assert {"atom", "badge", "badge-svg", "csv", "ctrf", "json", "junit", "markdown"} < {
        *list_forms()
    }
    for form in list_forms():
        assert render_form(report, form).endswith("\n")


@pytest.mark.parametrize("form", ["atom", "junit", "badge-svg"])
def test_xml_stays_well_formed(nasty: Report, form: str) -> None:
    """Markup and characters that XML forbids are text, and megabytes are cut."""
    text = render_form(nasty, form)

    root = ET.fromstring(text.encode())
    assert len(text) < 500_000
    assert {each.tag.partition("}")[2] or each.tag for each in root.iter()}.isdisjoint(
        {"script", "img", "td"}
    )
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2028]", text)


@pytest.mark.parametrize("form", ["json", "ctrf", "badge"])
def test_json_stays_small_and_plain(nasty: Report, form: str) -> None:
    """Nothing that turns the direction of reading, and no megabytes."""
    text = render_form(nasty, form)

    json.loads(text)
    assert text.isascii()
    assert len(text) < 150_000


def test_csv_gives_no_formula_and_one_line_a_cell(nasty: Report) -> None:
    """A spreadsheet takes nothing for a formula, and each row has all columns."""
    text = render_csv.render(nasty)

    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == len(text.splitlines()) == 2
    assert len(rows[0]) == len(rows[1])
    assert not any(each.startswith(("=", "+", "-", "@", "\t", "\r")) for each in rows[1])


def test_matrix_json_is_what_its_schema_says(report: Report) -> None:
    """The committed schema is valid and describes every field of the report."""
    schema = json.loads(render_json.SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)

    errors = list(Draft202012Validator(schema).iter_errors(json.loads(render_json.render(report))))

    assert errors == []


def test_schema_refuses_a_field_that_went_or_changed(report: Report) -> None:
    """It is strict where a program relies on it."""
    schema = json.loads(render_json.SCHEMA.read_text("utf-8"))
    body = json.loads(render_json.render(report))
    for change in ({"verdict": "green"}, {"verdict": None}, {"unheard_of": 1}):
        cells = [{**body["cells"][0], **change}]

        assert not Draft202012Validator(schema).is_valid({**body, "cells": cells})


def test_damaged_lines_are_counted(report: Report) -> None:
    """A half-written line is said, not hidden."""
    damaged = dataclasses.replace(report, damaged=("a.jsonl:3: cut",))

    assert json.loads(render_json.render(damaged))["damaged_lines"] == 1
    assert "could not be read and do not count: 1." in render_markdown.render(damaged)


def test_large_facts_are_left_out_by_name() -> None:
    """What the evidence file holds whole is not told twice; nothing goes silently."""
    record = make_evidence(facts={"findings": ["x" * 100] * 1000, "small": [1, 2]})

    body = json.loads(render_json.render(_report([_cell(record)])))["cells"][0]["records"][0]

    assert body["facts"] == {"small": [1, 2]}
    assert body["facts_left_out"] == ["findings"]


def test_ctrf_counts_agree_with_its_tests(report: Report) -> None:
    """The summary adds up, ids are unique, and every required field has its type."""
    body = json.loads(render_ctrf.render(report))

    results = body["results"]
    tests, summary = results["tests"], results["summary"]
    statuses = ("passed", "failed", "skipped", "pending", "other")
    assert (body["reportFormat"], body["specVersion"]) == ("CTRF", "0.0.0")
    assert uuid.UUID(body["reportId"])
    assert summary["tests"] == len(tests) == sum(summary[each] for each in statuses)
    assert all(summary[each] == sum(t["status"] == each for t in tests) for each in statuses)
    assert len({test["id"] for test in tests}) == len(tests)
    assert all(type(test["duration"]) is int and test["name"] for test in tests)
    assert summary["start"] <= summary["stop"]


def test_junit_counts_agree_with_its_cases(report: Report) -> None:
    """Each suite and the whole say how many cases failed, broke and were skipped."""
    root = ET.fromstring(render_junit.render(report))

    for node in (root, *root.iter("testsuite")):
        cases = list(node.iter("testcase"))
        assert int(node.attrib["tests"]) == len(cases)
        for tag, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            count = sum(case.find(tag) is not None for case in cases)
            assert int(node.attrib.get(key, count)) == count


def test_junit_has_no_element_or_attribute_that_its_schema_lacks(nasty: Report) -> None:
    """What Jenkins' xunit plugin validates, with `error` as pytest and Jenkins both write it."""
    known = {
        "testsuites": {"name", "time", "tests", "failures", "errors"},
        "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        "properties": set(),
        "property": {"name", "value"},
        "testcase": {"name", "classname", "time"},
        "failure": {"type", "message"},
        "error": {"type", "message"},
        "skipped": {"type", "message"},
        "system-out": set(),
    }
    root = ET.fromstring(render_junit.render(nasty))

    assert all(set(node.attrib) <= known[node.tag] for node in root.iter())
    times = [node.attrib["time"] for node in root.iter() if "time" in node.attrib]
    assert all(re.fullmatch(r"\d+\.\d{3}", each) for each in times)


@pytest.mark.parametrize(
    ("expected", "failing", "case", "verdict"),
    [
        ("compatible", None, "failure", "failure"),
        ("incompatible", None, "skipped", None),
        ("incompatible", ("engine",), "skipped", None),
        ("incompatible", ("other",), "failure", "failure"),
    ],
)
def test_failure_of_a_run_is_what_the_cell_does_not_expect(
    expected: str, failing: tuple[str, ...] | None, case: str, verdict: str | None
) -> None:
    """Cases agree with the exit status: a failure that is declared is none, as with xfail."""
    record = make_evidence(outcome=Outcome.FAILED, cause=Cause(kind="E", first_line="x"))
    cell = _cell(record, expected=VerdictKind(expected), failing=failing)

    suite = ET.fromstring(render_junit.render(_report([cell])))[0]

    tags = [[each.tag for each in node] for node in suite.iter("testcase")]
    assert tags[0] == [case]
    assert verdict is None or tags[1] == [verdict]
    assert verdict is not None or tags[1] == ["system-out"]


def test_untested_verdict_is_skipped_and_a_broken_harness_an_error() -> None:
    """Unknown is neither good nor bad, in either format."""
    record = make_evidence(outcome=Outcome.ERRORED, cause=Cause(kind="OSError", first_line="full"))
    report = _report([_cell(record)])

    junit = ET.fromstring(render_junit.render(report))
    statuses = [
        each["status"] for each in json.loads(render_ctrf.render(report))["results"]["tests"]
    ]

    assert [[each.tag for each in node] for node in junit.iter("testcase")] == [
        ["error"],
        ["skipped"],
    ]
    assert statuses == ["other", "skipped"]


@pytest.mark.parametrize("when", ["yesterday", "2026-02-31T00:00:00Z", ""])
def test_record_without_a_day_has_no_time(when: str) -> None:
    """A date that is none costs the times of that case, not the document."""
    record = make_evidence(started_at=when)

    tests = json.loads(render_ctrf.render(_report([_cell(record)])))["results"]["tests"]

    assert started_ms(record) is None
    assert "start" not in tests[0]


def test_atom_is_valid_where_readers_look(report: Report) -> None:
    """Required elements once each, dates of RFC 3339, ids unique and of nobody's host."""
    root = ET.fromstring(render_atom.render(report))

    for node in (root, *root.iter(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(node.findall(f"{ATOM}{name}")) == 1
        updated = node.findtext(f"{ATOM}updated", "")
        assert datetime.fromisoformat(updated.replace("Z", "+00:00")).tzinfo is not None
    ids = [node.text or "" for node in root.iter(f"{ATOM}id")]
    assert len(set(ids)) == len(ids) > 1
    assert all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", each) for each in ids)
    assert all(node.find(f"{ATOM}content") is not None for node in root.iter(f"{ATOM}entry"))
    assert root.findtext(f"{ATOM}author/{ATOM}name")


def test_feed_without_changes_is_still_a_feed() -> None:
    """No records, no clock: the same bytes on every day."""
    root = ET.fromstring(render_atom.render(_report([])))

    assert root.findtext(f"{ATOM}updated") == "1970-01-01T00:00:00Z"


def test_markdown_of_thousands_of_cells_fits_a_step_summary() -> None:
    """What is left out is the untested and the expected, and how much is said."""
    cause = Cause(kind="ImportError", first_line="&" * 400)
    failed = make_evidence(outcome=Outcome.FAILED, cause=cause)
    cells = [_cell(failed, id=f"cell{number}") for number in range(6_000)]
    cells.append(_cell(make_evidence(outcome=Outcome.SKIPPED, lacks=("a GPU",)), id="dull"))

    text = render_markdown.render(_report(cells))

    rows = sum(line.startswith("| ✘") for line in text.splitlines())
    assert len(text.encode()) < 1_000_000
    assert f"{6_001 - rows} more rows" in text
    assert re.search(r"The evidence of \d+ more cells is in `matrix.json`", text)
    assert "| · |" not in text


def test_readme_of_many_cells_shows_the_newest_verl(report: Report) -> None:
    """A README stays readable: the newest releases, and how many rows are elsewhere."""
    cells = [
        dataclasses.replace(
            report.cells[0],
            cell=make_cell(id=f"c{number}", values={"verl": f"0.{number}.0", "vllm": "0.1"}),
        )
        for number in range(70)
    ]
    text = "<!-- table: written by verlcompat report -->\n<!-- end of table -->"

    shown = render_markdown.render_readme(text, dataclasses.replace(report, cells=tuple(cells)))

    assert "| verl 0.69.0 + vllm 0.1 |" in shown
    assert "| verl 0.9.0 + vllm 0.1 |" not in shown
    assert "10 more rows are in the files under `reports/`." in shown
