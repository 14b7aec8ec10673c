"""Turn a diagnosis into text for a terminal, a report to file upstream, or JSON values.

What came out of a log is made inert by `explain`; here it is also fenced, where Markdown
would read it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.issues.language import ENGLISH
from pytest_verlcompat.issues.redact import redact
from pytest_verlcompat.issues.text import inert
from pytest_verlcompat.issues.wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.issues.catalogue import Remedy, Source
    from pytest_verlcompat.issues.explain import Diagnosis, Explanation
    from pytest_verlcompat.issues.facts import Facts
    from pytest_verlcompat.issues.failures import Failure
    from pytest_verlcompat.issues.language import Language

_WIDTH = 96
_REPORT_LINES = 40
_STACK = ("verl", "torch", "vllm", "sglang", "flash-attn", "transformers", "ray", "numpy")


def render_text(diagnosis: Diagnosis, *, limit: int = 3, language: Language = ENGLISH) -> str:
    """Return *diagnosis* for a person at a terminal: root cause first, *limit* at most.

    Args:
        language: Of the sentences around; entries are in the language of the catalogue that
            was looked through, and a report to file stays English.
    """
    if not diagnosis.explanations:
        return _render_unknown(diagnosis, language)
    lines = list(_explained(diagnosis.explanations[0], language))
    rest = diagnosis.explanations[1:]
    if rest:
        lines += ["", language.say("Also seen:")]
        lines += [
            "  " + language.say("{id} {title} (line {line})",
                id=each.entry.id, title=each.entry.title, line=each.line_number)
            for each in rest[: limit - 1]
        ]  # fmt: skip
        if len(rest) >= limit:
            more = language.say("and {count} more; --json lists them", count=len(rest) - limit + 1)
            lines.append(f"  {more}")
    return "\n".join(lines) + "\n"


def _explained(each: Explanation, language: Language) -> Iterator[str]:
    entry, say = each.entry, language.say
    yield f"{entry.id}  {entry.title}"
    yield say(
        "{stage} stage, first seen at line {line} of {process}, {lines} line(s)"
        if each.process
        else "{stage} stage, first seen at line {line}, {lines} line(s)",
        stage=say(entry.stage.value),
        line=each.line_number,
        process=each.process,
        lines=each.lines,
    )
    yield ""
    yield from (f"  | {line}" for line in each.evidence)
    yield ""
    yield from wrap(each.cause, width=_WIDTH)
    yield ""
    yield say("Confidence: {confidence}, because", confidence=say(each.confidence.value))
    yield from (f"  - {language.render(reason)}" for reason in each.why)
    yield ""
    yield say(
        "What to do:" if each.remedies else "No remedy of this entry fits the versions known."
    )
    for number, remedy in enumerate(each.remedies, 1):
        yield from _remedy(number, remedy, language)
    yield ""
    named = (_source(each, language) for each in entry.sources)
    yield say("Sources: {sources}", sources=", ".join(named))


def _source(source: Source, language: Language) -> str:
    return (
        source.url
        if source.unchecked is None
        else language.say("{url} (not checked)", url=source.url)
    )


def _remedy(number: int, remedy: Remedy, language: Language) -> Iterator[str]:
    first, *more = remedy.do.splitlines()
    yield f"  {number}. {'add to the command: ' if remedy.is_option else ''}{first}"
    yield from (f"     {line}" for line in more)
    yield "     " + language.say("cost: {cost}", cost=remedy.cost)


def _render_unknown(diagnosis: Diagnosis, language: Language) -> str:
    say = language.say
    if not diagnosis.failures:
        return say("Nothing in this text looks like a failure.") + "\n"
    lines = [
        say(
            "No known failure is in this text. The first failure of each process, in order of time:"
        ),
        "",
    ]
    for failure in diagnosis.failures:
        process = inert(failure.process, limit=80)
        at = "line {line} of {process}: {exception}" if process else "line {line}: {exception}"
        shown = say(at, line=failure.line_number, process=process, exception=failure.exception)
        lines.append(f"  {shown}")
    ready = "A report ready to file (secrets and names are taken out; read it before sending):"
    lines += ["", say(ready)]
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


def render_values(diagnosis: Diagnosis, *, language: Language = ENGLISH) -> dict[str, Any]:
    """Return *diagnosis* as plain JSON values; keys and words of a choice stay English."""
    return {
        "explanations": [_explanation_values(each, language) for each in diagnosis.explanations],
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


def _explanation_values(each: Explanation, language: Language) -> dict[str, Any]:
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
        "why": [language.render(reason) for reason in each.why],
        "remedies": [{"do": remedy.do, "cost": remedy.cost} for remedy in each.remedies],
        "sources": [source.url for source in entry.sources],
        "unchecked_sources": [each.url for each in entry.sources if each.unchecked is not None],
    }
