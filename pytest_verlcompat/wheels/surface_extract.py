"""Source text to outline: parse a Python file, keep what an import of it does.

Nothing is executed: the text goes through `ast.parse` and no further.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from pytest_verlcompat.wheels import surface_lazy, surface_uses
from pytest_verlcompat.wheels.surface_outline import (
    UNDECIDABLE,
    Assign,
    Attempt,
    Branch,
    Call,
    Class,
    Function,
    Import,
    Late,
    Outline,
    Raise,
    Statement,
    Use,
)
from pytest_verlcompat.wheels.surface_signature import decorator_name, signature_text

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_SOURCE_BYTES = 5_000_000
"""A longer file is data or an attack; it is not parsed and its names are unknown."""

_LONGEST_VALUE = 200
_TELLING = re.compile(
    r"version|find_spec|is_|available|signature|hasattr|getenv|environ", re.IGNORECASE
)
_DATACLASSES = frozenset({"dataclass", "config", "pydantic_dataclass"})
_FIELD_BASES = frozenset({"Struct", "NamedTuple"})
_STRUCT_OPTIONS = frozenset(
    {"array_like", "dict", "frozen", "gc", "omit_defaults", "tag", "forbid_unknown_fields"}
)
_HELPER_LINES = 30


def outline_of(source: bytes, *, module: str, path: str, consumer: bool = False) -> Outline:
    """Return the outline of one file; a file that cannot be parsed says why in `problem`.

    Args:
        consumer: Also keep what is called and used, inside functions too.
    """
    is_package = path.endswith("__init__.py")
    if len(source) > LARGEST_SOURCE_BYTES:
        problem = f"{path}: {len(source)} bytes of source; not parsed"
        return Outline(module=module, path=path, is_package=is_package, problem=problem)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        place = path if line is None else f"{path}:{line}"
        problem = f"{place}: {getattr(error, 'msg', None) or error or type(error).__name__}"
        return Outline(module=module, path=path, is_package=is_package, problem=problem)
    imported = surface_uses.imported_names(tree.body) if consumer else frozenset()
    reader = _Reader(module=module, is_package=is_package, imported=imported)
    calls: list[Call] = []
    late: list[Late] = []
    try:
        statements = reader.block(tree.body)
        if consumer:
            calls, late = surface_uses.find_uses(tree, imported=imported, resolve=reader.absolute)
    except RecursionError:
        problem = f"{path}: nested too deeply"
        return Outline(module=module, path=path, is_package=is_package, problem=problem)
    return Outline(
        module=module,
        path=path,
        is_package=is_package,
        statements=statements,
        lazy=surface_lazy.lazy_names(tree),
        is_open=surface_lazy.writes_itself(tree),
        aliases=surface_lazy.module_aliases(tree, module=module)
        if b"sys.modules" in source
        else (),
        helpers=_helpers(tree) if consumer else {},
        calls=tuple(calls),
        late=tuple(late),
    )


_ASKS = re.compile(r"version\(|find_spec\(|except \(?(?:ImportError|ModuleNotFoundError)")


def _helpers(tree: ast.Module) -> dict[str, str]:
    """Return the source of short functions that look at versions or at what is installed."""
    found = {}
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        if (node.end_lineno or node.lineno) - node.lineno > _HELPER_LINES:
            continue
        text = ast.unparse(node)
        if _ASKS.search(text):
            found[node.name] = text
    return found


class _Reader:
    """Turns the statements of one module into outline statements."""

    def __init__(self, *, module: str, is_package: bool, imported: frozenset[str]) -> None:
        self.package = module if is_package else module.rpartition(".")[0]
        self.imported = imported

    def block(self, body: Sequence[ast.stmt]) -> tuple[Statement, ...]:
        return tuple(found for node in body for found in self.statement(node))

    def statement(self, node: ast.stmt) -> list[Statement]:  # noqa: PLR0911 - one way out per kind of statement
        """Return what one statement does to the module."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return self.imports(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            signature = signature_text(node, bound=False)
            return [
                *self._uses(node.decorator_list, node.lineno),
                Function(line=node.lineno, name=node.name, signature=signature),
            ]
        if isinstance(node, ast.ClassDef):
            return [*self._class_uses(node), read_class(node)]
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            return self._assign(node)
        if isinstance(node, ast.Raise):
            return [_raise(node)]
        if isinstance(node, ast.Assert):
            failure = Raise(line=node.lineno, kind="AssertionError", message="")
            condition = ast.unparse(node.test)
            return [Branch(line=node.lineno, condition=condition, then=(), orelse=(failure,))]
        return self._compound(node)

    def _compound(self, node: ast.stmt) -> list[Statement]:  # noqa: PLR0911 - one way out per kind of statement
        if isinstance(node, ast.If):
            condition = ast.unparse(node.test)
            then, orelse = self.block(node.body), self.block(node.orelse)
            return [Branch(line=node.lineno, condition=condition, then=then, orelse=orelse)]
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            then = self.block(node.body)
            if not then:
                return []
            return [Branch(line=node.lineno, condition=UNDECIDABLE, then=then, orelse=())]
        if isinstance(node, (ast.With, ast.AsyncWith)):
            return self._with(node)
        if isinstance(node, ast.Try):
            return [self._try(node)]
        if isinstance(node, ast.Expr):
            return self._uses([node.value], node.lineno)
        return []

    def _with(self, node: ast.With | ast.AsyncWith) -> list[Statement]:
        body = self.block(node.body)
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and decorator_name(call) == "suppress":
                kinds = tuple(_last(argument) for argument in call.args)
                handlers = ((kinds, ()),)
                return [
                    Attempt(line=node.lineno, body=body, handlers=handlers, orelse=(), final=())
                ]
        return list(body)

    def _try(self, node: ast.Try) -> Attempt:
        handlers = []
        for handler in node.handlers:
            names = handler.type
            if names is None:
                kinds: tuple[str, ...] = ()
            elif isinstance(names, ast.Tuple):
                kinds = tuple(_last(name) for name in names.elts)
            else:
                kinds = (_last(names),)
            handlers.append((kinds, self.block(handler.body)))
        return Attempt(
            line=node.lineno,
            body=self.block(node.body),
            handlers=tuple(handlers),
            orelse=self.block(node.orelse),
            final=self.block(node.finalbody),
        )

    def imports(self, node: ast.Import | ast.ImportFrom) -> list[Statement]:
        """Return one `Import` per name."""
        line = node.lineno
        if isinstance(node, ast.Import):
            return [
                Import(
                    line=line,
                    module=alias.name,
                    name=None,
                    bound=alias.asname or alias.name.split(".")[0],
                )
                for alias in node.names
            ]
        if node.module == "__future__":
            return []
        module = self.absolute(node)
        return [
            Import(line=line, module=module, name=alias.name, bound=alias.asname or alias.name)
            for alias in node.names
        ]

    def absolute(self, node: ast.ImportFrom) -> str:
        """Return the absolute module that a ``from`` import names."""
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        base = parts[: len(parts) - node.level + 1]
        return ".".join([*base, node.module] if node.module else base)

    def _assign(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[Statement]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        found: list[Statement] = []
        if node.value is not None:
            found += self._uses([node.value], node.lineno)
        elif isinstance(node, ast.AnnAssign):
            return []
        for target in targets:
            if isinstance(target, ast.Name):
                kept = None if isinstance(node, ast.AugAssign) else _value(target.id, node.value)
                found.append(Assign(line=node.lineno, name=target.id, value=kept))
            elif isinstance(target, (ast.Tuple, ast.List)):
                names = (item.id for item in target.elts if isinstance(item, ast.Name))
                found += [Assign(line=node.lineno, name=name, value=None) for name in names]
        return found

    def _class_uses(self, node: ast.ClassDef) -> list[Statement]:
        bases = [*node.bases, *(keyword.value for keyword in node.keywords), *node.decorator_list]
        found = self._uses(bases, node.lineno)
        for item in node.body:
            if isinstance(item, (ast.Assign, ast.AnnAssign)) and item.value is not None:
                found += self._uses([item.value], item.lineno)
        return found

    def _uses(self, nodes: Sequence[ast.expr], line: int) -> list[Statement]:
        """Return the dotted names that evaluating *nodes* looks up; consumers only."""
        if not self.imported:
            return []
        dotted = {text for node in nodes for text in surface_uses.dotted_names(node)}
        return [
            Use(line=line, dotted=text)
            for text in sorted(dotted)
            if text.partition(".")[0] in self.imported
        ]


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else "?"


def _raise(node: ast.Raise) -> Raise:
    kind = "" if node.exc is None else decorator_name(node.exc)
    message = ""
    if isinstance(node.exc, ast.Call) and node.exc.args:
        first = node.exc.args[0]
        text = first.value if isinstance(first, ast.Constant) else ast.unparse(first)
        message = str(text)[:_LONGEST_VALUE]
    return Raise(line=node.lineno, kind=kind, message=message)


def _value(name: str, node: ast.expr | None) -> str | None:
    """Return the text of a value that a condition may depend on."""
    if node is None:
        return None
    if name == "__all__":
        literal = isinstance(node, (ast.List, ast.Tuple)) and all(
            isinstance(item, ast.Constant) for item in node.elts
        )
        return ast.unparse(node) if literal else None
    if isinstance(node, (ast.Name, ast.Attribute)):
        return ast.unparse(node)
    if isinstance(node, ast.Constant):
        text = repr(node.value)
        return text if len(text) < _LONGEST_VALUE else None
    if isinstance(node, (ast.Call, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.IfExp)):
        text = ast.unparse(node)
        return text if len(text) < _LONGEST_VALUE and _TELLING.search(text) else None
    return None


def read_class(node: ast.ClassDef) -> Class:
    """Return the definition of a class: its bases, members and constructor."""
    members: set[str] = set()
    methods: list[str] = []
    init: str | None = None
    for item in node.body:
        methods += _class_methods(item)
        members |= surface_lazy.bound_names(item)
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            init = signature_text(item, bound=True)
            members |= surface_lazy.self_attributes(item)
            if init is None:
                init = "*args,**kwargs"
    decorators = {decorator_name(decorator) for decorator in node.decorator_list}
    keywords = {keyword.arg for keyword in node.keywords} - _STRUCT_OPTIONS
    bases = {_last(base) for base in node.bases}
    known = decorators <= (
        _DATACLASSES | {"final", "total_ordering", "unique", "runtime_checkable"}
    )
    return Class(
        line=node.lineno,
        name=node.name,
        bases=tuple(ast.unparse(base).split("[")[0] for base in node.bases),
        members=tuple(sorted(members)),
        init=init,
        fields=_fields(node) if decorators & _DATACLASSES or bases & _FIELD_BASES else None,
        methods=tuple(methods),
        closed=known and not keywords and "__getattr__" not in members,
    )


def _class_methods(item: ast.stmt) -> list[str]:
    if not isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    if not {decorator_name(each) for each in item.decorator_list} & {"classmethod", "staticmethod"}:
        return []
    signature = signature_text(item, bound=True)
    return [] if signature is None else [f"{item.name}({signature})"]


def _fields(node: ast.ClassDef) -> str:
    """Return the annotated fields of a dataclass as a signature."""
    parts = []
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        if ast.unparse(item.annotation).split("[")[0].rpartition(".")[2] in {"ClassVar", "KW_ONLY"}:
            continue
        default = item.value
        if isinstance(default, ast.Call) and decorator_name(default) in {"field", "Field"}:
            given = {keyword.arg: keyword.value for keyword in default.keywords}
            init = given.get("init")
            if isinstance(init, ast.Constant) and init.value is False:
                continue
            has_default = bool({"default", "default_factory"} & set(given)) or bool(default.args)
        else:
            has_default = default is not None
        parts.append(item.target.id + ("=" if has_default else ""))
    return ",".join(parts)
