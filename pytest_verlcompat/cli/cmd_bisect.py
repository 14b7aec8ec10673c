"""Find the release or the day that broke a stack, by building it again and again.

  verlcompat bisect <cell id> --axis uvloop --good 0.20.0 --probe event_loop
  verlcompat bisect <cell id> --axis date --good 2025-11-20 --bad 2026-11-19 --probe tokenizer
  verlcompat bisect --lock lock.txt --python 3.12 --axis ray --good 2.40.0 --run check.py

Everything else stays as it is locked; for the date, everything is resolved as of each day. What
cannot be built is skipped. --run judges by exit status as git bisect run does: 0 good, 125 skip,
1 to 127 bad. A search that was stopped goes on where it was. Exit status 0: found; 1: nothing
between the ends is bad, or all is, or only skipped ones are left.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.bisect import most_looks, search, steps_left
from pytest_verlcompat.advise.bisect_builds import DATE, Question, Workbench, look_at
from pytest_verlcompat.advise.bisect_log import load_looks
from pytest_verlcompat.advise.bisect_points import check_axis, find_points, newest_release
from pytest_verlcompat.cli.bisect_output import render_answer
from pytest_verlcompat.environments.build import hold
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.matrix.select import select_cells
from pytest_verlcompat.probes.registry import find_probes, list_probes
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.recipes.foreign import load_foreign_lock
from pytest_verlcompat.resolve.lock import load_lock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_verlcompat.advise.bisect import Word
    from pytest_verlcompat.execute.workspace import Workspace


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("cell", nargs="?", help="cell id")
    add("--lock", type=Path, metavar="FILE", help="a lock of your own instead")
    add("--python", metavar="3.12", help="minor version that --lock was made for")
    add("--axis", required=True, metavar="NAME", help="a distribution, or date")
    add("--good", required=True, metavar="POINT", help="release or day that works")
    add("--bad", metavar="POINT", help="release or day that fails; the newest by default")
    judge = parser.add_mutually_exclusive_group()
    judge.add_argument("--probe", metavar="NAME", help="what fails")
    judge.add_argument("--run", type=Path, metavar="SCRIPT", help="Python script that judges")
    add("--jobs", type=int, default=1, help="points built side by side; costs more builds")
    add("--keep", action="store_true", help="leave the environments in .verlcompat/bisect/")
    add("--log", action="store_true", help="print what was found out so far, and build nothing")
    add("--reset", action="store_true", help="forget what was found out, and build nothing")
    add("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if the first bad point was found, 1 if there is none to be found."""
    workspace = find_workspace(args.root.resolve())
    question = _question(args, workspace)
    bench = Workbench(
        folder=workspace.local / "bisect" / question.digest,
        machine=describe_machine(),
        logs=workspace.logs,
        say=lambda text: print(f"    {text}", file=sys.stderr, flush=True),
        keep=args.keep,
    )
    if args.reset:
        shutil.rmtree(bench.folder, ignore_errors=True)
        return 0
    bench.looks.update(load_looks(bench.log))
    if args.log:
        for look in bench.looks.values():
            print(f"# {look.word.value}: {question.axis} {look.point}  {look.why}".rstrip())
        return 0
    bad = args.bad or newest_release(question.axis)
    points = find_points(question.axis, good=args.good, bad=bad)
    with hold(bench.folder / "lock", say=bench.say):
        return _search(question, points, bench, jobs=max(1, args.jobs))


def _search(question: Question, points: Sequence[str], bench: Workbench, *, jobs: int) -> int:
    started = time.monotonic()
    known = {
        number: bench.looks[point].word
        for number, point in enumerate(points)
        if point in bench.looks
    }
    words = dict(known)
    print(
        f"Bisecting: {len(points)} points of {question.axis} from {points[0]} to {points[-1]} "
        f"(roughly {steps_left(len(points), known)} steps)",
        flush=True,
    )

    def look(number: int) -> Word:
        found = look_at(question, points[number], bench)
        words[number] = found.word
        left = steps_left(len(points), dict(words))
        because = f": {found.why}" if found.why else ""
        print(
            f"[{found.point}] is {found.word.value}{because} ({found.duration_s:.1f} s; roughly "
            f"{left} steps left)",
            flush=True,
        )
        return found.word

    answer = search(len(points), look, known=known, jobs=jobs)
    now = len(words) - len(known)
    print(
        render_answer(
            answer,
            points=points,
            axis=question.axis,
            looks=bench.looks,
            bound=most_looks(len(points)),
        )
    )
    print(f"{now} points looked at now, {time.monotonic() - started:.1f} s")
    return 0 if answer.first_bad is not None and answer.last_good is not None else 1


def _question(args: argparse.Namespace, workspace: Workspace) -> Question:
    if (args.cell is None) == (args.lock is None):
        raise UsageError("name a cell id, or --lock FILE")
    if args.probe is None and args.run is None:
        raise UsageError("say what fails: --probe NAME (verlcompat list probes) or --run SCRIPT")
    if args.run is not None and not args.run.is_file():
        raise UsageError("is no file", where=str(args.run))
    axis = check_axis(args.axis)
    if args.lock is not None:
        cell, lock = load_foreign_lock(args.lock, python=args.python, platform=None)
    else:
        (cell,) = select_cells(load_matrix(workspace.matrix), ids=[args.cell])
        lock = load_lock(cell, folder=workspace.locks)
    probe = None
    if args.probe is not None:
        (probe,) = find_probes([args.probe], probes=list_probes())
    if axis != DATE and axis not in lock.versions:
        raise UsageError(f"{axis} is not in the lock of {cell.id}, so it cannot vary")
    if probe is not None and not probe.applies_to(lock.versions):
        needs = ", ".join(probe.distributions)
        raise UsageError(f"probe {probe.name} needs {needs}, which {cell.id} does not have")
    return Question(
        cell=cell,
        lock=lock,
        axis=axis,
        probe=probe,
        script=args.run.resolve() if args.run else None,
    )
