"""What the index lists, read page by page without uv: the second opinion on its answers."""

from __future__ import annotations

import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version
from pypi_simple import ACCEPT_JSON_PREFERRED

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.resolve.sdist import SdistMetadata, read_sdist
from pytest_verlcompat.resolve.uploads import parse_uploads

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.requirements import Requirement

    from pytest_verlcompat.wheels.index import IndexClient, IndexFile
    from pytest_verlcompat.wheels.transport import Answer

_SDIST_LIMIT_BYTES = 64 << 20
_LINK = re.compile(rb"<a |\"filename\"")
"""A file on a page, in either of its two forms."""


class IndexShelf:
    """The index behind *client*; remembers what it read, safe to share between threads."""

    def __init__(self, client: IndexClient, *, index_url: str) -> None:
        self._client = client
        self._index_url = index_url
        self._lock = threading.Lock()
        self._sdists: dict[tuple[str, str], SdistMetadata | None] = {}
        self._dated: dict[str, bool] = {}
        self._uploads: dict[str, Mapping[Version, dt.date]] = {}
        self._requires: dict[tuple[str, str], Sequence[Requirement] | None] = {}

    def files(self, name: str, version: str | None = None) -> tuple[IndexFile, ...]:
        """Return the files of a release, or of all for None; empty if there are none.

        Raises:
            IndexUnavailableError: If the index does not answer with a list of files.
        """
        with self._lock:
            listed = self._client.releases(name)
        if version is None:
            return listed
        try:
            wanted = Version(version)
        except InvalidVersion:
            return ()
        return tuple(file for file in listed if file.version == wanted)

    def is_listed(self, name: str, version: str | None) -> bool:
        """Return whether the index lists the release, or any for None."""
        return bool(self.files(name, version))

    def is_dated(self, name: str) -> bool:
        """Return False if the index lists files of *name* and tells no upload day of any.

        Raises:
            IndexUnavailableError: If the index does not answer.
        """
        if name not in self._dated:
            answer = self.page(name)
            body = b"" if answer is None else answer.body
            self._dated[name] = b"upload-time" in body or _LINK.search(body) is None
        return self._dated[name]

    def needs_build(self, name: str, version: str) -> bool:
        """Return whether the release is there, unyanked, as a source distribution alone."""
        files = [file for file in self.files(name, version) if not file.yanked]
        return bool(files) and not any(file.is_wheel for file in files)

    def remark(self, name: str, version: str) -> str:
        """Return why the release cannot be taken, as the end of a sentence; may be empty."""
        files = self.files(name, version)
        if files and all(file.yanked for file in files):
            return "is yanked; uv takes such a release for a direct requirement only"
        wheels = sorted({tag.platform for file in files for tag in file.tags})
        if wheels:
            shown = ", ".join(each for each in wheels if "x86_64" in each or each == "any")
            return f"has wheels for other platforms only ({shown or 'none for x86_64'})"
        return "has a source distribution only" if files else ""

    def read_sdist(self, name: str, version: str) -> SdistMetadata | None:
        """Return what the sdist of a release that never had a wheel requires.

        None if there are wheels (for another platform), if it is yanked, if there is no sdist,
        or if only building it would tell.

        Raises:
            IndexUnavailableError: If it cannot be fetched.
            WheelFormatError: If the archive is damaged.
        """
        key = (name, version)
        if key not in self._sdists:
            files = [file for file in self.files(name, version) if not file.yanked]
            alone = not any(file.is_wheel for file in files)
            sources = [file for file in files if alone and file.filename.endswith(".tar.gz")]
            self._sdists[key] = self._fetch(sources[0]) if sources else None
        return self._sdists[key]

    def _fetch(self, file: IndexFile) -> SdistMetadata | None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, Path(file.filename).name)
            with path.open("wb") as sink:
                self._client.transport.download(
                    file.url, write=sink.write, limit_bytes=_SDIST_LIMIT_BYTES
                )
            return read_sdist(path)

    def native(self, name: str, version: str) -> tuple[str, ...]:
        """Return the compiled languages in the sdist of a release without wheels.

        Raises:
            IndexUnavailableError: If it cannot be fetched.
        """
        metadata = self.read_sdist(name, version)
        return () if metadata is None else metadata.native

    def uploads(self, name: str) -> Mapping[Version, dt.date]:
        """Return the first upload day of each final, unyanked release that has a wheel.

        Raises:
            IndexUnavailableError: If the index does not answer with a list of files.
        """
        if name not in self._uploads:
            answer = self.page(name)
            self._uploads[name] = parse_uploads(answer) if answer else {}
        return self._uploads[name]

    def page(self, name: str) -> Answer | None:
        """Return the simple page of *name* as it is now; None if there is none.

        Raises:
            IndexUnavailableError: If the index does not answer.
        """
        url = f"{self._index_url.rstrip('/')}/{name}/"
        answer = self._client.transport.get(url, headers={"Accept": ACCEPT_JSON_PREFERRED})
        return answer if answer.found else None

    def prefetch_uploads(self, names: Iterable[str], *, workers: int = 8) -> None:
        """Read the pages of *names* side by side.

        Raises:
            IndexUnavailableError: If one of them cannot be read.
        """
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(self.uploads, [name for name in names if name not in self._uploads]):
                pass

    def upload_days(self) -> Mapping[str, Mapping[Version, dt.date]]:
        """Return everything read so far, to be kept for another run of the same day."""
        return self._uploads

    def remember_uploads(self, known: Mapping[str, Mapping[Version, dt.date]]) -> None:
        """Take in what another run of the same day read."""
        self._uploads.update(known)

    def requires(self, name: str, version: Version) -> Sequence[Requirement] | None:
        """Return what a release requires; None if it has no wheel that says so.

        Raises:
            IndexUnavailableError: If its metadata cannot be fetched.
        """
        key = (name, str(version))
        if key not in self._requires:
            wheels = [file for file in self.files(name, str(version)) if file.is_wheel]
            try:
                metadata = self._client.metadata(wheels[0]) if wheels else None
            except WheelFormatError:
                metadata = None
            self._requires[key] = None if metadata is None else metadata.requires_dist or []
        return self._requires[key]

    def requires_python(self, name: str, version: Version) -> str | None:
        """Return the Requires-Python of a release; None if it states none.

        Raises:
            IndexUnavailableError: If the index does not answer with a list of files.
        """
        stated = (file.requires_python for file in self.files(name, str(version)))
        return next((text for text in stated if text), None)
