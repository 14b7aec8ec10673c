"""Matrix runs: one test, several environments, each with an interpreter of its own.

``--verlcompat-cell NAME=PATH`` names an environment that is there already. A test marked
``verl_matrix(vllm=["0.11.0", "0.12.*"])`` then runs once for each value; fixtures of ours work in
the environment that has it. Without cells the marker does nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import UsageError, VerlcompatError
from pytest_verlcompat.plugin.session_state import session_state

if TYPE_CHECKING:
    from pytest_verlcompat.plugin.session_state import SessionState
    from pytest_verlcompat.plugin.stack import VerlStack

FIXTURE = "verl_cell"


def asked_cells(state: SessionState, texts: list[str]) -> dict[str, Path]:
    """Return interpreters by name: of the command line, or of the configuration by name.

    Raises:
        UsageError: If a name has no interpreter.
    """
    declared = state.configuration.cells
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if text == "all":
            found.update(declared)
        elif equals:
            found[name] = Path(path).expanduser().absolute()
        elif name in declared:
            found[name] = declared[name]
        else:
            raise UsageError(
                f"no cell {name!r}; write NAME=PATH, or add it to cells in [tool.verlcompat]"
                f" ({', '.join(declared) or 'which has none'})"
            )
    for name, python in found.items():
        if not python.is_file():
            raise UsageError(f"there is no interpreter {python}", where=f"cell {name}")
    return found


def stack_of(state: SessionState, item: pytest.Item) -> VerlStack:
    """Return the stack that *item* is about: that of its cell, or the installed one."""
    callspec = getattr(item, "callspec", None)
    chosen = callspec.params.get(FIXTURE) if callspec is not None else None
    if chosen is None or not chosen.python:
        return state.stack()
    return state.stack(chosen.python, chosen.name)


class Chosen:
    """One value of a matrix: the cell that has it, or why there is none."""

    def __init__(self, name: str, *, python: Path | None = None, lack: str | None = None) -> None:
        self.name = name
        self.python = python
        self.lack = lack


class Matrix:
    """Parametrizes marked tests; registered where cells were asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self._state = session_state(config)
        self._cells = asked_cells(self._state, config.option.verlcompat_cell)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give a marked test one parameter a value."""
        marks = list(metafunc.definition.iter_markers("verl_matrix"))
        if not marks:
            return
        try:
            if FIXTURE not in metafunc.fixturenames:
                raise UsageError(
                    "verl_matrix works through fixtures: use verlcompat, verl_cell or another "
                    "fixture of ours, for the test itself stays in the environment of pytest"
                )
            chosen = self._choose(marks)
        except VerlcompatError as error:
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: {error}") from error
        ids = [each.name for each in chosen]
        metafunc.parametrize(FIXTURE, chosen, ids=ids, indirect=True, scope="session")

    def _choose(self, marks: list[pytest.Mark]) -> list[Chosen]:
        """Return the cells that fit all *marks*, and a placeholder for a value without any."""
        wanted = [(name, _values(name, found)) for mark in marks for name, found in _pairs(mark)]
        fitting = {
            name: python
            for name, python in self._cells.items()
            if all(
                any(self._has(name, python, distribution=each, value=value) for value in values)
                for each, values in wanted
            )
        }
        chosen = [Chosen(name, python=python) for name, python in fitting.items()]
        for each, values in wanted:
            for value in values:
                there = any(
                    self._has(name, python, distribution=each, value=value)
                    for name, python in fitting.items()
                )
                if not there:
                    lack = f"no cell of this run has {each} {value}"
                    chosen.append(Chosen(f"{each}{value}", lack=lack))
        return chosen

    def _has(self, name: str, python: Path, *, distribution: str, value: str) -> bool:
        found = self._state.stack(python, name).versions.get(distribution)
        return found is not None and _specifier(value).contains(Version(found), prereleases=True)


def _pairs(mark: pytest.Mark) -> list[tuple[str, object]]:
    if mark.args or not mark.kwargs:
        raise UsageError("verl_matrix: name distributions, such as verl_matrix(vllm=['0.11.0'])")
    return [(name.replace("_", "-"), found) for name, found in mark.kwargs.items()]


def _values(name: str, found: object) -> list[str]:
    if not isinstance(found, (list, tuple)) or not all(isinstance(each, str) for each in found):
        raise UsageError(f"verl_matrix: {name} is {found!r}; write a list of versions in quotes")
    for each in found:
        _specifier(each)
    return list(found)


def _specifier(text: str) -> SpecifierSet:
    """Return ``0.11.0`` as ``==0.11.0``, and a specifier as it is.

    Raises:
        UsageError: If *text* is neither.
    """
    try:
        return SpecifierSet(text if text[:1] in "<>=!~" else f"=={text}")
    except (InvalidSpecifier, InvalidVersion) as error:
        raise UsageError(f"verl_matrix: {text!r} is neither a version nor a specifier") from error
