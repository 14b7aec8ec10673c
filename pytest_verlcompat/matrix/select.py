"""From what a person types to the cells that are meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.matrix.expand import nearest_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_verlcompat.matrix.load import Matrix
    from pytest_verlcompat.model.cell import Cell


def select_cells(
    matrix: Matrix,
    *,
    ids: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    survey: str | None = None,
) -> tuple[Cell, ...]:
    """Return the cells named in *ids*, or all whose values are those of *where*.

    Args:
        survey: Take the cells of this selection; ``None`` takes those with a file of their own.

    Raises:
        UsageError: If an id, axis or value is not declared, or no cell has those values.
    """
    if ids and (where or survey):
        raise UsageError("name cells or values, not both")
    if ids:
        return tuple(_cell(matrix, each) for each in dict.fromkeys(ids))
    wanted = dict(where or {})
    for name, text in wanted.items():
        _check(matrix, name, text)
    known = dict.fromkeys(cell.survey for cell in matrix.cells.values() if cell.survey)
    if survey is not None and survey not in known:
        there = ", ".join(filter(None, known)) or "none"
        raise UsageError(f"no selection {survey!r} asks for a cell; there are: {there}")
    found = tuple(
        cell
        for cell in matrix.cells.values()
        if cell.survey == survey
        and all(cell.values.get(name) == text for name, text in wanted.items())
    )
    if not found:
        asked = ", ".join(f"{name}={text}" for name, text in wanted.items()) or "anything"
        place = f"selections/{survey}.toml" if survey else "cells/"
        others = {
            cell.survey
            for cell in matrix.cells.values()
            if cell.survey != survey
            and cell.survey
            and all(cell.values.get(name) == text for name, text in wanted.items())
        }
        hint = "".join(f", or take --selection {each}" for each in sorted(others))
        raise UsageError(f"no cell is declared with {asked}; see matrix/{place}{hint}")
    return found


def parse_where(words: Sequence[str]) -> dict[str, str]:
    """Return ``axis=value`` words as a mapping.

    Raises:
        UsageError: If a word is no such pair, or an axis is named twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, _, text = word.partition("=")
        name, text = name.strip(), text.strip().strip("'\"")
        if not name or not text:
            raise UsageError(f"{word!r} is not axis=value, such as vllm=0.11.0")
        if name in found:
            raise UsageError(f"{name} is named twice; a cell has one value on an axis")
        found[name] = text
    return found


def _cell(matrix: Matrix, cell_id: str) -> Cell:
    if cell_id in matrix.cells:
        return matrix.cells[cell_id]
    near = difflib.get_close_matches(cell_id, matrix.cells, n=3, cutoff=0.3)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    raise UsageError(f"no cell {cell_id!r} is declared{hint}")


def _check(matrix: Matrix, name: str, text: str) -> None:
    if name not in matrix.axes:
        near = difflib.get_close_matches(name, matrix.axes, n=3, cutoff=0.3)
        hint = f"nearest: {', '.join(near)}; " if near else ""
        raise UsageError(f"no axis {name!r}; {hint}there are {', '.join(matrix.axes)}")
    axis = matrix.axes[name]
    if text not in axis.texts:
        near_values = ", ".join(nearest_values(text, axis=axis))
        raise UsageError(f"{name} has no value {text!r}; nearest: {near_values}")
