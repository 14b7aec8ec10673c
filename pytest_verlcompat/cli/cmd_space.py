"""Resolve the whole space: every verl release with every engine release, dated and as of today.

Only what is not known yet and does not follow is asked; a run that was stopped goes on where it
was, and what the index took back is asked again. Exit status 0 when every cell has an answer,
1 when some could not be asked (index or resolver failed).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.space_tables import (
    write_cells,
    write_declared,
    write_rot,
    write_traps,
)
from pytest_verlcompat.errors import IndexUnavailableError, UsageError
from pytest_verlcompat.matrix.load import load_axis
from pytest_verlcompat.resolve.derive import read_answers
from pytest_verlcompat.resolve.keep import Keep
from pytest_verlcompat.resolve.ledger import Ledger, merge_ledgers
from pytest_verlcompat.resolve.open import open_resolver
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.seen import PAGE, Seen
from pytest_verlcompat.resolve.space import (
    GLIBCS,
    PYTHONS,
    Form,
    Selection,
    When,
    find_cells,
    last_complete_day,
    releases_of,
)
from pytest_verlcompat.resolve.sweep import Desk, find_stages, find_todo, run_of, sweep
from pytest_verlcompat.wheels.cache import default_cache_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pytest_verlcompat.model.axis import Axis
    from pytest_verlcompat.resolve.shelf import IndexShelf
    from pytest_verlcompat.resolve.space import SpaceCell
    from pytest_verlcompat.resolve.sweep import Step

FOLDER = Path("reports", "evidence", "space")
"""Where the ledger lies in a checkout."""

_SHOWN = 20
"""Releases that changed are named up to that many."""

_ONE_DAY = dt.timedelta(days=1)

_LINE_S = 30.0
"""How often a log gets a line; a terminal is refreshed with every cell."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--root", type=Path, default=Path(), help="checkout that holds matrix/")
    parser.add_argument("--engine", action="append", choices=["vllm", "sglang"])
    parser.add_argument("--python", action="append", metavar="3.12")
    parser.add_argument("--glibc", action="append", metavar="2.35")
    parser.add_argument("--form", action="append", choices=[each.value for each in Form])
    parser.add_argument("--when", action="append", choices=[each.value for each in When])
    parser.add_argument(
        "--from",
        dest="least",
        action="append",
        metavar="verl==0.4",
        help="lowest release of a distribution; may be given for each",
    )
    parser.add_argument("--as-of", type=dt.date.fromisoformat, help="the day that counts as today")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--merge", type=Path, nargs="+", help="take in the ledgers in these folders"
    )
    parser.add_argument(
        "--table",
        action="append",
        choices=["cells", "declared", "traps", "rot"],
        help="write that table below reports/space/ from what is known; asks for no new cell",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say how much is to be done")


def execute(args: argparse.Namespace) -> int:
    """Return 0 when every cell of the selection has an answer."""
    folder = args.root / FOLDER
    if args.merge:
        print(f"{merge_ledgers(args.merge, folder)} lines were new")
        return 0
    today = _today(args.as_of)
    axes = {
        name: load_axis(args.root / "matrix" / "axes" / f"{name}.toml")
        for name in ("verl", "vllm", "sglang")
    }
    releases = {name: releases_of(axis) for name, axis in axes.items()}
    cells = tuple(find_cells(releases, _selection(args)))
    if not cells:
        raise UsageError("no cell is selected; see the axes verl, vllm and sglang")
    cache = default_cache_folder()
    with (
        contextlib.closing(Keep(cache / "space.sqlite")) as keep,
        open_resolver(cache=cache) as (resolver, shelf),
    ):
        desk = Desk(
            releases=releases,
            today=today,
            ledger=Ledger(folder),
            keep=keep,
            resolver=resolver,
            seen=Seen(folder, pages=shelf, marks=keep, until=today),
        )
        if args.table:
            _write_tables(args, cells, desk, axes=axes, shelf=shelf)
            return 0
        if not args.dry_run:
            _check_clock(shelf)
            _look_again(desk)
        todo = find_todo(cells, desk)
        print(f"{len(cells)} cells, {len(todo)} to do, as of {today}", file=sys.stderr)
        return 0 if args.dry_run else _go(cells, desk, workers=args.workers)


def _check_clock(shelf: IndexShelf) -> None:
    """Compare this machine's clock with the index's: records are kept by day.

    Raises:
        UsageError: If they are more than a day apart.
    """
    try:
        page = shelf.page("verl")
        theirs = parsedate_to_datetime(page.headers["date"]) if page else None
    except (IndexUnavailableError, LookupError, ValueError):
        return  # an index that tells no time is asked without
    ours = dt.datetime.now(dt.timezone.utc)
    if theirs is not None and abs(ours - theirs.astimezone(dt.timezone.utc)) > _ONE_DAY:
        raise UsageError(
            f"the clock of this machine says {ours:%Y-%m-%d %H:%M} (UTC), that of the index "
            f"{theirs:%Y-%m-%d %H:%M}; set the clock, answers are recorded by day"
        )


def _look_again(desk: Desk) -> None:
    """Compare the index with what was read of it, and say what changed."""
    try:
        changes = [each for each in desk.seen.refresh() if each.version != PAGE]
    except IndexUnavailableError as error:
        print(f"cannot tell whether old answers still hold: {error}", file=sys.stderr)
        return
    desk.resolver.forget({name for name, _version in desk.seen.restated})
    for each in changes[:_SHOWN]:
        print(f"{each.name} {each.version} {each.what}", file=sys.stderr)
    if len(changes) > _SHOWN:
        print(f"and {len(changes) - _SHOWN} more releases changed", file=sys.stderr)


def _write_tables(
    args: argparse.Namespace,
    cells: Sequence[SpaceCell],
    desk: Desk,
    *,
    axes: Mapping[str, Axis],
    shelf: IndexShelf,
) -> None:
    """Write the tables that were asked for, over the facts of the selection."""
    folder = args.root / "reports" / "space"
    answers = read_answers(
        desk.ledger, desk.releases, today=desk.today, resolver=desk.resolver.settings.version
    )
    facts = [fact for fact in map(answers.find, cells) if fact is not None]
    asked = [fact for fact in facts if fact.derived is None]
    for table in args.table:
        path = folder / f"{table}.md"
        if table == "cells":
            count = write_cells(path, cells, answers=answers, today=desk.today)
            print(f"{count} of {len(cells)} cells have no answer")
        elif table == "declared":
            python = args.python[0] if args.python else "3.12"
            count = write_declared(path, facts, axes=axes, desk=desk, python=python)
            print(f"{count} rows disagree with themselves")
        elif table == "traps":
            count = write_traps(path, asked, desk=desk, shelf=shelf, tell=_tell)
            print(f"{count} resolved cells fall into a trap")
        else:
            count = write_rot(
                path,
                asked,
                axes=axes,
                desk=desk,
                shelf=shelf,
                workers=args.workers,
                tell=_tell,
            )
            print(f"{count} pairs rotted")


def _tell(count: int) -> None:
    print(f"{count} looked at", file=sys.stderr, flush=True)


def _go(cells: Sequence[SpaceCell], desk: Desk, *, workers: int) -> int:
    """Ask stage by stage; return 1 if some cells could not be asked, or else 0."""
    errored = 0
    stages = [] if desk.ledger.has_run(run_of(cells, desk)) else find_stages(cells)
    for stage in stages:
        todo = find_todo(stage, desk)
        progress = _Progress(len(todo))
        for step in sweep(todo, desk, workers=workers):
            progress.take(step)
        progress.end()
        errored += progress.counts[Resolution.ERRORED]
    if not errored:
        desk.ledger.append_run(run_of(cells, desk))
    return int(errored > 0)


def _today(chosen: dt.date | None) -> dt.date:
    """Return the day that counts as today.

    Raises:
        UsageError: If it is not over yet: its releases are not all there.
    """
    complete = last_complete_day(dt.datetime.now(dt.timezone.utc))
    if chosen is not None and chosen > complete:
        raise UsageError(
            f"{chosen} is not over yet; the last complete day (UTC) is {complete}, if the clock "
            "is right"
        )
    return chosen or complete


def _selection(args: argparse.Namespace) -> Selection:
    least = {}
    for text in args.least or ():
        name, mark, version = text.partition("==")
        if not mark or name not in {"verl", "vllm", "sglang"}:
            raise UsageError(f"{text!r} is not like verl==0.4")
        least[name] = version
    return Selection(
        engines=args.engine or ("vllm", "sglang"),
        pythons=args.python or PYTHONS,
        glibcs=args.glibc or GLIBCS,
        forms=[Form(each) for each in args.form] if args.form else tuple(Form),
        whens=[When(each) for each in args.when] if args.when else tuple(When),
        least=least,
    )


class _Progress:
    """Rate, time left and counts, on one line of a terminal or now and then in a log."""

    def __init__(self, total: int) -> None:
        self.counts: Counter[Resolution] = Counter()
        self._total = total
        self._started = self._said = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def take(self, step: Step) -> None:
        self.counts[step.fact.resolution] += 1
        now = time.monotonic()
        if now - self._said >= (0.2 if self._terminal else _LINE_S):
            self._said = now
            self._say(now, end="\r" if self._terminal else "\n")

    def end(self) -> None:
        if self._total:
            self._say(time.monotonic(), end="\n")

    def _say(self, now: float, *, end: str) -> None:
        done = sum(self.counts.values())
        rate = done / max(now - self._started, 1e-6)
        left_s = (self._total - done) / rate if rate else 0.0
        told = ", ".join(
            f"{count} {kind.value}"
            for kind, count in sorted(self.counts.items(), key=lambda each: each[0].value)
        )
        print(
            f"{done}/{self._total}  {rate:.1f}/s  {_clock(left_s)} left  {told}",
            end=end,
            file=sys.stderr,
            flush=True,
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
