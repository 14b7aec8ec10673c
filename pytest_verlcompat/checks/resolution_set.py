"""What the rules about resolved sets look at: the set, and what the index knows beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from packaging.requirements import Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedSet:
    """A question that the resolver called a success, and the versions it picked."""

    requirements: tuple[str, ...]
    python: str
    as_of: dt.date
    """Last day whose uploads the resolver could see."""
    picks: Mapping[str, str]
    via: Mapping[str, tuple[str, ...]]
    """Who in the set asked for each."""
    sdists: tuple[str, ...] = ()

    def version(self, name: str) -> Version | None:
        """Return the picked version of *name*; None if it is not in the set."""
        try:
            return Version(self.picks[name]) if name in self.picks else None
        except InvalidVersion:
            return None


class Shelf(Protocol):
    """What the index knows; every method may raise IndexUnavailableError."""

    def uploads(self, name: str) -> Mapping[Version, dt.date]:
        """Return the first upload day of each final, unyanked release that has a wheel."""

    def requires(self, name: str, version: Version) -> Sequence[Requirement] | None:
        """Return what a release requires; None if it is unknown."""

    def native(self, name: str, version: str) -> tuple[str, ...]:
        """Return the compiled languages in the sdist of a release without wheels."""

    def requires_python(self, name: str, version: Version) -> str | None:
        """Return the Requires-Python of a release; None if it states none."""


def trap(
    code: str,
    resolved: ResolvedSet,
    *,
    provider: str,
    sentence: str,
    weight: Weight,
    detail: str | None = None,
) -> Finding:
    """Return the finding that *resolved* falls into the trap *code*.

    Args:
        code: Stable name of the rule.
        resolved: The set it was found in.
        provider: Distribution at fault; its picked version is added.
        sentence: What is wrong, in one sentence.
        weight: How sure the breakage is.
        detail: The evidence.
    """
    version = resolved.picks.get(provider)
    return Finding(
        code=code,
        weight=weight,
        consumer=" ".join(resolved.requirements),
        provider=f"{provider} {version}" if version else provider,
        cause=Cause(kind=code, first_line=sentence, detail=detail),
    )
