"""From the outcomes of a cell to its verdict; nothing but evidence goes in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome, Rung

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_verlcompat.model.evidence import Evidence


class VerdictKind(Enum):
    """What a reader is told about a cell."""

    COMPATIBLE = "compatible"
    CONDITIONAL = "conditional"
    """It works if a stated condition is met."""
    INCOMPATIBLE = "incompatible"
    UNRESOLVABLE = "unresolvable"
    """No set of versions satisfies the metadata."""
    UNTESTED = "untested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict and the rungs it stands on."""

    kind: VerdictKind
    passed: tuple[Rung, ...]
    """Rungs on which something passed and nothing failed."""
    failed: tuple[Rung, ...]
    """Rungs on which something failed."""
    partial: tuple[Rung, ...]
    """Rungs on which something passed and something was skipped or broke in our harness."""
    conditions: tuple[str, ...] = ()
    culprits: tuple[Evidence, ...] = ()
    """What failed, lowest rung first."""

    @property
    def highest(self) -> Rung | None:
        """The highest rung on which something passed; ``None`` where nothing did."""
        reached = {*self.passed, *self.partial}
        return max(reached, key=lambda rung: rung.order) if reached else None

    @property
    def untested(self) -> tuple[Rung, ...]:
        """Rungs about which no evidence exists."""
        tried = {*self.passed, *self.failed}
        return tuple(rung for rung in Rung if rung not in tried)

    def __str__(self) -> str:
        highest = self.highest
        return self.kind.value if highest is None else f"{self.kind.value} (up to {highest.value})"


def judge(records: Iterable[Evidence]) -> Verdict:
    """Return the verdict that *records*, one per subject, support.

    A record that was skipped or errored neither reddens nor greens anything. Where the
    metadata has no solution nothing above can be tried, so that verdict stands alone.
    """
    spoken, silent = [], set[Rung]()
    for each in records:
        if each.outcome in _SPEAKS:
            spoken.append(each)
        else:
            silent.add(each.rung)
    culprits = sorted(
        (each for each in spoken if each.outcome is Outcome.FAILED),
        key=lambda each: (each.rung.order, each.subject),
    )
    failed = {each.rung for each in culprits}
    passed = {each.rung for each in spoken} - failed
    conditions = tuple(dict.fromkeys(each.condition for each in spoken if each.condition))
    if not failed and passed <= _PREPARATION:
        kind = VerdictKind.UNTESTED
    elif Rung.RESOLVES in failed:
        kind = VerdictKind.UNRESOLVABLE
    elif failed:
        kind = VerdictKind.INCOMPATIBLE
    else:
        kind = VerdictKind.CONDITIONAL if conditions else VerdictKind.COMPATIBLE
    return Verdict(
        kind=kind,
        passed=_ordered(passed),
        failed=_ordered(failed),
        partial=_ordered(passed & silent),
        conditions=conditions,
        culprits=tuple(culprits),
    )


_SPEAKS = frozenset({Outcome.PASSED, Outcome.FAILED})

_PREPARATION = frozenset({Rung.RESOLVES, Rung.INSTALLS})
"""That a set resolves or installs is not yet a sign that it works."""


def _ordered(rungs: Iterable[Rung]) -> tuple[Rung, ...]:
    return tuple(sorted(rungs, key=lambda rung: rung.order))
