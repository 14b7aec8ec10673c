"""Write what a person types to get a cell's environment: install script, image, job and more.

  verlcompat recipe <cell id> --kind install > install.sh
  verlcompat recipe <cell id> --output recipe/        (every kind that needs no index)
  verlcompat recipe --lock requirements.txt --python 3.12 --kind dockerfile

Exit status 0 if it was written; 4 if the cell has no lock, or no solution.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.recipe_notes import notes_on
from pytest_verlcompat.errors import LockError, UsageError
from pytest_verlcompat.execute.workspace import Workspace, find_workspace
from pytest_verlcompat.matrix.load import Matrix, load_matrix
from pytest_verlcompat.matrix.select import select_cells
from pytest_verlcompat.recipes.foreign import load_foreign_lock
from pytest_verlcompat.recipes.kinds import find_kinds, list_kinds, write_recipe
from pytest_verlcompat.resolve.lock import Lock, load_lock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.recipes.kinds import Kind


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    names = ", ".join(kind.name for kind in list_kinds())
    parser.add_argument("cell", nargs="*", help="cell id; several with --output or --publish")
    parser.add_argument(
        "--kind", action="append", default=[], metavar="KIND", help=f"one of {names}"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write files there")
    parser.add_argument(
        "--publish", action="store_true", help="write to reports/recipes/<cell id>/"
    )
    parser.add_argument(
        "--check", action="store_true", help="with --publish: write nothing, say what differs"
    )
    parser.add_argument("--lock", type=Path, metavar="FILE", help="a lock of your own instead")
    parser.add_argument("--python", metavar="3.12", help="minor version that --lock was made for")
    parser.add_argument("--platform", metavar="TRIPLE", help="platform that --lock was made for")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 when everything asked for was written."""
    kinds = find_kinds(args.kind, kinds=list_kinds())
    if args.publish and not args.kind:
        kinds = tuple(kind for kind in kinds if kind.published)
    if args.lock is not None:
        if args.cell:
            raise UsageError("give a cell id or --lock FILE, not both")
        cell, lock = load_foreign_lock(args.lock, python=args.python, platform=args.platform)
        _write(kinds, [(cell, lock, ("evidence: none; nobody tried this lock here",))], args)
        return 0
    workspace = find_workspace(args.root.resolve())
    matrix = load_matrix(workspace.matrix)
    if not args.cell and not args.publish:
        raise UsageError("name a cell id (verlcompat list), or --lock FILE, or --publish for all")
    _write(kinds, _with_notes(args, workspace, matrix), args)
    return 0


def _with_notes(
    args: argparse.Namespace, workspace: Workspace, matrix: Matrix
) -> list[tuple[Cell, Lock, tuple[str, ...]]]:
    cells = select_cells(matrix, ids=args.cell)
    notes = notes_on(cells, workspace, matrix)
    found = []
    for cell in cells:
        lock = load_lock(cell, folder=workspace.locks)
        if lock.explanation is not None and not args.cell:
            print(f"{cell.id}: no solution, so no recipe", file=sys.stderr)
            continue
        found.append((cell, lock, notes[cell.id]))
    if args.publish:
        args.output = workspace.reports / "recipes"
    return found


def _write(
    kinds: Sequence[Kind],
    recipes: Sequence[tuple[Cell, Lock, tuple[str, ...]]],
    args: argparse.Namespace,
) -> None:
    if args.check and not args.publish:
        raise UsageError("--check compares what --publish wrote; give both")
    if args.publish and any(kind.asks_index for kind in kinds):
        raise UsageError("a pylock.toml names addresses of your index, so it is not published")
    if args.output is None:
        if len(kinds) * len(recipes) != 1:
            raise UsageError("several files are meant; name one --kind, or --output DIR")
        ((cell, lock, notes),) = recipes
        print(write_recipe(kinds[0], cell, lock, notes=notes), end="")
        return
    differs = []
    for cell, lock, notes in recipes:
        several = args.publish or len(recipes) > 1
        folder = args.output / cell.id if several else args.output
        for kind in kinds:
            text = _text(kind, (cell, lock, notes), may_lack=not args.kind)
            path = folder / kind.filename
            if text is not None and args.check:
                differs += [] if _holds(path, text) else [path]
            elif text is not None:
                _save(path, text)
    if args.check and differs:
        names = ", ".join(str(path.relative_to(args.output)) for path in differs[:3])
        raise LockError(
            f"{len(differs)} recipes are not what the evidence gives ({names}); run: "
            "verlcompat recipe --publish",
            where="reports/recipes",
        )


def _text(kind: Kind, recipe: tuple[Cell, Lock, tuple[str, ...]], *, may_lack: bool) -> str | None:
    """Return the recipe; ``None`` where the lock has nothing to start, which is said."""
    cell, lock, notes = recipe
    try:
        return write_recipe(kind, cell, lock, notes=notes)
    except LockError as error:
        if not may_lack or lock.explanation is not None:
            raise
        print(f"{kind.name}: left out: {error}", file=sys.stderr)
        return None


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except OSError:
        return False


def _save(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.new")
    written.write_text(text, encoding="utf-8")
    written.chmod(0o755 if text.startswith("#!") else 0o644)
    written.replace(path)
    print(path)
