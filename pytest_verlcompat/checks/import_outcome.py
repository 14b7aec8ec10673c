"""How importing ends: failures, doubts and namespaces, and how they combine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.condition_values import UNKNOWN, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.wheels.surface_outline import Attempt, Statement

_TAKES: Mapping[str, frozenset[str]] = {
    "ModuleNotFoundError": frozenset({"ModuleNotFoundError", "ImportError"}),
    "ImportError": frozenset({"ImportError"}),
    "AttributeError": frozenset({"AttributeError"}),
    "PackageNotFoundError": frozenset(
        {"PackageNotFoundError", "ModuleNotFoundError", "ImportError"}
    ),
}
_TAKE_ALL = frozenset({"Exception", "BaseException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception that importing raises for certain, or would if a doubt went that way."""

    kind: str
    message: str
    """What Python would say."""
    path: str
    """File of the consumer."""
    line: int
    provider: str
    """Top-level module that lacks the name; empty if the consumer itself raises."""
    module: str = ""
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something the cell does not decide."""

    path: str
    line: int
    reason: str
    is_silent: bool = False
    """Whether it is only about a release that the cell does not name."""
    kind: str = "ImportError"


@dataclass(slots=True, kw_only=True)
class Namespace:
    """The names of a module while it is run."""

    names: dict[str, Value] = field(default_factory=dict)
    maybe: frozenset[str] = frozenset()
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How running a module or a block ended."""

    failure: Failure | None = None
    doubts: tuple[Doubt, ...] = ()


FINE = Ended()


def chained(raised: Failure, original: Failure) -> Failure:
    """Return the failure of a handler, with the missing name that made it run."""
    if raised.provider or not original.provider:
        return raised
    return replace(
        raised,
        message=f"{raised.message} ({original.message})",
        provider=original.provider,
        module=original.module,
        name=original.name,
    )


def condensed(ended: Ended) -> Ended:
    """Return *ended* with every doubt once, and of the silent ones only one of each kind."""
    if not ended.doubts:
        return ended
    kept = {(d.kind, "" if d.is_silent else d): d for d in reversed(ended.doubts)}
    return Ended(failure=ended.failure, doubts=tuple(reversed(kept.values())))


def merged(one: Namespace, two: Namespace) -> Namespace:
    """Return the namespace after two ways of which one was taken."""
    names = dict(one.names)
    maybe = set(one.maybe | two.maybe)
    for name, value in two.names.items():
        if name not in names:
            names[name] = value
            maybe.add(name)
        elif names[name] is not value and names[name] != value:
            names[name] = UNKNOWN
    maybe |= {name for name in one.names if name not in two.names}
    return Namespace(names=names, maybe=frozenset(maybe), is_open=one.is_open or two.is_open)


def handler_of(item: Attempt, kind: str) -> tuple[Statement, ...] | None:
    """Return the body of the handler that takes an exception of *kind*."""
    takes = _TAKES.get(kind, frozenset({kind})) | _TAKE_ALL
    for kinds, body in item.handlers:
        if not kinds or takes & set(kinds):
            return body
    return None
