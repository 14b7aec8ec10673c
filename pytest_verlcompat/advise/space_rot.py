"""Judge the rot of every pair of the space that resolved when it came out, on both cores.

A turn that an earlier run found is taken over while rules and first set are the same: what had
come out by then does not change. A fault may come and go, so that which turn is found depends on
where one looks first. Therefore the days that are tried first are those of one fixed pair, the
one of the same engine release that came out first: every run on every machine finds the same.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.advise.rot import Sources, State, Timeline, Turn, find_rot
from pytest_verlcompat.advise.trap_record import set_of
from pytest_verlcompat.checks import resolution_facts
from pytest_verlcompat.resolve.ledger import fact_of
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import When
from pytest_verlcompat.store.space_rungs import SpaceRungs

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

    def __init__(
        self,
        resolver: Resolver,
        shelf: IndexShelf,
        *,
        keep: Keep,
        known: Iterable[Timeline] = (),
        rungs: SpaceRungs | None = None,
    ) -> None:
        """Make a looker.

        Args:
            resolver: Asked about days that the ledger does not hold.
            shelf: Says what came out when.
            keep: Holds whole sets.
            known: What an earlier run found under the same rules.
            rungs: What static reading says about whole sets.
        """
        self._resolver = resolver
        self._shelf = shelf
        self._keep = keep
        self._known = {
            (each.cell, each.sets[0]): {turn.fault: turn for turn in each.turns} for each in known
        }
        self._rungs = rungs or SpaceRungs(())

    def judge(
        self, fact: Fact, *, today: dt.date, ledger: Ledger, like: Timeline | None = None
    ) -> Timeline:
        """Return what happened to the pair of *fact*, a fact of its release day.

        Args:
            fact: See above.
            today: The last complete day.
            ledger: Holds the answers of today.
            like: A pair whose days of turning are tried first.
        """
        states: dict[dt.date, State] = {}

        def look(day: dt.date) -> State:
            if day not in states:
                known = ledger.latest(_as_of_today(fact.cell)) if day == today else None
                answer = self._answer(fact, day, known if day == today else fact)
                states[day] = self._state(fact.cell, day, answer)
            return states[day]

        if fact.as_of is None:
            raise ValueError("a pair without a day cannot rot")
        turns = self._known.get((fact.cell, fact.set_digest), {})
        sources = Sources(
            look=look,
            released=self._released,
            likely=lambda fault: self._likely(fault, look(today), like),
            known=lambda fault: self._told(turns.get(fault), look(today)),
        )
        return find_rot(fact.cell, born=fact.as_of, today=today, sources=sources)

    def _likely(self, fault: str, last: State, like: Timeline | None) -> list[dt.date]:
        """Return the days on which *like* turned, then the one that brought what is picked now."""
        turns = sorted(like.turns if like else (), key=lambda turn: turn.fault != fault)
        days = [turn.day for turn in turns]
        finding = last.faults.get(fault)
        if finding is not None and finding.provider is not None:
            name, _, picked = finding.provider.partition(" ")
            uploads = self._shelf.uploads(name)
            days += [day for version, day in uploads.items() if str(version) == picked]
        return days

    @staticmethod
    def _told(turn: Turn | None, last: State) -> Turn | None:
        """Return *turn* with the sentence of its fault, which is not kept."""
        if turn is None:
            return None
        finding = last.faults.get(turn.fault)
        sentence = finding.cause.first_line if finding else "; ".join(last.answer.why)
        return replace(turn, sentence=sentence)

    def _answer(self, fact: Fact, day: dt.date, known: Fact | None) -> Answer:
        """Return the answer of a day, from the kept sets where the ledger has it."""
        usable = known is not None and (known.as_of == day or known.cell.when is When.TODAY)
        if usable and known is not None and known.set_digest:
            kept = self._keep.load_set(known.set_digest)
            if kept is not None:
                return kept
        answer = self._resolver.ask(fact.cell.question(day))
        if usable and answer.resolution is Resolution.RESOLVED:
            self._keep.save_set(answer)
        return answer

    def _state(self, cell: SpaceCell, day: dt.date, answer: Answer) -> State:
        if answer.resolution is not Resolution.RESOLVED:
            return State(answer=answer, traps=())
        fact = fact_of(cell, day, answer, resolver=self._resolver.settings.version)
        traps = tuple(resolution_facts.check(set_of(fact, answer), self._shelf))
        read = self._rungs.imports(answer.picks)
        # A line about the pair alone says nothing about the rest of the set.
        imports = read.outcome if read is not None and "torch" in read.versions else None
        return State(answer=answer, traps=traps, imports=imports)

    def _released(self, name: str, day: dt.date) -> str | None:
        for version, upload in self._shelf.uploads(name).items():
            if upload == day:
                return str(version)
        return None


def rules_digest() -> str:
    """Return 8 hex digits that change when the rules that judge rot or their data change."""
    source = Path(str(resolution_facts.__file__))
    text = source.read_bytes() + source.with_suffix(".toml").read_bytes()
    return hashlib.sha256(text).hexdigest()[:8]


def judge_all(
    facts: Iterable[Fact], looker: Looker, *, today: dt.date, ledger: Ledger, workers: int
) -> Iterator[Timeline]:
    """Yield the timeline of each fact of a release day that resolved, engine by engine."""
    wanted = _by_engine(facts, today)
    first = {key: min(each, key=_order) for key, each in _by_engine(ledger.facts(), today).items()}

    def judge(key: tuple[str, str]) -> list[Timeline]:
        like = looker.judge(first[key], today=today, ledger=ledger)
        return [
            like
            if fact.cell == like.cell
            else looker.judge(fact, today=today, ledger=ledger, like=like)
            for fact in sorted(wanted[key], key=_order)
        ]

    with ThreadPoolExecutor(workers) as pool:
        for timelines in pool.map(judge, sorted(wanted)):
            yield from timelines


def _by_engine(facts: Iterable[Fact], today: dt.date) -> dict[tuple[str, str], list[Fact]]:
    """Return the pairs that had come out and resolved, by engine and its release."""
    found: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        is_born = fact.cell.when is When.RELEASE and fact.resolution is Resolution.RESOLVED
        if is_born and fact.as_of is not None and fact.as_of < today:
            found.setdefault((fact.cell.engine, fact.cell.release), []).append(fact)
    return found


def _order(fact: Fact) -> tuple[str, Version, str, str, str]:
    """Return a key that puts the pair first that came out first."""
    cell = fact.cell
    return str(fact.as_of), Version(cell.verl), cell.form.value, cell.python, cell.glibc


def _as_of_today(cell: SpaceCell) -> SpaceCell:
    return replace(cell, when=When.TODAY)
