"""The rung `imports` of every set of versions that the space resolved to, from kept facts.

A set is judged as a whole: the versions of the engine, torch, transformers, ray and
tensordict beside each other decide the conditions of the consumer. A pair of consumer and
engine has a line of its own, for cells that never resolved. Python is taken as 3.12, the
platform as Linux with CUDA, environment variables as unset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.checks.consumer_index import ConsumerIndex
from pytest_verlcompat.checks.import_providers import Providers
from pytest_verlcompat.checks.import_surface import judge, statement_of
from pytest_verlcompat.checks.import_world import cell_of
from pytest_verlcompat.checks.installed import IMPORT_CODE, digest_of
from pytest_verlcompat.checks.surface_places import find_place
from pytest_verlcompat.checks.surface_reach import questions_about
from pytest_verlcompat.checks.surface_space import judge_space
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.store.space_rungs import MissingName, RungFact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_verlcompat.checks.import_outcome import Failure
    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.wheels.surface_facts import Facts
    from pytest_verlcompat.wheels.surface_store import FactsStore

ENGINES = ("vllm", "sglang")
BESIDE = ("torch", "transformers", "ray", "tensordict")
"""Distributions of a picked set whose names a verl run imports, and which the space keeps."""

_PAIR = ("verl", "engine")
_MOST_MISSING = 3
_DIGITS = 8
_STATES = {Weight.BROKEN: "failed", Weight.UNKNOWN: "unknown", None: "passed"}

Versions = tuple[tuple[str, str], ...]
"""Distribution and version of each member, the consumer first."""


def judged_part(versions: Mapping[str, str]) -> Versions:
    """Return what of a picked set decides its imports."""
    order = ("verl", *ENGINES, *BESIDE)
    return tuple((name, versions[name]) for name in order if name in versions)


class SpaceImports:
    """Judges sets of versions; every release is read once."""

    def __init__(self, store: FactsStore, sets: Iterable[Versions]) -> None:
        self.sets = sorted(set(sets))
        self.store = store
        self.rules = digest_of(IMPORT_CODE)[:_DIGITS]
        consumers = _newest_last(dict(each)["verl"] for each in self.sets)
        self.consumers = {version: store.consumer("verl", version) for version in consumers}
        self.facts = {name: self._read(name) for name in (*ENGINES, *BESIDE)}
        self._ranges: dict[tuple[str, str, str], dict[str, tuple[str, str]]] = {}
        """Where a message holds, by release, for each consumer, provider and message."""

    @property
    def count(self) -> int:
        """How many sets there are that say more than consumer and engine."""
        return sum(len(each) > len(_PAIR) for each in self.sets)

    def _read(self, name: str) -> Mapping[str, Facts]:
        versions = _newest_last(dict(each)[name] for each in self.sets if name in dict(each))
        beside = ["verl", *(other for other in (*ENGINES, *BESIDE) if other != name)]
        deciding: list[str] = []
        if name in ENGINES:  # conditions ask about its version, hardly ever about another's
            beside = [other for other in beside if other not in ENGINES]
            deciding = versions
        consumers = list(self.consumers.values())
        questions = questions_about(name, consumers, deciding, beside=beside)
        return self.store.providers(name, versions, questions) if versions else {}

    def judge(self, *, tell: Callable[[int], None] = lambda _: None) -> Iterator[RungFact]:
        """Yield what is known about every pair of the sets, then about every set.

        Args:
            tell: Told how many were judged, now and then.
        """
        consumers = list(self.consumers.values())
        asked = {
            tuple(each for each in chosen if each[0] in {"verl", *ENGINES}) for chosen in self.sets
        }
        for name in (*ENGINES, *BESIDE):
            for consumer, row in judge_space(consumers, self.facts[name], late=False).items():
                for version, surface in row.items():
                    self._note(consumer, name, version=version, surface=surface)
                    pair = (("verl", consumer), (name, version))
                    if pair in asked:
                        yield self._fact(pair, surface)
        for count, fact in enumerate(self._whole_sets(), 1):
            tell(count)
            yield fact

    def _whole_sets(self) -> Iterator[RungFact]:
        by_providers: dict[Versions, list[Versions]] = {}
        for chosen in self.sets:
            if len(chosen) > len(_PAIR):
                by_providers.setdefault(chosen[1:], []).append(chosen)
        tops = frozenset[str]().union(
            *(each.top_levels for facts in self.facts.values() for each in facts.values())
        )
        indexes = {version: ConsumerIndex(facts, tops) for version, facts in self.consumers.items()}
        for releases, chosen_sets in by_providers.items():
            providers = [self.facts[name][version] for name, version in releases]
            names = Providers(cell_of(*providers))
            for chosen in chosen_sets:
                verl = dict(chosen)["verl"]
                surface = judge(
                    self.consumers[verl],
                    providers,
                    names=names,
                    late=False,
                    index=indexes[verl],
                )
                yield self._fact(chosen, surface)

    def _note(self, consumer: str, name: str, *, version: str, surface: CellSurface) -> None:
        for finding in surface.findings:
            if finding.weight is Weight.BROKEN and finding.since and finding.until:
                key = (consumer, name, finding.cause.first_line)
                span = (finding.since, finding.until)
                self._ranges.setdefault(key, {})[version] = span

    def _fact(self, chosen: Versions, surface: CellSurface) -> RungFact:
        roles = {role.role.name: _STATES[role.weight] for role in surface.roles}
        failures = list(dict.fromkeys(each for role in surface.roles for each in role.failures))
        doubts = {doubt for role in surface.roles for doubt in role.doubts}
        return RungFact(
            rung=Rung.IMPORTS,
            versions=dict(chosen),
            outcome=_worst(roles.values()),
            rules=self.rules,
            roles=roles,
            undecided=len(doubts),
            missing=tuple(
                self._missing(failure, dict(chosen), surface)
                for failure in failures[:_MOST_MISSING]
            ),
        )

    def _missing(
        self, failure: Failure, versions: Mapping[str, str], surface: CellSurface
    ) -> MissingName:
        provider = next(
            (each for each in surface.providers if failure.provider in each.top_levels), None
        )
        line = statement_of(failure)
        at = f"{failure.path}:{failure.line}"
        if not failure.provider:
            return MissingName(name=f"{failure.kind}: {failure.message}", at=at, line=line)
        name = ".".join(filter(None, (failure.module, failure.name)))
        if provider is None:  # an engine that the cell is without
            return MissingName(name=name, provider=failure.provider, at=at, line=line)
        key = (versions["verl"], provider.distribution, failure.message)
        span = self._ranges.get(key, {}).get(provider.version, (None, None))
        return MissingName(
            name=name,
            provider=provider.distribution,
            at=at,
            line=line,
            since=span[0],
            until=span[1],
            moved_to=find_place(provider, failure),
        )


def _worst(states: Iterable[str]) -> str:
    """Return the outcome of a cell; one without a role says nothing."""
    found = set(states)
    return next(
        (each for each in ("failed", "unknown") if each in found), "passed" if found else "unknown"
    )


def _newest_last(versions: Iterable[str]) -> list[str]:
    return sorted(set(versions), key=Version)
