"""What the index said about the releases that answers rest on, kept and compared by every run.

An answer holds as long as the files it was made from are there. ``read/`` beside the ledger
holds, per distribution and picked release, a digest of its file names, their digests
and whether they are yanked; under ``*`` the same of the whole page, for answers that rest on
what is not there. Files that came after the day of the reading do not count: no question of
that day sees them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.resolve.floors import floor_of, is_for_linux
from pytest_verlcompat.resolve.lines import append_line, read_lines
from pytest_verlcompat.resolve.uploads import ListedFile, parse_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_verlcompat.wheels.transport import Answer

FILE = Path("read", "releases.jsonl")
PAGE = "*"
"""Stands for every release of a distribution."""

_SCHEMA_VERSION = 1
_WORKERS = 8
_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The index says something else about a release than it did."""

    name: str
    version: str
    """``*`` for the page as a whole."""
    what: str
    """``is yanked``, ``is gone``, or ``has other files``."""


class Pages(Protocol):
    """Where pages come from."""

    def page(self, name: str) -> Answer | None:
        """Return the simple page of *name*; None if there is none."""


class Marks(Protocol):
    """Remembers on this machine which page was compared."""

    def compared(self, name: str) -> str | None:
        """Return the mark of the page that agreed last."""

    def note_compared(self, name: str, mark: str) -> None:
        """Keep the mark of a page that agrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    digest: str
    until: dt.date


class Seen:
    """The recorded states in *folder*, and the pages of this run; safe to share."""

    def __init__(self, folder: Path, *, pages: Pages, marks: Marks, until: dt.date) -> None:
        self._path = folder / FILE
        self._pages = pages
        self._marks = marks
        self._until = until
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, _State]] = {}
        self._restated: set[tuple[str, str]] = set()
        for name, states in _load(self._path) if self._path.exists() else ():
            self._take(name, states)
        self._files: dict[str, dict[str, list[ListedFile]]] = {}
        self._bodies: dict[str, str] = {}
        self._agreed: dict[str, str] = {}  # body with which all that is known agrees

    @property
    def restated(self) -> frozenset[tuple[str, str]]:
        """Name and version of what was recorded with more than one state."""
        return frozenset(self._restated)

    @property
    def digest(self) -> str:
        """16 hex digits of everything that is recorded."""
        states = sorted(
            (name, version, state.digest)
            for name, known in self._known.items()
            for version, state in known.items()
        )
        return hashlib.sha256(json.dumps(states).encode()).hexdigest()[:16]

    def refresh(self) -> tuple[Change, ...]:
        """Read every recorded page again; record and return what the index says otherwise now.

        Raises:
            IndexUnavailableError: If a page cannot be read, which says nothing about it.
        """
        with ThreadPoolExecutor(_WORKERS) as pool:
            found = list(pool.map(self._compare, sorted(self._known)))
        changes = [change for each in found for change in each]
        with self._lock:
            for name in sorted({change.name for change in changes}):
                self._record(name, [each.version for each in changes if each.name == name])
        return tuple(changes)

    def digest_of(self, picks: Mapping[str, str], *, whole: Iterable[str] = ()) -> str | None:
        """Return what ``note`` returned for an answer that rests on these; None if never noted."""
        wanted = [*picks.items(), *((name, PAGE) for name in whole)]
        states = [(n, v, self._known.get(n, {}).get(v)) for n, v in wanted]
        known = [(name, version, state.digest) for name, version, state in states if state]
        if len(known) < len(states):
            return None
        return hashlib.sha256(json.dumps(sorted(known)).encode()).hexdigest()[:_DIGITS]

    def note(self, picks: Mapping[str, str], *, whole: Iterable[str] = ()) -> str | None:
        """Record what is not recorded yet, and return the digest of all of it, 8 hex digits.

        Args:
            picks: Releases that an answer rests on.
            whole: Distributions of which it rests on what is not there.

        Raises:
            IndexUnavailableError: If a page cannot be read.
        """
        pages = tuple(whole)
        with self._lock:
            by_name: dict[str, list[str]] = {}
            for name, version in [*picks.items(), *((name, PAGE) for name in pages)]:
                if version not in self._known.get(name, {}):
                    by_name.setdefault(name, []).append(version)
            for name, versions in sorted(by_name.items()):
                self._record(name, versions)
            return self.digest_of(picks, whole=pages)

    def floor(
        self, picks: Mapping[str, str], *, sources: Iterable[str], python: str, as_of: dt.date
    ) -> str | None:
        """Return the lowest glibc for which each pick has a wheel, such as ``2.28``.

        None if one of them has none; those in *sources* need none.

        Raises:
            IndexUnavailableError: If a page cannot be read.
        """
        built = {text.partition("==")[0] for text in sources}
        floors: list[int] = []
        with self._lock:
            for name, version in picks.items():
                if name in built:
                    continue
                files = self._read(name).get(version, [])
                floor = floor_of(files, python=python, as_of=as_of)
                if floor is None:
                    return None
                floors.append(floor)
        return f"2.{max(floors, default=0)}"

    def _compare(self, name: str) -> list[Change]:
        known = self._known[name]
        answer = self._pages.page(name)
        body = _body(answer)
        if self._marks.compared(name) == _mark(body, known):
            self._agreed[name] = body
            return []
        releases = _by_release(parse_files(answer)) if answer else {}
        changes = [
            Change(name=name, version=version, what=_what(version, releases, state.until))
            for version, state in sorted(known.items())
            if _digest(version, releases, state.until) != state.digest
        ]
        if not changes:
            self._agreed[name] = body
            self._marks.note_compared(name, _mark(body, known))
        return changes

    def _record(self, name: str, versions: Iterable[str]) -> None:
        releases = self._read(name)
        is_new = name not in self._known
        states = {version: _digest(version, releases, self._until) for version in sorted(versions)}
        body = {"schema": _SCHEMA_VERSION, "name": name, "until": self._until.isoformat()}
        append_line(self._path, json.dumps({**body, "read": states}, separators=(",", ":")))
        self._take(
            name,
            {version: _State(digest=each, until=self._until) for version, each in states.items()},
        )
        if is_new or self._agreed.get(name) == self._bodies[name]:
            self._agreed[name] = self._bodies[name]
            self._marks.note_compared(name, _mark(self._bodies[name], self._known[name]))

    def _take(self, name: str, states: Mapping[str, _State]) -> None:
        known = self._known.setdefault(name, {})
        for version, state in states.items():
            if version in known and known[version].digest != state.digest:
                self._restated.add((name, version))
            known[version] = state

    def _read(self, name: str) -> dict[str, list[ListedFile]]:
        if name not in self._files:
            answer = self._pages.page(name)
            releases = _by_release(parse_files(answer)) if answer else {}
            self._files[name] = releases
            self._bodies[name] = _body(answer)
        return self._files[name]


def _load(path: Path) -> Iterator[tuple[str, dict[str, _State]]]:
    for number, line in read_lines(path):
        try:
            body = json.loads(line)
            until = dt.date.fromisoformat(body["until"])
            states = {
                version: _State(digest=str(digest), until=until)
                for version, digest in body["read"].items()
            }
            name = str(body["name"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EvidenceError(
                f"not a record of what was read: {error!r}", where=f"{path.name}:{number}"
            ) from error
        yield name, states


def _body(answer: Answer | None) -> str:
    return hashlib.sha256(answer.body if answer else b"").hexdigest()


def _mark(body: str, known: Mapping[str, _State]) -> str:
    """Return what is equal for an equal page and equal records."""
    states = sorted((version, each.digest, str(each.until)) for version, each in known.items())
    return hashlib.sha256(json.dumps([body, states]).encode()).hexdigest()[:16]


def _by_release(files: Iterable[ListedFile]) -> dict[str, list[ListedFile]]:
    """Return the files that Linux could take, by version as uv writes it."""
    found: dict[str, list[ListedFile]] = {}
    for file in files:
        version = _version(file.filename)
        if version is not None and is_for_linux(file.filename):
            found.setdefault(version, []).append(file)
    return found


def _version(filename: str) -> str | None:
    stem, _, rest = filename.partition("-")
    if not rest or not stem:
        return None
    if filename.endswith(".whl"):
        return _spelled(rest.partition("-")[0])
    return _spelled(filename.removesuffix(".tar.gz").rpartition("-")[2])


@lru_cache(maxsize=1 << 16)
def _spelled(text: str) -> str | None:
    try:
        return str(Version(text.replace("_", "+")))
    except InvalidVersion:
        return None


def _until(files: Iterable[ListedFile], until: dt.date) -> list[ListedFile]:
    return [file for file in files if file.stamp is None or file.stamp[:10] <= str(until)]


def _digest(version: str, releases: Mapping[str, list[ListedFile]], until: dt.date) -> str:
    every = [file for files in releases.values() for file in files]
    listed = _until(every if version == PAGE else releases.get(version, ()), until)
    lines = sorted(f"{each.filename} {each.sha256 or '-'} {each.yanked}" for each in listed)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_DIGITS]


def _what(version: str, releases: Mapping[str, list[ListedFile]], until: dt.date) -> str:
    if version == PAGE:
        return "lists other files of the past"
    listed = _until(releases.get(version, ()), until)
    if not listed:
        return "is gone"
    return "is yanked" if all(each.yanked for each in listed) else "has other files"
