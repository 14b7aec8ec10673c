"""Run a provider's module for the names it binds; its own imports are taken to work."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_verlcompat.checks.condition_values import UNKNOWN, RaisesError, Ref, Value
from pytest_verlcompat.checks.import_conditions import decide, evaluate
from pytest_verlcompat.wheels.surface_collect import is_mirrored
from pytest_verlcompat.wheels.surface_outline import (
    Assign,
    Attempt,
    Branch,
    Class,
    Function,
    Import,
    Outline,
    Raise,
    Statement,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.checks.import_world import World
    from pytest_verlcompat.wheels.surface_facts import Facts


class Presence(enum.Enum):
    """Whether a name is there."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"

    def as_bool(self) -> bool | None:
        """Return ``True``, ``False`` or ``None``."""
        return None if self is Presence.UNKNOWN else self is Presence.PRESENT


@dataclass(slots=True)
class Bound:
    """The names one provider module binds."""

    names: dict[str, Value]
    maybe: set[str]
    is_open: bool
    reason: str = ""


class Lookups(Protocol):
    """What binding one module may ask about others."""

    world: World

    def lookup(self, module: str, name: str) -> Presence:
        """Whether *module* has *name*."""

    def star_names(self, module: str) -> Iterable[str] | None:
        """Return what a star import binds."""

    def reach(self, dotted: str) -> Presence:
        """Whether *dotted* can be reached."""

    def parameters(self, dotted: str) -> frozenset[str] | None:
        """Return parameter names of a callable."""


class Binder:
    """Runs a provider module for its names; its own imports are taken to work."""

    def __init__(self, owner: Lookups, *, facts: Facts, outline: Outline, bound: Bound) -> None:
        self.owner = owner
        self.world = owner.world
        self.facts = facts
        self.outline = outline
        self.bound = bound
        self.mirrored = is_mirrored(outline)
        if self.mirrored:
            bound.names["TYPE_CHECKING"] = True

    def block(self, statements: Iterable[Statement]) -> bool:
        """Bind what *statements* bind; whether the end was reached."""
        for item in statements:
            if isinstance(item, Raise):
                return False
            if isinstance(item, Branch):
                if not self.branch(item):
                    return False
            elif isinstance(item, Attempt):
                self.attempt(item)
            else:
                self.simple(item)
        return True

    def simple(self, item: Statement) -> None:
        """Bind what one plain statement binds."""
        if isinstance(item, Import):
            self.imports(item)
        elif isinstance(item, (Function, Class)):
            self.put(item.name, Ref(f"{self.outline.module}.{item.name}"))
        elif isinstance(item, Assign):
            value: Value = UNKNOWN
            if item.value is not None:
                try:
                    value = evaluate(item.value, self.bound.names, self)
                except RaisesError:
                    value = UNKNOWN
            self.put(item.name, value)

    def put(self, name: str, value: Value) -> None:
        """Bind one name."""
        if self.mirrored and name == "TYPE_CHECKING":
            return
        self.bound.names[name] = value
        self.bound.maybe.discard(name)

    def imports(self, item: Import) -> None:
        """Bind what an import binds."""
        if item.name is None:
            aliased = item.bound != item.module.partition(".")[0]
            self.put(item.bound, Ref(item.module if aliased else item.bound))
        elif item.name != "*":
            self.put(item.bound, Ref(f"{item.module}.{item.name}"))
        else:
            self.star(item.module)

    def star(self, module: str) -> None:
        """Bind what a star import binds."""
        if self.mirrored and module in self.facts.packages:
            for name, path in self._exported(module):
                self.put(name, Ref(f"{path}.{name}"))
            return
        names = self.owner.star_names(module)
        if names is None:
            self.bound.is_open = True
            return
        for name in names:
            self.put(name, Ref(f"{module}.{name}"))

    def _exported(self, package: str) -> Iterable[tuple[str, str]]:
        prefix = f"{package}."
        for module, names in self.facts.exports.items():
            if module.startswith(prefix):
                for name in names:
                    yield name, module

    def branch(self, item: Branch) -> bool:
        """Bind what a condition lets through."""
        try:
            truth = decide(item.condition, self.bound.names, self)
        except RaisesError:
            truth = None
        if truth is not None:
            return self.block(item.then if truth else item.orelse)
        return self.either(item.then, item.orelse)

    def either(self, one: Iterable[Statement], two: Iterable[Statement]) -> bool:
        """Bind what both bind; what only one binds may be there."""
        names, maybe = dict(self.bound.names), set(self.bound.maybe)
        reached_one = self.block(one)
        names_one, maybe_one = self.bound.names, self.bound.maybe
        self.bound.names, self.bound.maybe = names, maybe
        reached_two = self.block(two)
        if not reached_two:
            self.bound.names, self.bound.maybe = names_one, maybe_one
        elif reached_one:
            self._merge(names_one, maybe_one)
        return reached_one or reached_two

    def _merge(self, names: dict[str, Value], maybe: set[str]) -> None:
        mine = self.bound.names
        self.bound.maybe |= maybe
        self.bound.maybe |= set(names) ^ set(mine)
        for name, value in names.items():
            if name in mine and mine[name] is not value and mine[name] != value:
                mine[name] = UNKNOWN
            else:
                mine.setdefault(name, value)

    def attempt(self, item: Attempt) -> None:
        """Bind what a ``try`` binds."""
        handler = item.handlers[0][1] if item.handlers else ()
        works = self._works(item.body)
        if works:
            self.block([*item.body, *item.orelse, *item.final])
        elif works is False:
            self.block([*handler, *item.final])
        else:
            self.either([*item.body, *item.orelse], handler)
            self.block(item.final)

    def _works(self, body: Iterable[Statement]) -> bool | None:
        """Whether *body* comes to its end: it imports only what this release itself has.

        ``False`` where it certainly raises, ``None`` where that is not decided.
        """
        for item in body:
            found: bool | None = isinstance(item, (Assign, Function, Class)) or None
            if isinstance(item, Import):
                found = self._imports_work(item)
            elif isinstance(item, Branch):
                found = self._branch_works(item)
            elif isinstance(item, Raise):
                found = False
            if not found:
                return found
        return True

    def _imports_work(self, item: Import) -> bool | None:
        if self.world.presence(item.module) is not True:
            return None
        known = item.name in {None, "*"} or self._lookup(item) is Presence.PRESENT
        return True if known else None

    def _branch_works(self, item: Branch) -> bool | None:
        try:
            truth = decide(item.condition, self.bound.names, self)
        except RaisesError:
            return False
        return None if truth is None else self._works(item.then if truth else item.orelse)

    def _lookup(self, item: Import) -> Presence:
        if self.world.member(item.module) is None:
            return Presence.PRESENT  # the standard library
        return self.owner.lookup(item.module, item.name or "")

    # What conditions ask.

    def exists(self, dotted: str) -> bool | None:
        """Whether *dotted* can be reached."""
        return self.owner.reach(dotted).as_bool()

    def parameters(self, dotted: str) -> frozenset[str] | None:
        """Return parameter names; not asked inside providers."""
        return self.owner.parameters(dotted)

    def helper(self, dotted: str) -> tuple[str, Mapping[str, Value]] | None:  # noqa: ARG002 - the protocol's argument
        """Return nothing: a provider's functions are not kept."""
        return None

    def constant(self, dotted: str) -> Value:  # noqa: ARG002 - the protocol's argument
        """Return nothing: a provider's other modules are not run for values."""
        return UNKNOWN
