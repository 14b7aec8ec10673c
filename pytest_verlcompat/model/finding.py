"""What a static check says about a stack it only read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_verlcompat.model.cause import Cause


class Weight(Enum):
    """How much a finding weighs."""

    BROKEN = "broken"
    """Certain: it fails as soon as the path is taken, and the path is always taken."""
    SUSPECT = "suspect"
    """Likely, or only on some paths."""
    UNKNOWN = "unknown"
    """Could not be decided; never shown as good or bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a check found, with both sides."""

    code: str
    """Stable code of the kind of finding, e.g. ``missing-name``, ``undefined-symbol``."""
    weight: Weight
    consumer: str
    """Who needs it: ``verl 0.6.1``."""
    provider: str
    """Who should have it: ``vllm 0.11.0``."""
    cause: Cause
    since: str | None = None
    """First provider release with this finding, where a range of releases was read."""
    until: str | None = None
    """Last provider release with this finding, where a range of releases was read."""
