"""Render the pages people read: the table with its evidence, and the measured figures.

Everything shown is escaped by the template engine; the pages run no script and ask no host.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.report.words import ABSENT, MARKS, MEANINGS, axis_versions, render_outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.verdict import Verdict
    from pytest_verlcompat.report.assemble import CellReport, Figure, Report

SUFFIX = ".html"
_COLUMNS = ("verl", "vllm", "sglang", "torch", "transformers", "numpy", "uvloop", "python", "as-of")
_CURVE_WIDTH, _CURVE_HEIGHT = 300, 80
_DETAIL_CHARACTERS = 6000


def render(report: Report) -> str:
    """Return the page with the table and the evidence of every cell."""
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            columns=_COLUMNS,
            rows=[_row(report, cell) for cell in report.cells],
            meanings=[
                {"kind": kind.value, "mark": MARKS[kind], "text": text}
                for kind, text in MEANINGS.items()
            ],
            snapshot=report.snapshot,
            figures=bool(report.figures),
        )
    )


def render_figures(report: Report) -> str:
    """Return the page of measured figures."""
    figures = [
        _figure(each) for each in report.figures if isinstance(each.body.get("figures"), dict)
    ]
    return _environment().get_template("figures.html.j2").render(figures=figures)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=_printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )


def _printable(value: object) -> object:
    """Return a text without characters that steer a terminal or turn the direction of reading."""
    if not isinstance(value, str) or value.isprintable():
        return value
    kept = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in value)
    return type(value)(kept)  # escaped text stays escaped


def _row(report: Report, cell: CellReport) -> dict[str, Any]:
    versions = axis_versions(report, cell)
    return {
        "id": cell.cell.id,
        "title": cell.cell.title,
        "kind": cell.verdict.kind.value,
        "mark": MARKS[cell.verdict.kind],
        "expected": cell.cell.expected.value if cell.cell.expected else None,
        "as_expected": cell.as_expected,
        "reason": " ".join(cell.cell.reason.split()),
        "conditions": cell.verdict.conditions,
        "versions": [versions.get(axis, ABSENT) for axis in _COLUMNS],
        "rungs": [{"name": rung.value, "state": _state(rung, cell.verdict)} for rung in Rung],
        "records": [_record(record) for record in cell.records],
        "curve": next((_curve(each) for each in cell.records if "rewards" in each.facts), None),
    }


def _state(rung: Rung, verdict: Verdict) -> str:
    if rung in verdict.failed:
        return "failed"
    if rung in verdict.partial:
        return "partial"
    return "passed" if rung in verdict.passed else "untested"


def _record(record: Evidence) -> dict[str, Any]:
    cause = record.cause
    frame = cause.frame if cause else None
    return {
        "rung": record.rung.value,
        "subject": record.subject,
        "state": record.outcome.value,
        "outcome": render_outcome(record),
        "cause": str(cause) if cause else None,
        "frame": str(frame) if frame else None,
        "source": frame.source if frame else None,
        "detail": (cause.detail or "")[-_DETAIL_CHARACTERS:] if cause else None,
        "seconds": f"{record.duration_s:.1f}",
        "machine": str(record.machine),
        "day": record.started_at[:10],
    }


def _curve(record: Evidence) -> dict[str, Any] | None:
    try:
        rewards = [float(each) for each in record.facts["rewards"]]
    except (TypeError, ValueError):
        return None
    if len(rewards) < 2 or not all(map(math.isfinite, rewards)):  # noqa: PLR2004 -- a line has two ends
        return None
    step = _CURVE_WIDTH / (len(rewards) - 1)
    points = " ".join(
        f"{index * step:.1f},{(1 - min(max(reward, 0), 1)) * (_CURVE_HEIGHT - 2) + 1:.1f}"
        for index, reward in enumerate(rewards)
    )
    return {
        "points": points,
        "steps": len(rewards),
        "first": f"{rewards[0]:.3f}",
        "last": f"{rewards[-1]:.3f}",
    }


def _figure(figure: Figure) -> dict[str, Any]:
    body = figure.body
    return {
        "name": figure.name,
        "title": body.get("title", figure.name),
        "command": body.get("command", ""),
        "date": body.get("date", ""),
        "machine": _plain(body.get("machine", {})),
        "rows": list(_flat("", body["figures"])),
    }


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 -- JSON values
    """Yield one pair a leaf: the keys that lead to it, and what stands there."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _flat(f"{prefix} / {key}" if prefix else str(key), each)
    else:
        yield prefix, _plain(value)


def _plain(value: Any) -> str:  # noqa: ANN401 -- figures hold any JSON value
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
