"""Write the tables about the space: every cell, declared against true, traps, rot."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from pytest_verlcompat.advise import declared, render_rot, space_cells, trap_record
from pytest_verlcompat.advise.space_rot import Looker, judge_all, rules_digest
from pytest_verlcompat.resolve.lines import append_line
from pytest_verlcompat.store.space_rungs import load_space_rungs

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_verlcompat.advise.rot import Timeline
    from pytest_verlcompat.model.axis import Axis
    from pytest_verlcompat.resolve.derive import Answers
    from pytest_verlcompat.resolve.keep import Keep
    from pytest_verlcompat.resolve.ledger import Fact
    from pytest_verlcompat.resolve.resolver import Resolver
    from pytest_verlcompat.resolve.shelf import IndexShelf
    from pytest_verlcompat.resolve.space import SpaceCell
    from pytest_verlcompat.resolve.sweep import Desk


def write_cells(path: Path, cells: Sequence[SpaceCell], *, answers: Answers, today: dt.date) -> int:
    """Write counts as Markdown and letters as JSON Lines; return how many have no answer."""
    _write(path, space_cells.render_markdown(cells, answers, day=str(today)))
    lines = space_cells.render_lines(cells, answers)
    _write(path.with_suffix(".jsonl"), "".join(f"{line}\n" for line in lines))
    return sum(answers.find(cell) is None for cell in cells)


def write_declared(
    path: Path, facts: Iterable[Fact], *, axes: Mapping[str, Axis], desk: Desk, python: str
) -> int:
    """Write the table and return how many rows disagree with themselves."""
    today, rungs = desk.today, load_space_rungs(desk.ledger.folder)
    rows = declared.make_rows(axes, facts, python=python, rungs=rungs)
    text = declared.render_markdown(rows, day=str(today), python=python, glibc="2.35")
    _write(path, text)
    return sum(bool(row.disagreements) for row in rows)


def write_traps(
    path: Path, facts: Iterable[Fact], *, desk: Desk, shelf: IndexShelf, tell: Callable[[int], None]
) -> int:
    """Look at every resolved fact, write the table, and return how many fall into a trap.

    Args:
        path: File of the table.
        facts: What to look at; their traps are recorded beside the ledger.
        desk: Ledger, kept sets, and the resolver for sets that this machine does not hold.
        shelf: The index, for the rules.
        tell: Called now and then with the number of sets looked at.

    Raises:
        IndexUnavailableError: If the index does not answer; what was found stays recorded.
    """
    tally = trap_record.Tally()
    caught_ones = 0
    shelf.remember_uploads(desk.keep.load_uploads(day=desk.today))
    tools: _Tools = {"resolver": desk.resolver, "shelf": shelf, "keep": desk.keep}
    work = trap_record.catch_all(facts, folder=desk.ledger.folder, **tools)
    for fact, caught, found_now in work:
        findings = found_now
        tally.take(fact, caught)
        caught_ones += bool(caught.traps)
        codes = {code for code, _, _ in caught.traps}
        if found_now is None and not codes <= set(tally.examples):
            findings = trap_record.find_again(fact, **tools)
        for finding in findings or ():
            tally.examples.setdefault(finding.code, (fact, finding))
        if tally.looked["all"] % _TELL_EVERY == 0:
            tell(tally.looked["all"])
    desk.keep.save_uploads(shelf.upload_days(), day=desk.today)
    _write(path, trap_record.render_markdown(tally))
    return caught_ones


def write_rot(
    path: Path,
    facts: Iterable[Fact],
    *,
    axes: Mapping[str, Axis],
    desk: Desk,
    shelf: IndexShelf,
    workers: int,
    tell: Callable[[int], None],
) -> int:
    """Write timelines as Markdown and as JSON Lines beside it; return how many pairs rotted.

    A line is written as soon as it is known, so that a run that was stopped goes on. Timelines
    of other pairs, judged by the same rules, stay.

    Args:
        path: File of the table.
        facts: What to look at; only release days count.
        axes: Every release of the engines.
        desk: Ledger, kept sets and resolver.
        shelf: Says what came out when.
        workers: Threads that ask.
        tell: Called now and then with the number of pairs looked at.
    """
    data, rules = path.with_suffix(".jsonl"), rules_digest()
    known = render_rot.load_timelines(data, rules=rules)
    rungs = load_space_rungs(desk.ledger.folder)
    looker = Looker(desk.resolver, shelf, keep=desk.keep, known=known.values(), rungs=rungs)
    timelines: dict[SpaceCell, Timeline] = {}
    for each in judge_all(facts, looker, today=desk.today, ledger=desk.ledger, workers=workers):
        timelines[each.cell] = each
        if each.cell not in known or known[each.cell].sets != each.sets:
            append_line(data, render_rot.render_line(each, rules=rules))
        if len(timelines) % _TELL_EVERY == 0:
            tell(len(timelines))
    every = list({**known, **timelines}.values())
    releases = {name: [value.text for value in axis.values] for name, axis in axes.items()}
    _write(path, render_rot.render_markdown(every, known=releases))
    lines = sorted(render_rot.render_line(each, rules=rules) for each in every)
    _write(data, "".join(f"{line}\n" for line in lines))
    return sum(bool(each.turns) for each in timelines.values())


_TELL_EVERY = 200


class _Tools(TypedDict):
    """What a set is looked at with."""

    resolver: Resolver
    shelf: IndexShelf
    keep: Keep


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
