"""What the resolver is asked, and what came back: two records, no process, no file."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

POLICY = 1
"""Raised whenever the way of asking changes, which makes every earlier answer out of date."""

PYTHON_PATCHES: Mapping[str, str] = {
    "3.10": "3.10.19",
    "3.11": "3.11.14",
    "3.12": "3.12.12",
    "3.13": "3.13.9",
}
"""Markers compare full versions; without a patch release uv would answer for 3.x.0."""

DEFAULT_PLATFORM = "x86_64-manylinux_2_35"


class Resolution(Enum):
    """How a question to the resolver ended."""

    RESOLVED = "resolved"
    UNRESOLVABLE = "unresolvable"
    """The metadata has no solution; proven by the resolver."""
    ERRORED = "errored"
    """Index, network or resolver failed; says nothing about the versions."""
    NOT_ATTEMPTED = "not attempted"
    """It was clear beforehand that no answer would mean anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One set of requirements, for one Python and platform, as of one day."""

    requirements: tuple[str, ...]
    python: str
    """Minor version: ``3.12``."""
    platform: str = DEFAULT_PLATFORM
    """uv's platform triple; ``x86_64-manylinux_2_35`` stands for glibc 2.35."""
    as_of: dt.date | None = None
    """Files uploaded up to the end of this day (UTC) exist; ``None`` means all there are."""

    @property
    def newest(self) -> str | None:
        """The instant from which uploads are left out, as uv writes it."""
        return None if self.as_of is None else f"{self.as_of + dt.timedelta(days=1)}T00:00:00Z"

    def digest(self, resolver: str) -> str:
        """Return 16 hex digits that name this question to that *resolver*."""
        body = [*self.requirements, self.python, self.platform, self.newest, resolver, POLICY]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the resolver made of a question."""

    resolution: Resolution
    picks: Mapping[str, str] = field(default_factory=dict)
    """Every distribution of the set and its version; empty unless resolved."""
    via: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who in the set asked for it; empty for what the question itself asked for."""
    sdists: tuple[str, ...] = ()
    """``name==version`` of those that have no wheel and would be built."""
    why: tuple[str, ...] = ()
    """The decisive sentences of the explanation, or what went wrong."""
    between: tuple[str, ...] = ()
    """Distributions those sentences name, in their order."""
    duration_s: float = 0.0
    """Wall clock, all attempts together."""

    @property
    def set_digest(self) -> str | None:
        """16 hex digits of the sorted ``name==version`` lines; ``None`` unless resolved."""
        if self.resolution is not Resolution.RESOLVED:
            return None
        lines = "\n".join(f"{name}=={version}" for name, version in sorted(self.picks.items()))
        return hashlib.sha256(lines.encode()).hexdigest()[:16]


def parse_requirements(texts: Sequence[str]) -> tuple[str, ...]:
    """Return *texts* in one spelling.

    Raises:
        UsageError: If one is not PEP 508, or names an address or a file instead of an index.
    """
    found = []
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise UsageError(
                f"{text!r} is not a requirement; write it like 'vllm==0.11.0'"
            ) from error
        if requirement.url:
            raise UsageError(
                f"{text!r} names an address; only releases of the package index are resolved"
            )
        requirement.name = canonicalize_name(requirement.name)
        found.append(str(requirement))
    return tuple(found)
