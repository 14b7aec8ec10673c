"""Rung one of a pair for ``verlcompat check``: does a set of versions satisfy the metadata?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ToolMissingError
from pytest_verlcompat.resolve.uv import call_uv

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMEOUT_S = 120.0
_PLATFORM = "x86_64-manylinux_2_35"
_MOST_LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What the resolver says."""

    state: str
    """``passed``, ``failed`` or ``untested``."""
    reason: str = ""
    """The resolver's own explanation, or why it was not asked."""


def resolve_pair(requirements: Sequence[str], *, python: str = "3.12") -> Resolved:
    """Return whether uv finds a solution for *requirements* today."""
    words = ["pip", "compile", "GIVEN", "--python-version", python, "--no-header", "--quiet",
             "--python-platform", _PLATFORM, "--no-annotate"]  # fmt: skip
    try:
        ended = call_uv(words, timeout_s=_TIMEOUT_S, files={"GIVEN": list(requirements)})
    except ToolMissingError as error:
        return Resolved(state="untested", reason=str(error))
    if ended.exit_status == 0:
        return Resolved(state="passed")
    lines = [line.strip() for line in ended.messages.splitlines() if line.strip()]
    text = " ".join(lines[:_MOST_LINES])
    if ended.timed_out or ended.index_unreachable or "No solution found" not in ended.messages:
        return Resolved(state="untested", reason=f"uv gave no answer: {text or 'no message'}")
    return Resolved(state="failed", reason=text)
