"""Load the declared matrix: ``axes/``, ``cells/`` and ``selections/``, strictly."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import MatrixError
from pytest_verlcompat.matrix.expand import expand_selection, nearest_values
from pytest_verlcompat.model.axis import Axis, AxisKind, AxisValue
from pytest_verlcompat.model.cell import Cell, pinned_requirements, render_cell_id
from pytest_verlcompat.model.declared import Table
from pytest_verlcompat.model.toml_text import parse_toml
from pytest_verlcompat.model.verdict import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MINOR = re.compile(r"3\.\d+")
_PLATFORM = re.compile(r"[a-z][a-z0-9_]*-manylinux_2_\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Everything declared in one ``matrix/`` folder."""

    folder: Path
    axes: Mapping[str, Axis]
    cells: Mapping[str, Cell]
    """Cells with a file of their own first, then those that a selection asks for."""


def load_matrix(folder: Path) -> Matrix:
    """Return the matrix declared in *folder*.

    Raises:
        MatrixError: If a file is malformed; it names the file and the key.
    """
    if not (folder / "axes").is_dir():
        raise MatrixError(
            "no axes/ in it; run this in a checkout of pytest-verlcompat or name one with --root",
            where=str(folder),
        )
    axes = {path.stem: load_axis(path) for path in sorted((folder / "axes").glob("*.toml"))}
    _reject_shared_places(axes)
    cells = {
        path.stem: load_cell(path, axes=axes) for path in sorted((folder / "cells").glob("*.toml"))
    }
    for path in sorted((folder / "selections").glob("*.toml")):
        for cell in expand_selection(
            Table(load_toml(path, f"selections/{path.name}"), where=f"selections/{path.name}"),
            name=path.stem,
            axes=axes,
        ):
            cells.setdefault(cell.id, cell)
    return Matrix(folder=folder, axes=axes, cells=cells)


def load_axis(path: Path) -> Axis:
    """Return the axis declared in *path*; its name is the file's."""
    where = f"axes/{path.name}"
    table = Table(load_toml(path, where), where=where)
    kind = _choice(table, "kind", AxisKind)
    distribution = table.text("distribution") if kind is AxisKind.DISTRIBUTION else None
    axis = Axis(
        name=path.stem,
        kind=kind,
        place=table.number("place"),
        label=table.text("label", default=""),
        source=table.text("source"),
        distribution=distribution,
        default=table.optional_text("default"),
        values=tuple(_axis_value(each, kind) for each in table.tables("values")),
    )
    table.close()
    texts = axis.texts
    for text in texts:
        if texts.count(text) > 1:
            raise table.mistake("values", f"{text!r} stands there twice; keep one")
    if axis.default is not None and axis.default not in texts:
        raise table.mistake("default", f"{axis.default!r} is not among the values; add it there")
    return axis


def load_cell(path: Path, *, axes: Mapping[str, Axis]) -> Cell:
    """Return the cell declared in *path*; its file name must be its id."""
    where = f"cells/{path.name}"
    table = Table(load_toml(path, where), where=where)
    values = _cell_values(table, axes)
    resolve = table.table("resolve")
    extras = {
        name: tuple(sorted(text.split())) for name, text in resolve.text_map("extras").items()
    }
    for name in extras:
        if name not in values:
            raise table.mistake(f"resolve.extras.{name}", "is no axis of this cell; pin it first")
    pins = pinned_requirements(values, axes=axes.values(), extras=extras)
    cell = Cell(
        id=render_cell_id(values, axes=axes.values()),
        title=table.text("title"),
        values=values,
        requirements=(*pins, *_requirements(resolve, "requirements")),
        overrides=_requirements(resolve, "overrides"),
        python=_value_of(AxisKind.PYTHON, values, axes=axes, table=table),
        platform=_value_of(AxisKind.PLATFORM, values, axes=axes, table=table),
        as_of=_value_of(AxisKind.DATE, values, axes=axes, table=table),
        expected=_choice(table, "expected", VerdictKind),
        failing=table.texts("failing") if table.has("failing") else None,
        reason=table.text("reason"),
        sources=table.texts("sources"),
    )
    resolve.close()
    table.close()
    if path.stem != cell.id:
        raise table.mistake("values", f"make this cell {cell.id!r}; rename the file to that")
    return cell


