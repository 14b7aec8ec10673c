"""A release axis left open in the requirements ends at an old release instead of a conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf, trap
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = "axis-backtracked"
_AXES = frozenset({"verl", "vllm", "sglang"})


def check(resolved: ResolvedSet, shelf: Shelf) -> Iterator[Finding]:
    """Yield a finding for each open axis that is behind the newest release of its day."""
    for text in resolved.requirements:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        picked = resolved.version(name)
        if name not in _AXES or picked is None or _is_pinned(requirement):
            continue
        newer = [
            version
            for version, day in shelf.uploads(name).items()
            if version > picked
            and day <= resolved.as_of
            and requirement.specifier.contains(version)
        ]
        if newer:
            yield trap(
                CODE,
                resolved,
                provider=name,
                sentence=f"{name} {picked} was picked although {max(newer)} is out; "
                "the newer ones conflict with something, and nothing says so",
                weight=Weight.SUSPECT,
                detail=f"passed over: {', '.join(map(str, sorted(newer)[-5:]))}",
            )


def _is_pinned(requirement: Requirement) -> bool:
    return any(each.operator in {"==", "==="} for each in requirement.specifier)
