"""One thing the doctor says, and how much it weighs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is; order is declaration order, worst first."""

    BREAKS = "breaks"
    """It will fail as soon as that path is taken."""
    RISK = "risk"
    """It may fail, or fails on some paths only."""
    UNTESTED = "untested"
    """It was not tried, and why."""
    FINE = "fine"
    """Looked at and found in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A finding with its remedies."""

    code: str
    """Stable: an id of the catalogue, or a word such as ``duplicate-distribution``."""
    level: Level
    title: str
    detail: str
    """What was seen, on which it rests."""
    remedies: tuple[str, ...] = ()
    """Commands or settings, best first; empty for what is fine."""
    costs: tuple[str, ...] = ()
    """What each remedy costs, in the same order."""
