"""Complete the missing names of one cell: which releases have them, and where."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_verlcompat.checks.surface_ranges import NameRange, find_range, question_about
from pytest_verlcompat.errors import VerlcompatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_verlcompat.checks.import_outcome import Failure
    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.model.finding import Finding
    from pytest_verlcompat.wheels.surface_facts import Facts
    from pytest_verlcompat.wheels.surface_store import FactsStore

_MOST_FINDINGS = 3


def explain(surface: CellSurface, store: FactsStore) -> CellSurface:
    """Return *surface* with the range of releases for its first missing names.

    Other releases are asked about that one name only. An index that fails costs the range,
    never the verdict.
    """
    failures = {each.message: each for role in surface.roles for each in role.failures}
    findings = list(surface.findings)
    explained = 0
    for index, finding in enumerate(findings):
        failure = failures.get(finding.cause.first_line)
        if failure is None or not failure.module or explained == _MOST_FINDINGS:
            continue
        explained += 1
        findings[index] = _explained(finding, failure, surface=surface, store=store)
    return replace(surface, findings=tuple(findings))


def _explained(
    finding: Finding, failure: Failure, *, surface: CellSurface, store: FactsStore
) -> Finding:
    provider = next(
        (facts for facts in surface.providers if failure.provider in facts.top_levels), None
    )
    if provider is None or not provider.version:
        return finding
    try:
        versions = [str(version) for version in store.versions(provider.distribution)]
        found = find_range(
            versions,
            str(Version(provider.version)),
            read=_reader(store, provider, failure),
            module=failure.module,
            name=failure.name,
        )
    except VerlcompatError:
        return finding
    return finding if found is None else _with(finding, found, provider)


def _reader(store: FactsStore, provider: Facts, failure: Failure) -> Callable[[str], Facts | None]:
    question = question_about(failure.module, failure.name)

    @cache
    def read(version: str) -> Facts | None:
        if version == provider.version:
            return provider
        try:
            return store.provider(canonicalize_name(provider.distribution), version, question)
        except VerlcompatError:
            return None

    return read


def _with(finding: Finding, found: NameRange, provider: Facts) -> Finding:
    known = found.before or found.after
    sentences = []
    for which, word in ((found.before, "last there in"), (found.after, "there again from")):
        if which is not None:
            place = "" if which[1] is None else f" at {which[1]}"
            again = word if found.before or which is found.before else "there from"
            sentences.append(f"{again} {provider.distribution} {which[0]}{place}")
    detail = "; ".join(sentences) or "in no other release that was looked at"
    frame = finding.cause.provider
    if known and known[1]:
        seen = f"{provider.distribution} {known[0]}: {known[1].source or 'the module itself'}"
        frame = replace(known[1], source=seen)
    return replace(
        finding,
        since=found.since,
        until=found.until,
        cause=replace(finding.cause, provider=frame, detail=detail),
    )
