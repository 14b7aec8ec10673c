"""Go through the space with every core, asking only what is not known and does not follow.

Cells are gone through in stages, since answers of one stage spare questions of the next:
today for the highest glibc, then release days, then the lower glibcs.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.errors import IndexUnavailableError
from pytest_verlcompat.model.names import AXES
from pytest_verlcompat.resolve.derive import Answers
from pytest_verlcompat.resolve.ledger import Fact, Ledger, Run, fact_of
from pytest_verlcompat.resolve.question import POLICY, Answer, Resolution
from pytest_verlcompat.resolve.seen import PAGE
from pytest_verlcompat.resolve.space import GLIBCS, Release, SpaceCell, When, day_of, find_release

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_verlcompat.resolve.keep import Keep
    from pytest_verlcompat.resolve.question import Question
    from pytest_verlcompat.resolve.resolver import Resolver
    from pytest_verlcompat.resolve.seen import Seen

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
    seen: Seen

    @property
    def answers(self) -> Answers:
        """What is known for sure: asked of this resolver about this state of the index."""
        return Answers(
            self.releases,
            asked=lambda cell: _known(cell, self),
            today=self.today,
            resolver=self.resolver.settings.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One cell is done."""

    fact: Fact
    is_news: bool
    """False when the answer of a cell of today is the one already known."""
    duration_s: float


def find_stages(cells: Sequence[SpaceCell]) -> list[list[SpaceCell]]:
    """Return *cells* in the order in which their answers spare questions."""
    stages: dict[tuple[int, bool], list[SpaceCell]] = {}
    for cell in cells:
        low = Version(cell.glibc) < Version(GLIBCS[-1])
        place = -GLIBCS.index(cell.glibc) if low and cell.glibc in GLIBCS else -len(GLIBCS)
        stages.setdefault((place, cell.when is When.RELEASE), []).append(cell)
    return [stages[key] for key in sorted(stages)]


def find_todo(cells: Sequence[SpaceCell], desk: Desk) -> list[SpaceCell]:
    """Return the cells that have to be asked about, in an order that mixes cheap and dear ones."""
    if desk.ledger.has_run(run_of(cells, desk)):
        return []
    answers = desk.answers
    todo = [cell for cell in cells if answers.find(cell) is None]
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
        read=desk.seen.digest,
    )


def _known(cell: SpaceCell, desk: Desk) -> Fact | None:
    """Return the fact about *cell* if it still counts."""
    as_of = day_of(cell, desk.releases, today=desk.today)
    fact = desk.ledger.at(cell, as_of)
    if fact is None and cell.when is When.TODAY and as_of is not None:
        before = desk.ledger.latest(cell)
        digest = cell.question(as_of).digest(desk.resolver.settings.version)
        fact = before if desk.keep.was_asked(digest) else None
    return fact if fact is not None and _is_current(fact, desk) else None


def _is_current(fact: Fact, desk: Desk) -> bool:
    asked_so = (fact.resolver, fact.policy) == (desk.resolver.settings.version, POLICY)
    return asked_so and fact.resolution is not Resolution.ERRORED and _is_as_read(fact, desk)


def _is_as_read(fact: Fact, desk: Desk) -> bool:
    """Return whether the index still says what it said about all that *fact* rests on.

    Where this machine does not hold the whole set, a change of any release that may be in it
    counts as one.
    """
    if fact.read is None:
        return False
    restated = desk.seen.restated
    if not restated:
        return True
    if fact.resolution is not Resolution.RESOLVED or fact.set_digest is None:
        return fact.read == desk.seen.digest_of(_pair(fact.cell), whole=fact.between)
    whole = desk.keep.load_set(fact.set_digest)
    if whole is not None:
        return fact.read == desk.seen.digest_of(whole.picks)
    return not any(
        fact.axes.get(name) == version if name in AXES else version != PAGE
        for name, version in restated
    )


def _do(cell: SpaceCell, desk: Desk) -> Step:
    resolver = desk.resolver.settings.version
    as_of = day_of(cell, desk.releases, today=desk.today)
    if as_of is None:
        raise ValueError(f"{cell.id} has no day, so nothing can be asked about it")
    answer = desk.resolver.ask(_question(cell, as_of, desk))
    floor = read = None
    try:
        read = _note(cell, answer, desk.seen)
        if answer.resolution is Resolution.RESOLVED:
            floor = desk.seen.floor(
                answer.picks, sources=answer.sdists, python=cell.python, as_of=as_of
            )
    except IndexUnavailableError:
        why = ("the index gave no page of a distribution that the answer rests on",)
        answer = Answer(resolution=Resolution.ERRORED, why=why, duration_s=answer.duration_s)
    fact = fact_of(cell, as_of, answer, resolver=resolver, floor=floor, read=read)
    before = desk.ledger.latest(cell) if cell.when is When.TODAY else desk.ledger.at(cell, as_of)
    is_news = before is None or before.same != fact.same
    if answer.resolution is Resolution.RESOLVED:
        desk.keep.save_set(answer)
    if is_news:
        desk.ledger.append(fact)
    if answer.resolution is not Resolution.ERRORED:
        desk.keep.note_asked(cell.question(as_of).digest(resolver), as_of)
    return Step(fact=fact, is_news=is_news, duration_s=answer.duration_s)


def _question(cell: SpaceCell, as_of: dt.date, desk: Desk) -> Question:
    """Return what is asked about *cell*: without a day where the index told no upload days."""
    question = cell.question(as_of)
    days = [
        find_release(desk.releases, name, version).installable
        for name, version in _pair(cell).items()
    ]
    return question if any(days) else replace(question, as_of=None)


def _note(cell: SpaceCell, answer: Answer, seen: Seen) -> str | None:
    """Record what the index says about what *answer* rests on; return the digest of that."""
    if answer.resolution is Resolution.ERRORED:
        return None
    if answer.resolution is Resolution.RESOLVED:
        return seen.note(answer.picks)
    return seen.note(_pair(cell), whole=answer.between)


def _pair(cell: SpaceCell) -> dict[str, str]:
    return {"verl": cell.verl, cell.engine: cell.release}


def _take(queue: Iterator[SpaceCell], count: int) -> Iterator[SpaceCell]:
    for _ in range(count):
        cell = next(queue, None)
        if cell is None:
            return
        yield cell
