"""The whole space: every verl release with every engine release, and how each is asked.

A cell of the space is not a declared cell of the matrix. It needs no file: it follows from
the axes, and it is asked for what the metadata says, nothing more.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.errors import MatrixError
from pytest_verlcompat.matrix.expand import GRACE
from pytest_verlcompat.resolve.question import Question

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_verlcompat.model.axis import Axis, AxisValue

_GLIBC = re.compile(r"2\.[0-9]+")

PLATFORM_PREFIX = "x86_64-manylinux_2_"

PYTHONS = ("3.10", "3.11", "3.12", "3.13")

GLIBCS = ("2.28", "2.31", "2.35")
"""Lowest first: RHEL 8, Debian 11, Ubuntu 22.04."""


class Form(Enum):
    """What users type."""

    EXTRA = "extra"
    """``verl[vllm]==X vllm==Y``: what verl's documentation says."""
    BARE = "bare"
    """``verl==X vllm==Y``: past the range that the extra declares."""


class When(Enum):
    """Which days' releases a cell may use."""

    RELEASE = "release"
    """Up to the day after the newer of the two came out."""
    TODAY = "today"
    """Up to the last complete day (UTC) before the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One value of a release axis, with what discovery knows about it."""

    version: str
    installable: dt.date | None
    """Day from which every wheel for x86-64 Linux was there; None if the index gives no dates."""
    extras: tuple[str, ...] | None = None
    """Extras its metadata declares; None if unknown."""
    pins: tuple[str, ...] = ()
    """Its requirements on other axes, as far as they are known."""
    glibc: str | None = None
    """Lowest glibc that one of its wheels asks for; None for pure Python, or if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceCell:
    """One combination of the space."""

    verl: str
    engine: str
    """``vllm`` or ``sglang``."""
    release: str
    """Version of the engine."""
    form: Form
    python: str
    glibc: str
    """``2.35``."""
    when: When

    @property
    def id(self) -> str:
        """Its values in axis order; no date, so that it stays the same cell tomorrow."""
        return (
            f"verl{self.verl}-{self.engine}{self.release}-{self.form.value}"
            f"-python{self.python}-glibc{self.glibc}-{self.when.value}"
        )

    @property
    def requirements(self) -> tuple[str, str]:
        """What is asked for."""
        extra = f"[{self.engine}]" if self.form is Form.EXTRA else ""
        return f"verl{extra}=={self.verl}", f"{self.engine}=={self.release}"

    def question(self, as_of: dt.date) -> Question:
        """Return what the resolver is asked about it."""
        return Question(
            requirements=self.requirements,
            python=self.python,
            platform=PLATFORM_PREFIX + self.glibc.removeprefix("2."),
            as_of=as_of,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of the space is meant; an empty field means all of it."""

    engines: Collection[str] = ("vllm", "sglang")
    pythons: Collection[str] = PYTHONS
    glibcs: Collection[str] = GLIBCS
    forms: Collection[Form] = tuple(Form)
    whens: Collection[When] = tuple(When)
    least: Mapping[str, str] | None = None
    """Lowest version per distribution: ``{"verl": "0.4", "vllm": "0.8.5"}``."""


def find_cells(
    releases: Mapping[str, tuple[Release, ...]], selection: Selection
) -> Iterator[SpaceCell]:
    """Yield the cells of *selection* in axis order."""
    for verl in _from(releases, "verl", selection):
        for engine in selection.engines:
            for release in _from(releases, engine, selection):
                for form in selection.forms:
                    for python in selection.pythons:
                        for glibc in selection.glibcs:
                            for when in selection.whens:
                                yield SpaceCell(
                                    verl=verl.version,
                                    engine=engine,
                                    release=release.version,
                                    form=form,
                                    python=python,
                                    glibc=glibc,
                                    when=when,
                                )


def day_of(
    cell: SpaceCell, releases: Mapping[str, tuple[Release, ...]], *, today: dt.date
) -> dt.date | None:
    """Return the day *cell* is asked about; None if the index told no dates."""
    if cell.when is When.TODAY:
        return today
    days = [
        find_release(releases, name, version).installable
        for name, version in (("verl", cell.verl), (cell.engine, cell.release))
    ]
    known = [day for day in days if day is not None]
    return min(max(known) + GRACE, today) if len(known) == len(days) else None


def why_not(cell: SpaceCell, releases: Mapping[str, tuple[Release, ...]]) -> str | None:
    """Return why asking about *cell* would mean nothing, or None if it should be asked."""
    extras = find_release(releases, "verl", cell.verl).extras
    if cell.form is Form.EXTRA and extras is not None and cell.engine not in extras:
        return f"verl {cell.verl} declares no extra {cell.engine!r}"
    return None


def find_release(releases: Mapping[str, tuple[Release, ...]], name: str, version: str) -> Release:
    """Return the release of *name* in *version*."""
    return next(each for each in releases[name] if each.version == version)


def releases_of(axis: Axis) -> tuple[Release, ...]:
    """Return the releases that *axis* declares, oldest version first.

    Raises:
        MatrixError: If a value carries a date or extras of another form than discovery writes.
    """
    found = [_release(value, where=f"axes/{axis.name}.toml") for value in axis.values]
    return tuple(sorted(found, key=lambda each: Version(each.version)))


def last_complete_day(now: dt.datetime) -> dt.date:
    """Return the UTC day before *now*'s: the last one to which nothing is added any more."""
    return now.astimezone(dt.timezone.utc).date() - dt.timedelta(days=1)


def _release(value: AxisValue, *, where: str) -> Release:
    facts = value.facts or {}
    day = value.day
    extras, pins = facts.get("extras"), facts.get("pins")
    key = f"{where}: values[{value.text}]"
    try:
        installable = None if day is None else dt.date.fromisoformat(day)
    except ValueError as error:
        raise MatrixError(f"{day!r} is not a day written YYYY-MM-DD", where=key) from error
    glibc = facts.get("glibc")
    if glibc is not None and not _GLIBC.fullmatch(str(glibc)):
        raise MatrixError(f"glibc is {glibc!r}; write it like 2.28", where=key)
    for name, listed in (("extras", extras), ("pins", pins)):
        if listed is not None and not isinstance(listed, list):
            raise MatrixError(f"{name} is {listed!r}; write a list of texts", where=key)
    return Release(
        version=value.text,
        installable=installable,
        extras=tuple(map(str, extras)) if isinstance(extras, list) else None,
        pins=tuple(map(str, pins)) if isinstance(pins, list) else (),
        glibc=None if glibc is None else str(glibc),
    )


def _from(
    releases: Mapping[str, tuple[Release, ...]], name: str, selection: Selection
) -> tuple[Release, ...]:
    floor = Version((selection.least or {}).get(name, "0"))
    return tuple(each for each in releases[name] if Version(each.version) >= floor)
