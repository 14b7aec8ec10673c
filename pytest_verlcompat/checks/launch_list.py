"""What many launch scripts of several releases need to start under another one, as one list.

Equal changes of one release are one line, with the number of scripts that need it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.launch_environment import judge_settings
from pytest_verlcompat.checks.launch_migration import migrate
from pytest_verlcompat.checks.launch_script import load_script
from pytest_verlcompat.errors import VerlcompatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from packaging.version import Version

    from pytest_verlcompat.checks.config_surface import KeyFinding
    from pytest_verlcompat.wheels.config_facts import ConfigFacts

NO_TRAINER = "no trainer"
NOT_JUDGED = "not judged"
"""The script starts something else, or brings a configuration that no wheel holds."""
SETTING = "setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change that scripts of a release need."""

    old: str
    """Release that the scripts were written for."""
    key: str
    """Override with its sign and without its value, module or environment variable."""
    state: str
    """What the new release makes of it."""
    message: str
    becomes: str | None
    """What to write instead; empty to leave it out, ``None`` where a person has to see."""
    was_refused: bool
    """Whether the old release refused it as well."""
    scripts: int
    first: str
    """File and line of the first script that needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The release to go to."""

    facts: ConfigFacts
    history: Sequence[ConfigFacts]
    """Configurations of the releases before it, oldest first."""
    vllm: Version | None = None
    known: frozenset[str] = frozenset()
    """Environment variables that this engine declares."""


def list_changes(
    scripts: Iterable[Path], *, root: Path, old: ConfigFacts, target: Target
) -> tuple[list[Change], list[str]]:
    """Return the changes that *scripts*, written for *old*, need, and what could not be read.

    Args:
        scripts: Shell scripts below *root*.
    """
    counted: dict[tuple[str, str, str | None], Change] = {}
    unread: list[str] = []
    for path in sorted(scripts):
        where = path.relative_to(root).as_posix()
        try:
            found = list(_changes(path, where, old=old, target=target))
        except (VerlcompatError, OSError) as error:
            unread.append(f"{old.label}, {where}: {error}")
            continue
        for key, change in {_identity(change): change for change in found}.items():
            known = counted.get(key)
            counted[key] = change if known is None else replace(known, scripts=known.scripts + 1)
    return sorted(counted.values(), key=lambda each: (each.key.lstrip("+~"), each.state)), unread


def _identity(change: Change) -> tuple[str, str, str | None]:
    return change.key, change.state, change.becomes


def _changes(path: Path, where: str, *, old: ConfigFacts, target: Target) -> Iterator[Change]:
    script = load_script(path)
    if not script.launches:
        return
    plain = Change(
        old=old.version,
        key="",
        state="",
        message="",
        becomes=None,
        was_refused=False,
        scripts=1,
        first="",
    )
    moved = migrate(script, old, target.facts, history=target.history)
    refused = {each.override for each in moved.inherited}
    for each in moved.changes:
        yield replace(
            plain,
            key=f"{each.override.sign}{each.override.key}",
            state=each.state.value,
            message=each.message,
            becomes=_without_value(each),
            was_refused=each.override in refused,
            first=f"{where}:{each.override.line}",
        )
    for note in moved.notes:
        state = NO_TRAINER if note.startswith(target.facts.label) else NOT_JUDGED
        line = script.launches[0].line
        key = note.partition(";")[0]
        yield replace(plain, key=key, state=state, message=note, first=f"{where}:{line}")
    for found in judge_settings(script.settings, vllm=target.vllm, known=target.known):
        setting = found.setting
        yield replace(
            plain,
            key=setting.name,
            state=SETTING,
            message=found.message,
            first=f"{where}:{setting.line}",
        )


def _without_value(finding: KeyFinding) -> str | None:
    text = finding.replacement
    return None if text is None else text.partition("=")[0]


def as_record(change: Change, *, new: str) -> Mapping[str, object]:
    """Return *change* as plain JSON values; what is unknown is left out."""
    body: dict[str, object] = {
        "schema": 1,
        "from": change.old,
        "to": new,
        "key": change.key,
        "state": change.state,
        "becomes": change.becomes,
        "was_refused": change.was_refused or None,
        "scripts": change.scripts,
        "first": change.first,
        "message": change.message,
    }
    return {key: value for key, value in body.items() if value is not None}


def render_changes(changes: Sequence[Change], *, new: str, command: str) -> str:
    """Return the list as Markdown, a table per release, the newest first."""
    lines = [
        f"# What verl's example scripts need to start under verl {new}",
        "",
        f"Written by `{command}`.",
        "The scripts are the `examples` of each release's tag, read and never run.",
        "A line counts the scripts that need the same change.",
    ]
    for old in dict.fromkeys(change.old for change in reversed(changes)):
        mine = [change for change in changes if change.old == old]
        lines += ["", f"## From verl {old}: {len(mine)} changes", ""]
        lines += ["| write | instead of | scripts | why |", "|---|---|---|---|"]
        lines += [_row(change) for change in mine]
    return "\n".join(lines) + "\n"


def _row(change: Change) -> str:
    becomes = "see why" if change.becomes is None else f"`{change.becomes}`"
    if change.becomes == "":
        becomes = "nothing"
    why = change.message.replace("|", "\\|")
    if change.was_refused:
        why += f" (verl {change.old} refuses it as well)"
    return f"| {becomes} | `{change.key}` | {change.scripts} | {why} |"
