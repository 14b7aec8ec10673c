"""The section that ``pytest --verlcompat`` ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_verlcompat.model.evidence import Evidence

_WIDTH = 80


def render_summary(
    records: Sequence[Evidence], *, stack: Mapping[str, str], interpreter: str, logs: Path
) -> Iterator[str]:
    """Yield the lines: what was judged, on what, the verdict, its rungs, and each failure."""
    machine = f", {records[0].machine}" if records else ""
    yield f"{interpreter}{machine}"
    yield from _fold(", ".join(f"{name} {version}" for name, version in stack.items()))
    verdict = judge(records)
    untested = ", ".join(rung.value for rung in verdict.untested)
    passed = ", ".join(rung.value for rung in verdict.passed) or "none"
    yield f"verdict: {verdict.kind.value}"
    yield from _fold(
        f"rungs passed: {passed}; failed: {_names(verdict.failed)}; untested: {untested}"
    )
    for condition in verdict.conditions:
        yield from _fold(f"condition: {condition}")
    for record in verdict.culprits:
        yield from _fold(f"{record.subject} failed: {record.cause}")
        if record.log_sha256:
            yield f"    log {logs / record.log_sha256[:12]}*.log"
    for record in records:
        if record.outcome is Outcome.SKIPPED:
            yield from _fold(f"{record.subject} skipped: host lacks {', '.join(record.lacks)}")
        if record.outcome is Outcome.ERRORED:
            yield from _fold(f"{record.subject} errored: {record.cause}")


def _names(rungs: Sequence[Rung]) -> str:
    return ", ".join(rung.value for rung in rungs) or "none"


def _fold(text: str) -> Iterator[str]:
    """Yield *text* in lines of at most 80 columns, at most four of them."""
    import textwrap

    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    yield from textwrap.wrap(
        printable, width=_WIDTH, subsequent_indent="    ", max_lines=4, placeholder=" …"
    )
