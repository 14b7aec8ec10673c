"""What was published about the nearest combination that was judged as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.advise.advice import Advice, Level
from pytest_verlcompat.advise.snapshot import ENGINES, Near, PublishedCell, load_snapshot, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.advise.inventory import Inventory

_WORKS = ("compatible", "conditional")
_FAILS = ("incompatible", "unresolvable")
_SHOWN = 5


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield the verdict of the nearest published cell, and where to go if it fails."""
    versions = dict(inventory.facts.versions)
    if "verl" not in versions or not any(name in versions for name in ENGINES):
        return
    python = inventory.interpreter.version
    if python is not None:
        versions["python"] = Version(f"{python.major}.{python.minor}")
    cells = load_snapshot(inventory.snapshot)
    works = nearest(cells, versions, verdicts=_WORKS)
    found = nearest(cells, versions, verdicts=(*_WORKS, *_FAILS))
    if found is None:
        yield Advice(
            code="nearest-cell",
            level=Level.UNTESTED,
            title="No cell of this engine is published",
            detail=f"{len(cells)} cells were looked at; as a whole nobody tried this",
        )
        return
    yield _advice(found, works)


def _advice(found: Near, works: Near | None) -> Advice:
    cell = found.cell
    fails = cell.verdict in _FAILS
    same = not found.differences
    level = Level.FINE
    if fails:
        level = Level.BREAKS if same else Level.RISK
    return Advice(
        code="nearest-cell",
        level=level,
        title=f"{'This very cell' if same else 'The nearest published cell'} is {cell.verdict}",
        detail=_detail(found),
        remedies=(_install(works.cell),) if fails and works is not None else (),
        costs=(f"another set of versions: cell {works.cell.id}",) if fails and works else (),
    )


def _detail(found: Near) -> str:
    cell = found.cell
    rungs = ", ".join(cell.rungs.get("passed", ())) or "none"
    words = [f"{cell.id}: passed {rungs}"]
    if failed := ", ".join(cell.rungs.get("failed", ())):
        words.append(f"failed {failed} ({cell.causes[0] if cell.causes else 'no cause recorded'})")
    words += [f"only if {each}" for each in cell.conditions]
    words.append(f"untested {', '.join(cell.rungs.get('untested', ())) or 'none'}")
    if found.differences:
        shown = "; ".join(found.differences[:_SHOWN])
        more = len(found.differences) - _SHOWN
        words.append(f"it differs: {shown}" + (f"; and {more} more" if more > 0 else ""))
    return "; ".join(words)


def _install(cell: PublishedCell) -> str:
    names = [name for name in cell.versions if name != "python"]
    names.sort(key=lambda name: (name != "verl", name not in ENGINES, name))
    return "pip install " + " ".join(f"'{name}=={cell.versions[name]}'" for name in names)
