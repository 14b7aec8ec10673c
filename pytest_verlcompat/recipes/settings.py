"""Which environment variables break or mend a locked stack, read from the known failures.

Nothing is listed here by hand but the entries that speak of a launch without naming a variable
in their conditions: which release is affected is stated once, in the catalogue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.issues.catalogue import Role, load_catalogue
from pytest_verlcompat.issues.facts import Facts, Holds, holds
from pytest_verlcompat.recipes.stack import parsed_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_verlcompat.issues.catalogue import Condition, Entry

ALSO = ("VC108", "VC110", "VC111")
"""Entries about how a launch is started, which holds whatever the variables are."""

_LINE = re.compile(
    r"export (?P<name>[A-Z][A-Z0-9_]*)=(?P<value>[A-Za-z0-9_.:,/-]*)"
    r"|unset (?P<names>[A-Z][A-Z0-9_]*(?: [A-Z][A-Z0-9_]*)*)"
    r"|ulimit -n (?P<files>\d+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line for the shell that starts Ray."""

    name: str
    """Variable, or ``ulimit -n``."""
    value: str | None
    """``None`` unsets it."""
    entry: str
    """Id of the known failure."""
    title: str
    cost: str
    only_if: str | None = None
    """Value, or part of the value with ``*`` around it, with which it is harmful; None: any."""


def find_settings(versions: Mapping[str, str], *, python: str) -> tuple[Setting, ...]:
    """Return what to set and unset for that stack, by the first entry that speaks of it."""
    facts = Facts(
        versions=dict(parsed_versions(versions)), complete=True, numbers={"python": Version(python)}
    )
    found: dict[str, Setting] = {}
    for entry in load_catalogue():
        if _matters(entry, facts):
            for setting in _settings(entry, facts):
                found.setdefault(setting.name, setting)
    return tuple(found.values())


def _matters(entry: Entry, facts: Facts) -> bool:
    if entry.id in ALSO:
        return any(holds(each, facts) is Holds.YES for each in entry.affected)
    return any(True for _ in _conditions(entry, facts))


def _conditions(entry: Entry, facts: Facts) -> Iterator[Condition]:
    """Yield the conditions about a launch that hold but for the launch itself."""
    for each in (*entry.affected, *entry.precheck.when):
        rest = {k: v for k, v in each.items() if not k.startswith("env:") and k != "nofile"}
        if len(rest) < len(each) and holds(rest, facts) is Holds.YES:
            yield each


def _settings(entry: Entry, facts: Facts) -> Iterator[Setting]:
    """Yield the lines of the first remedy that has any."""
    harmful = {
        key.removeprefix("env:"): _guard(value)
        for condition in _conditions(entry, facts)
        for key, value in condition.items()
        if key.startswith("env:")
    }
    for remedy in entry.remedies:
        lines = [line.strip() for line in remedy.do.strip().splitlines()]
        matches = [match for line in lines if (match := _LINE.fullmatch(line)) is not None]
        if not matches or holds(remedy.when, facts) is Holds.NO:
            continue
        for match in matches:
            yield from _of_line(match, entry, cost=remedy.cost, harmful=harmful)
        return


def _of_line(
    match: re.Match[str], entry: Entry, *, cost: str, harmful: Mapping[str, str | None]
) -> Iterator[Setting]:
    told = {"entry": entry.id, "title": entry.title, "cost": cost}
    if match["files"]:
        yield Setting(name="ulimit -n", value=match["files"], **told)
    elif match["name"] and entry.role is not Role.WARNING:
        yield Setting(name=match["name"], value=match["value"], **told)
    for name in (match["names"] or "").split():
        if name in harmful or entry.id in ALSO:
            yield Setting(name=name, value=None, only_if=harmful.get(name), **told)


def _guard(value: str) -> str | None:
    operator, _, wanted = value.partition(" ")
    if operator == "contains":
        return f"*{wanted}*"
    return wanted if operator == "=" else None
