"""Records of what importing one module does: its imports, bindings and the conditions on them.

An outline is a source file without its function bodies. It is data: it survives as JSON,
and nothing in it can run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UNDECIDABLE = "..."
"""Condition of a body that runs an unknown number of times (loops)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """``import module`` or ``from module import name``, relative names made absolute."""

    line: int
    module: str
    name: str | None
    """The name taken from the module; ``*`` for all; ``None`` for ``import module``."""
    bound: str
    """The local name; for ``import a.b`` that is ``a``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function definition; its body is not kept."""

    line: int
    name: str
    signature: str | None
    """Parameters as text (see `surface_signature`); ``None`` where a decorator may change them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A class definition: bases as written, members by name."""

    line: int
    name: str
    bases: tuple[str, ...]
    members: tuple[str, ...]
    init: str | None
    """Parameters of ``__init__`` without ``self``; ``None`` where the class defines none."""
    fields: str | None
    """Fields of a dataclass as parameters; ``None`` for other classes."""
    methods: tuple[str, ...]
    """Class methods and static methods that can be called on the class, ``name(parameters)``."""
    closed: bool
    """``False`` if a metaclass, ``__getattr__`` or an unknown decorator can add attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """``name = value``; the value's text is kept only where a condition could depend on it."""

    line: int
    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A dotted name evaluated while the module is imported (a base class, a decorator)."""

    line: int
    dotted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """A ``raise`` reached while importing."""

    line: int
    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """``if condition: then else: orelse``; loops have the condition `UNDECIDABLE`."""

    line: int
    condition: str
    then: tuple[Statement, ...]
    orelse: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """``try``; each handler is the exception names it takes (none: all) and its body."""

    line: int
    body: tuple[Statement, ...]
    handlers: tuple[tuple[tuple[str, ...], tuple[Statement, ...]], ...]
    orelse: tuple[Statement, ...]
    final: tuple[Statement, ...]


Statement = Import | Function | Class | Assign | Use | Raise | Branch | Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Lazy:
    """Names that a module-level ``__getattr__`` or a lazy module object provides."""

    names: Mapping[str, str]
    """Name to the text of its table entry, empty where the table has none."""
    is_open: bool
    """Whether other names may be answered too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A direct call, inside a function or not, of a name that an import bound."""

    line: int
    target: str
    """As written, or ``module:name`` where a function-level import binds it."""
    positional: int
    keywords: tuple[str, ...]
    unpacks: bool
    """Whether ``*args`` or ``**kwargs`` add arguments that cannot be counted."""
    guards: tuple[str, ...]
    """Conditions that hold at the call; a leading ``!`` negates."""
    handled: tuple[str, ...]
    """Exceptions that an enclosing ``try`` takes."""
    scope: str
    """Qualified name of the enclosing function, empty at module level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """An import or a dotted use inside a function; it matters when the function runs."""

    line: int
    module: str
    """Module of an import; the dotted text of a use."""
    name: str | None
    is_use: bool
    guards: tuple[str, ...]
    handled: tuple[str, ...]
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """One module."""

    module: str
    path: str
    is_package: bool = False
    statements: tuple[Statement, ...] = ()
    lazy: Lazy | None = None
    is_open: bool = False
    """Whether the module writes names into itself in ways that are not read here."""
    aliases: tuple[str, ...] = ()
    """Modules that the code registers in ``sys.modules`` beside itself."""
    problem: str | None = None
    """Why the file could not be read; everything about it is then unknown."""
    helpers: Mapping[str, str] = field(default_factory=dict)
    """Source of small functions, for conditions that call them."""
    calls: tuple[Call, ...] = ()
    late: tuple[Late, ...] = ()


