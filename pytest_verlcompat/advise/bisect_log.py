"""What a bisection has found out so far, a line a look, so that it can be gone on with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.bisect import Word
from pytest_verlcompat.resolve.lines import append_line, read_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One point that was looked at."""

    point: str
    """A release, or a day."""
    word: Word
    why: str
    """Cause of what failed, or why it was skipped; empty where it is good."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Everything installed; empty where nothing could be resolved."""
    built: bool = False
    """Whether an environment was built for it."""
    duration_s: float = 0.0


def load_looks(path: Path) -> dict[str, Look]:
    """Return the looks in *path* by point; a torn line is one look less."""
    found: dict[str, Look] = {}
    for _, line in read_lines(path) if path.exists() else ():
        try:
            body = json.loads(line)
            look = Look(
                point=body["point"],
                word=Word(body["word"]),
                why=body["why"],
                versions=body["versions"],
                built=body["built"],
                duration_s=body["duration_s"],
            )
        except (ValueError, KeyError, TypeError):
            continue
        found[look.point] = look
    return found


def append_look(look: Look, path: Path) -> None:
    """Add *look* to *path*."""
    body = {
        "schema": SCHEMA_VERSION,
        "point": look.point,
        "word": look.word.value,
        "why": look.why,
        "built": look.built,
        "duration_s": round(look.duration_s, 1),
        "versions": dict(look.versions),
    }
    append_line(path, json.dumps(body, separators=(",", ":"), ensure_ascii=False))


def changed_between(before: Look, after: Look) -> tuple[str, ...]:
    """Return ``name old -> new`` for what differs, in name order."""
    names = sorted({*before.versions, *after.versions})
    return tuple(
        f"{name} {before.versions.get(name, 'none')} -> {after.versions.get(name, 'none')}"
        for name in names
        if before.versions.get(name) != after.versions.get(name)
    )
