"""When did a pair rot: resolved to a sound set when it came out, and does not today.

Sound means: it resolves, and none of the rules about resolved sets calls it broken. Between
the two days one question a step is asked; bisection needs about ten. A day on which the fault
became possible, or on which a neighbour turned, is tried first and needs two. What was released
on the day of the turn is the culprit.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.resolve.question import Resolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_verlcompat.model.finding import Finding
    from pytest_verlcompat.resolve.question import Answer
    from pytest_verlcompat.resolve.space import SpaceCell

_ONE = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a question about one day came to."""

    answer: Answer
    traps: tuple[Finding, ...]
    imports: str | None = None
    """What static reading says about the names of the set; None where nobody read it."""

    @property
    def faults(self) -> Mapping[str, Finding | None]:
        """What is broken: code to finding, or ``unresolvable`` to None."""
        if self.answer.resolution is not Resolution.RESOLVED:
            return {self.answer.resolution.value: None}
        return {each.code: each for each in self.traps if each.weight is Weight.BROKEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The day from which one fault is there, and what changed on it."""

    fault: str
    day: dt.date
    culprits: tuple[str, ...]
    """``transformers 4.57.6 -> 5.0.0``: versions that changed and that the fault names."""
    others: int
    """Versions that changed on that day too."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One pair from its release to today."""

    cell: SpaceCell
    born: dt.date
    today: dt.date
    turns: tuple[Turn, ...]
    """In the order they happened; empty where the pair still is as it was."""
    born_with: tuple[str, ...]
    """Faults it had on its first day: those are no rot."""
    mended: tuple[str, ...] = ()
    """Faults of the first day that are gone today."""
    sets: tuple[str | None, str | None] = (None, None)
    """Digests of the sets of the first day and of today."""
    imports: tuple[str | None, str | None] = (None, None)
    """Whether verl found all names in them: ``passed``, ``failed``, ``unknown``, None: untested."""
    unknown: str | None = None
    """Why nothing can be said: the index or the resolver failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a timeline is made from."""

    look: Callable[[dt.date], State]
    """Returns the state of a day; it is asked about some two to ten days per fault."""
    released: Callable[[str, dt.date], str | None]
    """Returns the version of a distribution that came out on a day, if one did."""
    likely: Callable[[str], Iterable[dt.date]] = lambda _fault: ()
    """Returns days on which a fault may have turned up, the likeliest first."""
    known: Callable[[str], Turn | None] = lambda _fault: None
    """Returns the turn that an earlier run found for a fault, where it still holds."""


def find_rot(cell: SpaceCell, *, born: dt.date, today: dt.date, sources: Sources) -> Timeline:
    """Return what happened to *cell* between *born* and *today*.

    Args:
        cell: The pair.
        born: The day it is asked about as of its release.
        today: The last complete day.
        sources: See there.
    """
    look = sources.look
    first, last = look(born), look(today)
    for state in (first, last):
        if state.answer.resolution in {Resolution.ERRORED, Resolution.NOT_ATTEMPTED}:
            why = "; ".join(state.answer.why)
            return Timeline(cell=cell, born=born, today=today, turns=(), born_with=(), unknown=why)
    turns = [
        sources.known(fault) or _turn(fault, sources, days=(born, today))
        for fault in last.faults
        if fault not in first.faults
    ]
    return Timeline(
        cell=cell,
        born=born,
        today=today,
        turns=tuple(sorted(turns, key=lambda turn: (turn.day, turn.fault))),
        born_with=tuple(first.faults),
        mended=tuple(fault for fault in first.faults if fault not in last.faults),
        sets=(first.answer.set_digest, last.answer.set_digest),
        imports=(first.imports, last.imports),
    )


def _bracket(
    fault: str, sources: Sources, days: tuple[dt.date, dt.date]
) -> tuple[dt.date, dt.date]:
    """Return two days, one after the other: without *fault*, and with it."""
    good, bad = days
    tries = [day for hint in sources.likely(fault) for day in (hint, hint - _ONE)]
    while bad - good > _ONE:
        tries = [day for day in tries if good < day < bad]
        day = tries.pop(0) if tries else good + (bad - good) // 2
        state = sources.look(day)
        if state.answer.resolution is Resolution.ERRORED:
            good += _ONE  # unknown: narrow from the sound side and try another day
        elif fault in state.faults:
            bad = day
        else:
            good = day
    return good, bad


def _turn(fault: str, sources: Sources, *, days: tuple[dt.date, dt.date]) -> Turn:
    """Return a day on which *fault* is there and was not the day before."""
    good, bad = _bracket(fault, sources, days)
    before, after = sources.look(good).answer, sources.look(bad)
    finding = after.faults.get(fault)
    if finding is None:  # unresolvable: nothing was picked, but somebody released something
        new = {name: sources.released(name, bad) for name in after.answer.between}
        culprits = [f"{name} {version}" for name, version in new.items() if version]
        sentence = "; ".join(after.answer.why)
        return Turn(fault=fault, day=bad, culprits=tuple(culprits), others=0, sentence=sentence)
    moved = _moved(before.picks, after.answer.picks)
    named = _named(finding)
    culprits = [f"{name} {change}" for name, change in moved.items() if name in named]
    return Turn(
        fault=fault,
        day=bad,
        culprits=tuple(culprits or [f"{name} {change}" for name, change in moved.items()]),
        others=len(moved) - len(culprits) if culprits else 0,
        sentence=finding.cause.first_line,
    )


def _named(finding: Finding) -> set[str]:
    words = f"{finding.provider} {finding.cause.first_line} {finding.cause.detail or ''}"
    return {word.strip(":;,()<>=!0123456789.").lower() for word in words.split()}


def _moved(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    names = sorted({*before, *after})
    return {
        name: f"{before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in names
        if before.get(name) != after.get(name)
    }
