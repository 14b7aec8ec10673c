"""The points between a good and a bad end: releases of a distribution, or days."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_verlcompat.advise.bisect_builds import DATE
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.index import IndexClient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_verlcompat.wheels.index import IndexFile

_ONE = dt.timedelta(days=1)


def find_points(axis: str, *, good: str, bad: str) -> tuple[str, ...]:
    """Return the points of *axis* from *good* to *bad*, both included, in that order.

    Raises:
        UsageError: If an end is no release or day, or both are the same.
        IndexUnavailableError: If the index does not list the releases.
    """
    if axis == DATE:
        return days_between(_day(good), _day(bad))
    client = IndexClient.configured()
    return releases_between(client.releases(axis), axis, good=_version(good), bad=_version(bad))


def days_between(good: dt.date, bad: dt.date) -> tuple[str, ...]:
    """Return every day from *good* to *bad*; a bad day that is the earlier one comes last too."""
    if good == bad:
        raise UsageError(f"good and bad are the same day, {good}")
    step = _ONE if bad > good else -_ONE
    count = abs((bad - good).days) + 1
    return tuple((good + step * number).isoformat() for number in range(count))


def releases_between(
    files: Iterable[IndexFile], name: str, *, good: Version, bad: Version
) -> tuple[str, ...]:
    """Return the releases with an unyanked file from *good* to *bad*.

    Previews are left out unless one of the ends is one.
    """
    if good == bad:
        raise UsageError(f"good and bad are the same release, {name} {good}")
    previews = good.is_prerelease or bad.is_prerelease
    low, high = min(good, bad), max(good, bad)
    found = sorted(
        {
            file.version
            for file in files
            if low <= file.version <= high
            and not file.yanked
            and (previews or not file.version.is_prerelease)
        }
    )
    for end in (good, bad):
        if end not in found:
            known = ", ".join(map(str, found[:4])) or "none"
            raise UsageError(f"the index has no {canonicalize_name(name)} {end}; it has {known}")
    return tuple(map(str, found if bad > good else reversed(found)))


def newest_release(axis: str) -> str:
    """Return the newest final release of *axis*; for the date the day that is complete.

    Raises:
        UsageError: If the index has none.
        IndexUnavailableError: If the index does not list the releases.
    """
    if axis == DATE:
        return (dt.datetime.now(dt.timezone.utc).date() - _ONE).isoformat()
    final = [
        file.version
        for file in IndexClient.configured().releases(axis)
        if not file.yanked and not file.version.is_prerelease
    ]
    if not final:
        raise UsageError(f"the index has no {axis}")
    return str(max(final))


def check_axis(text: str) -> str:
    """Return the axis in one spelling.

    Raises:
        UsageError: If it cannot be the name of a distribution.
    """
    name = canonicalize_name(text)
    if not name.replace("-", "").isalnum() or os.sep in name:
        raise UsageError(f"axis {text!r} is neither 'date' nor the name of a distribution")
    return name


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a day like 2026-06-15") from error


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:
        raise UsageError(f"{text!r} is not a version like 0.22.1") from error
