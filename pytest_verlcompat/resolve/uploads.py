"""Read from a simple page only names, days, digests and yanks: fast, for hundreds of pages.

The index client keeps everything about every file; for a page of four thousand files that
takes seconds. The rule about stale dependencies asks about every member of every set, and so
does the run that looks whether the index still says what it said.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import IndexUnavailableError
from pytest_verlcompat.wheels.transport import redact_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.wheels.transport import Answer

_NAME_AND_VERSION = 2
_SHA256_DIGITS = 64


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One link of a simple page."""

    filename: str
    stamp: str | None
    """When it was uploaded, as the index writes it: the day first."""
    yanked: bool
    sha256: str | None


def parse_uploads(answer: Answer) -> dict[Version, dt.date]:
    """Return the first upload day of each final, unyanked release that has a wheel.

    Raises:
        IndexUnavailableError: If the page is cut, or no list of files.
    """
    return _first_days(parse_files(answer))


def parse_files(answer: Answer) -> list[ListedFile]:
    """Return every link of a simple page, in its order.

    Raises:
        IndexUnavailableError: If the page is cut, or no list of files.
    """
    is_json = answer.headers.get("content-type", "").partition(";")[0].endswith("json")
    try:
        return _json_files(answer.body) if is_json else _html_files(answer.body)
    except (ValueError, TypeError, KeyError) as error:
        raise IndexUnavailableError(
            "the page cannot be parsed; it may be truncated", where=redact_url(answer.url)
        ) from error


def _json_files(body: bytes) -> list[ListedFile]:
    listed: list[dict[str, Any]] = json.loads(body)["files"]
    return [
        ListedFile(
            each["filename"],
            each.get("upload-time"),
            # A reason may be the empty string; only False says that it is not yanked.
            each.get("yanked", False) is not False,
            each.get("hashes", {}).get("sha256"),
        )
        for each in listed
    ]


def _html_files(body: bytes) -> list[ListedFile]:
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
        self.files: list[ListedFile] = []
        self._link: Mapping[str, str | None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._link = dict(attrs) if tag == "a" else self._link

    def handle_data(self, data: str) -> None:
        if self._link is not None and data.strip():
            stamp = self._link.get("data-upload-time")
            digest = (self._link.get("href") or "").rpartition("#sha256=")[2]
            self.files.append(
                ListedFile(
                    data.strip(),
                    stamp,
                    "data-yanked" in self._link,
                    digest if len(digest) == _SHA256_DIGITS else None,
                )
            )
            self._link = None


def _first_days(files: Iterable[ListedFile]) -> dict[Version, dt.date]:
    days: dict[str, str] = {}
    for file in files:
        parts, stamp = file.filename.split("-"), file.stamp
        is_wheel = file.filename.endswith(".whl") and len(parts) >= _NAME_AND_VERSION
        if file.yanked or not stamp or not is_wheel:
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
