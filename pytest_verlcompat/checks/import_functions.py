"""Run a short function of a consumer that a condition calls, statement by statement."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.condition_values import UNKNOWN, RaisesError, Ref, Value, truth_of

if TYPE_CHECKING:
    from pytest_verlcompat.checks.import_world import World

ValueOf = Callable[[ast.expr, Mapping[str, Value]], Value]
"""Evaluates an expression in a scope."""


def run_helper(
    helper: tuple[str, Mapping[str, Value]],
    arguments: list[Value],
    *,
    keywords: Mapping[str, Value],
    value_of: ValueOf,
    world: World,
) -> Value:
    """Return what *helper*, source and namespace, returns; `UNKNOWN` if it does the unusual.

    Raises:
        RaisesError: If it raises in this cell.
    """
    source, names = helper
    function = _function(source)
    if function is None:
        return UNKNOWN
    scope = dict(names) | _bind(function.args, arguments, keywords)
    return _Body(scope, value_of=value_of, world=world).run(function.body)


@lru_cache(maxsize=2_000)
def _function(source: str) -> ast.FunctionDef | None:
    node = ast.parse(source).body[0]
    return node if isinstance(node, ast.FunctionDef) else None


def _bind(
    args: ast.arguments, given: list[Value], keywords: Mapping[str, Value]
) -> dict[str, Value]:
    positional = [*args.posonlyargs, *args.args]
    bound: dict[str, Value] = {arg.arg: UNKNOWN for arg in [*positional, *args.kwonlyargs]}
    defaults = zip(positional[len(positional) - len(args.defaults) :], args.defaults, strict=True)
    for arg, default in [*defaults, *zip(args.kwonlyargs, args.kw_defaults, strict=True)]:
        if isinstance(default, ast.Constant):
            bound[arg.arg] = default.value
    bound.update(zip((arg.arg for arg in positional), given, strict=False))
    bound.update({name: value for name, value in keywords.items() if name in bound})
    return bound


class _Body:
    """Runs the statements of a helper; anything unusual makes the result unknown."""

    def __init__(self, names: dict[str, Value], *, value_of: ValueOf, world: World) -> None:
        self.names = names
        self.world = world
        self._value_of = value_of

    def value(self, node: ast.expr) -> Value:
        """Return what *node* evaluates to here."""
        return self._value_of(node, self.names)

    def run(self, body: list[ast.stmt]) -> Value:
        """Return what the function returns."""
        try:
            return self.block(body)[1]
        except _GiveUpError:
            return UNKNOWN

    def block(self, body: list[ast.stmt]) -> tuple[bool, Value]:
        """Return whether a ``return`` was met, and its value."""
        for node in body:
            done, value = self.statement(node)
            if done:
                return True, value
        return False, None

    def statement(self, node: ast.stmt) -> tuple[bool, Value]:
        if isinstance(node, ast.Return):
            return True, None if node.value is None else self.value(node.value)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            self.names[node.targets[0].id] = self.value(node.value)
        elif isinstance(node, ast.If):
            truth = truth_of(self.value(node.test))
            if truth is None:
                raise _GiveUpError
            return self.block(node.body if truth else node.orelse)
        elif isinstance(node, ast.Try):
            return self.attempt(node)
        elif isinstance(node, ast.Raise):
            raised: ast.AST | None = node.exc
            raised = raised.func if isinstance(raised, ast.Call) else raised
            raise RaisesError(raised.id if isinstance(raised, ast.Name) else "Exception")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imports(node)
        elif not isinstance(node, (ast.Expr, ast.Pass)):
            raise _GiveUpError
        return False, None

    def imports(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                if node.level:
                    raise _GiveUpError
                self.names[alias.asname or alias.name] = Ref(f"{node.module}.{alias.name}")
            else:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                self.names[alias.asname or whole] = Ref(whole)
            name = (node.module if isinstance(node, ast.ImportFrom) else alias.name) or ""
            present = self.world.presence(name)
            if present is False:
                kind = "ModuleNotFoundError"
                raise RaisesError(kind)
            if present is None and name.partition(".")[0] != "packaging":
                raise _GiveUpError

    def attempt(self, node: ast.Try) -> tuple[bool, Value]:
        try:
            found = self.block(node.body)
        except RaisesError as error:
            for handler in node.handlers:
                text = "" if handler.type is None else ast.unparse(handler.type)
                if not text or error.kind in text or "Exception" in text or "ImportError" in text:
                    return self.block(handler.body)
            raise
        return found if found[0] else self.block([*node.orelse, *node.finalbody])


class _GiveUpError(Exception):
    """A helper does something that is not modelled."""
