"""Turn a diagnosis into text for a terminal, a report to file upstream, or JSON values.

What came out of a log is made inert by `explain`; here it is also fenced, where Markdown
would read it.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.issues.redact import redact
from pytest_verlcompat.issues.text import inert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.issues.catalogue import Remedy
    from pytest_verlcompat.issues.explain import Diagnosis, Explanation
    from pytest_verlcompat.issues.facts import Facts
    from pytest_verlcompat.issues.failures import Failure

_WIDTH = 96
_REPORT_LINES = 40
_STACK = ("verl", "torch", "vllm", "sglang", "flash-attn", "transformers", "ray", "numpy")


def render_text(diagnosis: Diagnosis, *, limit: int = 3) -> str:
    """Return *diagnosis* for a person at a terminal: root cause first, *limit* at most."""
    if not diagnosis.explanations:
        return _render_unknown(diagnosis)
    lines = list(_explained(diagnosis.explanations[0]))
    rest = diagnosis.explanations[1:]
    if rest:
        lines += ["", "Also seen:"]
        lines += [
            f"  {each.entry.id} {each.entry.title} (line {each.line_number})"
            for each in rest[: limit - 1]
        ]
        if len(rest) >= limit:
            lines.append(f"  and {len(rest) - limit + 1} more; --json lists them")
    return "\n".join(lines) + "\n"


def _explained(each: Explanation) -> Iterator[str]:
    entry = each.entry
    yield f"{entry.id}  {entry.title}"
    where = f"line {each.line_number}" + (f" of {each.process}" if each.process else "")
    yield f"{entry.stage.value} stage, first seen at {where}, {each.lines} line(s)"
    yield ""
    yield from (f"  | {line}" for line in each.evidence)
    yield ""
    yield from textwrap.wrap(each.cause, _WIDTH)
    yield ""
    yield f"Confidence: {each.confidence.value}, because"
    yield from (f"  - {reason}" for reason in each.why)
    yield ""
    yield "What to do:" if each.remedies else "No remedy of this entry fits the versions known."
    for number, remedy in enumerate(each.remedies, 1):
        yield from _remedy(number, remedy)
    yield ""
    yield "Sources: " + ", ".join(source.url for source in entry.sources)


def _remedy(number: int, remedy: Remedy) -> Iterator[str]:
    first, *more = remedy.do.splitlines()
    yield f"  {number}. {'add to the command: ' if remedy.is_option else ''}{first}"
    yield from (f"     {line}" for line in more)
    yield f"     cost: {remedy.cost}"


def _render_unknown(diagnosis: Diagnosis) -> str:
    if not diagnosis.failures:
        return "Nothing in this text looks like a failure.\n"
    lines = [
        "No known failure is in this text. The first failure of each process, in order of time:",
        "",
    ]
    for failure in diagnosis.failures:
        process = f" of {inert(failure.process, limit=80)}" if failure.process else ""
        lines.append(f"  line {failure.line_number}{process}: {failure.exception}")
    lines += [
        "",
        "A report ready to file (secrets and names are taken out; read it before sending):",
    ]
    return "\n".join(lines) + "\n\n" + render_report(diagnosis)


def render_report(diagnosis: Diagnosis) -> str:
    """Return a Markdown text fit for an upstream issue: versions and the first failures."""
    lines = ["### What happened", ""]
    root = diagnosis.root
    if root is not None:
        lines += [f"Known as {root.entry.id}: {root.entry.title}.", ""]
        lines += _fenced(root.evidence)
    for failure in diagnosis.failures[:3]:
        lines += [f"First failure of {_code(failure.process or 'the process')}:", ""]
        lines += _fenced(_shortened(failure))
    lines += ["### Versions", ""]
    lines += [f"- {line}" for line in _versions(diagnosis.facts)] or ["- none found in the log"]
    return redact("\n".join(lines)) + "\n"


def _shortened(failure: Failure) -> tuple[str, ...]:
    lines = tuple(inert(line) for line in failure.lines)
    if len(lines) <= _REPORT_LINES:
        return lines
    half = _REPORT_LINES // 2
    return (*lines[:half], f"... {len(lines) - 2 * half} lines left out ...", *lines[-half:])


def _fenced(lines: tuple[str, ...]) -> list[str]:
    """Return *lines* in a fence longer than any run of backticks in them."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *lines, fence, ""]


def _code(text: str) -> str:
    return "`" + inert(text, limit=80).replace("`", "'") + "`"


def _versions(facts: Facts) -> list[str]:
    known = {**{key: str(value) for key, value in facts.numbers.items()}}
    known |= {name: str(facts.versions[name]) for name in _STACK if name in facts.versions}
    return [f"{name} {version}" for name, version in known.items()]


def render_values(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return *diagnosis* as plain JSON values."""
    return {
        "explanations": [_explanation_values(each) for each in diagnosis.explanations],
        "failures": [
            {
                "process": inert(each.process),
                "line": each.line_number,
                "exception": each.exception,
                "complete": each.complete,
            }
            for each in diagnosis.failures
        ],
        "versions": {
            name: str(version) for name, version in sorted(diagnosis.facts.versions.items())
        },
    }


def _explanation_values(each: Explanation) -> dict[str, Any]:
    entry = each.entry
    return {
        "id": entry.id,
        "title": entry.title,
        "stage": entry.stage.value,
        "role": entry.role.value,
        "cause": each.cause,
        "line": each.line_number,
        "process": each.process,
        "evidence": list(each.evidence),
        "lines": each.lines,
        "confidence": each.confidence.value,
        "why": list(each.why),
        "remedies": [{"do": remedy.do, "cost": remedy.cost} for remedy in each.remedies],
        "sources": [source.url for source in entry.sources],
    }
