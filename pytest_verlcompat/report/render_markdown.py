"""Render the report as Markdown that fits a README or a step summary.

The whole stays below the size that a step summary may have: what does not fit is left out from
the least telling end and said to be.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.issues.language import ENGLISH
from pytest_verlcompat.model.outcome import Ending, Outcome
from pytest_verlcompat.model.verdict import VerdictKind
from pytest_verlcompat.report.words import (
    ABSENT,
    MARKS,
    MEANINGS,
    axis_versions,
    render_ladder,
    render_outcome,
    render_reason,
    render_stack,
    skipped_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_verlcompat.issues.language import Language
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.report.assemble import CellReport, Report

SUFFIX = ".md"
LIMIT_BYTES = 1_000_000
"""A step summary may have 1 MiB, everything together that a step writes.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands,
"Step isolation and limits", read 2026-11-20.
"""
README_ROWS = 60
_TABLE_BYTES = 600_000
_COLUMNS = ("torch", "transformers", "python", "as-of")
_TABLE_STARTS = "<!-- table: written by verlcompat report -->"
_TABLE_ENDS = "<!-- end of table -->"
_CELL_CHARACTERS = 300
_LEGEND = "Rungs: `+` passed, `-` failed, `~` passed where it could be tried, `.` untested."


def render(report: Report) -> str:
    """Return the whole report as Markdown, less than `LIMIT_BYTES` of it."""
    parts = [
        "<!-- written by: verlcompat report -->",
        "# Compatibility of verl stacks",
        "",
        f"Snapshot `{report.snapshot}`: {_count(report)}. {_LEGEND}",
        "",
        *_damaged(report),
        *render_table(report, _fitting(report)),
        "",
        *(f"- {MARKS[kind]} **{kind.value}**: {meaning}" for kind, meaning in MEANINGS.items()),
        "",
    ]
    return "\n".join([*parts, *_sections(report, size=_size(parts))]).rstrip() + "\n"


def render_table(
    report: Report, cells: Sequence[CellReport] | None = None, *, language: Language = ENGLISH
) -> list[str]:
    """Return the lines of the table, one row a cell, and how many rows are left out.

    Args:
        cells: Those to show; all by default.
        language: Of the headings, verdicts and reasons; what a stack said stays as it is.
    """
    say = language.say
    shown = report.cells if cells is None else cells
    headings = [say(each) for each in ("stack", *_COLUMNS, "verdict", "rungs", "why")]
    lines = [_line(["", *headings]), _line(["---"] * (len(headings) + 1))]
    lines += [_row(report, cell, language) for cell in shown]
    if missing := len(report.cells) - len(shown):
        more = "{count} more rows are in the files under `reports/`."
        lines += ["", say(more, count=missing)]
    return lines


def render_readme(text: str, report: Report, *, language: Language = ENGLISH) -> str:
    """Return the README *text* with the table of hand-picked cells between its two marks."""
    before, opening, rest = text.partition(_TABLE_STARTS)
    _, closing, after = rest.partition(_TABLE_ENDS)
    if not opening or not closing:
        return text
    chosen = [cell for cell in report.cells if cell.cell.survey is None]
    newest = sorted(chosen, key=_verl, reverse=True)[:README_ROWS]
    ids = {cell.cell.id for cell in newest}
    cells = [cell for cell in report.cells if cell.cell.id in ids]
    table = "\n".join([*render_table(report, cells, language=language), "", language.say(_LEGEND)])
    return f"{before}{opening}\n{table}\n{closing}{after}"


def escape(text: str) -> str:
    """Return *text* so that Markdown shows it as it is, in one table cell."""
    inert = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    inert = "".join(letter if letter.isprintable() else " " for letter in inert)
    for mark in "\\`*_[]|~":
        inert = inert.replace(mark, "\\" + mark)
    return inert


def _row(report: Report, cell: CellReport, language: Language) -> str:
    versions = axis_versions(report, cell)
    return _line(
        [
            MARKS[cell.verdict.kind],
            render_stack(report, cell),
            *(versions.get(axis, ABSENT) for axis in _COLUMNS),
            language.say(cell.verdict.kind.value),
            f"`{render_ladder(cell.verdict)}`",
            escape(_cut(render_reason(cell, language=language))),
        ]
    )


def _line(row: Iterable[str]) -> str:
    return "| " + " | ".join(row) + " |"


def _count(report: Report) -> str:
    counts = Counter(cell.verdict.kind for cell in report.cells)
    known = ", ".join(f"{counts[kind]} {kind.value}" for kind in VerdictKind if counts[kind])
    return f"{len(report.cells)} cells ({known})" if known else "no cells"


def _damaged(report: Report) -> list[str]:
    count = len(report.damaged)
    if not count:
        return []
    return [f"Lines of the evidence that could not be read and do not count: {count}.", ""]


def _fitting(report: Report) -> list[CellReport]:
    """Return the cells whose rows fit, in their order; unexpected ones go before untested ones."""

    def telling(cell: CellReport) -> tuple[bool, bool]:
        return cell.verdict.kind is VerdictKind.UNTESTED, cell.as_expected

    left, fitting = _TABLE_BYTES, set()
    for cell in sorted(report.cells, key=telling):
        left -= _size([_row(report, cell, ENGLISH)])
        if left < 0:
            break
        fitting.add(cell.cell.id)
    return [cell for cell in report.cells if cell.cell.id in fitting]


def _sections(report: Report, *, size: int) -> list[str]:
    """Return the evidence of each cell, as far as it fits beside *size* bytes."""
    lines: list[str] = []
    left_out = 0
    for cell in report.cells:
        section = _section(cell)
        if size + _size(section) > LIMIT_BYTES:
            left_out += 1
            continue
        size += _size(section)
        lines += section
    if left_out:
        lines.append(f"The evidence of {left_out} more cells is in `matrix.json`.")
    return lines


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _section(cell: CellReport) -> list[str]:
    verdict, expected = cell.verdict, cell.cell.expected
    lines = [
        f"## {escape(cell.cell.title)}",
        "",
        f"`{cell.cell.id}`: {MARKS[verdict.kind]} {verdict}"
        + ("" if cell.as_expected or expected is None else f"; expected: {expected.value}"),
        "",
        escape(" ".join(cell.cell.reason.split())),
        "",
    ]
    if cell.contradicted:
        lines += [f"Contradictory results: {escape(', '.join(cell.contradicted))}.", ""]
    if cell.history:
        lines += [escape(_vouched(cell)), ""]
    if tried := [each for each in cell.records if each.outcome is not Outcome.SKIPPED]:
        lines += ["| rung | what | outcome | seconds | where |", "| --- | --- | --- | --- | --- |"]
        lines += [_line(_columns(record)) for record in tried] + [""]
    return [*lines, *_skipped(cell.records)]


def _vouched(cell: CellReport) -> str:
    """Return who signed how many records."""
    parts = [f"{count} signed by {signer}" for signer, count in cell.signed_by.items()]
    return f"Records: {', '.join([*parts, f'{cell.unsigned} unsigned'])}."


def _columns(record: Evidence) -> list[str]:
    because = f": {escape(_cut(str(record.cause)))}" if record.cause else ""
    where = record.cause.frame if record.cause else None
    frame = f" ({escape(str(where))})" if where else ""
    was_run = record.ending is not Ending.NOT_STARTED or record.duration_s
    return [
        record.rung.value,
        escape(record.subject),
        f"{escape(render_outcome(record))}{because}{frame}",
        f"{record.duration_s:.1f}" if was_run else ABSENT,
        f"{escape(str(record.machine))}, {escape(record.started_at[:10])}",
    ]


def _skipped(records: Iterable[Evidence]) -> Iterator[str]:
    """Yield one line for everything that was skipped for the same lack."""
    for lacks, subjects in skipped_for(records).items():
        named = escape(_cut(", ".join(subjects)))
        yield f"Not tried, because the host lacks {escape(_cut(lacks))}: {named}."
        yield ""


def _verl(cell: CellReport) -> Version:
    try:
        return Version(cell.cell.values.get("verl", "0"))
    except InvalidVersion:
        return Version("0")


def _cut(text: str) -> str:
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"
