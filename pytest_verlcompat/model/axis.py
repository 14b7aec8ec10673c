"""What can vary: an axis and the values it may take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class AxisKind(Enum):
    """What a value of an axis means."""

    DISTRIBUTION = "distribution"
    """A release of a distribution, pinned with ``==``."""
    PYTHON = "python"
    """A minor version of CPython."""
    DATE = "date"
    """The day resolution is made as of: files uploaded later do not exist."""
    PLATFORM = "platform"
    """A uv platform triple, which names architecture and C library."""
    OBSERVED = "observed"
    """Follows from the lock and is only reported; no cell may pin it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisValue:
    """One value and where it is known from."""

    text: str
    source: str | None = None
    facts: Mapping[str, object] | None = None
    """What discovery read about it: upload day, ``requires-python``, tags, pins, yanked."""

    @property
    def day(self) -> str | None:
        """Day from which every wheel for x86-64 Linux was there; None if the index told none."""
        facts = self.facts or {}
        day = facts.get("installable", facts.get("uploaded"))
        return None if day is None else str(day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis; its place decides where its value stands in a cell id."""

    name: str
    kind: AxisKind
    place: int
    label: str
    """What precedes the value in a cell id; may be empty."""
    source: str
    values: tuple[AxisValue, ...]
    distribution: str | None = None
    default: str | None = None
    """The value of a cell that names none; it is left out of the cell id."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as they are written."""
        return tuple(value.text for value in self.values)
