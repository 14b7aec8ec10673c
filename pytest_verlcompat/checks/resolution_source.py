"""A distribution of the set has no wheel: installing it compiles, or fetches from elsewhere.

Every source distribution is a finding unless its kind is known to be harmless: pure Python
that any machine builds in seconds.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf, trap
from pytest_verlcompat.model.finding import Finding, Weight

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CODE = "source-only"
_FILE = Path(__file__).with_suffix(".toml")


def check(resolved: ResolvedSet, shelf: Shelf) -> Iterator[Finding]:
    """Yield a finding for each source distribution that more than Python goes into."""
    for pin in resolved.sdists:
        name, _, version = pin.partition("==")
        known = load_kinds().get(name, {})
        if known.get("harmless"):
            continue
        languages = shelf.native(name, version)
        if not known and not languages:
            continue
        made_of = f" (it holds {', '.join(languages)})" if languages else ""
        needs = known.get("needs", "a compiler for these, and the headers of Python")
        yield trap(
            CODE,
            resolved,
            provider=name,
            sentence=f"{name} {version} has no wheel{made_of}; to install it takes {needs}",
            weight=Weight.SUSPECT,
            detail=known.get("source", "the files of its source distribution"),
        )


@cache
def load_kinds() -> Mapping[str, Mapping[str, Any]]:
    """Return what is known about distributions without wheels, by name."""
    body = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {each["name"]: each for each in body["distributions"]}
