"""See known failures before they happen: the rules of the catalogue against what is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.issues.catalogue import unfilled
from pytest_verlcompat.issues.facts import PLACES, Holds, holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_verlcompat.issues.catalogue import Condition, Entry, Remedy
    from pytest_verlcompat.issues.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """A known failure that what is installed leads to."""

    entry: Entry
    condition: Condition
    """The alternative of its rule that holds."""
    certain: bool
    """It will break, rather than may."""
    remedies: tuple[Remedy, ...]
    """Those that fit, best first."""


def find_risks(facts: Facts, catalogue: Iterable[Entry]) -> Iterator[Risk]:
    """Yield the entries of *catalogue* whose rule holds, certain ones first."""
    found = [risk for entry in catalogue if (risk := _risk(entry, facts)) is not None]
    yield from sorted(found, key=lambda each: (not each.certain, each.entry.id))


def asked_places(catalogue: Iterable[Entry]) -> frozenset[str]:
    """Return the keys that ask whether a module, program, library or command is there."""
    return frozenset(
        key
        for entry in catalogue
        for condition in entry.precheck.when
        for key in condition
        if key.startswith(PLACES)
    )


def _risk(entry: Entry, facts: Facts) -> Risk | None:
    for condition in entry.precheck.when:
        if holds(condition, facts) is Holds.YES:
            fitting = (
                dataclasses.replace(each, do=unfilled(entry, each.do))
                for each in entry.remedies
                if holds(each.when, facts) is not Holds.NO
            )
            return Risk(
                entry=entry,
                condition=condition,
                certain=entry.precheck.certain,
                remedies=tuple(fitting),
            )
    return None
