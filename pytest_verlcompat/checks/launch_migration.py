"""Take a launch script from one release to another, as a diff that a person reviews."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.config_surface import (
    KeyFinding,
    changed_defaults,
    judge_overrides,
    schema_for,
)
from pytest_verlcompat.checks.launch_judge import past_schemas
from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_verlcompat.checks.launch_script import Script
    from pytest_verlcompat.wheels.config_facts import ConfigFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What has to change between two releases."""

    old: str
    new: str
    changes: tuple[KeyFinding, ...]
    """Overrides that the new release does not take as they are."""
    inherited: tuple[KeyFinding, ...]
    """Those of them that the old release refused as well."""
    defaults: tuple[str, ...]
    """Defaults of another kind now, among keys that the script leaves alone."""
    notes: tuple[str, ...]


def migrate(
    script: Script, old: ConfigFacts, new: ConfigFacts, *, history: Sequence[ConfigFacts] = ()
) -> Migration:
    """Return what *script*, written for *old*, needs to start under *new*."""
    changes: list[KeyFinding] = []
    inherited: list[KeyFinding] = []
    defaults: list[str] = []
    notes: list[str] = []
    for launch in script.launches:
        try:
            before, after = schema_for(old, launch), schema_for(new, launch)
        except UsageError as error:
            notes.append(str(error))
            continue
        refused = {each.override for each in judge_overrides(launch, before)}
        found = judge_overrides(launch, after, history=past_schemas(launch, history))
        changes += found
        inherited += [each for each in found if each.override in refused]
        for key, (was, is_now) in changed_defaults(launch, old=before, new=after).items():
            defaults.append(f"{key}: {_short(was)} -> {_short(is_now)}")
    return Migration(
        old=old.label,
        new=new.label,
        changes=tuple(changes),
        inherited=tuple(inherited),
        defaults=tuple(dict.fromkeys(defaults)),
        notes=tuple(notes),
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= len("a short default value") * 2 else f"{text[:40]}…"


def migration_diff(migration: Migration, text: str, *, name: str) -> str:
    """Return the changes to the script *text* as a unified diff; empty if there are none.

    A key that is gone is taken out; one that may be a typing mistake is left as it is.
    """
    lines = text.splitlines(keepends=True)
    changed = list(lines)
    for change in migration.changes:
        index = change.override.line - 1
        if change.replacement is None or not 0 <= index < len(changed):
            continue
        before = f"{change.override.sign}{change.override.key}"
        after = change.replacement.partition("=")[0]
        changed[index] = _edited(changed[index], before, after)
    return "".join(
        difflib.unified_diff(lines, _without_gaps(changed), f"a/{name}", f"b/{name}", n=1)
    )


def _edited(line: str, before: str, after: str) -> str:
    """Return *line* with the key *before* replaced, or without its override."""
    start = line.find(before)
    if start < 0:
        return line
    if after:
        return line[:start] + after + line[start + len(before) :]
    end = start + len(before)
    quote = ""
    while end < len(line) and (quote or not line[end].isspace()):
        if line[end] in "\"'":
            quote = "" if quote == line[end] else quote or line[end]
        end += 1
    rest = line[:start].rstrip(" ") + " " + line[end:].lstrip(" ")
    return "\0" if rest.strip() in {"", "\\"} else rest


def _without_gaps(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if line != "\0"]
