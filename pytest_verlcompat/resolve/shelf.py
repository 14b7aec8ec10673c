"""What the index lists, read page by page without uv: the second opinion on its answers."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.resolve.sdist import SdistMetadata, read_sdist

if TYPE_CHECKING:
    from pytest_verlcompat.wheels.index import IndexClient, IndexFile

_SDIST_LIMIT_BYTES = 64 << 20


class IndexShelf:
    """The index behind *client*; remembers what it read, safe to share between threads."""

    def __init__(self, client: IndexClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._sdists: dict[tuple[str, str], SdistMetadata | None] = {}

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
