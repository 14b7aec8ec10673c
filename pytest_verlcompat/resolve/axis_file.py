"""Write what discovery found into ``matrix/axes/<axis>.toml``, and say what is new.

Lines a person added stay: the head of the file, the ``source`` of a value, and values that
the index does not list any more, which get ``deleted = true`` instead of vanishing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from pytest_verlcompat.model.axis import Axis
    from pytest_verlcompat.resolve.discover import Found

_HEADER = (
    "# Written by `verlcompat discover`. The head and each `source` are edited by hand and stay.\n"
)
_NOTES = ("uploaded", "installable", "requires-python", "glibc", "tags", "extras", "pins")
"""Keys of a value, in the order they are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a refresh did to one axis."""

    axis: str
    added: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Version to sentences about what is different now."""
    deleted: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    """Version to the reason why its metadata is unknown."""
    undated: bool = False
    """True if the index gives no upload dates."""
    moves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Added version to what it requires otherwise than the release before it."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.added or self.changed or self.deleted)


def facts_of(found: Found) -> dict[str, Any]:
    """Return the facts of a value as the axis file holds them; unknown ones are left out."""
    uploaded = found.uploaded.isoformat() if found.uploaded else None
    installable = found.installable.isoformat() if found.installable else None
    facts: dict[str, Any] = {
        "uploaded": uploaded,
        "installable": installable if installable != uploaded else None,
        "requires-python": found.requires_python,
        "glibc": found.glibc,
        "tags": list(found.tags) or None,
        "extras": None if found.extras is None else list(found.extras),
        "pins": None if found.pins is None else list(found.pins),
        "yanked": True if found.yanked else None,
        "sdist-only": True if found.sdist_only else None,
    }
    return {key: value for key, value in facts.items() if value is not None}


def refresh(axis: Axis, found: Sequence[Found], *, unread: Mapping[str, str]) -> tuple[str, Change]:
    """Return the new text of the axis file and what changed in it."""
    known = {value.text: value for value in axis.values}
    facts = {each.version: facts_of(each) for each in found}
    rows: dict[str, dict[str, Any]] = {}
    changed: dict[str, tuple[str, ...]] = {}
    for version in sorted({*known, *facts}, key=Version):
        old = dict(known[version].facts or {}) if version in known else {}
        new = facts.get(version, {**old, "deleted": True})
        for key in ("pins", "extras"):
            if key not in new and key in old:
                new[key] = old[key]
        source = known[version].source if version in known else None
        rows[version] = {**({"source": source} if source else {}), **new}
        if version in known and (told := _differences(old, new)):
            changed[version] = told
    added = tuple(version for version in facts if version not in known)
    change = Change(
        axis=axis.name,
        added=added,
        changed=changed,
        deleted=tuple(
            version
            for version, row in rows.items()
            if row.get("deleted") and not (known[version].facts or {}).get("deleted")
        ),
        unread=dict(unread),
        undated=bool(found) and all(each.uploaded is None for each in found),
        moves={version: _moves(version, rows) for version in added},
    )
    return _render(axis, rows), change


def render_summary(changes: Sequence[Change], *, day: dt.date, cells: Mapping[str, int]) -> str:
    """Return the Markdown that goes with a refresh: what is new, and what it changes."""
    lines = [f"# Discovery of {day}", ""]
    for change in changes:
        if change.is_empty and not change.unread and not change.undated:
            lines += [f"- {change.axis}: nothing new"]
            continue
        lines += [f"## {change.axis}", ""]
        if change.undated:
            lines += ["The index gives no upload dates: cells of a day become untested.", ""]
        for version in change.added:
            lines.append(
                f"- **{version}** is new: {cells[change.axis]} cells of the space, all untested"
            )
            lines += [f"  - {move}" for move in change.moves.get(version, ())]
        for version, told in change.changed.items():
            lines += [f"- {version} changed: {'; '.join(told)}"]
        lines += [
            f"- {version} is gone from the index; it stays, marked" for version in change.deleted
        ]
        lines += [f"- {version}: metadata unknown: {why}" for version, why in change.unread.items()]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return sentences about keys that were known and are different now."""
    told = []
    for key in dict.fromkeys((*old, *new)):
        if key in {"uploaded", "installable"} and key not in old:
            continue
        if old and old.get(key) != new.get(key):
            told.append(f"{key} {_short(old.get(key))} -> {_short(new.get(key))}")
    return tuple(told)


def _moves(version: str, rows: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    earlier = [each for each in rows if Version(each) < Version(version)]
    if not earlier:
        return ()
    before, now = rows[max(earlier, key=Version)], rows[version]
    told = [
        f"{key} {_short(before.get(key))} -> {_short(now.get(key))}"
        for key in ("requires-python", "glibc")
        if before.get(key) != now.get(key)
    ]
    old, new = _by_name(before.get("pins", ())), _by_name(now.get("pins", ()))
    if "pins" in before and "pins" in now:
        told += [
            f"requires {new.get(name) or f'no {name}'} (before: {old.get(name) or f'no {name}'})"
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        ]
    return tuple(told)


def _by_name(pins: Sequence[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for pin in pins:
        found.setdefault(canonicalize_name(Requirement(pin).name), []).append(pin)
    return {name: " and ".join(sorted(texts)) for name, texts in found.items()}


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 -- one line of a diff


def _render(axis: Axis, rows: Mapping[str, Mapping[str, Any]]) -> str:
    head = {
        "kind": axis.kind.value,
        "distribution": axis.distribution,
        "label": axis.label,
        "place": axis.place,
        "source": axis.source,
        "default": axis.default,
    }
    lines = [_HEADER.rstrip("\n")]
    lines += [f"{key} = {_toml(value)}" for key, value in head.items() if value is not None]
    for version, row in rows.items():
        lines += ["", "[[values]]", f"value = {_toml(version)}"]
        ordered = sorted(row, key=lambda key: (_NOTES.index(key) if key in _NOTES else -1, key))
        lines += [f"{key} = {_toml(row[key])}" for key in ordered]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Return *value* in TOML; a long list has an item a line, for small diffs."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = [_toml(each) for each in value]
        line = f"[{', '.join(items)}]"
        return line if len(line) <= 90 else "[\n" + "".join(f"  {item},\n" for item in items) + "]"  # noqa: PLR2004 -- as wide as the rest
    return json.dumps(value, ensure_ascii=False)
