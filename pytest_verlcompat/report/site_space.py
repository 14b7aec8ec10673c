"""Judge every cell of the space from what is recorded about it, and read nothing else.

The words are those of `model.verdict`; ``errored`` is added for questions that our harness
could not ask. A set that resolves is not yet a sign that it works, and a rung without a fact
is untested: neither is ever shown as good or bad.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.model.names import AXES
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.report.site_records import (
    Caught,
    Judged,
    Ruled,
    Trap,
    pair_of,
    pair_of_timeline,
    parse_caught,
    parse_fact_line,
    parse_rung_line,
    parse_timeline,
    read_lines,
    version_order,
)
from pytest_verlcompat.resolve.derive import complete
from pytest_verlcompat.resolve.ledger import Fact, render_fact
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import When
from pytest_verlcompat.store.space_rungs import SpaceRungs, render_rung

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_verlcompat.report.assemble import CellReport
    from pytest_verlcompat.resolve.space import Release, SpaceCell
    from pytest_verlcompat.store.space_rungs import RungFact

WORDS = ("compatible", "conditional", "incompatible", "unresolvable", "untested", "errored")
"""What a reader is told about a cell, in the order of the legend."""

_SPEAKS = frozenset({Resolution.RESOLVED, Resolution.UNRESOLVABLE})
_NO_CONDITION = frozenset({"stale-dependency", "source-only", "prerelease-picked"})
"""Traps that name a risk and no version that would avoid it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One cell of the space with its verdict."""

    fact: Fact
    word: str
    highest: Rung | None
    """Highest rung on which something passed."""
    failed: Rung | None
    """Lowest rung on which something failed."""
    conditions: tuple[str, ...] = ()
    traps: tuple[Trap, ...] = ()
    imports: RungFact | None = None
    loads: RungFact | None = None
    turns: tuple[Mapping[str, Any], ...] = ()
    """What turned between release day and today; only where both were looked at."""
    installed: CellReport | None = None
    """An installed cell with these very versions; its verdict is the one shown."""
    opposed: str | None = None
    """What another record of the same day says, where it is the opposite."""

    @property
    def cell(self) -> SpaceCell:
        """The combination it is about."""
        return self.fact.cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Everything recorded about the space, judged."""

    places: tuple[Place, ...] = ()
    """Ordered by verl, engine and its release, then slice."""
    timelines: tuple[Mapping[str, Any], ...] = ()
    """Pairs whose days between release and today were searched."""
    rungs: SpaceRungs = field(default_factory=lambda: SpaceRungs(()))
    damaged: tuple[str, ...] = ()
    """One sentence for each line that could not be read."""
    stale: int = 0
    """Lines about names, symbols and traps that other code judged; they do not count."""
    digest: str = ""
    """Of everything above that is shown."""


def load_space(
    folder: Path,
    *,
    rot: Path,
    needs: Mapping[str, str],
    cells: Iterable[CellReport],
    rules: Mapping[str, str] | None = None,
    releases: Mapping[str, tuple[Release, ...]] | None = None,
) -> Space:
    """Return the judged space that is recorded below *folder*.

    Args:
        rot: The timelines, JSON Lines; may be missing.
        needs: Trap code to what would avoid it, where something would.
        cells: Installed cells; one with the same versions as a place lends it its verdict.
        rules: Digest of the present code that judges ``traps``, ``imports`` and ``loads``; what
            other code judged does not count. All of it counts where that is not given.
        releases: The axes; with them, what follows from the records is shown as well.
    """
    damaged: list[str] = []
    facts, opposed = _choose(read_lines(folder.glob("*.jsonl"), parse_fact_line, damaged))
    looked, rungs, stale = _counting(folder, rules=rules, damaged=damaged)
    traps = {each.subject: each.traps for each in looked}
    said = _asking(rungs)
    timelines = tuple(read_lines([rot] if rot.exists() else [], parse_timeline, damaged))
    turned = {pair_of_timeline(each): each for each in timelines}
    installed = _by_versions(cells)
    places = (
        _judge(
            fact,
            traps=traps.get((str(fact.set_digest), str(fact.as_of)), ()),
            rungs=said,
            timeline=turned.get(pair_of(fact)),
            needs=needs,
            installed=installed.get(_identity(_versions(fact), fact.cell.python, fact.cell.glibc)),
            opposed=opposed.get(fact.cell.id),
        )
        for fact in _whole(facts.values(), releases)
    )
    ordered = tuple(sorted(places, key=_order))
    return Space(
        places=ordered,
        timelines=timelines,
        rungs=rungs,
        damaged=tuple(damaged),
        stale=stale,
        digest=_digest(facts.values(), timelines, rungs=rungs, caught=looked) if facts else "",
    )


