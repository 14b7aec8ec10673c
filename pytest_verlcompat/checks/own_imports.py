"""Judge a repository's own imports: against what is installed, and against other releases.

The sources are read where they lie, importing nothing. What belongs to the repository is told by
its folders, so a top-level ``tests`` or ``utils`` that a wheel installed is never taken for it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.import_surface import CellSurface, judge
from pytest_verlcompat.checks.surface_environment import PROVIDERS, Environment, read_world
from pytest_verlcompat.checks.surface_reach import questions_about, top_level_of
from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.wheels.surface_collect import collect_consumer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_verlcompat.checks.own_sources import OwnSources
    from pytest_verlcompat.wheels.surface_facts import Facts
    from pytest_verlcompat.wheels.surface_store import FactsStore

_PROVIDERS = ("verl", *PROVIDERS)
"""Distributions whose names are read; to verl itself all but the first are providers."""

_MAIN = "__name__ == '__main__'"


def read_sources(sources: OwnSources) -> Facts:
    """Return the facts of *sources*, as of a release that imports others."""
    return collect_consumer(_OwnFiles(sources), distribution=sources.name, version="")


class _OwnFiles:
    """The files of a repository under the paths of their modules."""

    def __init__(self, sources: OwnSources) -> None:
        self.label = sources.name
        self.digest = ""
        parents = {top: top.parent for top in sources.tops}
        self._paths = {
            path.relative_to(parent).as_posix(): path
            for top, parent in parents.items()
            for path in sources.files()
            if path == top or top in path.parents
        }

    def names(self) -> list[str]:
        """Return every file."""
        return list(self._paths)

    def stamp(self, name: str) -> None:
        """Return None: files on disk may change at any time."""

    def read_many(
        self, names: Iterable[str], *, on_error: Callable[[WheelFormatError], None] | None = None
    ) -> dict[str, bytes]:
        """Return the content of each name that can be read."""
        found = {}
        for name in names:
            try:
                found[name] = self._paths[name].read_bytes()
            except OSError as error:
                if on_error is not None:
                    on_error(WheelFormatError(f"cannot be read: {error.strerror}", where=name))
        return found


def judge_installed(sources: OwnSources, environment: Environment) -> CellSurface:
    """Return what the sources' imports and calls find in *environment*."""
    return judge_consumer(read_sources(sources), environment)


def judge_consumer(
    consumer: Facts, environment: Environment, *, role: str | None = None
) -> CellSurface:
    """Return what the imports and calls of *consumer*, which may use verl, find there."""
    world = read_world(environment, consumer, providers=_PROVIDERS)
    providers = tuple(facts for facts in world.members if facts is not consumer)
    return judge(consumer, providers, world=world, role=role)


def judge_against(
    sources: OwnSources,
    environment: Environment,
    *,
    releases: Mapping[str, str],
    store: FactsStore,
) -> CellSurface:
    """Return the same with *releases*, version by distribution, in place of what is installed.

    Raises:
        UsageError: If the index has no wheel of a release.
        IndexUnavailableError: If the index fails.
    """
    consumer = read_sources(sources)
    beside = [consumer.distribution, *releases]
    fresh = []
    for name, version in releases.items():
        others = [each for each in beside if each != name]
        questions = questions_about(name, [consumer], [version], beside=others)
        fresh.append(store.provider(name, version, questions))
    replaced = {top_level_of(name) for name in releases}
    kept = {
        name: version
        for name, version in environment.versions.items()
        if canonicalize_name(name) not in releases
    }
    beside_them = dataclasses.replace(environment, versions=kept)
    world = read_world(beside_them, consumer, providers=_PROVIDERS)
    members = (*world.members, *fresh)
    complete = dataclasses.replace(
        world, members=members, other_modules=world.other_modules - replaced
    )
    providers = tuple(facts for facts in members if facts is not consumer)
    return judge(consumer, providers, world=complete)


def of_the_stack(surface: CellSurface) -> CellSurface:
    """Return *surface* without what breaks for other reasons.

    Such are a tool that is not installed here, a script that exits when it is imported, and what
    stands under ``if __name__ == "__main__"``, which no import runs.
    """
    kept = (
        each
        for each in surface.findings
        if (each.weight is not Weight.BROKEN or each.cause.provider is not None)
        and not _is_of_scripts(each.cause.first_line)
    )
    roles = (
        dataclasses.replace(
            role, doubts=tuple(each for each in role.doubts if not _is_of_scripts(each.reason))
        )
        for role in surface.roles
    )
    return dataclasses.replace(surface, findings=tuple(kept), roles=tuple(roles))


def _is_of_scripts(reason: str) -> bool:
    return _MAIN in reason


def find_lines(surface: CellSurface, weight: Weight) -> list[str]:
    """Return the findings of *weight*, ``mine/a.py:4: ImportError: ...`` each."""
    return [
        f"{each.cause.frame.file}:{each.cause.frame.line}: {each.cause}"
        for each in surface.findings
        if each.weight is weight and each.cause.frame is not None
    ]
