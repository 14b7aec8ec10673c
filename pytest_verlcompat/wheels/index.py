"""Reads package indexes: which files exist, since when, and what their metadata says.

>>> client = IndexClient.configured()                     # doctest: +SKIP
>>> files = client.releases("vllm")                       # every wheel and sdist, oldest first
>>> chosen = choose_wheel(files, version="0.11.0", python="3.12", platform="manylinux_2_35_x86_64")
>>> client.metadata(chosen).requires_dist                 # packaging.metadata.Metadata

Pages may be HTML or JSON, on ``http(s)://`` or ``file://``. The upload time is read from
either kind where the server sends it, and is None where it does not. Metadata comes from
the PEP 658 file and otherwise by range from the wheel itself. A project that no index
knows has no releases; an index that fails raises :class:`IndexUnavailableError`, which must
never be taken for absence.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import IndexUnavailableError, UsageError, WheelFormatError
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.settings import find_index_settings
from pytest_verlcompat.wheels.transport import Answer, Transport, redact_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packaging.metadata import Metadata
    from pypi_simple import DistributionPackage

    from pytest_verlcompat.wheels.cache import MemberCache

_PAGE_LIMIT_BYTES = 64 << 20
_METADATA_LIMIT_BYTES = 4 << 20
_PAGE = "\0page.1"
_SUFFIXES = (".whl", ".tar.gz", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file that an index serves for a project."""

    project: str
    """Normalised name."""
    version: Version
    filename: str
    url: str
    """May hold credentials: print :func:`~.transport.redact_url` of it."""
    sha256: str | None
    requires_python: str | None
    upload_time: datetime | None
    """In UTC; None when the index does not say."""
    yanked: bool
    has_metadata: bool
    """True when the index announces a PEP 658 metadata file."""
    size_bytes: int | None
    """Of the file; None when the index does not say."""

    @property
    def is_wheel(self) -> bool:
        """True for wheels, False for source distributions."""
        return self.filename.endswith(".whl")

    @property
    def tags(self) -> frozenset[Tag]:
        """Every tag of a wheel's name; empty for a source distribution."""
        return parse_wheel_filename(self.filename)[3] if self.is_wheel else frozenset()