def walk(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Yield every statement, those of inner bodies too, in source order."""
    for statement in statements:
        yield statement
        if isinstance(statement, Branch):
            yield from walk(statement.then)
            yield from walk(statement.orelse)
        elif isinstance(statement, Attempt):
            yield from walk(statement.body)
            for _, body in statement.handlers:
                yield from walk(body)
            yield from walk(statement.orelse)
            yield from walk(statement.final)


_ALIASES = 6
"""Place of the aliases in an encoded outline."""

_TAGS: dict[type, str] = {
    Import: "i",
    Function: "f",
    Class: "c",
    Assign: "a",
    Use: "u",
    Raise: "r",
    Branch: "b",
    Attempt: "t",
}


def encode(outline: Outline) -> list[Any]:
    """Return *outline* as nested JSON lists, which are a third of the size of objects."""
    lazy = outline.lazy
    return [
        outline.module,
        outline.path,
        int(outline.is_package),
        [_encode(statement) for statement in outline.statements],
        None if lazy is None else [dict(lazy.names), int(lazy.is_open)],
        int(outline.is_open),
        list(outline.aliases),
        outline.problem,
        dict(outline.helpers),
        [_fields(call) for call in outline.calls],
        [_fields(late) for late in outline.late],
    ]


def _fields(record: Any) -> list[Any]:  # noqa: ANN401 - any of the records above
    return [getattr(record, name) for name in record.__dataclass_fields__]


def _encode(statement: Statement) -> list[Any]:
    tag = _TAGS[type(statement)]
    if isinstance(statement, Branch):
        then = [_encode(item) for item in statement.then]
        orelse = [_encode(item) for item in statement.orelse]
        return [tag, statement.line, statement.condition, then, orelse]
    if isinstance(statement, Attempt):
        handlers = [[kinds, [_encode(s) for s in body]] for kinds, body in statement.handlers]
        blocks = (statement.body, statement.orelse, statement.final)
        return [tag, statement.line, handlers, *([_encode(s) for s in b] for b in blocks)]
    return [tag, *_fields(statement)]


def decode(data: list[Any]) -> Outline:
    """Return the outline that `encode` wrote."""
    module, path, package, statements, lazy, is_open, aliases, *rest = data
    problem, helpers, calls, late = rest
    return Outline(
        module=module,
        path=path,
        is_package=bool(package),
        statements=_block(statements),
        lazy=None if lazy is None else Lazy(names=lazy[0], is_open=bool(lazy[1])),
        is_open=bool(is_open),
        aliases=tuple(aliases),
        problem=problem,
        helpers=helpers,
        calls=tuple(Call(**_named(Call, item)) for item in calls),
        late=tuple(Late(**_named(Late, item)) for item in late),
    )


class LazyOutlines(Mapping[str, Outline]):
    """Outlines by module, each decoded when it is first asked for."""

    def __init__(self, encoded: list[list[Any]]) -> None:
        self._encoded = {item[0]: item for item in encoded}
        self._decoded: dict[str, Outline] = {}

    def __getitem__(self, module: str) -> Outline:
        known = self._decoded.get(module)
        if known is None:
            known = self._decoded[module] = decode(self._encoded[module])
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)

    def __contains__(self, module: object) -> bool:
        return module in self._encoded

    @property
    def aliases(self) -> frozenset[str]:
        """Every module that some module registers beside itself."""
        return frozenset(name for item in self._encoded.values() for name in item[_ALIASES])


def _named(kind: Any, values: list[Any]) -> dict[str, Any]:  # noqa: ANN401 - any of the records above
    fixed = (tuple(value) if isinstance(value, list) else value for value in values)
    return dict(zip(kind.__dataclass_fields__, fixed, strict=True))


_KINDS: dict[str, Any] = {tag: kind for kind, tag in _TAGS.items()}


def _block(items: list[list[Any]]) -> tuple[Statement, ...]:
    return tuple(_statement(item) for item in items)


def _statement(item: list[Any]) -> Statement:
    tag = item[0]
    if tag == "b":
        _, line, condition, then, orelse = item
        return Branch(line=line, condition=condition, then=_block(then), orelse=_block(orelse))
    if tag == "t":
        _, line, handlers, body, orelse, final = item
        return Attempt(
            line=line,
            body=_block(body),
            handlers=tuple((tuple(kinds), _block(inner)) for kinds, inner in handlers),
            orelse=_block(orelse),
            final=_block(final),
        )
    kind = _KINDS[tag]
    statement: Statement = kind(**_named(kind, item[1:]))
    return statement
