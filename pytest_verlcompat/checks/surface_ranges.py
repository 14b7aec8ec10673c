"""Since when and until when: the releases of a provider in which something is missing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.import_providers import Providers
from pytest_verlcompat.checks.import_world import cell_of
from pytest_verlcompat.model.cause import Frame
from pytest_verlcompat.wheels.surface_outline import Class
from pytest_verlcompat.wheels.surface_store import Questions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.model.finding import Finding
    from pytest_verlcompat.wheels.surface_facts import Facts

_MOST_STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRange:
    """Where a name is missing, around the release that was asked about."""

    since: str
    """First of the consecutive releases without it; the oldest one looked at if all lack it."""
    until: str
    before: tuple[str, Frame | None] | None
    """The last release before them that has the name, and where."""
    after: tuple[str, Frame | None] | None
    """The first release after them that has it, and where."""


def question_about(module: str, name: str | None) -> Questions:
    """Return the question whether a release has *name* in *module*."""
    text = f"{module}:{name or ''}"
    key = "name-" + hashlib.sha256(text.encode()).hexdigest()[:12]
    return Questions(key=key, compute=lambda: {(module, name)})


def has_name(facts: Facts, module: str, name: str | None) -> bool | None:
    """Whether *facts* have *name* in *module*; ``None`` if that is not decided."""
    if not facts.has_module(module):
        return False
    if name is None:
        return True
    return Providers(cell_of(facts)).lookup(module, name).as_bool()


def place_of(facts: Facts, module: str, name: str | None) -> Frame | None:
    """Return where *facts* define *name*, re-exports followed."""
    if name is not None:
        found = Providers(cell_of(facts)).definition(f"{module}.{name}")
        if found is not None:
            item = found.statement
            word = "class" if isinstance(item, Class) else "def"
            shown = (
                "" if isinstance(item, Class) else f"({(item.signature or '…').replace(',', ', ')})"
            )
            return Frame(
                file=found.outline.path, line=item.line, source=f"{word} {item.name}{shown}"
            )
    path = facts.paths.get(module)
    return Frame(file=path, line=1) if path else None


def find_range(
    versions: Sequence[str],
    version: str,
    *,
    read: Callable[[str], Facts | None],
    module: str,
    name: str | None,
) -> NameRange | None:
    """Return where *name* is missing around *version*, reading few releases.

    Args:
        versions: Every release, oldest first.
        read: Returns the facts of a release, or ``None`` if it cannot be read.
    """
    if version not in versions:
        return None
    start = versions.index(version)

    def there(index: int) -> bool | None:
        facts = read(versions[index])
        return None if facts is None else has_name(facts, module, name)

    def found(index: int | None) -> tuple[str, Frame | None] | None:
        if index is None:
            return None
        facts = read(versions[index])
        return versions[index], None if facts is None else place_of(facts, module, name)

    low, before = _edge(start, step=-1, count=len(versions), there=there)
    high, after = _edge(start, step=1, count=len(versions), there=there)
    return NameRange(
        since=versions[low], until=versions[high], before=found(before), after=found(after)
    )


def _edge(
    start: int, *, step: int, count: int, there: Callable[[int], bool | None]
) -> tuple[int, int | None]:
    """Return the last index without the name going by *step*, and the first one with it.

    Strides double until the name is there, then halve: what comes and goes in between two
    looks is not seen.
    """
    last, stride, taken = start, 1, 0
    hit: int | None = None
    while taken < _MOST_STEPS:
        index = start + step * stride
        taken += 1
        if not 0 <= index < count:
            edge = 0 if step < 0 else count - 1
            if edge != last and there(edge) is True:
                hit = edge
            elif edge != last:
                last = edge
            break
        if there(index) is True:
            hit = index
            break
        last, stride = index, stride * 2
    if hit is None:
        return last, None
    while abs(hit - last) > 1 and taken < 2 * _MOST_STEPS:
        middle = (hit + last) // 2
        taken += 1
        if there(middle) is True:
            hit = middle
        else:
            last = middle
    return last, hit


def with_ranges(surfaces: Mapping[str, CellSurface]) -> dict[str, CellSurface]:
    """Return the cells of one consumer with `since` and `until` on every finding.

    Args:
        surfaces: Cells of the same consumer, by provider release, oldest first.
    """
    versions = list(surfaces)
    having: dict[tuple[str, str, str], list[int]] = {}
    for index, version in enumerate(versions):
        for finding in surfaces[version].findings:
            having.setdefault(_identity(finding), []).append(index)
    result = {}
    for index, version in enumerate(versions):
        surface = surfaces[version]
        findings = []
        for finding in surface.findings:
            indexes = set(having[_identity(finding)])
            first = last = index
            while first - 1 in indexes:
                first -= 1
            while last + 1 in indexes:
                last += 1
            findings.append(replace(finding, since=versions[first], until=versions[last]))
        result[version] = replace(surface, findings=tuple(findings))
    return result


def _identity(finding: Finding) -> tuple[str, str, str]:
    return finding.code, finding.cause.kind, finding.cause.first_line
