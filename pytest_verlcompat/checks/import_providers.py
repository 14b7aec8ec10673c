"""What the releases of a cell define: whether a name is there, where, and with which signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.condition_values import Ref
from pytest_verlcompat.checks.provider_binding import Binder, Bound, Presence
from pytest_verlcompat.wheels.surface_collect import lazy_target
from pytest_verlcompat.wheels.surface_outline import (
    Attempt,
    Branch,
    Class,
    Function,
    Outline,
    Statement,
)
from pytest_verlcompat.wheels.surface_signature import parse_signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.checks.import_world import World
    from pytest_verlcompat.wheels.surface_facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Where a name is defined."""

    facts: Facts
    outline: Outline
    statement: Function | Class


_DEEPEST = 40
_INTERNAL = frozenset({"__name__", "__file__", "__doc__", "__path__", "__spec__", "__package__",
                       "__dict__", "__loader__", "__version__"})  # fmt: skip


class Providers:
    """Answers about every release of a world but through one question: is this name there?"""

    def __init__(self, world: World) -> None:
        self.world = world
        self._bound: dict[str, Bound] = {}
        self._lookups: dict[tuple[str, str], Presence] = {}

    def lookup(self, module: str, name: str) -> Presence:
        """Whether ``from module import name`` works, *module* being there."""
        key = (module, name)
        if key not in self._lookups:
            self._lookups[key] = Presence.UNKNOWN  # while it is being looked up
            self._lookups[key] = self._lookup(module, name)
        return self._lookups[key]

    def _lookup(self, module: str, name: str) -> Presence:
        facts = self.world.member(module)
        if facts is None:
            return Presence.UNKNOWN
        if name in _INTERNAL or facts.has_module(f"{module}.{name}"):
            return Presence.PRESENT
        return self._attribute(facts, module, name)

    def _attribute(self, facts: Facts, module: str, name: str) -> Presence:
        """Whether *module* binds *name*, its submodules not counted."""
        outline = facts.outlines.get(module)
        if outline is None:
            if module in facts.exports and name in facts.exports[module]:
                return Presence.PRESENT
            # A folder without a file of its own holds submodules only.
            return Presence.UNKNOWN if module in facts.paths else Presence.ABSENT
        if outline.problem:
            return Presence.UNKNOWN
        if outline.lazy and name in outline.lazy.names:
            return Presence.PRESENT
        bound = self.bound(facts, outline)
        if name in bound.names:
            return Presence.UNKNOWN if name in bound.maybe else Presence.PRESENT
        is_open = bound.is_open or (outline.lazy is not None and outline.lazy.is_open)
        return Presence.UNKNOWN if is_open else Presence.ABSENT

    def why_unknown(self, module: str, name: str) -> str:
        """Return in words why a look-up was not decided."""
        facts = self.world.member(module)
        if facts is None:
            return f"{module} is not part of this cell"
        outline = facts.outlines.get(module)
        if outline is None:
            return f"{module} is compiled or was not read"
        if outline.problem:
            return outline.problem
        if outline.lazy and outline.lazy.is_open:
            return f"{module}.__getattr__ may answer {name!r}"
        if name in self.bound(facts, outline).maybe:
            return f"{outline.path} binds {name!r} under a condition"
        return f"{outline.path} binds names in ways that are not read"

    def bound(self, facts: Facts, outline: Outline) -> Bound:
        """Return the names that *outline* binds."""
        known = self._bound.get(outline.module)
        if known is None:
            known = Bound({}, set(), is_open=outline.is_open)
            self._bound[outline.module] = known
            Binder(self, facts=facts, outline=outline, bound=known).block(outline.statements)
        return known

    def star_names(self, module: str) -> Iterable[str] | None:  # noqa: PLR0911 - one way out per place a name can come from
        """Return what ``from module import *`` binds; ``None`` if that is not known."""
        facts = self.world.member(module)
        if facts is None:
            return None
        outline = facts.outlines.get(module)
        if outline is None:
            if module in facts.exports:
                return facts.exports[module]
            return None if module in facts.paths else ()
        if outline.problem:
            return None
        bound = self.bound(facts, outline)
        listed = bound.names.get("__all__")
        if isinstance(listed, tuple):
            return [name for name in listed if isinstance(name, str)]
        if bound.is_open or "__all__" in bound.names:
            return None
        return [name for name in bound.names if not name.startswith("_")]

    def first_missing(self, module: str) -> str:
        """Return the shortest prefix of *module* that is not there."""
        parts = module.split(".")
        for size in range(1, len(parts)):
            prefix = ".".join(parts[:size])
            if self.world.presence(prefix) is False:
                return prefix
        return module

    def reach(self, dotted: str) -> Presence:
        """Whether *dotted*, modules and attributes mixed, can be reached."""
        parts = dotted.split(".")
        size = self._longest_module(parts)
        if size == 0:
            return Presence.UNKNOWN
        module = ".".join(parts[:size])
        if size == len(parts):
            return Presence.PRESENT
        found = self.lookup(module, parts[size])
        if found is not Presence.PRESENT or size + 1 == len(parts):
            return found
        definition = self.definition(".".join(parts[: size + 1]))
        if definition is None or not isinstance(definition.statement, Class):
            return Presence.UNKNOWN
        if size + 2 < len(parts):
            return Presence.UNKNOWN
        return self.member(definition, parts[size + 1])

    def _longest_module(self, parts: list[str]) -> int:
        for size in range(len(parts), 0, -1):
            module = ".".join(parts[:size])
            facts = self.world.member(module)
            if facts is not None and facts.has_module(module):
                return size
        return 0

    def member(self, definition: Definition, name: str, depth: int = 0) -> Presence:
        """Whether a class has an attribute, its bases included."""
        statement = definition.statement
        if not isinstance(statement, Class):
            return Presence.UNKNOWN
        if name in statement.members:
            return Presence.PRESENT
        if name.startswith("__") or depth > _DEEPEST:
            return Presence.UNKNOWN
        found = Presence.ABSENT if statement.closed else Presence.UNKNOWN
        for base in statement.bases:
            presence = self._base_member(definition, base, name=name, depth=depth)
            if presence is Presence.PRESENT:
                return presence
            if presence is Presence.UNKNOWN:
                found = presence
        return found

    def _base_member(self, definition: Definition, base: str, *, name: str, depth: int) -> Presence:
        plain = base.rpartition(".")[2]
        if plain in _PLAIN_BASES:
            return Presence.PRESENT if name in _PLAIN_BASES[plain] else Presence.ABSENT
        owner = self.base_definition(definition, base)
        if owner is None or owner.statement is definition.statement:
            return Presence.UNKNOWN
        return self.member(owner, name, depth + 1)

    def base_definition(self, definition: Definition, base: str) -> Definition | None:
        """Return the definition of a base class as written in *definition*'s module."""
        first, _, rest = base.partition(".")
        value = self.bound(definition.facts, definition.outline).names.get(first)
        if not isinstance(value, Ref):
            return None
        return self.definition(f"{value.dotted}.{rest}" if rest else value.dotted)

    def definition(self, dotted: str, depth: int = 0) -> Definition | None:
        """Return where *dotted* is defined, re-exports followed."""
        module, _, name = dotted.rpartition(".")
        facts = self.world.member(module) if module else None
        outline = None if facts is None else facts.outlines.get(module)
        if facts is None or outline is None or outline.problem or depth > _DEEPEST:
            return None
        if outline.lazy and name in outline.lazy.names:
            target = lazy_target(facts, outline, name)
            return (
                None
                if target is None
                else self.definition(".".join(filter(None, target)), depth + 1)
            )
        bound = self.bound(facts, outline)
        value = bound.names.get(name)
        if not isinstance(value, Ref) or name in bound.maybe:
            return None
        if value.dotted != dotted:
            return self.definition(value.dotted, depth + 1)
        found = [
            item
            for item in _taken(outline.statements)
            if isinstance(item, (Function, Class)) and item.name == name
        ]
        return (
            None
            if len(found) != 1
            else Definition(facts=facts, outline=outline, statement=found[0])
        )

    def signature(self, dotted: str) -> str | None:
        """Return the parameters of calling *dotted* as text, ``None`` if not known."""
        definition = self.definition(dotted)
        if definition is None:
            return self._method(dotted)
        if isinstance(definition.statement, Function):
            return definition.statement.signature
        return self._constructor(definition)

    def _method(self, dotted: str) -> str | None:
        """Return the parameters of a class method, its own class only."""
        owner, _, name = dotted.rpartition(".")
        definition = self.definition(owner)
        if definition is None or not isinstance(definition.statement, Class):
            return None
        found = (m for m in definition.statement.methods if m.startswith(f"{name}("))
        text = next(found, None)
        return None if text is None else text[len(name) + 1 : -1]

    def _constructor(self, definition: Definition, depth: int = 0) -> str | None:
        statement = definition.statement
        if not isinstance(statement, Class) or depth > _DEEPEST or not statement.closed:
            return None
        if statement.init is not None:
            return statement.init
        if statement.fields is not None:
            return self._dataclass(definition)
        if "__new__" in statement.members:
            return None
        for base in statement.bases:
            if base.rpartition(".")[2] in _FIELD_BASES | _EMPTY_BASES:
                continue
            owner = self.base_definition(definition, base)
            inherited = None if owner is None else self._constructor(owner, depth + 1)
            if inherited != "":
                return inherited
        return ""

    def _dataclass(self, definition: Definition) -> str | None:
        statement = definition.statement
        if not isinstance(statement, Class):
            return None
        parts: list[str] = []
        for base in statement.bases:
            if base.rpartition(".")[2] in _FIELD_BASES | _EMPTY_BASES:
                continue
            owner = self.base_definition(definition, base)
            inherited = None if owner is None else self._constructor(owner)
            if inherited is None:
                return None
            parts += filter(None, inherited.split(","))
        own = list(filter(None, (statement.fields or "").split(",")))
        names = {part.rstrip("=") for part in own}
        return ",".join([part for part in parts if part.rstrip("=") not in names] + own)

    def parameters(self, dotted: str) -> frozenset[str] | None:
        """Return the parameter names of *dotted*, as ``inspect.signature`` lists them."""
        text = self.signature(dotted)
        if text is None:
            return None
        found = parse_signature(text)
        return frozenset(found.positional) | frozenset(found.keyword_only)


_EMPTY_BASES = frozenset({"object", "Generic", "ABC", "Protocol"})
_FIELD_BASES = frozenset({"Struct", "NamedTuple"})

_PLAIN_BASES: Mapping[str, frozenset[str]] = {
    "object": frozenset(),
    "ABC": frozenset(),
    "Generic": frozenset(),
    "Protocol": frozenset(),
    "Enum": frozenset(),
    "IntEnum": frozenset(dir(int)),
    "StrEnum": frozenset(dir(str)),
    "str": frozenset(dir(str)),
    "int": frozenset(dir(int)),
}


def _taken(statements: Iterable[Statement]) -> Iterable[Statement]:
    for item in statements:
        yield item
        if isinstance(item, Branch):
            yield from _taken(item.then)
            yield from _taken(item.orelse)
        elif isinstance(item, Attempt):
            yield from _taken(item.body)
            yield from _taken(item.orelse)
