"""From the text of a log to the known failure that came first, or to what failed unknown.

The root cause is the first failure in time, not the last line printed. Failures that only
follow from another, and warnings, stand behind those that end a run.
"""

from __future__ import annotations

import dataclasses
import io
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from pytest_verlcompat.issues.catalogue import compiled, group_names, unfilled
from pytest_verlcompat.issues.facts import Facts, Holds, any_holds, holds
from pytest_verlcompat.issues.failures import Failure, looks_failed, read_failure
from pytest_verlcompat.issues.language import Said
from pytest_verlcompat.issues.matches import (
    SAME_FAILURE_LINES,
    Around,
    Match,
    in_order,
    specific,
)
from pytest_verlcompat.issues.scan import (
    TRACEBACK,
    WORDS,
    find_hits,
    lines_after,
    lines_before,
    search_words,
)
from pytest_verlcompat.issues.text import Line, inert
from pytest_verlcompat.issues.versions import read_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from pytest_verlcompat.issues.catalogue import Entry, Remedy, Signature
    from pytest_verlcompat.issues.scan import Hit

    _Needles = dict[str, list[tuple[Entry, Signature]]]

HEAD_BYTES = 256 << 10
"""How much of the beginning is read for versions and settings."""
_MAX_PROCESSES = 128
_MAX_REFUSALS = 64
_MAX_SHAPES = 20_000
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))
_EVIDENCE_BEFORE = 2
_SHOWN_CHARACTERS = 400
_TYPEABLE = re.compile(r"[\w][\w.@/+-]{0,160}")
"""A log is not trusted: nothing of it goes into a command but plain names, versions and paths."""
_AMBIGUOUS = "the same text has other causes, and the versions that would settle it are not known"
_UNAMBIGUOUS = "the text has no other cause we know of; the versions it depends on are not known"


class Confidence(Enum):
    """How sure an explanation is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    def lower(self) -> Confidence:
        """Return the next lower word."""
        return Confidence.MEDIUM if self is Confidence.HIGH else Confidence.LOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One entry of the catalogue that a log shows."""

    entry: Entry
    cause: str
    """Its cause with what the log filled in."""
    line_number: int
    process: str
    evidence: tuple[str, ...]
    """The line that shows it and those just before, safe to print."""
    confidence: Confidence
    why: tuple[Said, ...]
    remedies: tuple[Remedy, ...]
    """Those that fit the versions known, best first."""
    lines: int
    """How many lines show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything said about one log."""

    explanations: tuple[Explanation, ...]
    """The root cause first."""
    failures: tuple[Failure, ...]
    """The first exception of each process that no entry explains, in order of time."""
    facts: Facts

    @property
    def root(self) -> Explanation | None:
        """The explanation to act on."""
        return self.explanations[0] if self.explanations else None


@dataclass(slots=True, kw_only=True)
class _Collected:
    """What the reading of one text has found so far; bounded by catalogue and processes."""

    matches: dict[str, Match] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    dull: set[bytes] = field(default_factory=set)
    """Shapes of lines that show nothing, whatever their digits."""
    refused: dict[str, int] = field(default_factory=dict)
    """How often the lines around did not bear a pattern out; looking costs time."""
    head_text: str = ""


def explain(
    stream: BinaryIO, *, catalogue: Iterable[Entry], facts: Facts | None = None
) -> Diagnosis:
    """Return what the log in *stream* says.

    Args:
        catalogue: Entries to look for.
        facts: What is known of the environment by other means; it goes before what the log says.
    """
    entries = tuple(catalogue)
    table = _needles(entries)
    found = _Collected()
    needles = {
        each.word or needle
        for row in entries
        for each in row.signatures
        for needle in each.contains
    }
    for hit in find_hits(stream, search_words(needles)):
        if not found.head_text:
            found.head_text = hit.block.data[:HEAD_BYTES].decode("utf-8", "replace")
        _look(hit, table, found=found)
    known = _known_facts(found, facts)
    matches = in_order(specific(list(found.matches.values())), known)
    matched = {each.text for each in matches}
    failures = sorted(found.failures.values(), key=lambda each: each.line_number)
    unexplained = tuple(each for each in failures if not matched & set(each.lines))
    explanations = tuple(_explanation(each, known, unexplained=unexplained) for each in matches)
    return Diagnosis(explanations=explanations, failures=unexplained, facts=known)