class IndexClient:
    """Asks the given indexes in order; the first one that lists a file name wins.

    Answers are remembered for the life of the client, metadata also in *cache* by digest.
    """

    def __init__(
        self,
        index_urls: Sequence[str],
        *,
        transport: Transport | None = None,
        cache: MemberCache | None = None,
        keeps_pages: bool = False,
    ) -> None:
        """Make a client; nothing is sent before the first question.

        Args:
            index_urls: In the order in which they are asked.
            transport: Connections to use, and their counters; a new pool by default.
            cache: Where metadata is kept.
            keeps_pages: Also keep what the indexes listed, and answer with that while one of
                them cannot be reached; `notes` says so.

        Raises:
            UsageError: If no index is given.
        """
        if not index_urls:
            raise UsageError("no package index is configured; set UV_DEFAULT_INDEX")
        self._index_urls = tuple(index_urls)
        self.transport = transport or Transport()
        self._cache = cache
        self._keeps_pages = keeps_pages and cache is not None
        self._releases: dict[str, tuple[IndexFile, ...]] = {}
        self.notes: list[str] = []
        """Where a kept page stood in for an index."""

    @classmethod
    def configured(
        cls, *, cache: MemberCache | None = None, keeps_pages: bool = False
    ) -> IndexClient:
        """Return a client for the indexes that uv or pip on this machine would ask."""
        urls = find_index_settings(os.environ).urls
        return cls(urls, cache=cache, keeps_pages=keeps_pages)

    def releases(self, project: str) -> tuple[IndexFile, ...]:
        """Return every wheel and source distribution, by version, then file name.

        Files in other formats and with names that no tool could install are left out; the
        tuple is empty when no index knows the project.

        Raises:
            IndexUnavailableError: If an index fails or answers with something else.
        """
        name = canonicalize_name(project)
        if name not in self._releases:
            found: dict[str, IndexFile] = {}
            for index_url in self._index_urls:
                for file in self._read_index(index_url, name):
                    found.setdefault(file.filename, file)
            ordered = sorted(found.values(), key=lambda file: (file.version, file.filename))
            self._releases[name] = tuple(ordered)
        return self._releases[name]

    def metadata(self, file: IndexFile) -> Metadata:
        """Return the core metadata of *file*, unvalidated fields left out.

        Raises:
            IndexUnavailableError: If it cannot be fetched.
            WheelFormatError: If there is none: a source distribution, or a broken wheel.
        """
        from packaging.metadata import Metadata

        return Metadata.from_email(self.metadata_text(file), validate=False)

    def metadata_text(self, file: IndexFile) -> bytes:
        """Return the core metadata of *file* as it was published.

        Raises:
            IndexUnavailableError: If it cannot be fetched.
            WheelFormatError: If there is none: a source distribution, or a broken wheel.
        """
        if self._cache and file.sha256:
            known = self._cache.load(file.sha256, "METADATA")
            if known is not None:
                return known
        text = self._published_metadata(file) if file.has_metadata else None
        if text is None:
            text = self._wheel_metadata(file)
        if self._cache and file.sha256:
            self._cache.save(file.sha256, {"METADATA": text})
        return text

    def _published_metadata(self, file: IndexFile) -> bytes | None:
        """Return the PEP 658 file, or None if it was announced but is not there."""
        answer = self._get(file.url + ".metadata", limit_bytes=_METADATA_LIMIT_BYTES)
        if answer is None or not answer.body.lstrip().lower().startswith(b"metadata-version"):
            return None
        return answer.body

    def _wheel_metadata(self, file: IndexFile) -> bytes:
        if not file.is_wheel:
            raise WheelFormatError(
                "the index publishes no metadata for this source distribution, and it "
                "is not built here; take a release that has a wheel",
                where=file.filename,
            )
        with open_wheel(file.url, transport=self.transport, cache=self._cache) as wheel:
            for name in wheel.names():
                if name.count("/") == 1 and name.endswith(".dist-info/METADATA"):
                    return wheel.read(name)
        raise WheelFormatError("has no .dist-info/METADATA", where=file.filename)

    def _get(self, url: str, *, limit_bytes: int) -> Answer | None:
        """Return the answer, or None when there is no such page."""
        if urlsplit(url).scheme != "file":
            from pypi_simple import ACCEPT_JSON_PREFERRED

            headers = {"Accept": ACCEPT_JSON_PREFERRED}
            answer = self.transport.get(url, headers=headers, limit_bytes=limit_bytes)
            return answer if answer.found else None
        path = Path(unquote(urlsplit(url).path))
        path = path / "index.html" if path.is_dir() else path
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise IndexUnavailableError(
                f"cannot be read ({error.strerror})", where=redact_url(url)
            ) from error
        return Answer(status=200, body=body, headers={"content-type": "text/html"}, url=url)

    def _read_index(self, index_url: str, name: str) -> Iterator[IndexFile]:
        url = f"{index_url.rstrip('/')}/{name}/"
        is_fresh = True
        try:
            answer = self._get(url, limit_bytes=_PAGE_LIMIT_BYTES)
        except IndexUnavailableError as error:
            answer = self._kept_page(url)
            if answer is None:
                raise
            is_fresh = False
            self.notes.append(f"{error}; what it listed before is used")
        if answer is None:
            return
        packages = _parse_page(answer, project=name)
        if is_fresh:
            self._keep_page(url, answer)
        for package in packages:
            file = _parse_file(package, project=name)
            if file is not None:
                yield file

    def _keep_page(self, url: str, answer: Answer) -> None:
        if self._cache is None or not self._keeps_pages:
            return
        kind = answer.headers.get("content-type", "text/html")
        head = json.dumps({"url": redact_url(answer.url), "kind": kind}).encode()
        self._cache.save(_page_key(url), {_PAGE: head + b"\n" + answer.body})

    def _kept_page(self, url: str) -> Answer | None:
        if self._cache is None or not self._keeps_pages:
            return None
        body = self._cache.load(_page_key(url), _PAGE)
        if body is None:
            return None
        head, _, rest = body.partition(b"\n")
        told = json.loads(head)
        return Answer(
            status=200, body=rest, headers={"content-type": told["kind"]}, url=told["url"]
        )


def _page_key(url: str) -> str:
    return hashlib.sha256(redact_url(url).encode()).hexdigest()


