"""Keeps members of wheels on disk, compressed, under the digest of their wheel.

A wheel with a digest never changes, so nothing here expires. One SQLite file serves many
processes; a file that is damaged is put aside and started anew. Deleting it costs time only.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FILENAME = "wheel-members.sqlite"
_QUERY_NAMES = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS member (
  digest TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (digest, name)
) WITHOUT ROWID
"""


def default_cache_folder() -> Path:
    """Return ``$VERLCOMPAT_CACHE_DIR``, or the folder that XDG gives to this program."""
    chosen = os.environ.get("VERLCOMPAT_CACHE_DIR")
    if chosen:
        return Path(chosen)
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root, "verlcompat")


class MemberCache:
    """A table of (wheel digest, member name) to bytes in *folder*."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / _FILENAME
        self._lock = threading.Lock()
        self._connection = self._connect()
        # Whoever forgets to close leaves that to the collector, which would only complain.
        weakref.finalize(self, self._connection.close)

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.DatabaseError:
            self._path.replace(self._path.with_suffix(".damaged"))
            return self._open()

    def _open(self) -> sqlite3.Connection:
        # One lock of ours guards the connection, so threads may share it.
        connection = sqlite3.connect(
            self._path, timeout=60, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_SCHEMA)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file; the cache cannot be used afterwards."""
        self._connection.close()

    def load(self, digest: str, name: str) -> bytes | None:
        """Return what was saved for that member, or None."""
        return self.load_many(digest, [name]).get(name)

    def load_many(self, digest: str, names: Iterable[str]) -> dict[str, bytes]:
        """Return what is known of *names*; the others are left out."""
        wanted = list(names)
        found: dict[str, bytes] = {}
        for start in range(0, len(wanted), _QUERY_NAMES):
            part = wanted[start : start + _QUERY_NAMES]
            marks = ",".join("?" * len(part))
            query = f"SELECT name, body FROM member WHERE digest = ? AND name IN ({marks})"  # noqa: S608 - only question marks are filled in
            with self._lock:
                rows = self._connection.execute(query, [digest, *part]).fetchall()
            found.update((name, zlib.decompress(body)) for name, body in rows)
        return found

    def save(self, digest: str, members: Mapping[str, bytes]) -> None:
        """Keep *members*; later readers in any process find them."""
        rows = [(digest, name, zlib.compress(body, 6)) for name, body in members.items()]
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT OR REPLACE INTO member VALUES (?, ?, ?)", rows)
            except sqlite3.DatabaseError:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
