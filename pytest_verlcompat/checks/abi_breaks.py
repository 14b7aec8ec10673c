"""Knows where torch changed what inlined code relies on, though every symbol stayed.

Such a break passes every look at symbols: the loader binds all of them, and the extension
crashes in its initialisers. Each entry was seen to crash for real, on both sides of it, in
``reports/figures/abi_truth.json``, and its cause was read in torch's headers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentBreak:
    """One change of layout between two releases."""

    since: str
    """First release with the new layout."""
    marker: re.Pattern[str]
    """Needed names by which an extension is known to rely on it."""
    what: str
    source: str

    def concerns(self, names: Iterable[str]) -> bool:
        """Return whether an extension that needs *names* relies on that layout."""
        return any(self.marker.match(name) for name in names)


SILENT_BREAKS = (
    SilentBreak(
        since="2.9.0",
        marker=re.compile(
            r"_ZN[RO]?5torch7Library|_ZN5torch11CppFunction|_ZN3c1017RegisterOperators"
            r"|_ZN3c106detail12infer_schema"
        ),
        what=(
            "c10::KernelFunction got a further member in torch 2.9.0, and operators are "
            "registered with objects that hold one"
        ),
        source=(
            "ATen/core/boxing/KernelFunction.h in the wheels of torch 2.8.0 and 2.9.1, "
            "read 2026-11-20"
        ),
    ),
)


def find_silent_break(
    names: Iterable[str], *, built_for: Iterable[str], torch: str
) -> tuple[SilentBreak, bool] | None:
    """Return the break that lies between the torch it was built for and *torch*.

    With it comes whether that is certain: all releases of *built_for* lie on the other side.
    None where nothing is known to have changed, or where nothing tells what it was built for.

    Args:
        names: Names of torch that the extension needs.
        built_for: Releases it may have been built against.
        torch: Release it would be loaded beside.
    """
    needed, releases = list(names), [Version(version) for version in built_for]
    beside = Version(Version(torch).public)
    for each in SILENT_BREAKS:
        since = Version(each.since)
        other_side = [(release < since) != (beside < since) for release in releases]
        if any(other_side) and each.concerns(needed):
            return each, all(other_side)
    return None
