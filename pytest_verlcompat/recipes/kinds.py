"""Which kinds of recipe there are: the modules of this folder, listed, and what heads them all.

A kind is a module ``render_<kind>.py`` with ``FILENAME`` and ``render(cell, lock) -> str``. The
first line of its docstring says what it is for. ``ASKS_INDEX = True`` marks one that is made
on request only, because it needs the index and names addresses of it; ``PUBLISHED = True`` one
that is kept under ``reports/recipes/``.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat import recipes
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.recipes.words import comment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

_PREFIX = "render_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of recipe."""

    name: str
    title: str
    filename: str
    asks_index: bool
    published: bool
    """Whether it is kept under ``reports/recipes/``; the others are made on request."""
    render: Callable[[Cell, Lock], str]


def list_kinds() -> tuple[Kind, ...]:
    """Return the kinds there are, in name order."""
    names = sorted(
        each.name
        for each in pkgutil.iter_modules(recipes.__path__)
        if each.name.startswith(_PREFIX)
    )
    found = []
    for name in names:
        module = importlib.import_module(f"{recipes.__name__}.{name}")
        found.append(
            Kind(
                name=name.removeprefix(_PREFIX),
                title=(module.__doc__ or "").strip().splitlines()[0],
                filename=module.FILENAME,
                asks_index=getattr(module, "ASKS_INDEX", False),
                published=getattr(module, "PUBLISHED", False),
                render=module.render,
            )
        )
    return tuple(found)


def find_kinds(names: Sequence[str], *, kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Return the kinds called *names*; all that need no index where none is named.

    Raises:
        UsageError: If there is none of that name; the nearest are said.
    """
    known = {kind.name: kind for kind in kinds}
    if not names:
        return tuple(kind for kind in known.values() if not kind.asks_index)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
            hint = f"nearest: {', '.join(near)}; " if near else ""
            raise UsageError(f"no kind {name!r}; {hint}there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


def write_recipe(kind: Kind, cell: Cell, lock: Lock, *, notes: Iterable[str] = ()) -> str:
    """Return the recipe of that *kind*, headed by where it comes from and what is known of it.

    Args:
        kind: See there.
        cell: What was asked for.
        lock: What it came to.
        notes: Sentences about the evidence; each becomes a comment.
    """
    head = [
        f"written by: verlcompat recipe {cell.id} --kind {kind.name}",
        f"lock: sha256 {lock.sha256}",
        f"made for: Python {cell.python}, {cell.platform}, as of {cell.as_of}",
        *notes,
    ]
    body = kind.render(cell, lock)
    first, _, rest = body.partition("\n")
    stays_first = first.startswith(("#!", "# syntax="))  # what reads the file looks there only
    lines = [first] if stays_first else []
    lines += [line for sentence in head for line in comment(sentence)]
    return "\n".join([*lines, rest if stays_first else body])