def load_toml(path: Path, where: str) -> dict[str, Any]:
    """Return the table in *path*, which is called *where* in errors."""
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MatrixError(f"is not TOML: {error}", where=where) from error
    except OSError as error:
        raise MatrixError(f"cannot be read: {error.strerror}", where=where) from error


def _axis_value(table: Table, kind: AxisKind) -> AxisValue:
    text = table.text("value")
    _check_value(text, kind=kind, table=table)
    value = AxisValue(
        text=text, source=table.optional_text("source"), facts=table.remaining() or None
    )
    table.close()
    return value


def _check_value(text: str, *, kind: AxisKind, table: Table) -> None:
    if kind in {AxisKind.DISTRIBUTION, AxisKind.OBSERVED}:
        try:
            Version(text)
        except InvalidVersion as error:
            raise table.mistake("value", f"{text!r} is not a PEP 440 version") from error
        if text.startswith("v"):
            raise table.mistake("value", f"{text!r}: write it without a leading 'v'")
    if kind is AxisKind.PYTHON and not _MINOR.fullmatch(text):
        raise table.mistake("value", f"{text!r} is not a minor version such as '3.12'")
    if kind is AxisKind.PLATFORM and not _PLATFORM.fullmatch(text):
        raise table.mistake("value", f"{text!r} is no triple such as 'x86_64-manylinux_2_35'")
    if kind is AxisKind.DATE:
        _check_day(text, table)


def _check_day(text: str, table: Table) -> None:
    try:
        day = dt.date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise table.mistake("value", f"{text!r} is not a day written YYYY-MM-DD")


def _cell_values(table: Table, axes: Mapping[str, Axis]) -> dict[str, str]:
    values = {axis.name: axis.default for axis in axes.values() if axis.default is not None}
    for name, text in table.text_map("values").items():
        key = f"values.{name}"
        if name not in axes:
            raise table.mistake(key, f"is no axis; there are {', '.join(sorted(axes))}")
        if axes[name].kind is AxisKind.OBSERVED:
            raise table.mistake(key, "follows from the lock and cannot be pinned; remove it")
        if text not in axes[name].texts:
            near = ", ".join(nearest_values(text, axis=axes[name]))
            raise table.mistake(
                key, f"{text!r} is not declared; nearest: {near}. Or add it to axes/{name}.toml"
            )
        values[name] = text
    return values


def _value_of(
    kind: AxisKind, values: Mapping[str, str], *, axes: Mapping[str, Axis], table: Table
) -> str:
    for name, axis in axes.items():
        if axis.kind is kind and name in values:
            return values[name]
    named = " or ".join(name for name, axis in axes.items() if axis.kind is kind)
    raise table.mistake("values", f"name a value of {named or f'an axis of kind {kind.value}'}")


def _requirements(table: Table, key: str) -> tuple[str, ...]:
    found = table.texts(key)
    for index, text in enumerate(found):
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise table.mistake(f"{key}[{index}]", f"{text!r} is not PEP 508: {error}") from error
    return found


def _choice(table: Table, key: str, words: Any) -> Any:  # noqa: ANN401 -- any Enum of words
    text = table.text(key)
    try:
        return words(text)
    except ValueError as error:
        known = ", ".join(each.value for each in words)
        raise table.mistake(key, f"found {text!r}; write one of {known}") from error


def _reject_shared_places(axes: Mapping[str, Axis]) -> None:
    places: dict[int, str] = {}
    for axis in axes.values():
        if axis.place in places:
            raise MatrixError(
                f"{axis.place} is taken by {places[axis.place]}; a cell id needs one order",
                where=f"axes/{axis.name}.toml: place",
            )
        places[axis.place] = axis.name
