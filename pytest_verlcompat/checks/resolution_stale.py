"""A dependency from long before the day asked about, which nobody in the set asked to hold back.

Resolvers try older releases until one has no conflict. The oldest ones declare next to
nothing, so they conflict with nothing: ``datasets`` 2.14.4 of 2023 beside ``fsspec`` of 2026.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf, trap
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.requirements import Requirement
    from packaging.version import Version

CODE = "stale-dependency"
BEHIND_DAYS = 365
"""Between the picked release and the newest one of the day; a year is beyond any slow project."""

_TRIED = 40
"""Newer releases that are looked at before a pick counts as held back for good."""

_LOOKED_AT = 5
"""Newest fitting releases that are tried before a clash counts as explained."""


def check(resolved: ResolvedSet, shelf: Shelf) -> Iterator[Finding]:
    """Yield a finding for each pick that is a year behind and held back by no requirement."""
    for name in sorted(resolved.picks):
        picked = resolved.version(name)
        if picked is None or not resolved.via.get(name):
            continue
        uploads = _until(resolved.as_of, name, shelf)
        if picked not in uploads:
            continue
        least = uploads[picked] + dt.timedelta(days=BEHIND_DAYS)
        newer = [each for each, day in uploads.items() if each > picked and day >= least]
        found = _passed_over(name, sorted(newer, reverse=True), resolved=resolved, shelf=shelf)
        if found is not None:
            version, clashes = found
            yield trap(
                CODE,
                resolved,
                provider=name,
                sentence=f"{name} {picked} of {uploads[picked]} was picked although {version} of "
                f"{uploads[version]} is out and nobody excludes it",
                weight=Weight.SUSPECT,
                detail="; ".join([_askers(name, resolved), *clashes]),
            )


def _passed_over(
    name: str, newer: Sequence[Version], *, resolved: ResolvedSet, shelf: Shelf
) -> tuple[Version, list[str]] | None:
    """Return the newest release that could stand in the set, and what kept it out."""
    for version in newer[:_TRIED]:
        if not _is_allowed(name, version, resolved=resolved, shelf=shelf):
            continue
        if not _is_python_for(name, version, resolved=resolved, shelf=shelf):
            continue
        clashes = _clashes(name, version, resolved=resolved, shelf=shelf)
        if clashes is not None:
            return version, clashes
    return None


def _until(day: dt.date, name: str, shelf: Shelf) -> dict[Version, dt.date]:
    return {version: upload for version, upload in shelf.uploads(name).items() if upload <= day}


def _is_python_for(name: str, version: Version, *, resolved: ResolvedSet, shelf: Shelf) -> bool:
    text = shelf.requires_python(name, version)
    return not text or SpecifierSet(text).contains(f"{resolved.python}.9")


def _is_allowed(name: str, version: Version, *, resolved: ResolvedSet, shelf: Shelf) -> bool:
    """Return whether no asker of *name* excludes *version*; an unknown asker counts as no."""
    for asker in resolved.via.get(name, ()):
        asking = resolved.version(asker)
        requirements = shelf.requires(asker, asking) if asking is not None else None
        if requirements is None:
            return False
        if any(
            canonicalize_name(each.name) == name
            and not each.specifier.contains(version, prereleases=True)
            and _may_apply(each, python=resolved.python)
            for each in requirements
        ):
            return False
    return True


def _clashes(
    name: str, newest: Version, *, resolved: ResolvedSet, shelf: Shelf
) -> list[str] | None:
    """Return what the newest one clashes with in the set, or None if a clash explains it.

    A clash explains it when somebody asks for the version that clashes, as verl does with
    ``numpy<2``. One with a version nobody asked for is the resolver's choice, and the trap.
    """
    found = []
    for each in shelf.requires(name, newest) or ():
        other = canonicalize_name(each.name)
        picked = resolved.version(other)
        if picked is None or each.specifier.contains(picked, prereleases=True):
            continue
        if each.marker is not None and not _holds(each, python=resolved.python):
            continue
        fitting = [
            version
            for version in _until(resolved.as_of, other, shelf)
            if each.specifier.contains(version)
        ]
        if not any(
            _is_allowed(other, version, resolved=resolved, shelf=shelf)
            for version in sorted(fitting)[-_LOOKED_AT:]
        ):
            return None
        found.append(f"{newest} needs {other}{each.specifier}, the set has {picked}, unasked")
    return found


def _holds(requirement: Requirement, *, python: str) -> bool:
    environment = {"python_version": python, "python_full_version": f"{python}.9", "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(environment)


def _may_apply(requirement: Requirement, *, python: str) -> bool:
    """Return whether *requirement* may be in force; which extras are asked for is not known."""
    return "extra" in str(requirement.marker) or _holds(requirement, python=python)


def _askers(name: str, resolved: ResolvedSet) -> str:
    asking = (f"{each} {resolved.picks.get(each, '')}".strip() for each in resolved.via[name])
    return f"asked for by {', '.join(asking)}"
