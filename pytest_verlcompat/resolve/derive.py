"""Answers that follow from other answers, so that nobody has to ask for them.

uv's search is complete: it says *unresolvable* only when no choice of files satisfies the
requirements, pre-releases included (it falls back to one where no final release is in range).
From that, for one state of the index:

``pins``
    verl's own requirement on the engine excludes the release that is asked for. The two
    contradict each other whatever else is there.
``no wheel``
    Every wheel of the release that is asked for wants a higher glibc, and nothing is built.
``fewer days``
    As of an earlier day a subset of the files exists. What has no solution today had none.
``fewer wheels``
    A lower glibc takes a subset of the wheels, and requirements do not depend on it. What has
    no solution for glibc 2.35 has none for 2.28. A source distribution is read (never built)
    for releases that never had a wheel, which is the same for every glibc.
``same wheels``
    Every pick of the set resolved for a higher glibc has a wheel for the lower one: the set
    solves that question as well. That uv would pick just this set is verified by sample.
``not out yet``
    One of the two came out after the last complete day.
``no extra``
    verl declares no such extra, so there is nothing to ask.

A derived fact names its rule and the cell it rests on; none is written to the ledger.

Source: https://docs.astral.sh/uv/reference/internals/resolver/, read 2026-11-20; the rules
were compared with real answers (reports/figures/space_derived.json).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_verlcompat.resolve.floors import fits
from pytest_verlcompat.resolve.ledger import Fact
from pytest_verlcompat.resolve.markers import linux_environment
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import (
    GLIBCS,
    Form,
    Selection,
    SpaceCell,
    When,
    day_of,
    find_cells,
    find_release,
    why_not,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_verlcompat.resolve.ledger import Ledger
    from pytest_verlcompat.resolve.space import Release

PINS = "pins"
FEWER_DAYS = "fewer days"
FEWER_WHEELS = "fewer wheels"
SAME_WHEELS = "same wheels"
NO_WHEEL = "no wheel"
NO_EXTRA = "no extra"
NO_DATES = "no dates"
NOT_OUT = "not out yet"


class Answers:
    """What is known about any cell: asked for, or derived from what was."""

    def __init__(
        self,
        releases: Mapping[str, tuple[Release, ...]],
        *,
        asked: Callable[[SpaceCell], Fact | None],
        today: dt.date,
        resolver: str,
    ) -> None:
        """Make the answers.

        Args:
            releases: The axes.
            asked: Returns the fact about a cell that counts as known, or None.
            today: The last complete day (UTC).
            resolver: Stands in the facts that follow from pins alone.
        """
        self._releases = releases
        self._asked = asked
        self._today = today
        self._resolver = resolver

    def find(self, cell: SpaceCell) -> Fact | None:
        """Return the fact about *cell*, asked for or derived; None if it has to be asked."""
        known = self._asked(cell)
        if known is not None and known.resolution is not Resolution.ERRORED:
            return known
        return self.derive(cell) or known

    def derive(self, cell: SpaceCell) -> Fact | None:
        """Return the fact about *cell* that follows without asking about it, or None."""
        return self._from_axes(cell) or self._from_later_day(cell) or self._from_glibc(cell)

    def day(self, cell: SpaceCell) -> dt.date | None:
        """Return the day *cell* is asked about; None if the index told no dates."""
        return day_of(cell, self._releases, today=self._today)

    def _from_axes(self, cell: SpaceCell) -> Fact | None:
        reason = why_not(cell, self._releases)
        if reason is not None:
            return self._fact(cell, Resolution.NOT_ATTEMPTED, why=(reason,), rule=NO_EXTRA)
        if self.day(cell) is None:
            reason = "the index gives no upload dates, so no day can be asked about"
            return self._fact(cell, Resolution.NOT_ATTEMPTED, why=(reason,), rule=NO_DATES)
        engine = find_release(self._releases, cell.engine, cell.release)
        verl = find_release(self._releases, "verl", cell.verl)
        for name, each in (("verl", verl), (cell.engine, engine)):
            if each.installable is not None and each.installable > self._today:
                reason = (
                    f"{name} {each.version} came out on {each.installable}, after {self._today}"
                )
                return self._fact(cell, Resolution.NOT_ATTEMPTED, why=(reason,), rule=NOT_OUT)
        return self._from_pins(cell, verl, engine)

    def _from_pins(self, cell: SpaceCell, verl: Release, engine: Release) -> Fact | None:
        pin = excluding_pin(cell, verl)
        if pin is not None:
            why = f"{cell.requirements[0]} depends on {pin}"
            between: tuple[str, ...] = ("verl", cell.engine)
            rule = PINS
        elif engine.glibc is not None and not fits(engine.glibc, cell.glibc):
            why = f"{cell.requirements[1]} has wheels for glibc {engine.glibc} and later only"
            between, rule = (cell.engine,), NO_WHEEL
        else:
            return None
        return self._fact(cell, Resolution.UNRESOLVABLE, why=(why,), rule=rule, between=between)

    def _from_later_day(self, cell: SpaceCell) -> Fact | None:
        day = self.day(cell)
        if cell.when is not When.RELEASE or day is None:
            return None
        source = replace(cell, when=When.TODAY)
        known = self._asked(source) or self._from_axes(source)
        if known is None or known.resolution is not Resolution.UNRESOLVABLE:
            return None
        later = known.as_of is not None and known.as_of >= day
        return _derived(known, cell, day, rule=FEWER_DAYS) if later else None

    def _from_glibc(self, cell: SpaceCell) -> Fact | None:
        higher = (each for each in GLIBCS if Version(each) > Version(cell.glibc))
        for glibc in higher:
            source = replace(cell, glibc=glibc)
            known = self._asked(source) or self._from_axes(source) or self._from_later_day(source)
            if known is None:
                continue
            if known.resolution is Resolution.UNRESOLVABLE:
                return _derived(known, cell, known.as_of, rule=FEWER_WHEELS)
            if known.resolution is Resolution.RESOLVED and fits(known.floor, cell.glibc):
                return _derived(known, cell, known.as_of, rule=SAME_WHEELS)
        return None

    def _fact(
        self,
        cell: SpaceCell,
        resolution: Resolution,
        *,
        why: tuple[str, ...],
        rule: str,
        between: tuple[str, ...] = (),
    ) -> Fact:
        return Fact(
            cell=cell,
            as_of=self.day(cell),
            resolution=resolution,
            resolver=self._resolver,
            why=why,
            between=between,
            derived=rule,
        )


def read_answers(
    ledger: Ledger, releases: Mapping[str, tuple[Release, ...]], *, today: dt.date, resolver: str
) -> Answers:
    """Return what *ledger* says and what follows from it, whatever day it was confirmed."""
    return Answers(releases, asked=ledger.latest, today=today, resolver=resolver)


def complete(
    facts: Iterable[Fact], releases: Mapping[str, tuple[Release, ...]], *, today: dt.date
) -> Iterator[Fact]:
    """Yield a fact for every cell of the whole space that has one, asked for or derived.

    For readers that show all of it; nothing is asked.

    Args:
        facts: The latest fact about each cell that was asked about.
        releases: The axes.
        today: The last complete day of the run that wrote them.
    """
    known = {fact.cell: fact for fact in facts}
    resolver = max((fact.resolver for fact in known.values()), default="")
    answers = Answers(releases, asked=known.get, today=today, resolver=resolver)
    found = map(answers.find, find_cells(releases, Selection()))
    return (fact for fact in found if fact is not None)


def excluding_pin(cell: SpaceCell, verl: Release) -> str | None:
    """Return the requirement of verl's extra that excludes the engine's release, or None."""
    if cell.form is not Form.EXTRA:
        return None
    return _excluding(verl.pins, (cell.engine, cell.release), cell.python)


@cache
def _excluding(pins: tuple[str, ...], release: tuple[str, str], python: str) -> str | None:
    engine, version = release
    environment = linux_environment(python=python, extra=engine)
    for pin in pins:
        requirement = _parse(pin)
        if requirement is None or canonicalize_name(requirement.name) != engine:
            continue
        if requirement.specifier.contains(version, prereleases=True):
            continue
        if requirement.marker is None or requirement.marker.evaluate(environment):
            return f"{engine}{requirement.specifier}"
    return None


@cache
def _parse(pin: str) -> Requirement | None:
    try:
        return Requirement(pin)
    except InvalidRequirement:
        return None


def _derived(source: Fact, cell: SpaceCell, as_of: dt.date | None, *, rule: str) -> Fact:
    """Return what *source* says, about *cell*; the rule of the first step stays in front."""
    chain = f"{source.derived}, {rule}" if source.derived else rule
    return replace(
        source, cell=cell, as_of=as_of, derived=chain, source=source.source or source.cell.id
    )
