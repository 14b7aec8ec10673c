"""Requirements that the code has and the metadata does not state, kept as data with sources.

Kinds: a ``gate`` is a version test in the code that refuses what the metadata allows; a
``hidden`` requirement breaks without a test; an ``undeclared`` one is imported but never
asked for, so that only luck installs it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf, trap
from pytest_verlcompat.model.finding import Finding, Weight

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstatedRequirement:
    """What a release needs without saying so."""

    id: str
    kind: str
    """``gate``, ``hidden`` or ``undeclared``."""
    when: Mapping[str, SpecifierSet]
    """All of these must be in the set, in these versions."""
    needs: Mapping[str, SpecifierSet]
    """Then all of these must be: an undeclared one present, another one in range if present."""
    effect: str
    weight: Weight
    sources: tuple[str, ...]


def check(resolved: ResolvedSet, shelf: Shelf) -> Iterator[Finding]:  # noqa: ARG001 -- one signature for all rules
    """Yield a finding for each unstated requirement that *resolved* does not meet."""
    for fact in load_facts():
        if not all(_has(resolved, name, versions) for name, versions in fact.when.items()):
            continue
        for name, versions in fact.needs.items():
            picked = resolved.version(name)
            missing = picked is None and fact.kind == "undeclared"
            outside = picked is not None and not versions.contains(picked, prereleases=True)
            if missing or outside:
                asked = f"{name}{versions}" if str(versions) else name
                found = f"the set has {picked}" if picked else "the set has none"
                yield trap(
                    fact.id,
                    resolved,
                    provider=name,
                    sentence=f"needs {asked}, which no metadata states; {found}: {fact.effect}",
                    weight=fact.weight,
                    detail="; ".join(fact.sources),
                )


@cache
def load_facts() -> tuple[UnstatedRequirement, ...]:
    """Return the facts shipped with this check."""
    body = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(
        UnstatedRequirement(
            id=each["id"],
            kind=each["kind"],
            when={name: SpecifierSet(text) for name, text in each["when"].items()},
            needs={name: SpecifierSet(text) for name, text in each["needs"].items()},
            effect=each["effect"],
            weight=Weight(each["weight"]),
            sources=tuple(each["sources"]),
        )
        for each in body["facts"]
    )


def _has(resolved: ResolvedSet, name: str, versions: SpecifierSet) -> bool:
    picked = resolved.version(name)
    return picked is not None and versions.contains(picked, prereleases=True)