def _counting(
    folder: Path, *, rules: Mapping[str, str] | None, damaged: list[str]
) -> tuple[list[Caught], SpaceRungs, int]:
    """Return what the present code judged, and how much only other code did."""
    caught = list(read_lines((folder / "traps").glob("*.jsonl"), parse_caught, damaged))
    judged = [
        Ruled(fact=each) for each in read_lines(_rung_files(folder), parse_rung_line, damaged)
    ]
    looked = [each for each in caught if rules is None or each.rules == rules["traps"]]
    looked.sort(key=lambda each: (each.rules, each.traps))
    counting = [
        each for each in judged if rules is None or each.rules == rules[each.fact.rung.value]
    ]
    rungs = SpaceRungs(sorted((each.fact for each in counting), key=render_rung))
    stale = _count_stale(judged, counting) + _count_stale(caught, looked)
    return looked, rungs, stale


def _choose(facts: Iterable[Fact]) -> tuple[dict[str, Fact], dict[str, str]]:
    """Return the fact of the latest day about each cell, and what opposes it that day."""
    chosen: dict[str, Fact] = {}
    opposed: dict[str, str] = {}
    for fact in sorted(facts, key=lambda each: (str(each.as_of), render_fact(each))):
        before = chosen.get(fact.cell.id)
        chosen[fact.cell.id] = fact
        opposed.pop(fact.cell.id, None)
        if before is None or before.as_of != fact.as_of or before.resolution is fact.resolution:
            continue
        if {before.resolution, fact.resolution} <= _SPEAKS:
            opposed[fact.cell.id] = before.resolution.value
    return chosen, opposed


def _asking(rungs: SpaceRungs) -> Callable[[Fact], tuple[RungFact | None, RungFact | None]]:
    """Return a function from a fact to its imports and loads; equal versions are asked once."""
    known: dict[tuple[Any, ...], tuple[RungFact | None, RungFact | None]] = {}

    def ask(fact: Fact) -> tuple[RungFact | None, RungFact | None]:
        cell = fact.cell
        key = (cell.verl, cell.engine, cell.release, tuple(fact.axes.items()))
        if key not in known:
            versions = _versions(fact)
            known[key] = rungs.imports(versions), rungs.loads(versions)
        return known[key]

    return ask


def _rung_files(folder: Path) -> Iterable[Path]:
    return (folder / "rungs").rglob("*.jsonl")


def _whole(
    facts: Iterable[Fact], releases: Mapping[str, tuple[Release, ...]] | None
) -> Iterator[Fact]:
    """Yield *facts*, and what follows from them for the rest of the space."""
    asked = list(facts)
    yield from asked
    days = [each.as_of for each in asked if each.cell.when is When.TODAY and each.as_of]
    if releases is None or not days:
        return
    known = {each.cell for each in asked}
    for fact in complete(asked, releases, today=max(days)):
        if fact.cell not in known:
            yield fact


def _count_stale(every: Iterable[Judged], counting: Iterable[Judged]) -> int:
    """Return how many things were judged by other code and not again by the present one."""
    return len({each.subject for each in every} - {each.subject for each in counting})


def _digest(
    facts: Iterable[Fact],
    timelines: Iterable[Mapping[str, Any]],
    *,
    rungs: SpaceRungs,
    caught: Iterable[Caught],
) -> str:
    lines = [
        *map(render_fact, facts),
        *(json.dumps(each, sort_keys=True) for each in timelines),
        *(render_rung(fact) for rung in (Rung.IMPORTS, Rung.LOADS) for fact in rungs.facts(rung)),
        *map(repr, caught),
    ]
    digest = hashlib.sha256()
    for line in sorted(lines):
        digest.update(line.encode())
    return digest.hexdigest()


