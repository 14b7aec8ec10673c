"""Expand a selection: pairs of releases that are surveyed, without a guess at the verdict.

A selection names releases of verl, an engine's releases and days; every combination is a cell.
The day ``release`` is the day after the newer of the two came out.
"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING

from pytest_verlcompat.model.axis import Axis, AxisKind
from pytest_verlcompat.model.cell import Cell, pinned_requirements, render_cell_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_verlcompat.model.declared import Table

GRACE = dt.timedelta(days=1)
"""Added to the day of the newer release: files of a release and of its companions come hours
apart, and mirrors lag. More changes nothing: of 134 engine releases since 2025, the same 122
resolve by themselves with 0, 1, 2, 3, 7 and 14 days (Python 3.12, glibc 2.35, asked on
2026-11-20)."""
_RELEASE = "release"


def expand_selection(table: Table, *, name: str, axes: Mapping[str, Axis]) -> Iterator[Cell]:
    """Yield the cells of the selection *name*, in the order in which they stand there.

    Raises:
        MatrixError: If a key is unknown or missing, or a value is not declared on its axis.
    """
    title, reason, pythons = table.text("title"), table.text("reason"), table.texts("python")
    seen: set[str] = set()
    for pair in table.tables("pairs"):
        sources, days = pair.texts("sources"), pair.texts("as-of")
        verls = _texts(pair, "verl", axes)
        engine = "sglang" if pair.has("sglang") else "vllm"
        for release, verl, python, day in itertools.product(
            _texts(pair, engine, axes), verls, pythons, days
        ):
            values = {axis.name: axis.default for axis in axes.values() if axis.default is not None}
            values |= {
                "verl": verl,
                engine: release,
                "python": _declared(python, axes["python"], pair),
                "as-of": _day(((axes["verl"], verl), (axes[engine], release)), text=day, pair=pair),
            }
            cell_id = render_cell_id(values, axes=axes.values())
            if cell_id in seen:
                raise pair.mistake(engine, f"{cell_id} is asked for twice; keep one")
            seen.add(cell_id)
            yield Cell(
                id=cell_id,
                title=f"verl {verl} with {engine} {release} as of {values['as-of']} ({title})",
                values=values,
                requirements=pinned_requirements(values, axes=axes.values(), extras={}),
                overrides=(),
                python=python,
                platform=_platform(values, axes),
                as_of=values["as-of"],
                expected=None,
                failing=None,
                reason=reason,
                sources=sources,
                survey=name,
            )
        pair.close()
    table.close()


def nearest_values(text: str, *, axis: Axis, count: int = 3) -> tuple[str, ...]:
    """Return up to *count* declared values of *axis* that are nearest to *text*.

    What begins with *text* is nearest: ``0.11`` means one of the 0.11 releases.
    """
    import difflib  # noqa: PLC0415 -- only for a mistake

    begun = [each for each in axis.texts if text and each.startswith(text)]
    close = difflib.get_close_matches(text, axis.texts, n=count, cutoff=0.0)
    return tuple(dict.fromkeys([*begun, *close]))[:count]


def _texts(pair: Table, name: str, axes: Mapping[str, Axis]) -> tuple[str, ...]:
    if not pair.has(name):
        raise pair.mistake(name, "missing; name releases of verl, and of vllm or sglang")
    return tuple(_declared(text, axes[name], pair) for text in pair.texts(name))


def _declared(text: str, axis: Axis, pair: Table) -> str:
    if text not in axis.texts:
        near = ", ".join(nearest_values(text, axis=axis))
        raise pair.mistake(axis.name, f"{text!r} is not declared; nearest: {near}")
    return text


def _day(releases: Iterable[tuple[Axis, str]], *, text: str, pair: Table) -> str:
    if text != _RELEASE:
        try:
            return dt.date.fromisoformat(text).isoformat()
        except ValueError as error:
            raise pair.mistake(
                "as-of", f"{text!r} is neither {_RELEASE!r} nor a day written YYYY-MM-DD"
            ) from error
    newer = max(_released(axis, release, pair) for axis, release in releases)
    return (newer + GRACE).isoformat()


def _released(axis: Axis, text: str, pair: Table) -> dt.date:
    """Return the day from which every file of the release was there."""
    day = next(each.day for each in axis.values if each.text == text)
    try:
        return dt.date.fromisoformat(str(day))
    except ValueError as error:
        raise pair.mistake(
            "as-of", f"the index told no day for {axis.name} {text}; write days"
        ) from error


def _platform(values: Mapping[str, str], axes: Mapping[str, Axis]) -> str:
    return next(
        values[axis.name]
        for axis in axes.values()
        if axis.kind is AxisKind.PLATFORM and axis.name in values
    )
