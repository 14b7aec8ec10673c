"""Render the options of pytest and the keys of ``[tool.verlcompat]``."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, field
from typing import Any

from as_markdown import code, page, plain, prose, table

from pytest_verlcompat import plugin
from pytest_verlcompat.plugin import configuration

PATH = "reference/settings.md"

_KEYS = {"skips": "skip"}
"""Key of the file by the field it becomes, where they differ."""


@dataclass
class _Parser:
    """Stands where pytest's parser does and notes what the plugin declares."""

    options: list[list[str]] = field(default_factory=list)
    keys: list[list[str]] = field(default_factory=list)

    def getgroup(self, *_: str) -> _Parser:
        return self

    def addoption(self, name: str, **about: Any) -> None:  # noqa: ANN401 -- as pytest takes them
        word = f"{name}={about['metavar']}" if "metavar" in about else name
        self.options.append([code(word), plain(about["help"])])

    def addini(self, name: str, text: str, **_: Any) -> None:  # noqa: ANN401 -- the same
        self.keys.append([code(name), plain(text)])


def render() -> str:
    """Return three tables, and where a mistake is said."""
    parser = _Parser()
    plugin.pytest_addoption(parser)  # type: ignore[arg-type]
    return page(
        "Settings",
        "A repository says what holds for it in `pyproject.toml`; an option of the command line "
        "counts for one run. An unknown key ends the run with the nearest one there is. "
        "[Fixtures and markers](../fixtures-and-markers.md#settings) has an example.",
        "## Options of pytest",
        table(["option", "meaning"], parser.options),
        "## `[tool.verlcompat]`",
        table(["key", "meaning"], _fields(configuration.Configuration)),
        "## `[[tool.verlcompat.skip]]`",
        table(["key", "meaning"], _fields(configuration.DeclaredSkip)),
        "## Keys of pytest's own file",
        table(["key", "meaning"], parser.keys),
        source=__name__,
    )


def _fields(record: type) -> list[list[str]]:
    """Return name and docstring of each field, in the order of the source."""
    (found,) = ast.parse(inspect.getsource(record)).body
    body = found.body  # type: ignore[attr-defined]
    rows = []
    for each, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            name = each.target.id
            rows.append([code(_KEYS.get(name, name)), prose(_text(after, name))])
    return rows


def _text(node: ast.stmt | None, name: str) -> str:
    """Return the docstring beneath a field.

    Raises:
        ValueError: If it has none; a key that nobody explains is no key.
    """
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    raise ValueError(f"{name} has no docstring beneath it")