def _parse_page(answer: Answer, *, project: str) -> list[DistributionPackage]:
    """Return the files a simple page lists.

    Raises:
        IndexUnavailableError: If the answer is truncated or is not such a page.
    """
    from pypi_simple import ProjectPage

    kind = answer.headers.get("content-type", "text/html").partition(";")[0].strip().lower()
    try:
        if kind.endswith("+json"):
            data = json.loads(answer.body)
            return ProjectPage.from_json_data(data, base_url=answer.url).packages
        if kind in {"text/html", "application/vnd.pypi.simple.v1+html"}:
            return _parse_html(answer, project=project)
    except (ValueError, LookupError, TypeError) as error:
        raise IndexUnavailableError(
            f"the page cannot be parsed ({type(error).__name__}); it may be truncated",
            where=redact_url(answer.url),
        ) from error
    raise IndexUnavailableError(
        f"the server answers with {kind!r} where a list of files was expected",
        where=redact_url(answer.url),
    )


def _parse_html(answer: Answer, *, project: str) -> list[DistributionPackage]:
    from pypi_simple import DistributionPackage
    from pypi_simple.html import RepositoryPage

    body = answer.body.lower()
    opened_not_closed = b"<html" in body and b"</html" not in body
    if b"<" not in body or opened_not_closed or body.count(b"<a ") != body.count(b"</a>"):
        raise ValueError("unbalanced")
    packages: list[DistributionPackage] = []
    # pypi-simple reads the upload time of JSON pages only, so the links are read here.
    links = RepositoryPage.from_html(answer.body, base_url=answer.url).links
    for link in links:
        package = DistributionPackage.from_link(link, project)
        stamp = link.get_str_attrib("data-upload-time")
        package.upload_time = _parse_time(stamp) if stamp else None
        packages.append(package)
    if packages and not any(package.filename.endswith(_SUFFIXES) for package in packages):
        raise ValueError("links to something else than packages")
    return packages


def _parse_time(text: str) -> datetime:
    """Return the moment in UTC; Python 3.10 reads neither ``Z`` nor short fractions."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole)
    if fraction.isdigit():
        moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _parse_file(package: DistributionPackage, *, project: str) -> IndexFile | None:
    """Return the record of one link, or None for what is neither wheel nor sdist."""
    try:
        if package.filename.endswith(".whl"):
            name, version = parse_wheel_filename(package.filename)[:2]
        else:
            name, version = parse_sdist_filename(package.filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    if name != project:
        return None
    moment = package.upload_time
    return IndexFile(
        project=project,
        version=version,
        filename=package.filename,
        url=package.url,
        sha256=package.digests.get("sha256"),
        requires_python=package.requires_python,
        upload_time=moment.astimezone(timezone.utc) if moment else None,
        yanked=package.is_yanked,
        has_metadata=bool(package.has_metadata),
        size_bytes=package.size,
    )


def choose_wheel(
    files: Iterable[IndexFile], *, version: Version | str, python: str, platform: str
) -> IndexFile | None:
    """Return the wheel an installer would take on that Python and platform, or None.

    Args:
        files: Usually what :meth:`IndexClient.releases` returned.
        version: Exact version; a local label must be given when the files have one.
        python: Such as ``3.12``.
        platform: Most recent platform tag accepted, such as ``manylinux_2_35_x86_64``;
            older manylinux tags of that architecture are accepted with it.

    Raises:
        UsageError: If *python* is not two numbers with a dot.
    """
    wanted = Version(str(version))
    rank = {tag: place for place, tag in enumerate(_accepted_tags(python, platform))}
    best: tuple[int, IndexFile] | None = None
    for file in files:
        if not file.is_wheel or file.version != wanted:
            continue
        place = min((rank[tag] for tag in file.tags if tag in rank), default=None)
        if place is not None and (best is None or place < best[0]):
            best = (place, file)
    return best[1] if best else None


def _accepted_tags(python: str, platform: str) -> Iterator[Tag]:
    major, _, minor = python.partition(".")
    if not (major.isdigit() and minor.isdigit()):
        raise UsageError(f"{python!r} is not a Python version; write it like 3.12")
    numbers = (int(major), int(minor))
    platforms = list(_platforms(platform))
    yield from cpython_tags(numbers, platforms=platforms)
    yield from compatible_tags(numbers, f"cp{major}{minor}", platforms)


def _platforms(newest: str) -> Iterator[str]:
    """Yield *newest* and, for manylinux, every older tag that it can install."""
    old_names = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    parts = newest.split("_", 3)
    if parts[0] != "manylinux" or len(parts) != len(("name", "major", "minor", "machine")):
        yield newest
        return
    machine = parts[3]
    for minor in range(int(parts[2]), 4, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in old_names:
            yield f"{old_names[minor]}_{machine}"
    yield f"linux_{machine}"
