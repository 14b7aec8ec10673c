"""Picks that depend on the installer: another one would answer the same question otherwise.

uv drops the upper bound of Requires-Python; pip keeps it. uv takes a pre-release when the
final releases that are left conflict with what it picked before: transformers 5.0.0rc1, because
huggingface-hub 1.2 had been picked, which no transformers 4 goes with.

Source: https://docs.astral.sh/uv/reference/internals/resolver/#requires-python, read
2026-11-20, and the answers of uv 0.13.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf, trap
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

PYTHON = "python-upper-bound"
PRERELEASE = "prerelease-picked"
_FALLBACK = "no specifier names one: the resolver fell back to it, the final ones conflicted"
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
        asked = _requirements_on(name, resolved, shelf)
        pinned = asked is None or any(
            part.operator in {"==", "==="} for each in asked for part in each.specifier
        )
        if finals and not pinned:
            named = [str(each) for each in asked or () if each.specifier.prereleases]
            yield trap(
                PRERELEASE,
                resolved,
                provider=name,
                sentence=f"the pre-release {name} {picked} was picked although {max(finals)} is "
                "out and nobody pins it",
                weight=Weight.SUSPECT,
                detail=f"let in by {'; '.join(named)}" if named else _FALLBACK,
            )


def _requirements_on(name: str, resolved: ResolvedSet, shelf: Shelf) -> list[Requirement] | None:
    """Return what the askers of *name* require of it; None if an asker is unknown."""
    found: list[Requirement] = []
    for asker in resolved.via[name]:
        version = resolved.version(asker)
        requirements = shelf.requires(asker, version) if version is not None else None
        if requirements is None:
            return None
        found += [each for each in requirements if canonicalize_name(each.name) == name]
    return found
