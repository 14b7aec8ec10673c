"""Reading a declared TOML table: every key is taken once, what is left over is an error."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_verlcompat.errors import MatrixError, VerlcompatError

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class Table:
    """A table of a declared file that knows where it stands.

    Errors name file and dotted key, say what was found and what to do.
    """

    def __init__(
        self,
        body: object,
        *,
        where: str,
        error: type[VerlcompatError] = MatrixError,
    ) -> None:
        self._where = where
        self._error = error
        if not isinstance(body, dict):
            raise error(f"found {_kind(body)}; write a table", where=where)
        self._body: dict[str, Any] = dict(body)
        self._taken: set[str] = set()

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a non-empty string; without *default* the key must be there."""
        found = self._take(key, default)
        if not isinstance(found, str) or (not found.strip() and default is None):
            raise self.mistake(key, f"found {_kind(found)} {found!r}; write a quoted string")
        return found

    def optional_text(self, key: str) -> str | None:
        """Return a string, or ``None`` where the key is missing."""
        return self.text(key, default="") or None if key in self._body else None

    def has(self, key: str) -> bool:
        """Return whether the key is there."""
        return key in self._body

    def number(self, key: str, *, default: int | None = None) -> int:
        """Return an integer; without *default* the key must be there."""
        found = self._take(key, default)
        if not isinstance(found, int) or isinstance(found, bool):
            raise self.mistake(key, f"found {_kind(found)} {found!r}; write a whole number")
        return found

    def texts(self, key: str, *, default: Iterable[str] = ()) -> tuple[str, ...]:
        """Return a list of strings."""
        found = self._take(key, list(default))
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self.mistake(key, f"found {found!r}; write a list of quoted strings")
        return tuple(found)

    def text_map(self, key: str) -> dict[str, str]:
        """Return a table whose values are all strings."""
        found: object = self._take(key, {})
        if not isinstance(found, dict):
            raise self.mistake(key, f"found {_kind(found)}; write a table")
        for name, value in found.items():
            if not isinstance(value, str):
                raise self.mistake(
                    f"{key}.{name}", f"found {_kind(value)} {value!r}; write it in quotes"
                )
        return dict(found)

    def table(self, key: str) -> Table:
        """Return a table, empty where the key is missing."""
        return Table(self._take(key, {}), where=f"{self._where}: {key}", error=self._error)

    def tables(self, key: str) -> list[Table]:
        """Return an array of tables."""
        found: object = self._take(key, [])
        if not isinstance(found, list):
            raise self.mistake(key, f"found {_kind(found)}; write [[{key}]] tables")
        return [
            Table(each, where=f"{self._where}: {key}[{index}]", error=self._error)
            for index, each in enumerate(found)
        ]

    def remaining(self) -> dict[str, Any]:
        """Return whatever was not taken yet, and take it."""
        rest = {key: value for key, value in self._body.items() if key not in self._taken}
        self._taken.update(rest)
        return rest

    def close(self) -> None:
        """Raise for the first key that nobody took."""
        for key in self._body:
            if key not in self._taken:
                near = difflib.get_close_matches(key, self._taken, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                known = ", ".join(sorted(self._taken))
                raise self.mistake(key, f"unknown key{hint} Known keys: {known}")

    def mistake(self, key: str, message: str) -> VerlcompatError:
        """Return the error to raise about *key*."""
        return self._error(message, where=f"{self._where}: {key}")

    def _take(self, key: str, default: T) -> Any | T:  # noqa: ANN401 -- TOML holds anything
        self._taken.add(key)
        if key not in self._body and default is None:
            raise self.mistake(key, "missing; add it")
        return self._body.get(key, default)


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), f"a {type(value).__name__}")
