"""The section that ``pytest --verlcompat`` ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_verlcompat.issues.catalogue import Entry
    from pytest_verlcompat.model.evidence import Evidence

STACK = ("verl", "vllm", "sglang", "torch", "flash-attn", "transformers", "ray", "tensordict")
_WIDTH = 80


def render_summary(
    records: Sequence[Evidence],
    *,
    versions: Mapping[str, str],
    interpreter: str,
    logs: Path,
    catalogue: Sequence[Entry] = (),
) -> Iterator[str]:
    """Yield the lines: what was judged, on what, the verdict, its rungs, and each failure.

    Args:
        versions: Everything installed; of it, what makes the stack is shown.
        catalogue: Known failures; those that are shipped if none are given.
    """
    machine = f", {records[0].machine}" if records else ""
    yield f"{interpreter}{machine}"
    yield from _fold(", ".join(f"{each} {versions[each]}" for each in STACK if each in versions))
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
        yield from _fold(_known_as(record, versions, catalogue=catalogue))
    for record in records:
        if record.outcome is Outcome.SKIPPED:
            yield from _fold(f"{record.subject} skipped: host lacks {', '.join(record.lacks)}")
        if record.outcome is Outcome.ERRORED:
            yield from _fold(f"{record.subject} errored: {record.cause}")


def _known_as(record: Evidence, versions: Mapping[str, str], *, catalogue: Sequence[Entry]) -> str:
    from pytest_verlcompat.plugin.explained import explained

    lines = explained(record, log=None, versions=versions, catalogue=catalogue)
    return f"    known as {lines[0]}" if lines else ""


def _names(rungs: Sequence[Rung]) -> str:
    return ", ".join(rung.value for rung in rungs) or "none"


def _fold(text: str) -> Iterator[str]:
    """Yield *text* in lines of at most 80 columns, at most four of them."""
    import textwrap

    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    yield from textwrap.wrap(
        printable, width=_WIDTH, subsequent_indent="    ", max_lines=4, placeholder=" …"
    )
