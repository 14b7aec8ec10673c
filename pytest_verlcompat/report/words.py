"""The same words and marks in every form of the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.issues.language import ENGLISH
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_verlcompat.issues.language import Language
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.report.assemble import CellReport, Report

TRANSLATIONS = Path(__file__).with_name("words_in")
"""These words in other languages, one file each; see `issues.language`."""

ABSENT = "-"
"""Stands where a cell has nothing on an axis."""

MARKS = {
    VerdictKind.COMPATIBLE: "✔",
    VerdictKind.CONDITIONAL: "◐",
    VerdictKind.INCOMPATIBLE: "✘",
    VerdictKind.UNRESOLVABLE: "∅",
    VerdictKind.UNTESTED: "·",
}

MEANINGS = {
    VerdictKind.COMPATIBLE: "everything that was tried works",
    VerdictKind.CONDITIONAL: "works if the stated condition is met",
    VerdictKind.INCOMPATIBLE: "something that was tried fails; the cause is named",
    VerdictKind.UNRESOLVABLE: "no set of versions satisfies the metadata",
    VerdictKind.UNTESTED: "nothing that could tell was tried",
}


def render_ladder(verdict: Verdict) -> str:
    """Return every rung with a mark.

    ``+`` passed, ``-`` failed, ``~`` passed where it could be tried, ``.`` untested.
    """
    return " ".join(f"{_RUNG_MARKS[rung_state(rung, verdict)]}{rung.value}" for rung in Rung)


_RUNG_MARKS = {"passed": "+", "failed": "-", "partial": "~", "untested": "."}


def rung_state(rung: Rung, verdict: Verdict) -> str:
    """Return ``failed``, ``partial`` where something was skipped, ``passed`` or ``untested``."""
    if rung in verdict.failed:
        return "failed"
    if rung in verdict.partial:
        return "partial"
    return "passed" if rung in verdict.passed else "untested"


def render_reason(report: CellReport, *, language: Language = ENGLISH) -> str:
    """Return why the verdict is what it is, in one line; empty where nothing needs saying.

    A verdict that nothing failed says what could not be tried below the GPU rungs, and how many
    names a check could not decide: neither is a sign that it works.
    """
    say = language.say
    if report.verdict.culprits:
        first, *rest = report.verdict.culprits
        reason = f"{first.subject}: {first.cause}"
        others = ", ".join(each.subject for each in rest)
        return (
            say("{reason}; failing too: {others}", reason=reason, others=others) if rest else reason
        )
    return "; ".join([*report.verdict.conditions, *_open_questions(report, language)])


def _open_questions(report: CellReport, language: Language) -> Iterator[str]:
    """Yield what a verdict that nothing failed leaves open."""
    say = language.say
    untested = report.verdict.kind is VerdictKind.UNTESTED
    missed = (each for each in report.records if untested or each.rung in report.verdict.partial)
    for lacks, subjects in skipped_for(missed).items():
        named = ", ".join(subjects)
        yield say("not tried here: {subjects} (host lacks {lacks})", subjects=named, lacks=lacks)
    for each in report.records:
        if count := count_undecided(each):
            yield say("{subject}: {count} names undecided", subject=each.subject, count=count)
    if report.contradicted:
        yield say("contradictory results: {subjects}", subjects=", ".join(report.contradicted))
    if report.stale and not report.records:
        yield say("lock or probes have changed since the evidence was recorded")


def skipped_for(records: Iterable[Evidence]) -> dict[str, list[str]]:
    """Return what the host lacked and the subjects skipped for it.

    What needed it (``…, for <module>``) is left out: several probes lack the same.
    """
    found: dict[str, list[str]] = {}
    for each in records:
        if each.outcome is Outcome.SKIPPED:
            lacks = ", ".join(lack.partition(", for ")[0] for lack in each.lacks)
            found.setdefault(lacks, []).append(each.subject)
    return found


def count_undecided(record: Evidence) -> int:
    """Return how many findings of a static check are ``unknown``: neither good nor bad."""
    findings = record.facts.get("findings")
    if not isinstance(findings, list):
        return 0
    return sum(isinstance(each, dict) and each.get("weight") == "unknown" for each in findings)


_OWN_COLUMN = ("torch", "transformers", "python", "as-of")
_FIRST = ("verl", "vllm", "sglang")


def render_stack(report: Report, cell: CellReport) -> str:
    """Return what the cell pins, trainer and engine first: ``verl 0.6.1 + vllm 0.11.0``."""
    pins = [
        f"{axis} {cell.cell.values[axis]}"
        for axis in report.distributions
        if axis in cell.cell.values and axis not in _OWN_COLUMN
    ]
    first = [pin for pin in pins if pin.split()[0] in _FIRST]
    rest = [pin for pin in pins if pin not in first]
    return " + ".join(first) + (f" ({', '.join(rest)})" if rest else "")


def axis_versions(report: Report, cell: CellReport) -> dict[str, str]:
    """Return axis name to what the cell has on it: locked versions first, then declared values."""
    values = dict(cell.cell.values)
    for axis, distribution in report.distributions.items():
        if distribution in cell.versions:
            values[axis] = cell.versions[distribution]
    runtime = next(
        (
            version
            for name, version in cell.versions.items()
            if name.startswith("nvidia-cuda-runtime")
        ),
        None,
    )
    if runtime is not None:
        values["cuda"] = ".".join(runtime.split(".")[:2])
    return values


def render_outcome(record: Evidence) -> str:
    """Return the outcome in words, with what the host lacked or the condition."""
    words = record.outcome.value
    complaints = record.facts.get("pip_check")
    if complaints == "clean":
        words += ", pip check is clean"
    elif complaints:
        words += f", pip check complains: {'; '.join(complaints)}"
    if undecided := count_undecided(record):
        words += f", {undecided} names undecided"
    if record.lacks:
        words += f" (host lacks {', '.join(record.lacks)})"
    if record.condition:
        words += f" (if: {record.condition})"
    if record.outcome is Outcome.ERRORED:
        words += " (our harness; says nothing about the stack)"
    return words