def explain_text(text: str, *, catalogue: Iterable[Entry], facts: Facts | None = None) -> Diagnosis:
    """Return what *text*, a pasted traceback or the tail of a probe's log, says."""
    stream = io.BytesIO(text.encode("utf-8", "surrogateescape"))
    return explain(stream, catalogue=catalogue, facts=facts)


def _needles(entries: tuple[Entry, ...]) -> _Needles:
    table: _Needles = {}
    for entry in entries:
        for signature in entry.signatures:
            for needle in signature.contains:
                table.setdefault(needle, []).append((entry, signature))
    return table


def _look(hit: Hit, table: _Needles, *, found: _Collected) -> None:
    """Keep what *hit* shows: the first line of each entry, the first failure of each process."""
    shape = hit.shape
    if shape in found.dull:
        return
    text = hit.line.text
    if not _promising(text, table) and not looks_failed(hit):
        if len(found.dull) < _MAX_SHAPES:
            found.dull.add(shape)
        return
    around: Around | None = None
    for entry, signature, matched in _candidates(text, table):
        if entry.id in found.matches:
            found.matches[entry.id].count += 1
            continue
        if found.refused.get(signature.pattern, 0) >= _MAX_REFUSALS:
            continue
        around = around or _look_around(hit)
        if _fits(signature, around.window, head=found.head_text):
            found.matches[entry.id] = Match(
                entry=entry, signature=signature, hit_number=hit.number, around=around,
                process=hit.line.process, text=text, start=matched.start(),
                groups={**_near_groups(signature, around), **_given(matched)},
            )  # fmt: skip
        else:
            found.refused[signature.pattern] = found.refused.get(signature.pattern, 0) + 1
    _keep_failure(hit, found)


def _candidates(text: str, table: _Needles) -> Iterator[tuple[Entry, Signature, re.Match[str]]]:
    """Yield the signatures whose pattern is in *text*, or begins what a logger put before."""
    message = Line(process="", text=text).message
    for needle, row in table.items():
        if needle in text:
            for entry, signature in row:
                pattern = compiled(signature.pattern)
                matched = pattern.search(text) or (
                    pattern.search(message) if signature.pattern.startswith("^") else None
                )
                if matched is not None:
                    yield entry, signature, matched


def _promising(text: str, table: _Needles) -> bool:
    """Return whether a line that differs from *text* in digits alone may show a known failure."""
    plain = _plain(text)
    for needle, candidates in table.items():
        if _plain(needle) not in plain:
            continue
        if needle not in WORDS:
            return True
        if any(compiled(each.pattern).search(text) for _, each in candidates):
            return True
    return False


def _plain(text: str) -> str:
    return text.translate(_NO_DIGITS)


def _look_around(hit: Hit) -> Around:
    before = lines_before(hit)
    return Around(
        before=tuple(before[-_EVIDENCE_BEFORE:]),
        window="\n".join([*before, hit.line.text, *lines_after(hit)]),
        at=sum(len(each) + 1 for each in before),
    )


def _given(matched: re.Match[str]) -> dict[str, str]:
    return {key: value for key, value in matched.groupdict().items() if value}


def _near_groups(signature: Signature, around: Around) -> dict[str, str]:
    """Return what the patterns for neighbours name; what follows the line goes first."""
    groups: dict[str, str] = {}
    for each in signature.near:
        pattern = compiled(each)
        matched = pattern.search(around.window, around.at) or pattern.search(around.window)
        if matched is not None:
            groups |= _given(matched)
    return groups


def _fits(signature: Signature, window: str, *, head: str) -> bool:
    def found(pattern: str, text: str) -> bool:
        return compiled(pattern).search(text) is not None

    return (
        all(found(each, window) for each in signature.near)
        and all(found(each, window) or found(each, head) for each in signature.seen)
        and not any(found(each, window) for each in signature.absent)
    )


