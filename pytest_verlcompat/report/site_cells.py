"""What the page of an installed cell shows, and the list of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_verlcompat.issues.record import explain_record
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.report.inert import bounded
from pytest_verlcompat.report.site_gpu import name_stack, read_number
from pytest_verlcompat.report.site_plots import render_bars, render_curve
from pytest_verlcompat.report.site_records import version_order
from pytest_verlcompat.report.words import (
    ABSENT,
    MARKS,
    axis_versions,
    render_outcome,
    rung_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from markupsafe import Markup

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.report.assemble import CellReport, Report
    from pytest_verlcompat.report.site_inputs import SiteInputs

_DETAIL_CHARACTERS = 6000
_LINE_CHARACTERS = 600
_FIRST = ("verl", "vllm", "sglang", "torch", "transformers", "python", "as-of")


def make_cell(report: Report, cell: CellReport, inputs: SiteInputs) -> dict[str, Any]:
    """Return everything the page of *cell* shows."""
    versions = axis_versions(report, cell)
    opposed = {each.subject: each for each in cell.opposed}
    return {
        **make_line(report, cell),
        "title": cell.cell.title,
        "expected": cell.cell.expected.value if cell.cell.expected else None,
        "as_expected": cell.as_expected,
        "reason": bounded(" ".join(cell.cell.reason.split())),
        "conditions": [bounded(each) for each in cell.verdict.conditions],
        "axes": [
            (axis, bounded(versions.get(axis, ABSENT), 80), axis in cell.cell.values)
            for axis in report.axes
        ],
        "locked": sorted(cell.versions.items()),
        "asked": " ".join(cell.cell.requirements),
        "overrides": " ".join(cell.cell.overrides),
        "groups": [
            (rung.value, rung_state(rung, cell.verdict), records)
            for rung in Rung
            if (records := _records(report, cell, rung, opposed=opposed, inputs=inputs))
        ],
        "causes": _causes(cell, inputs),
        "address": _address(cell),
        "stale": cell.stale,
        "signed_by": tuple((bounded(who, 100), count) for who, count in cell.signed_by.items()),
        "unsigned": cell.unsigned,
        "recipe": inputs.recipes.get(cell.cell.id, ()),
        "sources": [bounded(each, 300) for each in cell.cell.sources],
        **_curve(cell.records),
    }


def make_line(report: Report, cell: CellReport) -> dict[str, Any]:
    """Return what the list of installed cells shows of *cell*."""
    versions = axis_versions(report, cell)
    return {
        "id": cell.cell.id,
        "word": cell.verdict.kind.value,
        "mark": MARKS[cell.verdict.kind],
        "highest": cell.verdict.highest.value if cell.verdict.highest else None,
        "versions": [(axis, bounded(versions.get(axis, ABSENT), 40)) for axis in _FIRST],
        "name": name_stack(cell),
        "rungs": [(rung.value, rung_state(rung, cell.verdict)) for rung in Rung],
        "flaky": len(cell.contradicted),
    }


def place_in_list(cell: CellReport) -> tuple[Any, ...]:
    """Return a key by verl release, then engine and its release, Python and day."""
    values = cell.cell.values
    engine = next((each for each in ("vllm", "sglang") if each in values), "")
    return (
        version_order(values.get("verl", "")),
        engine,
        version_order(values.get(engine, "")),
        version_order(cell.cell.python),
        cell.cell.as_of,
        cell.cell.id,
    )


def make_plots(report: Report) -> list[tuple[str, Markup]]:
    """Return title and plot of what was measured in several cells, where anything was."""
    plots = []
    for title, unit, measure in MEASURES:
        rows = [
            (f"{name_stack(cell)}, Python {cell.cell.python}, {cell.cell.as_of}", value)
            for cell in report.cells
            if (value := measure(cell.records)) is not None
        ]
        drawn = render_bars(rows, unit=unit, label=title)
        if drawn is not None:
            plots.append((title, drawn))
    return plots


def _address(cell: CellReport) -> str | None:
    """Return the address of the pair in the space, or None where it is no such pair."""
    values = {**cell.cell.values, **cell.versions}
    engine = next((each for each in ("vllm", "sglang") if each in cell.cell.values), None)
    if engine is None or "verl" not in values:
        return None
    return f"verl{values['verl']}-{engine}{values[engine]}-python{cell.cell.python}"


def _records(
    report: Report,
    cell: CellReport,
    rung: Rung,
    *,
    opposed: Mapping[str, Evidence],
    inputs: SiteInputs,
) -> list[dict[str, Any]]:
    found = []
    for record in cell.records:
        if record.rung is not rung:
            continue
        shown = _record(record, cell.versions, inputs)
        shown["title"] = report.probe_titles.get(record.subject, "")
        other = opposed.get(record.subject)
        shown["opposed"] = _record(other, cell.versions, inputs) if other else None
        found.append(shown)
    return found


def _causes(cell: CellReport, inputs: SiteInputs) -> list[dict[str, Any]]:
    """Return what fails, lowest rung first; probes that fail with the same words stand together."""
    found: dict[str, dict[str, Any]] = {}
    for each in cell.verdict.culprits:
        subject = (bounded(each.subject, 120), each.rung.value)
        key = str(each.cause) if each.cause else each.subject
        if key in found:
            found[key]["subjects"].append(subject)
        else:
            found[key] = {**_record(each, cell.versions, inputs), "subjects": [subject]}
    return list(found.values())


def _record(record: Evidence, versions: Mapping[str, str], inputs: SiteInputs) -> dict[str, Any]:
    cause = record.cause
    return {
        "subject": bounded(record.subject, 120),
        "state": record.outcome.value,
        "outcome": bounded(render_outcome(record), _LINE_CHARACTERS),
        "cause": bounded(str(cause), _LINE_CHARACTERS) if cause else None,
        "sides": _sides(record),
        "detail": bounded((cause.detail or "")[-_DETAIL_CHARACTERS:], _DETAIL_CHARACTERS)
        if cause
        else None,
        "seconds": f"{record.duration_s:.1f}",
        "machine": bounded(str(record.machine), 200),
        "day": record.started_at[:10],
        "log": record.log_sha256[:12] if record.log_sha256 else None,
        "known": _known(record, versions, inputs=inputs),
    }


def _sides(record: Evidence) -> list[tuple[str, str, str | None]]:
    """Return side, place and source line: who needs it, and who should have it."""
    cause = record.cause
    frames = [("at", cause.frame), ("provider", cause.provider)] if cause else []
    return [
        (side, bounded(str(frame), 300), bounded(frame.source, 300) if frame.source else None)
        for side, frame in frames
        if frame is not None
    ]


def _known(
    record: Evidence, versions: Mapping[str, str], *, inputs: SiteInputs
) -> dict[str, Any] | None:
    """Return the known failure that explains *record*, with the remedies that fit."""
    if record.outcome is not Outcome.FAILED or not inputs.catalogue:
        return None
    found = explain_record(record, None, inputs.catalogue, versions=versions)
    if found is None:
        return None
    other = inputs.chinese.get(found.entry.id, found.entry)
    return {
        "id": found.entry.id,
        "title": found.entry.title,
        "title_zh": other.title,
        "remedies": [(each.do, each.cost) for each in found.remedies[:2]],
    }


def _curve(records: Iterable[Evidence]) -> dict[str, Any]:
    for record in records:
        rewards = record.facts.get("rewards")
        try:
            values = [float(each) for each in rewards] if isinstance(rewards, list) else []
        except (TypeError, ValueError):
            continue
        drawn = render_curve(values)
        if drawn is not None:
            ends = (len(values), f"{values[0]:.3f}", f"{values[-1]:.3f}")
            return {"curve": drawn, "curve_ends": ends}
    return {"curve": None, "curve_ends": None}


def _import_seconds(records: Iterable[Evidence]) -> float | None:
    return next(
        (
            each.duration_s
            for each in records
            if each.subject.startswith("engine_import_") and each.outcome is Outcome.PASSED
        ),
        None,
    )


def _start_seconds(records: Iterable[Evidence]) -> float | None:
    for each in records:
        if not each.subject.startswith("engine_start_"):
            continue
        engines = each.facts.get("engines")
        parts = [each.facts, *(engines.values() if isinstance(engines, dict) else ())]
        found = [read_number(part.get("start_s")) for part in parts if isinstance(part, dict)]
        if known := [value for value in found if value is not None]:
            return max(known)
    return None


def _memory(records: Iterable[Evidence]) -> float | None:
    known = [float(each.peak_gpu_mib) for each in records if each.peak_gpu_mib is not None]
    return max(known) if known else None


def _mismatch(records: Iterable[Evidence]) -> float | None:
    for each in records:
        difference = each.facts.get("difference")
        if each.subject == "rollout_agreement" and isinstance(difference, dict):
            return read_number(difference.get("mean"))
    return None


MEASURES = (
    ("Seconds until the engine module is imported", "s", _import_seconds),
    ("Seconds until the engine answers", "s", _start_seconds),
    ("Most GPU memory in use, MiB", "MiB", _memory),
    ("Mean difference of log-probabilities between rollout and trainer", "", _mismatch),
)
"""Title, unit and how it is read from the records of a cell."""
