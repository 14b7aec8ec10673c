"""Matches of signatures, and which of them is the root cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.issues.catalogue import Role
from pytest_verlcompat.issues.facts import Facts, Holds, any_holds
from pytest_verlcompat.issues.text import Line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.issues.catalogue import Entry, Signature

SAME_FAILURE_LINES = 60
"""Lines of one process this close belong to one failure."""

_HARMLESS = frozenset({"DEBUG", "INFO", "WARNING"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The neighbours of a line, of the same process."""

    before: tuple[str, ...]
    window: str
    at: int
    """Where in `window` the line itself begins."""


@dataclass(slots=True, kw_only=True)
class Match:
    """The first line that shows an entry."""

    entry: Entry
    signature: Signature
    hit_number: int
    process: str
    text: str
    start: int
    """Where in the text the pattern was found."""
    groups: Mapping[str, str]
    around: Around
    count: int = 1


def _role(match: Match) -> Role:
    """Return what the line means here: what a logger calls a warning did not end the run."""
    level = Line(process=match.process, text=match.text).level
    if match.entry.role is Role.FAILURE and level in _HARMLESS:
        return Role.WARNING
    return match.entry.role


def specific(matches: list[Match]) -> list[Match]:
    """Return *matches* without the ambiguous ones whose very line another entry explains."""
    settled = {(m.process, m.text) for m in matches if not m.entry.ambiguous}
    return [m for m in matches if not m.entry.ambiguous or (m.process, m.text) not in settled]


def in_order(matches: list[Match], facts: Facts) -> list[Match]:
    """Return *matches* with the root cause first."""
    roles = list(Role)
    agrees = {each.entry.id: any_holds(each.entry.affected, facts) for each in matches}

    def doubtful(match: Match) -> bool:
        return match.entry.ambiguous and agrees[match.entry.id] is Holds.NO

    def general(match: Match) -> bool:
        return match.entry.ambiguous and any(
            other.process == match.process
            and not other.entry.ambiguous
            and _role(other) is _role(match)
            and agrees[other.entry.id] is not Holds.NO
            and abs(other.hit_number - match.hit_number) <= SAME_FAILURE_LINES
            for other in matches
        )

    return sorted(
        matches,
        key=lambda each: (
            roles.index(_role(each)),
            doubtful(each),
            general(each),
            each.hit_number,
            agrees[each.entry.id] is Holds.NO,
            agrees[each.entry.id] is not Holds.YES,
            -_weight(each.signature),
            each.entry.id,
        ),
    )


def _weight(signature: Signature) -> int:
    """Return how specific a signature is: by what it asks for besides its line, then its length."""
    asked = len(signature.near) + len(signature.seen)
    return asked * 10_000 + len(signature.pattern)
