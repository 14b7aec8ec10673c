"""Names a module offers without binding them in plain sight: lazy tables and their like."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from pytest_verlcompat.wheels.surface_outline import Lazy

if TYPE_CHECKING:
    from collections.abc import Iterable


def lazy_names(tree: ast.Module) -> Lazy | None:
    """Return what the module's ``__getattr__`` answers, or ``None`` if it has none."""
    function = _module_getattr(tree.body)
    if function is None:
        return None
    tables = _literal_tables(tree)
    names: dict[str, str] = {}
    is_closed = _is_closed(function.body)
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            names.update(_compared(node, tables))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if node.func.attr == "get" and isinstance(owner, ast.Name):
                names.update(tables.get(owner.id, {}))
    parameter = function.args.args[0].arg if function.args.args else "name"
    for test in _tests(function.body):
        is_closed = is_closed and _is_literal_test(test, tables, parameter)
    return Lazy(names=names, is_open=not is_closed)


def _module_getattr(body: Iterable[ast.stmt]) -> ast.FunctionDef | None:
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            return node
        if isinstance(node, ast.If):
            inner = _module_getattr([*node.body, *node.orelse])
            if inner is not None:
                return inner
    return None


def _literal_tables(tree: ast.Module) -> dict[str, dict[str, str]]:
    """Return module-level literal dicts, sets and lists of strings, by their name."""
    tables: dict[str, dict[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name):
            table = _table(value)
            if table is not None:
                tables[target.id] = table
    return tables


def _table(value: ast.expr) -> dict[str, str] | None:
    if isinstance(value, ast.Call) and value.args:  # frozenset({...}), set([...]), dict({...})
        value = value.args[0]
    if isinstance(value, ast.Dict):
        keys = [key.value for key in value.keys if isinstance(key, ast.Constant)]
        if len(keys) != len(value.keys) or not all(isinstance(key, str) for key in keys):
            return None
        return {str(key): _entry(item) for key, item in zip(keys, value.values, strict=True)}
    if isinstance(value, (ast.Set, ast.List, ast.Tuple)) and value.elts:
        texts = [item.value for item in value.elts if isinstance(item, ast.Constant)]
        if len(texts) == len(value.elts) and all(isinstance(text, str) for text in texts):
            return {str(text): "" for text in texts}
    return None


def _entry(item: ast.expr) -> str:
    if isinstance(item, (ast.Tuple, ast.List)) and item.elts:
        parts = [part.value for part in item.elts if isinstance(part, ast.Constant)]
        return ":".join(str(part) for part in parts)
    return str(item.value) if isinstance(item, ast.Constant) else ""


def _compared(node: ast.Compare, tables: dict[str, dict[str, str]]) -> dict[str, str]:
    right = node.comparators[0]
    if isinstance(node.ops[0], ast.Eq) and isinstance(right, ast.Constant):
        return {str(right.value): ""}
    if isinstance(node.ops[0], ast.In):
        if isinstance(right, ast.Name):
            return tables.get(right.id, {})
        return _table(right) or {}
    return {}


def _is_closed(body: list[ast.stmt]) -> bool:
    """Whether every way out of *body* that answers is behind an ``if``."""
    last = body[-1] if body else None
    if isinstance(last, ast.Raise):
        return True
    return isinstance(last, ast.If) and bool(last.orelse) and _is_closed(last.orelse)


def _tests(body: list[ast.stmt]) -> Iterable[ast.expr]:
    for node in body:
        if isinstance(node, ast.If):
            yield node.test
            if node.orelse and len(node.orelse) == 1:
                yield from _tests(node.orelse)


def _is_literal_test(test: ast.expr, tables: dict[str, dict[str, str]], parameter: str) -> bool:
    """Whether *test* asks if the name is one of those that were read."""
    if isinstance(test, ast.BoolOp):
        return any(_is_literal_test(value, tables, parameter) for value in test.values)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return False
    if not (isinstance(test.left, ast.Name) and test.left.id == parameter):
        return False
    right = test.comparators[0]
    if isinstance(test.ops[0], ast.Eq):
        return isinstance(right, ast.Constant)
    known = isinstance(right, ast.Name) and right.id in tables
    return isinstance(test.ops[0], ast.In) and (known or _table(right) is not None)


_SELF_WRITES = re.compile(r"^(globals\(\)|locals\(\)|vars\(\)|sys\.modules\[__name__\])")


def writes_itself(tree: ast.Module) -> bool:
    """Whether module-level code puts names into the module in ways that are not read here."""
    for node in _module_level(tree.body):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            text = ast.unparse(node.value.func)
            first = ast.unparse(node.value.args[0]) if node.value.args else ""
            if text == "exec" or (text.endswith(".update") and _SELF_WRITES.match(text)):
                return True
            if text == "setattr" and _SELF_WRITES.match(first):
                return True
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if isinstance(node.value, ast.Call) and ast.unparse(node.value.func).endswith(
                "LazyModule"
            ):
                continue  # its TYPE_CHECKING branch says what it offers
            subscripts = (item for item in targets if isinstance(item, ast.Subscript))
            if any(_SELF_WRITES.match(ast.unparse(item)) for item in subscripts):
                return True
    return False


def module_aliases(tree: ast.Module, *, module: str) -> tuple[str, ...]:
    """Return modules that the code registers under names like ``f"{__name__}.alias"``."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr) or len(node.values) != len(("name", "rest")):
            continue
        first, rest = node.values
        if isinstance(first, ast.FormattedValue) and isinstance(rest, ast.Constant):
            text = str(rest.value)
            named = isinstance(first.value, ast.Name) and first.value.id == "__name__"
            if named and re.fullmatch(r"(\.[A-Za-z_]\w*)+", text):
                found.add(module + text)
    return tuple(sorted(found))


def _module_level(body: Iterable[ast.stmt]) -> Iterable[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.For, ast.While, ast.With, ast.Try)):
            yield from _module_level(node.body)
            yield from _module_level(getattr(node, "orelse", []))
            for handler in getattr(node, "handlers", []):
                yield from _module_level(handler.body)


def bound_names(node: ast.stmt) -> set[str]:
    """Return the names that one statement of a class body defines."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {
            part.id
            for target in node.targets
            for part in ast.walk(target)
            if isinstance(part, ast.Name)
        }
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    if isinstance(node, (ast.If, ast.Try, ast.With, ast.For)):
        return set().union(*(bound_names(item) for item in node.body + getattr(node, "orelse", [])))
    return set()


def self_attributes(function: ast.FunctionDef) -> set[str]:
    """Return the attributes that a method sets on its first parameter."""
    if not function.args.args:
        return set()
    owner = function.args.args[0].arg
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
    }
