"""Resolve declared cells and write their locks.

A cell is as of a day. One whose day is not over for three days (--cooldown-days) is not locked:
what was uploaded to take somebody over is mostly found and withdrawn within that time, and
what a lock names gets installed.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import LockError
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.matrix.select import select_cells
from pytest_verlcompat.resolve.lock import load_lock, make_lock

if TYPE_CHECKING:
    import argparse

    from pytest_verlcompat.model.cell import Cell


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("cell", nargs="*", help="cell ids; all declared cells if none is named")
    parser.add_argument("--selection", metavar="NAME", help="take matrix/selections/NAME.toml")
    parser.add_argument(
        "--missing", action="store_true", help="only cells without a lock for their inputs"
    )
    parser.add_argument(
        "--cooldown-days",
        type=int,
        default=3,
        metavar="N",
        help="how long the day of a cell must be over (default: %(default)s)",
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 when every cell has a lock, or a recorded reason why it can have none."""
    workspace = find_workspace(args.root.resolve())
    matrix = load_matrix(workspace.matrix)
    for cell in select_cells(matrix, ids=args.cell, survey=args.selection):
        if args.missing and _has_lock(cell, folder=workspace.locks):
            continue
        _check_age(cell, args.cooldown_days)
        print(f"{cell.id}: resolving", file=sys.stderr, flush=True)
        lock = make_lock(cell, folder=workspace.locks)
        if lock.explanation is None:
            print(f"{cell.id}: {len(lock.versions)} distributions")
        else:
            print(f"{cell.id}: no solution\n{lock.explanation}")
    return 0


def _check_age(cell: Cell, days: int) -> None:
    """Raise where releases may be in the lock that nobody had time to look at."""
    over = dt.date.fromisoformat(cell.as_of) + dt.timedelta(days=days)
    if days and dt.datetime.now(dt.timezone.utc).date() <= over:
        raise LockError(
            f"is as of {cell.as_of}; its releases are {days} days old from the end of {over}, "
            "lock it then, or now with --cooldown-days 0",
            where=cell.id,
        )


def _has_lock(cell: Cell, *, folder: Path) -> bool:
    try:
        load_lock(cell, folder=folder)
    except LockError:
        return False
    return True