def _order(place: Place) -> tuple[Any, ...]:
    cell = place.cell
    return (
        version_order(cell.verl),
        cell.engine,
        version_order(cell.release),
        version_order(cell.python),
        version_order(cell.glibc),
        cell.form.value,
        cell.when.value,
    )


def _versions(fact: Fact) -> dict[str, str]:
    return {**fact.axes, "verl": fact.cell.verl, fact.cell.engine: fact.cell.release}


def _identity(versions: Mapping[str, str], python: str, glibc: str) -> tuple[Any, ...]:
    kept = {name: version for name, version in versions.items() if name in AXES}
    return python, glibc, tuple(sorted(kept.items()))


def _by_versions(cells: Iterable[CellReport]) -> dict[tuple[Any, ...], CellReport]:
    """Return the installed cells by the versions they hold; of two the one with more records."""
    found: dict[tuple[Any, ...], CellReport] = {}
    for each in cells:
        if each.versions and not each.cell.overrides:
            glibc = each.cell.platform.rpartition("manylinux_")[2].replace("_", ".")
            key = _identity(each.versions, each.cell.python, glibc)
            if key not in found or len(found[key].records) < len(each.records):
                found[key] = each
    return found


def _judge(
    fact: Fact,
    *,
    traps: tuple[Trap, ...],
    rungs: Callable[[Fact], tuple[RungFact | None, RungFact | None]],
    timeline: Mapping[str, Any] | None,
    needs: Mapping[str, str],
    installed: CellReport | None,
    opposed: str | None,
) -> Place:
    imports, loads = rungs(fact)
    if fact.resolution is not Resolution.RESOLVED:
        words = {Resolution.UNRESOLVABLE: "unresolvable", Resolution.ERRORED: "errored"}
        word = words.get(fact.resolution, "untested")
        refused = Rung.RESOLVES if word == "unresolvable" else None
        return Place(
            fact=fact, word=word, highest=None, failed=refused, imports=imports, opposed=opposed
        )
    said = {Rung.IMPORTS: _outcome(imports), Rung.LOADS: _outcome(loads)}
    broken = any(each.weight == "broken" for each in traps)
    failed = [rung for rung, word in said.items() if word == "failed"]
    passed = [Rung.RESOLVES, *(rung for rung, word in said.items() if word == "passed")]
    conditions = _conditions(traps, needs) if len(passed) > 1 else ()
    if failed or broken:
        word = "incompatible"
    elif len(passed) == 1:
        word = "untested"
    else:
        word = "conditional" if conditions else "compatible"
    today = fact.cell.when.value == "today"
    place = Place(
        fact=fact,
        word=word,
        highest=max(passed, key=lambda rung: rung.order),
        failed=failed[0] if failed else (Rung.RESOLVES if broken else None),
        conditions=conditions if word == "conditional" else (),
        traps=traps,
        imports=imports,
        loads=loads,
        turns=tuple(timeline.get("turns", ())) if timeline and today else (),
        opposed=opposed,
    )
    return _with_install(place, installed)


def _with_install(place: Place, installed: CellReport | None) -> Place:
    """Return *place* with the verdict of an installed cell that holds the same versions."""
    if installed is None or not installed.records:
        return place
    verdict = installed.verdict
    word = verdict.kind.value
    if word == "untested":
        return place
    return replace(
        place,
        word=word,
        highest=verdict.highest,
        failed=verdict.failed[0] if verdict.failed else None,
        conditions=verdict.conditions,
        installed=installed,
    )


def _outcome(fact: RungFact | None) -> str:
    return fact.outcome if fact is not None else "untested"


def _conditions(traps: Iterable[Trap], needs: Mapping[str, str]) -> tuple[str, ...]:
    """Return what would avoid each trap that may spring; an unknown way out names the trap."""
    return tuple(
        dict.fromkeys(
            needs.get(each.code, each.code)
            for each in traps
            if each.weight == "suspect" and each.code not in _NO_CONDITION
        )
    )
