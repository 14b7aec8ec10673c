"""Every form shows the same report: reviewed as text, equal bytes twice, hostile text inert."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pytest_verlcompat.report import (
    render_badge,
    render_json,
    render_markdown,
    render_text,
)
from pytest_verlcompat.report.publish import find_changes, publish, render_all
from pytest_verlcompat.store.jsonl import append
from tests.report.conftest import HOSTILE, make_report
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import Report
    from tests.conftest import CheckGolden
    from tests.tiny import TinyWorkspace


def test_markdown_is_as_reviewed(report: Report, check_golden: CheckGolden) -> None:
    """The table and the evidence of each cell."""
    check_golden(render_markdown.render(report), "report/matrix.md")


def test_json_is_as_reviewed(report: Report, check_golden: CheckGolden) -> None:
    """Field names are what programs rely on."""
    check_golden(render_json.render(report), "report/matrix.json")


def test_badge_is_as_reviewed(report: Report, check_golden: CheckGolden) -> None:
    """What the badge of the repository says."""
    check_golden(render_badge.render(report), "report/badge.json")


def test_terminal_text_is_as_reviewed(report: Report, check_golden: CheckGolden) -> None:
    """What a terminal shows after a run."""
    parts = [render_text.render_cell(cell) for cell in report.cells]
    parts.append(render_text.render_cell(report.cells[0], note="this machine has no CPython 3.99"))
    closing = render_text.render_closing(cells=6, wrong=2, executed=7, current=3, duration_s=83.4)

    check_golden("\n\n".join([*parts, closing]) + "\n", "report/terminal.txt")


def test_terminal_text_fits_80_columns_and_is_printable(checkout: TinyWorkspace) -> None:
    """Neither long words nor escape sequences of a stack reach the terminal."""
    cell_id = "verl0.6.1-vllm0.13.0"
    report = make_report(checkout)
    lock = next(each.lock for each in report.cells if each.cell.id == cell_id)
    assert lock is not None
    record = make_evidence(
        cell_id=cell_id,
        lock_sha256=lock.sha256,
        condition="x" * 500 + "\x1b[2J\r\n" + "word " * 200,
        started_at="2027-01-01T00:00:00Z",
    )
    append(record, path=checkout.workspace.evidence / f"{cell_id}.jsonl")

    for cell in make_report(checkout).cells:
        for note in (None, "y" * 300):
            for line in render_text.render_cell(cell, note=note).split("\n"):
                assert len(line) <= 80
                assert line.isprintable()
    closing = render_text.render_closing(
        cells=9999, wrong=9999, executed=99999, current=99999, duration_s=99999
    )
    assert max(map(len, closing.splitlines())) <= 80


def test_same_evidence_gives_the_same_bytes(checkout: TinyWorkspace) -> None:
    """A second run changes no file, so a diff means that the evidence changed."""
    assert render_all(make_report(checkout)) == render_all(make_report(checkout))

    first = publish(make_report(checkout), root=checkout.root)
    second = publish(make_report(checkout), root=checkout.root)

    assert {"matrix.md", "index.html", "space.js", "site.css", "changes.atom"} <= set(first)
    assert second == ()
    assert not list(checkout.root.rglob("*.new"))


def test_order_of_the_file_does_not_change_the_page(checkout: TinyWorkspace) -> None:
    """Two branches whose evidence was merged the other way round publish the same."""
    before = render_all(make_report(checkout))
    for path in checkout.workspace.evidence.glob("*.jsonl"):
        path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))

    assert render_all(make_report(checkout)) == before


def test_readme_table_stands_between_its_marks(checkout: TinyWorkspace) -> None:
    """Only what stands between the marks is written; the rest of the README is the author's."""
    readme = checkout.write(
        "README.md",
        "# Title\n<!-- table: written by verlcompat report -->\n"
        "stale table\n<!-- end of table -->\nrest",
    )

    publish(make_report(checkout), root=checkout.root)

    text = readme.read_text()
    assert text.startswith("# Title\n<!-- table")
    assert text.endswith("<!-- end of table -->\nrest\n")
    assert "stale table" not in text
    assert "| verl 0.6.1 + vllm 0.11.0 |" in text
    assert find_changes(make_report(checkout), root=checkout.root) == {}


def test_readme_in_another_language_gets_its_table(checkout: TinyWorkspace) -> None:
    """The name of the file says which language; a name that says none means English."""
    empty = "<!-- table: written by verlcompat report -->\n<!-- end of table -->"
    chinese, english = (
        checkout.write("README.zh-CN.md", empty),
        checkout.write("README.old.md", empty),
    )

    publish(make_report(checkout), root=checkout.root)

    assert "| 有条件兼容 |" in chinese.read_text()
    assert "此处未能测试：engine" in chinese.read_text()
    assert "| conditional |" in english.read_text()


def test_readme_without_marks_is_left_alone(checkout: TinyWorkspace) -> None:
    """A README that asks for no table gets none."""
    readme = checkout.write("README.md", "# Title")

    publish(make_report(checkout), root=checkout.root)

    assert readme.read_text() == "# Title\n"


def test_control_characters_do_not_reach_the_page(report: Report) -> None:
    """No escape sequence and no change of direction is passed on to who reads the source."""
    for text in render_all(report).values():
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)


def test_hostile_text_is_inert_in_markdown(checkout: TinyWorkspace) -> None:
    """No cell of the table is broken, and nothing becomes a link, an image, a tag or code."""
    cell_id = "verl0.6.1-vllm0.13.0"
    lock = next(each.lock for each in make_report(checkout).cells if each.cell.id == cell_id)
    assert lock is not None
    record = make_evidence(
        cell_id=cell_id, lock_sha256=lock.sha256, subject=HOSTILE, subject_sha256=None
    )
    append(record, path=checkout.workspace.evidence / f"{cell_id}.jsonl")

    text = render_markdown.render(make_report(checkout))

    bare = re.sub(r"\\.", "", text)  # without what is escaped
    assert set(re.findall(r"<[^>]*>", bare)) == {"<!-- written by: verlcompat report -->"}
    assert not re.search(r"[\[\]~](?!`)", re.sub(r"`[^`\n]*`", "", bare))
    assert all(span[1:-1].isprintable() for span in re.findall(r"`[^`\n]*`", bare))
    assert "code" not in re.findall(r"`([^`\n]*)`", bare)
    for line in bare.splitlines():
        if line.startswith("|"):
            assert line.count("|") in {6, 10}, line


def test_json_names_rungs_and_whether_as_expected(report: Report) -> None:
    """A program reads the verdict, the rungs behind it, and what was expected."""
    cells = {
        cell["values"]["vllm"]: cell for cell in json.loads(render_json.render(report))["cells"]
    }

    assert cells["0.12.0"]["verdict"] == "incompatible"
    assert cells["0.12.0"]["expected"] == "compatible"
    assert cells["0.12.0"]["as_expected"] is False
    assert cells["0.12.0"]["rungs"]["failed"] == ["cpu"]
    assert cells["0.11.0"]["versions"]["cuda"] == "12.8"
    assert cells["0.11.0"]["rungs"]["untested"] == ["imports", "loads", "gpu"]


def test_published_files_are_reported_once(checkout: TinyWorkspace) -> None:
    """Only what the evidence changes is written."""
    publish(make_report(checkout), root=checkout.root)
    (checkout.workspace.reports / "matrix.md").write_text("edited by hand")

    assert publish(make_report(checkout), root=checkout.root) == ("matrix.md",)
