"""Read from a simple page only which version came on which day: fast, for hundreds of pages.

The index client keeps everything about every file; for a page of four thousand files that
takes seconds. The rule about stale dependencies asks about every member of every set.
"""

from __future__ import annotations

import datetime as dt
import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import IndexUnavailableError
from pytest_verlcompat.wheels.transport import redact_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.wheels.transport import Answer

_NAME_AND_VERSION = 2


def parse_uploads(answer: Answer) -> dict[Version, dt.date]:
    """Return the first upload day of each final, unyanked release that has a wheel.

    Raises:
        IndexUnavailableError: If the page is cut, or no list of files.
    """
    is_json = answer.headers.get("content-type", "").partition(";")[0].endswith("json")
    try:
        files = _json_files(answer.body) if is_json else _html_files(answer.body)
    except (ValueError, TypeError, KeyError) as error:
        raise IndexUnavailableError(
            "the page cannot be parsed; it may be truncated", where=redact_url(answer.url)
        ) from error
    return _first_days(files)


def _json_files(body: bytes) -> list[tuple[str, str | None, bool]]:
    listed: list[dict[str, Any]] = json.loads(body)["files"]
    return [(f["filename"], f.get("upload-time"), bool(f.get("yanked"))) for f in listed]


def _html_files(body: bytes) -> list[tuple[str, str | None, bool]]:
    text = body.decode("utf-8", errors="replace")
    if "<html" in text and "</html" not in text:
        raise ValueError("cut")
    parser = _Links()
    parser.feed(text)
    parser.close()
    return parser.files


class _Links(HTMLParser):
    """Collects file name, upload time and whether it is yanked, of each link."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[tuple[str, str | None, bool]] = []
        self._link: Mapping[str, str | None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._link = dict(attrs) if tag == "a" else self._link

    def handle_data(self, data: str) -> None:
        if self._link is not None and data.strip():
            stamp = self._link.get("data-upload-time")
            self.files.append((data.strip(), stamp, "data-yanked" in self._link))
            self._link = None


def _first_days(files: Iterable[tuple[str, str | None, bool]]) -> dict[Version, dt.date]:
    days: dict[str, str] = {}
    for filename, stamp, yanked in files:
        parts = filename.split("-")
        if yanked or not stamp or not filename.endswith(".whl") or len(parts) < _NAME_AND_VERSION:
            continue
        days[parts[1]] = min(stamp[:10], days.get(parts[1], stamp[:10]))
    found: dict[Version, dt.date] = {}
    for text, day in days.items():
        try:
            version = Version(text.replace("_", "+"))
            moment = dt.date.fromisoformat(day)
        except (InvalidVersion, ValueError):
            continue
        if not version.is_prerelease:
            found[version] = min(moment, found.get(version, moment))
    return found
