"""Render the report as Markdown that fits a README or a step summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.report.words import (
    ABSENT,
    MARKS,
    MEANINGS,
    axis_versions,
    render_ladder,
    render_outcome,
    render_reason,
    render_stack,
)

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import CellReport, Report

SUFFIX = ".md"
_COLUMNS = ("torch", "transformers", "python", "as-of")
_TABLE_STARTS = "<!-- table: written by verlcompat report -->"
_TABLE_ENDS = "<!-- end of table -->"
_CELL_CHARACTERS = 300
_LEGEND = "Rungs: `+` passed, `-` failed, `~` passed where it could be tried, `.` untested."


def render(report: Report) -> str:
    """Return the whole report as Markdown."""
    parts = [
        "<!-- written by: verlcompat report -->",
        "# Compatibility of verl stacks",
        "",
        f"Snapshot `{report.snapshot}`. {_LEGEND}",
        "",
        *render_table(report),
        "",
        *(f"- {MARKS[kind]} **{kind.value}**: {meaning}" for kind, meaning in MEANINGS.items()),
        "",
    ]
    for cell in report.cells:
        parts += _section(cell)
    return "\n".join(parts).rstrip() + "\n"


def render_table(report: Report) -> list[str]:
    """Return the lines of today's table, one row per cell."""
    header = ["", "stack", *_COLUMNS, "verdict", "rungs", "why"]
    rows = [header, ["---"] * len(header)]
    for cell in report.cells:
        versions = axis_versions(report, cell)
        rows.append(
            [
                MARKS[cell.verdict.kind],
                render_stack(report, cell),
                *(versions.get(axis, ABSENT) for axis in _COLUMNS),
                cell.verdict.kind.value,
                f"`{render_ladder(cell.verdict)}`",
                escape(_cut(render_reason(cell))),
            ]
        )
    return ["| " + " | ".join(row) + " |" for row in rows]


def render_readme(text: str, report: Report) -> str:
    """Return the README *text* with today's table between its two marks."""
    before, opening, rest = text.partition(_TABLE_STARTS)
    _, closing, after = rest.partition(_TABLE_ENDS)
    if not opening or not closing:
        return text
    table = "\n".join([*render_table(report), "", _LEGEND])
    return f"{before}{opening}\n{table}\n{closing}{after}"


def escape(text: str) -> str:
    """Return *text* so that Markdown shows it as it is, in one table cell."""
    inert = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    inert = "".join(letter if letter.isprintable() else " " for letter in inert)
    for mark in "\\`*_[]|~":
        inert = inert.replace(mark, "\\" + mark)
    return inert


def _section(cell: CellReport) -> list[str]:
    verdict, expected = cell.verdict, cell.cell.expected
    lines = [
        f"## {cell.cell.title}",
        "",
        f"`{cell.cell.id}`: {MARKS[verdict.kind]} {verdict}"
        + ("" if cell.as_expected or expected is None else f"; expected: {expected.value}"),
        "",
        escape(" ".join(cell.cell.reason.split())),
        "",
    ]
    if cell.records:
        lines += ["| rung | what | outcome | seconds | where |", "| --- | --- | --- | --- | --- |"]
    for record in cell.records:
        because = f": {escape(_cut(str(record.cause)))}" if record.cause else ""
        where = record.cause.frame if record.cause else None
        frame = f" ({escape(str(where))})" if where else ""
        lines.append(
            f"| {record.rung.value} | {escape(record.subject)} "
            f"| {escape(render_outcome(record))}{because}{frame} "
            f"| {record.duration_s:.1f} | {escape(str(record.machine))}, "
            f"{escape(record.started_at[:10])} |"
        )
    return [*lines, ""]


def _cut(text: str) -> str:
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"
