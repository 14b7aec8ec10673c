"""Places where uv and pip answer the same question differently, so that one of them is wrong.

uv drops the upper bound of Requires-Python; pip keeps it. uv takes pre-releases of a
distribution as soon as one specifier names a pre-release of it; pip judges each by itself.

Source: https://docs.astral.sh/uv/reference/internals/resolver/#requires-python and
https://docs.astral.sh/uv/pip/compatibility/#pre-release-compatibility, read 2026-11-20, and
the answers of uv 0.13.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf, trap
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = "python-upper-bound"
PRERELEASE = "prerelease-picked"
_WATCHED = ("verl", "vllm", "sglang", "torch", "ray", "tensordict")


def check(resolved: ResolvedSet, shelf: Shelf) -> Iterator[Finding]:
    """Yield a finding for each pick that only one of the two installers takes."""
    for name in _WATCHED:
        version = resolved.version(name)
        text = shelf.requires_python(name, version) if version is not None else None
        if text and not SpecifierSet(text).contains(f"{resolved.python}.9"):
            yield trap(
                PYTHON,
                resolved,
                provider=name,
                sentence=f"{name} {version} states Requires-Python {text}: pip refuses it on "
                f"Python {resolved.python}, uv installs it",
                weight=Weight.SUSPECT,
            )
    yield from _prereleases(resolved, shelf)


def _prereleases(resolved: ResolvedSet, shelf: Shelf) -> Iterator[Finding]:
    for name, askers in resolved.via.items():
        picked = resolved.version(name)
        if picked is None or not picked.is_prerelease or not askers:
            continue
        finals = [each for each, day in shelf.uploads(name).items() if day <= resolved.as_of]
        if finals and not _is_pinned(name, resolved, shelf):
            yield trap(
                PRERELEASE,
                resolved,
                provider=name,
                sentence=f"the pre-release {name} {picked} was picked although {max(finals)} is "
                "out and nobody pins it: pip would not take it",
                weight=Weight.SUSPECT,
                detail=f"asked for by {', '.join(askers)}",
            )


def _is_pinned(name: str, resolved: ResolvedSet, shelf: Shelf) -> bool:
    """Return whether an asker of *name* pins it, or is unknown."""
    for asker in resolved.via[name]:
        version = resolved.version(asker)
        requirements = shelf.requires(asker, version) if version is not None else None
        if requirements is None:
            return True
        for each in requirements:
            exact = any(part.operator in {"==", "==="} for part in each.specifier)
            if canonicalize_name(each.name) == name and exact:
                return True
    return False
