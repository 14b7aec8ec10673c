"""The time of day as records have it."""

from __future__ import annotations

import datetime as dt


def timestamp() -> str:
    """Return this moment: UTC, to the microsecond, so that no two records of a run are equal."""
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
