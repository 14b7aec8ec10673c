"""Explain a record of evidence: the entry of the catalogue that its failure shows.

The plugin prints it under a traceback and the report beside a cell; both get plain text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.issues.catalogue import Role
from pytest_verlcompat.issues.explain import explain_text
from pytest_verlcompat.issues.facts import Facts, parse_version
from pytest_verlcompat.issues.redact import redact
from pytest_verlcompat.model.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.version import Version

    from pytest_verlcompat.issues.catalogue import Entry
    from pytest_verlcompat.issues.explain import Explanation
    from pytest_verlcompat.model.evidence import Evidence

LOG_BYTES = 4 << 20
"""More of the log of one probe is not worth reading: enough for what it first failed with."""


def explain_record(
    record: Evidence,
    log_text: str | None,
    catalogue: Iterable[Entry],
    *,
    versions: Mapping[str, str] | None = None,
) -> Explanation | None:
    """Return what explains the failure in *record*, or ``None`` where nothing known does.

    The cause that was recorded speaks first, because a log also holds failures that were
    caught. Where the cause only follows from something else, or says nothing known, the log
    is asked.

    Args:
        log_text: What the probe printed; ``None`` where it is not at hand.
        versions: What was installed, by normalized name, so that remedies fit.
    """
    if record.outcome is not Outcome.FAILED:
        return None
    entries = tuple(catalogue)
    facts = _facts(record, versions)
    root = explain_text(_said(record), catalogue=entries, facts=facts).root
    if log_text is None or not (root is None or root.entry.role is Role.CONSEQUENCE):
        return root
    return explain_text(log_text[:LOG_BYTES], catalogue=entries, facts=facts).root or root


def render_brief(found: Explanation) -> Iterator[str]:
    """Yield a few lines of plain text: what it is, its cause, the first remedy that fits."""
    yield f"{found.entry.id}  {found.entry.title}"
    yield redact(found.cause)
    if not found.remedies:
        yield "No remedy of this entry fits the versions known."
        return
    first = found.remedies[0]
    yield "Add to the command:" if first.is_option else "What to do:"
    yield from (f"    {line}" for line in first.do.splitlines())
    yield f"    cost: {first.cost}"
    more = len(found.remedies) - 1
    if more:
        yield f"    ({more} other way{'s' if more > 1 else ''}: verlcompat explain LOG)"


def _said(record: Evidence) -> str:
    if record.cause is None:
        return ""
    return "\n".join(filter(None, (record.cause.detail, str(record.cause))))


def _facts(record: Evidence, versions: Mapping[str, str] | None) -> Facts | None:
    if versions is None:
        return None
    machine = record.machine
    texts = {
        "glibc": machine.glibc,
        "driver": machine.driver,
        "python": (record.interpreter or "").rpartition(" ")[2],
    }
    return Facts(
        versions=_parsed(versions),
        complete=True,
        numbers=_parsed({key: text for key, text in texts.items() if text}),
    )


def _parsed(texts: Mapping[str, str]) -> dict[str, Version]:
    return {
        name: version
        for name, text in texts.items()
        if (version := parse_version(text)) is not None
    }
