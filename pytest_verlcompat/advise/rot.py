"""When did a pair rot: resolved to a sound set when it came out, and does not today.

Sound means: it resolves, and none of the rules about resolved sets calls it broken. Between
the two days one question a step is asked; bisection needs about ten. What was released on
the day of the turn is the culprit.
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
    unknown: str | None = None
    """Why nothing can be said: the index or the resolver failed."""


def find_rot(
    cell: SpaceCell,
    *,
    born: dt.date,
    today: dt.date,
    look: Callable[[dt.date], State],
    released: Callable[[str, dt.date], str | None],
) -> Timeline:
    """Return what happened to *cell* between *born* and *today*.

    Args:
        cell: The pair.
        born: The day it is asked about as of its release.
        today: The last complete day.
        look: Returns the state of a day; it is asked about some ten days per fault.
        released: Returns the version of a distribution that came out on a day, if one did.
    """
    first, last = look(born), look(today)
    for state in (first, last):
        if state.answer.resolution in {Resolution.ERRORED, Resolution.NOT_ATTEMPTED}:
            why = "; ".join(state.answer.why)
            return Timeline(cell=cell, born=born, today=today, turns=(), born_with=(), unknown=why)
    turns = [
        _turn(fault, look=look, released=released, days=(born, today))
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
    )


def _turn(
    fault: str,
    *,
    days: tuple[dt.date, dt.date],
    look: Callable[[dt.date], State],
    released: Callable[[str, dt.date], str | None],
) -> Turn:
    """Return a day on which *fault* is there and was not the day before."""
    good, bad = days
    while bad - good > _ONE:
        middle = good + (bad - good) // 2
        state = look(middle)
        if state.answer.resolution is Resolution.ERRORED:
            good += _ONE  # unknown: narrow from the sound side and try another day
        elif fault in state.faults:
            bad = middle
        else:
            good = middle
    before, after = look(good).answer, look(bad)
    finding = after.faults.get(fault)
    if finding is None:  # unresolvable: nothing was picked, but somebody released something
        new = {name: released(name, bad) for name in after.answer.between}
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


def render_markdown(timelines: Iterable[Timeline]) -> str:
    """Return the timelines as Markdown: rotten pairs first, by the day of their first turn."""
    listed = list(timelines)
    rotten = sorted(
        (each for each in listed if each.turns), key=lambda each: (each.turns[0].day, each.cell.id)
    )
    lines = ["# Rot", "", f"{len(listed)} pairs resolved to a set when they came out; "]
    lines[-1] += f"{len(rotten)} of them have something broken today that was not there then."
    lines += ["", "| pair | born | turned | fault | what came out |", "|---|---|---|---|---|"]
    for each in rotten:
        pair = f"{' '.join(each.cell.requirements)}, Python {each.cell.python}"
        for turn in each.turns:
            culprits = "; ".join(turn.culprits[:3]) or "-"
            more = f" and {turn.others} more" if turn.others else ""
            lines.append(
                f"| {pair} | {each.born} | {turn.day} | {turn.fault}: {turn.sentence} "
                f"| {culprits}{more} |"
            )
    unknown = [each for each in listed if each.unknown]
    if unknown:
        lines += ["", f"{len(unknown)} pairs could not be judged: {unknown[0].unknown}"]
    return "\n".join(lines) + "\n"