def _keep_failure(hit: Hit, found: _Collected) -> None:
    process = hit.line.process
    if process in found.failures and not found.failures[process].tentative:
        return
    if process not in found.failures and len(found.failures) >= _MAX_PROCESSES:
        return
    failure = read_failure(hit, traceback=TRACEBACK in hit.line.text)
    if failure is not None and not (failure.tentative and process in found.failures):
        found.failures[process] = failure


def _known_facts(found: _Collected, facts: Facts | None) -> Facts:
    first = sorted(found.matches.values(), key=lambda each: each.hit_number)
    failures = ("\n".join(each.lines) for each in found.failures.values())
    read = read_facts([*(each.around.window for each in first), *failures, found.head_text])
    if facts is None:
        return read
    return Facts(
        versions=facts.versions if facts.complete else {**read.versions, **facts.versions},
        complete=facts.complete,
        numbers={**read.numbers, **facts.numbers},
        words=facts.words,
        env=facts.env,
        options=facts.options,
        modules=facts.modules,
    )


def _explanation(match: Match, facts: Facts, *, unexplained: tuple[Failure, ...]) -> Explanation:
    confidence, why = _judge(match, facts)
    earlier = [
        each
        for each in unexplained
        if each.process == match.process
        and not each.tentative
        and each.line_number + len(each.lines) + SAME_FAILURE_LINES < match.hit_number
    ]
    if earlier:
        confidence = confidence.lower()
        why.append(_earlier(earlier[0]))
    shown = (*match.around.before, _cropped(match))
    return Explanation(
        entry=match.entry,
        cause=_filled(match),
        line_number=match.hit_number,
        process=inert(match.process, limit=120),
        evidence=tuple(inert(each) for each in shown if each.strip()),
        confidence=confidence,
        why=tuple(why),
        remedies=tuple(
            dataclasses.replace(each, do=_typed(each.do, match))
            for each in match.entry.remedies
            if holds(each.when, facts) is not Holds.NO
        ),
        lines=match.count,
    )


def _earlier(failure: Failure) -> Said:
    shown = inert(failure.exception, limit=120)
    return Said(
        "another failure comes before it, at line {line}: {exception}",
        {"line": failure.line_number, "exception": shown},
    )


def _cropped(match: Match) -> str:
    """Return the line, or of a long one the part around what was found."""
    if len(match.text) <= _SHOWN_CHARACTERS:
        return match.text
    start = max(0, match.start - _SHOWN_CHARACTERS // 4)
    return match.text[start : start + _SHOWN_CHARACTERS]


def _filled(match: Match) -> str:
    text = match.entry.cause
    for name in group_names(match.entry):
        own = name in compiled(match.signature.pattern).groupindex
        given = match.groups.get(name, "?" if own else name)
        text = text.replace(f"{{{name}}}", inert(given, limit=160))
    return text


def _typed(text: str, match: Match) -> str:
    """Return a remedy with what the log names put in, where that is safe to type in a shell."""
    for name, value in match.groups.items():
        if _TYPEABLE.fullmatch(value):
            text = text.replace(f"{{{name}}}", value)
    return unfilled(match.entry, text)


def _judge(match: Match, facts: Facts) -> tuple[Confidence, list[Said]]:
    entry = match.entry
    line = {"id": entry.id, "line": match.hit_number}
    why = [Said("the text of {id} stands at line {line}", line)]
    answer = any_holds(entry.affected, facts)
    named = _named_versions(entry, facts)
    if answer is Holds.YES:
        inside = Said("the versions known are in its range: {versions}", {"versions": named})
        why.append(inside if named else Said("its range is open"))
        return Confidence.HIGH, why
    if answer is Holds.NO:
        outside = "the versions known are outside its range: {versions}"
        why.append(Said(outside, {"versions": named}))
        return Confidence.LOW if entry.ambiguous else Confidence.MEDIUM, why
    why.append(Said(_AMBIGUOUS if entry.ambiguous else _UNAMBIGUOUS))
    return Confidence.LOW if entry.ambiguous else Confidence.HIGH, why


def _named_versions(entry: Entry, facts: Facts) -> str:
    names = sorted({key for each in entry.affected for key in each})
    known = {**facts.numbers, **facts.versions}
    return ", ".join(f"{name} {known[name]}" for name in names if name in known)
