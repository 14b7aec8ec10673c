"""Judge a cell by its imports: would every import that its roots make find its name?

>>> surface = judge(consumer, [provider])                      # doctest: +SKIP
>>> [str(finding.cause) for finding in surface.findings if finding.weight is Weight.BROKEN]

Nothing is imported or run. What cannot be decided is a finding of weight `unknown`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.import_execution import Interpreter
from pytest_verlcompat.checks.import_providers import Providers
from pytest_verlcompat.checks.import_world import World, cell_of
from pytest_verlcompat.checks.late_surface import find_late
from pytest_verlcompat.checks.surface_reach import run_late
from pytest_verlcompat.checks.surface_roles import Role, roles_of, roots_of
from pytest_verlcompat.model.cause import Cause, Frame
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_verlcompat.checks.consumer_index import ConsumerIndex
    from pytest_verlcompat.checks.import_outcome import Doubt, Failure
    from pytest_verlcompat.wheels.surface_facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSurface:
    """One role of a cell."""

    role: Role
    failures: tuple[Failure, ...]
    """In the order in which they are met; the first is what a user would see."""
    doubts: tuple[Doubt, ...]
    modules: frozenset[str]
    """Modules of the consumer that its roots import."""

    @property
    def weight(self) -> Weight | None:
        """The heaviest finding; ``None`` where every import finds its name."""
        if self.failures:
            return Weight.BROKEN
        return Weight.UNKNOWN if self.doubts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSurface:
    """A cell and what its imports say."""

    consumer: Facts
    providers: tuple[Facts, ...]
    roles: tuple[RoleSurface, ...]
    findings: tuple[Finding, ...]
    """Heaviest first, then as met; a finding that several roles share stands once."""

    @property
    def is_broken(self) -> bool:
        """Whether some role cannot be imported."""
        return any(role.failures for role in self.roles)


def judge(
    consumer: Facts,
    providers: Sequence[Facts],
    *,
    names: Providers | None = None,
    world: World | None = None,
    role: str | None = None,
    late: bool = True,
    index: ConsumerIndex | None = None,
) -> CellSurface:
    """Return what the imports of *consumer* say about a cell with *providers*.

    Args:
        names: Look-ups in the same providers, shared between consumers.
        world: The cell, where it is more than its releases (an installed environment).
        role: Judge this role only.
        late: Also look at what functions import, look up and call.
        index: What cells of the same consumer and provider have in common.
    """
    cell = world or cell_of(consumer, *providers)
    lookups = names or Providers(cell)
    distributions = [facts.distribution for facts in cell.members]
    chosen = [each for each in roles_of(consumer, distributions) if role in {None, each.name}]
    found = []
    widest: Interpreter | None = None
    for each in chosen:
        interpreter = Interpreter(cell, consumer, providers=lookups, index=index)
        found.append(_judge_role(each, interpreter))
        if index is not None:
            index.keep(interpreter.ended, interpreter.namespaces)
        widest = widest or interpreter
    suspects: list[Finding] = []
    if late and widest is not None:
        for each in chosen[1:]:
            for root in roots_of(each, consumer):
                widest.import_root(root)
        run_late(widest)
        suspects = list(find_late(widest, widest.ended, providers))
    return CellSurface(
        consumer=consumer,
        providers=tuple(providers),
        roles=tuple(found),
        findings=(*_findings(consumer, providers, found), *suspects),
    )


def _judge_role(role: Role, interpreter: Interpreter) -> RoleSurface:
    doubts: dict[Doubt, None] = {}
    for root in roots_of(role, interpreter.consumer):
        ended = interpreter.import_root(root)
        doubts.update({doubt: None for doubt in ended.doubts if not doubt.is_silent})
    return RoleSurface(
        role=role,
        failures=tuple(interpreter.failures),
        doubts=tuple(doubts),
        modules=frozenset(interpreter.ended),
    )


def _findings(
    consumer: Facts, providers: Sequence[Facts], roles: Iterable[RoleSurface]
) -> list[Finding]:
    found: dict[Failure | Doubt, Finding] = {}
    for surface in roles:
        for failure in surface.failures:
            found.setdefault(failure, _broken(failure, consumer, providers))
    for surface in roles:
        for doubt in surface.doubts:
            found.setdefault(doubt, _unknown(doubt, consumer, providers))
    return list(found.values())


def _broken(failure: Failure, consumer: Facts, providers: Sequence[Facts]) -> Finding:
    provider = _owner(failure.provider, providers)
    code = {
        "ModuleNotFoundError": "missing-module",
        "ImportError": "missing-name",
        "AttributeError": "missing-attribute",
    }.get(failure.kind, "refused")
    frame = Frame(file=failure.path, line=failure.line, source=statement_of(failure))
    return Finding(
        code=code,
        weight=Weight.BROKEN,
        consumer=consumer.label,
        provider=provider.label if provider else ", ".join(facts.label for facts in providers),
        cause=Cause(
            kind=failure.kind,
            first_line=failure.message,
            frame=frame,
            provider=None if provider is None else place_in(provider, failure.module),
        ),
    )


def statement_of(failure: Failure) -> str | None:
    """Return the import as one line; a multi-line import is written out for the one name."""
    if failure.kind == "AttributeError" and failure.name:
        return f"{failure.module}.{failure.name}"
    if not failure.provider:
        return None
    if failure.name is None:
        return f"import {failure.module}"
    return f"from {failure.module} import {failure.name}"


def place_in(provider: Facts, module: str) -> Frame | None:
    """Return the nearest file of *provider* that exists on the way to *module*."""
    parts = module.split(".")
    for size in range(len(parts), 0, -1):
        path = provider.paths.get(".".join(parts[:size]))
        if path:
            return Frame(file=path, line=1)
    return None


def _unknown(doubt: Doubt, consumer: Facts, providers: Sequence[Facts]) -> Finding:
    return Finding(
        code="undecided",
        weight=Weight.UNKNOWN,
        consumer=consumer.label,
        provider=", ".join(facts.label for facts in providers),
        cause=Cause(
            kind=doubt.kind,
            first_line=doubt.reason,
            frame=Frame(file=doubt.path, line=max(1, doubt.line)),
        ),
    )


def _owner(top_level: str, providers: Sequence[Facts]) -> Facts | None:
    return next((facts for facts in providers if top_level in facts.top_levels), None)
