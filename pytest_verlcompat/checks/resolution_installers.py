"""Places where uv and pip answer the same question differently, so that one of them is wrong.

uv drops the upper bound of Requires-Python; pip keeps it. uv takes a pre-release only if the
user names it; pip takes what an ``==`` pin names.

Source: https://docs.astral.sh/uv/reference/internals/resolver/#requires-python and
https://docs.astral.sh/uv/pip/compatibility/#pre-release-compatibility, read 2026-11-20.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf, trap
from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = "python-upper-bound"
PRERELEASE = "transitive-prerelease"
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
    for pin in resolved.prereleases:
        name = pin.partition("==")[0]
        yield trap(
            PRERELEASE,
            resolved,
            provider=name,
            sentence=f"only a pin of {', '.join(resolved.via.get(name, ())) or 'another one'} "
            f"asks for the pre-release {pin}: pip takes it, uv refuses unless it is named or "
            "pre-releases are allowed",
            weight=Weight.SUSPECT,
        )
