"""What a run leaves for a forge: a Markdown summary, and a badge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.model.verdict import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.verdict import Verdict

_COLOURS = {
    VerdictKind.COMPATIBLE: "green",
    VerdictKind.CONDITIONAL: "yellowgreen",
    VerdictKind.INCOMPATIBLE: "red",
    VerdictKind.UNRESOLVABLE: "red",
    VerdictKind.UNTESTED: "lightgrey",
}
_SPECIAL = {ord(letter): f"\\{letter}" for letter in r"\`*_[]<>|"}
_WIDTH = 300
_MOST_LINES = 10


def render_summary(
    records: Sequence[Evidence], *, verdict: Verdict, versions: Mapping[str, str]
) -> str:
    """Return a section in Markdown: the verdict, its rungs, and a row for each record."""
    stack = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [
        f"## verl stack: {verdict}",
        "",
        _plain(stack),
        "",
        f"Rungs passed: {_names(verdict.passed)}",
        f"failed: {_names(verdict.failed)}",
        f"untested: {_names(verdict.untested)}",
        "",
        "| outcome | rung | what | why |",
        "| --- | --- | --- | --- |",
        *_rows(records),
    ]
    return "\n".join(lines) + "\n"


def render_own(records: Sequence[Evidence]) -> Iterator[str]:
    """Yield what the records about own sources say, a line each, the names below it."""
    for each in records:
        yield f"{each.subject}: {each.outcome.value}"
        if each.cause is not None:
            found = (each.cause.detail or str(each.cause)).splitlines()
            yield from (f"    {_one_line(line)}" for line in found[:_MOST_LINES])
            if len(found) > _MOST_LINES:
                yield f"    and {len(found) - _MOST_LINES} more"
        elif each.condition or each.lacks:
            yield f"    {_one_line(each.condition or ', '.join(each.lacks))}"


def render_badge(verdict: Verdict) -> str:
    """Return the badge as the endpoint schema of shields has it."""
    body = {
        "schemaVersion": 1,
        "label": "verl stack",
        "message": str(verdict),
        "color": _COLOURS[verdict.kind],
    }
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def _rows(records: Sequence[Evidence]) -> Iterator[str]:
    order = [Outcome.FAILED, Outcome.ERRORED, Outcome.SKIPPED, Outcome.PASSED]
    for each in sorted(records, key=lambda record: (order.index(record.outcome), record.subject)):
        why = f"host lacks {', '.join(each.lacks)}" if each.lacks else each.cause or each.condition
        cells = (each.outcome.value, each.rung.value, each.subject, str(why or ""))
        yield f"| {' | '.join(map(_plain, cells))} |"


def _names(rungs: Sequence[object]) -> str:
    return ", ".join(str(getattr(rung, "value", rung)) for rung in rungs) or "none"


def _plain(text: str) -> str:
    """Return *text* as one line that a forge shows and does not interpret."""
    return _one_line(text).translate(_SPECIAL)


def _one_line(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable if len(printable) <= _WIDTH else f"{printable[:_WIDTH]}…"
