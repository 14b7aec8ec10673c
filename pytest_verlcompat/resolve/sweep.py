"""Go through the space with every core, doing only what is not known yet."""

from __future__ import annotations

import hashlib
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.resolve.ledger import Fact, Ledger, Run, fact_of
from pytest_verlcompat.resolve.question import Answer, Resolution
from pytest_verlcompat.resolve.space import Release, SpaceCell, When, day_of, why_not

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_verlcompat.resolve.keep import Keep
    from pytest_verlcompat.resolve.resolver import Resolver

_AHEAD = 4
"""Questions handed out per worker, so that Ctrl-C does not wait for a long queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a sweep works with."""

    releases: Mapping[str, tuple[Release, ...]]
    today: dt.date
    """The last complete day (UTC)."""
    ledger: Ledger
    keep: Keep
    resolver: Resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One cell is done."""

    fact: Fact
    is_news: bool
    """False when the answer of a cell of today is the one already known."""
    duration_s: float


def find_todo(cells: Sequence[SpaceCell], desk: Desk) -> list[SpaceCell]:
    """Return the cells without a valid answer, in an order that mixes cheap and dear ones."""
    if desk.ledger.has_run(run_of(cells, desk)):
        return []
    todo = [cell for cell in cells if not _is_known(cell, desk)]
    return sorted(todo, key=lambda cell: hashlib.sha256(cell.id.encode()).digest())


def sweep(todo: Sequence[SpaceCell], desk: Desk, *, workers: int) -> Iterator[Step]:
    """Yield a step for each cell of *todo*; what was yielded is already written."""
    with ThreadPoolExecutor(workers) as pool:
        queue = iter(todo)
        running: set[Future[Step]] = set()
        try:
            while True:
                for cell in _take(queue, workers * _AHEAD - len(running)):
                    running.add(pool.submit(_do, cell, desk))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()


def run_of(cells: Sequence[SpaceCell], desk: Desk) -> Run:
    """Return the record of a run that has gone through all of *cells*."""
    ids = "\n".join(sorted(cell.id for cell in cells))
    return Run(
        as_of=desk.today,
        selection=hashlib.sha256(ids.encode()).hexdigest()[:16],
        cells=len(cells),
        resolver=desk.resolver.settings.version,
    )


def _is_known(cell: SpaceCell, desk: Desk) -> bool:
    as_of = day_of(cell, desk.releases, today=desk.today)
    fact = desk.ledger.at(cell, as_of)
    if fact is not None and _is_current(fact, desk):
        return True
    if cell.when is When.RELEASE or as_of is None:
        return False
    before = desk.ledger.latest(cell)
    digest = cell.question(as_of).digest(desk.resolver.settings.version)
    return before is not None and _is_current(before, desk) and desk.keep.was_asked(digest)


def _is_current(fact: Fact, desk: Desk) -> bool:
    wanted = run_of((), desk)
    valid = fact.resolver == wanted.resolver and fact.policy == wanted.policy
    return valid and fact.resolution is not Resolution.ERRORED


def _do(cell: SpaceCell, desk: Desk) -> Step:
    resolver = desk.resolver.settings.version
    as_of = day_of(cell, desk.releases, today=desk.today)
    answer = _answer(cell, as_of, desk)
    fact = fact_of(cell, as_of, answer, resolver=resolver)
    before = desk.ledger.latest(cell) if cell.when is When.TODAY else None
    is_news = before is None or before.same != fact.same
    if is_news:
        desk.ledger.append(fact)
    if answer.resolution is Resolution.RESOLVED:
        desk.keep.save_set(answer)
    if as_of is not None and answer.resolution is not Resolution.ERRORED:
        desk.keep.note_asked(cell.question(as_of).digest(resolver), as_of)
    return Step(fact=fact, is_news=is_news, duration_s=answer.duration_s)


def _answer(cell: SpaceCell, as_of: dt.date | None, desk: Desk) -> Answer:
    reason = why_not(cell, desk.releases)
    if as_of is None:
        reason = "the index gives no upload dates, so no day can be asked about"
    if reason is not None or as_of is None:
        return Answer(resolution=Resolution.NOT_ATTEMPTED, why=(str(reason),))
    return desk.resolver.ask(cell.question(as_of))


def _take(queue: Iterator[SpaceCell], count: int) -> Iterator[SpaceCell]:
    for _ in range(count):
        cell = next(queue, None)
        if cell is None:
            return
        yield cell
