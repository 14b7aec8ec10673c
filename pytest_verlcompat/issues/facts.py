"""What is known of one environment, and whether a condition of an entry holds in it.

A condition is a table of keys that must all hold. Keys are distributions (a PEP 440
specifier, ``*`` for installed, ``absent``), ``python``, ``glibc``, ``driver``,
``compute-capability``, ``nofile``, ``shm-mib`` and ``cpus`` (specifiers), ``cuda-wheels``
(``mixed``), ``architecture`` (a word), ``module:NAME``, ``program:NAME``, ``library:NAME`` and
``command:NAME`` of a launch script (``present``, ``absent``), ``env:NAME`` and ``option:KEY`` of a
launch script (``set``, ``unset``, ``= VALUE``, ``contains WORD``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBER_KEYS = ("python", "glibc", "driver", "compute-capability", "nofile", "shm-mib", "cpus")
"""Keys besides distributions whose value is a specifier."""

WORD_KEYS = ("architecture", "cuda-wheels")
"""Keys whose value is one word that must be equal."""

PLACES = ("module:", "program:", "library:", "command:")
"""Beginnings of keys that ask whether something is there."""
_VALUES = ("env:", "option:")
_PRESENCE = {"present": True, "absent": False}


class Holds(Enum):
    """Whether a condition holds, as far as one can tell."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """Something the condition speaks of is not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of an environment; what is not known is simply not there."""

    versions: Mapping[str, Version] = field(default_factory=dict)
    """Installed version by normalized distribution name."""
    complete: bool = False
    """Whether `versions` is all there is, so that a name it lacks is not installed."""
    numbers: Mapping[str, Version] = field(default_factory=dict)
    """Values of `NUMBER_KEYS`."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Values of `WORD_KEYS`."""
    env: Mapping[str, str] | None = None
    """Environment variables; ``None`` where they are not known."""
    options: Mapping[str, str] | None = None
    """Options that a launch script gives to the trainer; ``None`` where there is no script."""
    modules: Mapping[str, bool] = field(default_factory=dict)
    """Whether a module, program or library is there, by key: ``module:apex``."""


def condition_problem(key: str, value: object) -> str | None:
    """Return what is wrong with one key of a condition, or ``None``."""
    if not isinstance(value, str) or not value.strip():
        return "must be a word or a specifier in quotes"
    if key.startswith(_VALUES):
        first, *more = value.split()
        fine = value in {"set", "unset"} or (first in {"=", "contains"} and more)
        return None if fine else "must be set, unset, '= VALUE' or 'contains WORD'"
    if key.startswith(PLACES):
        return None if value in _PRESENCE else "must be present or absent"
    return None if key in WORD_KEYS else _specifier_problem(key, value)


def _specifier_problem(key: str, value: str) -> str | None:
    if key not in NUMBER_KEYS:
        if canonicalize_name(key) != key:
            return f"must be written {canonicalize_name(key)}, the normalized name"
        if value in {"*", "absent"}:
            return None
    try:
        SpecifierSet(value)
    except InvalidSpecifier:
        return f"{value!r} is not a PEP 440 specifier"
    return None


def holds(condition: Mapping[str, str], facts: Facts) -> Holds:
    """Return whether every key of *condition* holds; one that fails settles it."""
    answers = {_key_holds(key, value, facts=facts) for key, value in condition.items()}
    if Holds.NO in answers:
        return Holds.NO
    return Holds.UNKNOWN if Holds.UNKNOWN in answers else Holds.YES


def any_holds(alternatives: tuple[Mapping[str, str], ...], facts: Facts) -> Holds:
    """Return whether one of *alternatives* holds; unknown where there is none."""
    answers = {holds(each, facts) for each in alternatives}
    if Holds.YES in answers:
        return Holds.YES
    return Holds.UNKNOWN if Holds.UNKNOWN in answers or not answers else Holds.NO


def parse_version(text: str) -> Version | None:
    """Return *text* as a version, or ``None`` where it is none."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _key_holds(key: str, value: str, *, facts: Facts) -> Holds:
    if key.startswith(_VALUES):
        kind, _, name = key.partition(":")
        return _value_holds(name, value, values=facts.env if kind == "env" else facts.options)
    if key.startswith(PLACES):
        known = facts.modules.get(key)
        return Holds.UNKNOWN if known is None else _truth(known is _PRESENCE[value])
    if key in WORD_KEYS:
        word = facts.words.get(key)
        return Holds.UNKNOWN if word is None else _truth(word == value)
    if key in NUMBER_KEYS:
        number = facts.numbers.get(key)
        return Holds.UNKNOWN if number is None else _truth(_inside(number, value))
    return _distribution_holds(key, value, facts=facts)


def _distribution_holds(name: str, value: str, *, facts: Facts) -> Holds:
    version = facts.versions.get(name)
    if version is None:
        return _truth(value == "absent") if facts.complete else Holds.UNKNOWN
    return _truth(value == "*" or (value != "absent" and _inside(version, value)))


def _value_holds(name: str, value: str, *, values: Mapping[str, str] | None) -> Holds:
    if values is None:
        return Holds.UNKNOWN
    found = values.get(name)
    if value in {"set", "unset"}:
        return _truth(bool(found) is (value == "set"))
    operator, _, wanted = value.partition(" ")
    if found is None:
        return Holds.NO
    return _truth(found == wanted.strip() if operator == "=" else wanted.strip() in found)


def _truth(value: object) -> Holds:
    return Holds.YES if value else Holds.NO


@lru_cache(maxsize=4096)
def _specifier(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def _inside(version: Version, specifier: str) -> bool:
    # A development build is taken for the release it will become; a local version never matters.
    release = Version(version.base_version) if version.is_prerelease else version
    return _specifier(specifier).contains(release)
