"""What a consumer does with the names it imports: calls and attribute look-ups, with their guards.

A guard is the text of a condition; assignments to a local name that is assigned once are
written into it (``fn_args = inspect.signature(f).parameters`` then ``"x" in fn_args``).
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pytest_verlcompat.wheels.surface_outline import Call, Late

Resolve = Callable[[ast.ImportFrom], str]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NEW_SCOPES = (*_FUNCTIONS, ast.Lambda)
_LONGEST_GUARD = 300
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def imported_names(body: Iterable[ast.stmt]) -> frozenset[str]:
    """Return the names that imports outside functions bind, the standard library's not."""
    return frozenset(name for node in _outside_functions(body) for name in _import_binds(node))


def _import_binds(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [
            alias.asname or alias.name.split(".")[0]
            for alias in node.names
            if not _is_standard(alias.name)
        ]
    if isinstance(node, ast.ImportFrom) and (node.level or not _is_standard(node.module or "")):
        return [alias.asname or alias.name for alias in node.names]
    return []


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _outside_functions(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in body:
        yield node
        if not isinstance(node, _NEW_SCOPES):
            yield from _outside_functions(ast.iter_child_nodes(node))


def dotted(node: ast.expr) -> str | None:
    """Return ``a.b.c`` for an attribute chain over a name, else ``None``."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def dotted_names(node: ast.AST) -> Iterator[str]:
    """Yield the attribute chains that evaluating *node* reads, bare names not."""
    if isinstance(node, _NEW_SCOPES):
        return
    if isinstance(node, ast.Attribute):
        text = dotted(node)
        if text is not None:
            yield text if isinstance(node.ctx, ast.Load) else text.rpartition(".")[0]
            return
    for child in ast.iter_child_nodes(node):
        yield from dotted_names(child)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the walk is."""

    scope: str = ""
    guards: tuple[str, ...] = ()
    handled: tuple[str, ...] = ()
    local_imports: dict[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    """Names that parameters or assignments of enclosing functions hide."""
    single: dict[str, ast.expr] = field(default_factory=dict)
    """Values of local names that are assigned once."""


def find_uses(
    tree: ast.Module, *, imported: frozenset[str], resolve: Resolve
) -> tuple[list[Call], list[Late]]:
    """Return the calls of imported names, and what functions import and look up."""
    finder = _Finder(imported=imported, resolve=resolve, stored=_stored(tree))
    finder.block(tree.body, _Place())
    return finder.calls, finder.late


def _stored(tree: ast.Module) -> frozenset[str]:
    """Return dotted names that the module itself assigns (patches)."""
    found = (
        dotted(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
    )
    return frozenset(text for text in found if text)


class _Finder:
    def __init__(
        self, *, imported: frozenset[str], resolve: Resolve, stored: frozenset[str]
    ) -> None:
        self.imported = imported
        self.resolve = resolve
        self.stored = stored
        self.calls: list[Call] = []
        self.late: list[Late] = []
        self.seen: set[tuple[str, str, tuple[str, ...]]] = set()

    def block(self, body: Sequence[ast.stmt], place: _Place) -> None:
        for node in body:
            self.statement(node, place)
            if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], _LEAVES):
                place = replace(place, guards=(*place.guards, _guard(node.test, place, yes=False)))
            elif isinstance(node, ast.Assert):
                place = replace(place, guards=(*place.guards, _guard(node.test, place, yes=True)))

    def statement(self, node: ast.stmt, place: _Place) -> None:
        if isinstance(node, _FUNCTIONS):
            for decorator in [*node.decorator_list, *node.args.defaults]:
                self.expression(decorator, place)
            self.block(node.body, _enter(node, place))
        elif isinstance(node, ast.ClassDef):
            scope = f"{place.scope}.{node.name}".lstrip(".")
            self.block(node.body, replace(place, scope=scope))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.local_import(node, place)
        elif isinstance(node, ast.If):
            self.expression(node.test, place)
            yes, no = _guard(node.test, place, yes=True), _guard(node.test, place, yes=False)
            self.block(node.body, replace(place, guards=(*place.guards, yes)))
            self.block(node.orelse, replace(place, guards=(*place.guards, no)))
        elif isinstance(node, ast.Try):
            kinds = tuple(kind for handler in node.handlers for kind in _kinds(handler))
            self.block(node.body, replace(place, handled=(*place.handled, *kinds)))
            for handler in node.handlers:
                self.block(handler.body, replace(place, handled=(*place.handled, "after failure")))
            self.block(node.orelse, place)
            self.block(node.finalbody, place)
        else:
            self.simple(node, place)

    def simple(self, node: ast.stmt, place: _Place) -> None:
        """Look at the expressions of a statement, then at the statements inside it."""
        inner: list[ast.stmt] = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                inner.append(child)
            elif isinstance(child, (ast.match_case,)):
                inner += child.body
            else:
                self.expression(child, place)
        self.block(inner, place)

    def local_import(self, node: ast.Import | ast.ImportFrom, place: _Place) -> None:
        if not place.scope:
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _is_standard(alias.name):
                    continue
                bound = alias.asname or alias.name.split(".")[0]
                place.local_imports[bound] = alias.name if alias.asname else bound
                self.add(node.lineno, place, module=alias.name)
            return
        module = self.resolve(node)
        if _is_standard(module):
            return
        for alias in node.names:
            place.local_imports[alias.asname or alias.name] = f"{module}:{alias.name}"
            self.add(node.lineno, place, module=module, name=alias.name)

    def expression(self, node: ast.AST, place: _Place) -> None:
        if isinstance(node, ast.Lambda):
            hidden = place.hidden | {arg.arg for arg in node.args.args}
            self.expression(node.body, replace(place, hidden=hidden))
            return
        if isinstance(node, ast.IfExp):
            self.expression(node.test, place)
            yes, no = _guard(node.test, place, yes=True), _guard(node.test, place, yes=False)
            self.expression(node.body, replace(place, guards=(*place.guards, yes)))
            self.expression(node.orelse, replace(place, guards=(*place.guards, no)))
            return
        if isinstance(node, ast.Call):
            self.call(node, place)
        if isinstance(node, ast.Attribute):
            text = dotted(node)
            if text is not None:
                self.use(text if isinstance(node.ctx, ast.Load) else "", node.lineno, place)
                return
        for child in ast.iter_child_nodes(node):
            self.expression(child, place)

    def target(self, text: str, place: _Place) -> str | None:
        """Return *text* with a locally imported base resolved; ``None`` if it is no import."""
        base, _, rest = text.partition(".")
        if base in place.local_imports:
            known = place.local_imports[base]
            return f"{known}.{rest}" if rest else known
        return text if base in self.imported and base not in place.hidden else None

    def call(self, node: ast.Call, place: _Place) -> None:
        text = dotted(node.func)
        target = None if text is None else self.target(text, place)
        if target is None or text in self.stored:
            return
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        keywords = tuple(item.arg for item in node.keywords if item.arg is not None)
        self.calls.append(
            Call(
                line=node.lineno,
                target=target,
                positional=sum(not isinstance(item, ast.Starred) for item in node.args),
                keywords=keywords,
                unpacks=starred or len(keywords) < len(node.keywords),
                guards=place.guards,
                handled=place.handled,
                scope=place.scope,
            )
        )

    def use(self, text: str, line: int, place: _Place) -> None:
        target = self.target(text, place) if "." in text else None
        if target is None or not place.scope or text in self.stored:
            return
        key = (place.scope, target, place.guards)
        if key in self.seen:
            return
        self.seen.add(key)
        self.add(line, place, module=target, is_use=True)

    def add(
        self,
        line: int,
        place: _Place,
        *,
        module: str,
        name: str | None = None,
        is_use: bool = False,
    ) -> None:
        """Keep an import or a look-up inside a function."""
        self.late.append(
            Late(
                line=line,
                module=module,
                name=name,
                is_use=is_use,
                guards=place.guards,
                handled=place.handled,
                scope=place.scope,
            )
        )


def _enter(node: ast.FunctionDef | ast.AsyncFunctionDef, place: _Place) -> _Place:
    """Return the place inside a function."""
    arguments = node.args
    hidden = {
        argument.arg
        for argument in [
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            *filter(None, [arguments.vararg, arguments.kwarg]),
        ]
    }
    values: dict[str, list[ast.expr | None]] = {}
    for inner in _outside_functions(node.body):
        if isinstance(inner, ast.Assign) and len(inner.targets) == 1:
            target = inner.targets[0]
            if isinstance(target, ast.Name):
                values.setdefault(target.id, []).append(inner.value)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            values.setdefault(inner.id, [])
            hidden.add(inner.id)
    single = {
        name: found[0] for name, found in values.items() if len(found) == 1 and found[0] is not None
    }
    return replace(
        place,
        scope=f"{place.scope}.{node.name}".lstrip("."),
        guards=(),
        local_imports=dict(place.local_imports),
        hidden=place.hidden | hidden,
        single={**place.single, **single},
    )


def _kinds(handler: ast.ExceptHandler) -> list[str]:
    if handler.type is None:
        return ["BaseException"]
    elements = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [(dotted(element) or "?").rpartition(".")[2] for element in elements]


class _Substitute(ast.NodeTransformer):
    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.values.get(node.id)
        if value is None or not isinstance(value, (ast.Call, ast.Attribute, ast.Compare)):
            return node
        return copy.deepcopy(value)


def _guard(test: ast.expr, place: _Place, *, yes: bool) -> str:
    written = _Substitute(place.single).visit(copy.deepcopy(test)) if place.single else test
    return ("" if yes else "!") + ast.unparse(written)[:_LONGEST_GUARD]
