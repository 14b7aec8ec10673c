"""Judge the rot of every pair of the space that resolved when it came out, on both cores."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.rot import State, Timeline, find_rot
from pytest_verlcompat.advise.trap_record import set_of
from pytest_verlcompat.checks import resolution_facts
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.resolve.ledger import fact_of
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import When

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from pytest_verlcompat.resolve.keep import Keep
    from pytest_verlcompat.resolve.ledger import Fact, Ledger
    from pytest_verlcompat.resolve.question import Answer
    from pytest_verlcompat.resolve.resolver import Resolver
    from pytest_verlcompat.resolve.shelf import IndexShelf
    from pytest_verlcompat.resolve.space import SpaceCell


class Looker:
    """Asks about a pair as of any day, and remembers the days it was asked about.

    Only the rules that can call a set broken are applied: requirements that the code has.
    """

    def __init__(self, resolver: Resolver, shelf: IndexShelf, *, keep: Keep) -> None:
        self._resolver = resolver
        self._shelf = shelf
        self._keep = keep

    def judge(self, fact: Fact, *, today: dt.date, ledger: Ledger) -> Timeline:
        """Return what happened to the pair of *fact*, a fact of its release day."""
        states: dict[dt.date, State] = {}

        def look(day: dt.date) -> State:
            if day not in states:
                known = ledger.latest(_as_of_today(fact.cell)) if day == today else None
                answer = self._answer(fact, day, known if day == today else fact)
                states[day] = self._state(fact.cell, day, answer)
            return states[day]

        if fact.as_of is None:
            raise ValueError("a pair without a day cannot rot")
        return find_rot(fact.cell, born=fact.as_of, today=today, look=look, released=self._released)

    def _answer(self, fact: Fact, day: dt.date, known: Fact | None) -> Answer:
        """Return the answer of a day, from the kept sets where the ledger has it."""
        usable = known is not None and (known.as_of == day or known.cell.when is When.TODAY)
        if usable and known is not None and known.set_digest:
            kept = self._keep.load_set(known.set_digest)
            if kept is not None:
                return kept
        return self._resolver.ask(fact.cell.question(day))

    def _state(self, cell: SpaceCell, day: dt.date, answer: Answer) -> State:
        if answer.resolution is not Resolution.RESOLVED:
            return State(answer=answer, traps=())
        fact = fact_of(cell, day, answer, resolver=self._resolver.settings.version)
        traps = tuple(resolution_facts.check(set_of(fact, answer), self._shelf))
        return State(answer=answer, traps=traps)

    def _released(self, name: str, day: dt.date) -> str | None:
        for version, upload in self._shelf.uploads(name).items():
            if upload == day:
                return str(version)
        return None


def judge_all(
    facts: Iterable[Fact], looker: Looker, *, today: dt.date, ledger: Ledger, workers: int
) -> Iterator[Timeline]:
    """Yield the timeline of each fact of a release day that resolved."""
    born = [
        fact
        for fact in facts
        if fact.cell.when is When.RELEASE
        and fact.resolution is Resolution.RESOLVED
        and fact.as_of is not None
        and fact.as_of < today
    ]
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(lambda fact: looker.judge(fact, today=today, ledger=ledger), born)


def render_line(timeline: Timeline) -> str:
    """Return *timeline* as one JSON line for a machine."""
    cell = timeline.cell
    body = {
        "verl": cell.verl,
        cell.engine: cell.release,
        "form": cell.form.value,
        "python": cell.python,
        "glibc": cell.glibc,
        "born": timeline.born.isoformat(),
        "today": timeline.today.isoformat(),
        "born_with": list(timeline.born_with),
        "mended": list(timeline.mended),
        "turns": [
            {
                "fault": turn.fault,
                "day": turn.day.isoformat(),
                "culprits": list(turn.culprits),
                "others": turn.others,
            }
            for turn in timeline.turns
        ],
        "unknown": timeline.unknown,
    }
    kept = {key: value for key, value in body.items() if value not in (None, [])}
    return json.dumps(encode(kept), separators=(",", ":"), ensure_ascii=False)


def _as_of_today(cell: SpaceCell) -> SpaceCell:
    return replace(cell, when=When.TODAY)
