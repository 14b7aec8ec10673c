"""Facts of releases, from the cache where they are, from the wheels where they are not.

Facts are kept under the digest of their wheel, next to its members, so that a whole matrix
is recomputed without a request.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import UsageError, WheelFormatError
from pytest_verlcompat.wheels.archive import FileTree, open_wheel
from pytest_verlcompat.wheels.index import IndexClient, IndexFile, choose_wheel
from pytest_verlcompat.wheels.surface_collect import (
    Demand,
    Shared,
    collect_consumer,
    collect_provider,
    missing_demands,
    shareable,
)
from pytest_verlcompat.wheels.surface_facts import FACTS_VERSION, Facts, dump_facts, load_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_verlcompat.wheels.cache import MemberCache

_NEWEST_PLATFORM = "manylinux_2_39_x86_64"
_PYTHONS = ("3.12", "3.11", "3.10", "3.13")
_DOWNLOADS = 4


class Questions:
    """What a set of consumers wants from one provider, worked out when it is needed."""

    def __init__(self, *, key: str, compute: Callable[[], Iterable[Demand]]) -> None:
        self.key = key
        """Digest by which kept facts know that they answered these."""
        self._compute = compute
        self._lock = threading.Lock()
        self._demands: frozenset[Demand] | None = None

    @property
    def demands(self) -> frozenset[Demand]:
        """The modules and names."""
        with self._lock:
            if self._demands is None:
                self._demands = frozenset(self._compute())
        return self._demands


class FactsStore:
    """Answers with facts; remembers what it fetched in *cache*."""

    def __init__(self, client: IndexClient, *, cache: MemberCache | None) -> None:
        self.client = client
        self.cache = cache
        self.fallbacks: list[str] = []
        """Wheels that were downloaded whole because the server knows no ranges."""

    def versions(self, distribution: str) -> list[Version]:
        """Return the releases that have a wheel, oldest first, pre-releases left out."""
        found = {file.version for file in self.client.releases(distribution) if file.is_wheel}
        return sorted(version for version in found if not version.is_prerelease)

    def consumer(self, distribution: str, version: str) -> Facts:
        """Return the facts of a release that imports others.

        Raises:
            UsageError: If the index has no wheel of that release.
            IndexUnavailableError: If the index fails.
            WheelFormatError: If the wheel cannot be read.
        """
        file = self.find_file(distribution, version)
        known = self._load(file, role="consumer")
        if known is not None:
            return known
        with self.open_file(file) as tree:
            facts = collect_consumer(tree, distribution=distribution, version=str(file.version))
            self._note(tree)
        self._save(file, facts, role="consumer")
        return facts

    def provider(
        self,
        distribution: str,
        version: str,
        questions: Questions,
        *,
        hints: Iterable[str] = (),
        shared: Shared | None = None,
    ) -> Facts:
        """Return facts of a release that answer *questions*.

        Raises:
            UsageError: If the index has no wheel of that release.
            IndexUnavailableError: If the index fails.
            WheelFormatError: If the wheel cannot be read.
        """
        file = self.find_file(distribution, version)
        known = self._load(file, role="provider")
        if known is not None and questions.key in known.answered:
            return known
        wanted = questions.demands
        if known is not None and not missing_demands(known, wanted):
            facts = known
        else:
            with self.open_file(file) as tree:
                facts = collect_provider(
                    tree,
                    wanted,
                    distribution=distribution,
                    version=str(file.version),
                    known=known,
                    hints=hints,
                    shared=shared,
                )
                self._note(tree)
        facts = replace(facts, answered=facts.answered | {questions.key})
        self._save(file, facts, role="provider")
        return facts

    def providers(
        self, distribution: str, versions: Iterable[str], questions: Questions
    ) -> Mapping[str, Facts]:
        """Return facts of several releases, given oldest first.

        Neighbours share most files, so each of a few threads walks a run of releases in
        order and reads only what changed.
        """
        pending = list(versions)
        shared: Shared = {}
        size = -(-len(pending) // _DOWNLOADS) or 1
        runs = [pending[start : start + size] for start in range(0, len(pending), size)]

        def walk(run: list[str]) -> dict[str, Facts]:
            found: dict[str, Facts] = {}
            hints: frozenset[str] = frozenset()
            for version in run:
                facts = self.provider(distribution, version, questions, hints=hints, shared=shared)
                hints = frozenset(facts.outlines)
                shared.update(shareable(facts))
                found[version] = facts
            return found

        with ThreadPoolExecutor(max_workers=_DOWNLOADS) as pool:
            return {
                version: facts for found in pool.map(walk, runs) for version, facts in found.items()
            }

    def find_file(self, distribution: str, version: str) -> IndexFile:
        """Return the wheel of a release that a Linux machine would take.

        Raises:
            UsageError: If the index has none.
            IndexUnavailableError: If the index fails.
        """
        files = self.client.releases(distribution)
        try:
            wanted = Version(version)
        except InvalidVersion as error:
            raise UsageError(f"{version!r} is not a version of {distribution}") from error
        for python in _PYTHONS:
            file = choose_wheel(files, version=wanted, python=python, platform=_NEWEST_PLATFORM)
            if file is not None:
                return file
        if any(file.version == wanted for file in files):
            raise UsageError(
                f"{distribution} {version} has no wheel for Linux x86_64, only other files; "
                "judge an environment where it is installed with --python"
            )
        newest = ", ".join(str(found) for found in self.versions(distribution)[-5:])
        hint = f"the newest are {newest}" if newest else "the index does not know the project"
        raise UsageError(f"the index has no {distribution} {version}; {hint}")

    def open_file(self, file: IndexFile) -> FileTree:
        """Return a reader of *file*, to be closed."""
        return open_wheel(
            file.url, digest=file.sha256, transport=self.client.transport, cache=self.cache
        )

    def _note(self, tree: object) -> None:
        fallback = getattr(tree, "fallback", None)
        if fallback:
            self.fallbacks.append(str(fallback))

    def _load(self, file: IndexFile, *, role: str) -> Facts | None:
        if self.cache is None or file.sha256 is None:
            return None
        data = self.cache.load(file.sha256, _name(role))
        if data is None:
            return None
        try:
            return load_facts(data, where=file.filename)
        except WheelFormatError:
            return None  # a damaged cache costs a second reading, nothing else

    def _save(self, file: IndexFile, facts: Facts, *, role: str) -> None:
        if self.cache is not None and file.sha256 is not None:
            self.cache.save(file.sha256, {_name(role): dump_facts(facts)})


def _name(role: str) -> str:
    return f"\0facts.{FACTS_VERSION}.{role}"
