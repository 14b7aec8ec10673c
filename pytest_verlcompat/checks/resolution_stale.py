"""A dependency from long before the day asked about, which nobody in the set asked to hold back.

Resolvers try older releases until one has no conflict. The oldest ones declare next to
nothing, so they conflict with nothing: ``datasets`` 2.14.4 of 2023 beside ``fsspec`` of 2026.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf, trap
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from packaging.requirements import Requirement
    from packaging.version import Version

CODE = "stale-dependency"
BEHIND_DAYS = 365
"""Between the picked release and the newest one of the day; a year is beyond any slow project."""


def check(resolved: ResolvedSet, shelf: Shelf) -> Iterator[Finding]:
    """Yield a finding for each pick that is a year behind and held back by no requirement."""
    for name in sorted(resolved.picks):
        picked = resolved.version(name)
        if picked is None or not resolved.via.get(name):
            continue
        uploads = {
            version: day for version, day in shelf.uploads(name).items() if day <= resolved.as_of
        }
        newest = max(uploads, default=None)
        if newest is None or picked not in uploads or newest <= picked:
            continue
        behind = (uploads[newest] - uploads[picked]).days
        if behind < BEHIND_DAYS or _is_held_back(name, newest, resolved, shelf):
            continue
        yield _finding(name, picked, newest, uploads=uploads, resolved=resolved)


def _is_held_back(name: str, newest: Version, resolved: ResolvedSet, shelf: Shelf) -> bool:
    """Return whether an asker's specifier, or what the newest itself needs of Python, says no."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 -- only for the few suspects

    python = shelf.requires_python(name, newest)
    if python and not SpecifierSet(python).contains(f"{resolved.python}.9"):
        return True
    for asker in resolved.via[name]:
        version = resolved.version(asker)
        requirements = shelf.requires(asker, version) if version is not None else None
        if requirements is None:
            return True  # unknown is no evidence
        if any(_excludes(each, name, newest, python=resolved.python) for each in requirements):
            return True
    return False


def _excludes(requirement: Requirement, name: str, newest: Version, *, python: str) -> bool:
    if canonicalize_name(requirement.name) != name or newest in requirement.specifier:
        return False
    environment = {"python_version": python, "python_full_version": f"{python}.9", "extra": ""}
    marker = requirement.marker
    return marker is None or "extra" in str(marker) or marker.evaluate(environment)


def _finding(
    name: str,
    picked: Version,
    newest: Version,
    *,
    uploads: dict[Version, dt.date],
    resolved: ResolvedSet,
) -> Finding:
    askers = ", ".join(
        f"{each} {resolved.picks.get(each, '')}".strip() for each in resolved.via[name]
    )
    return trap(
        CODE,
        resolved,
        provider=name,
        sentence=f"{name} {picked} of {uploads[picked]} was picked although {newest} of "
        f"{uploads[newest]} is out and no asker excludes it",
        weight=Weight.SUSPECT,
        detail=f"asked for by {askers}",
    )
