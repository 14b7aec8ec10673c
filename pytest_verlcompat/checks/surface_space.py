"""Judge every release of a consumer against every release of a provider, from kept facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.checks.consumer_index import ConsumerIndex
from pytest_verlcompat.checks.import_providers import Providers
from pytest_verlcompat.checks.import_surface import judge
from pytest_verlcompat.checks.import_world import cell_of
from pytest_verlcompat.checks.surface_ranges import with_ranges
from pytest_verlcompat.checks.surface_reach import questions_about

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.wheels.surface_facts import Facts
    from pytest_verlcompat.wheels.surface_store import FactsStore


def read_space(
    store: FactsStore, consumers: Sequence[Facts], *, distribution: str, versions: Sequence[str]
) -> Mapping[str, Facts]:
    """Return the facts of the releases *versions*, oldest first, that *consumers* ask about.

    Raises:
        UsageError: If the index has no wheel of one of them.
        IndexUnavailableError: If the index fails.
        WheelFormatError: If a wheel cannot be read.
    """
    beside = sorted({facts.distribution for facts in consumers})
    questions = questions_about(distribution, consumers, versions, beside=beside)
    return store.providers(distribution, versions, questions)


def judge_space(
    consumers: Sequence[Facts], providers: Mapping[str, Facts], *, late: bool = True
) -> dict[str, dict[str, CellSurface]]:
    """Return every cell, by consumer release and provider release, with since and until.

    Args:
        providers: Facts by release, oldest first.
        late: Also look for suspects inside functions.
    """
    cells: dict[str, dict[str, CellSurface]] = {facts.version: {} for facts in consumers}
    tops = frozenset[str]().union(*(facts.top_levels for facts in providers.values()))
    indexes = {facts.version: ConsumerIndex(facts, tops) for facts in consumers}
    for version, provider in providers.items():
        names = Providers(cell_of(provider))
        for consumer in consumers:
            cells[consumer.version][version] = judge(
                consumer,
                [provider],
                names=names,
                late=late,
                index=indexes[consumer.version],
            )
    return {version: with_ranges(surfaces) for version, surfaces in cells.items()}
