"""What this machine remembers between runs and never commits: whole sets, and what was asked.

Deleting the file costs time only: sets are asked for again.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import threading
import weakref
import zlib
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.resolve.question import Answer, Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS asked (question TEXT PRIMARY KEY, as_of TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sets (digest TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS compared (name TEXT PRIMARY KEY, mark TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (name TEXT PRIMARY KEY, day TEXT, body TEXT) WITHOUT ROWID;
"""


class Keep:
    """One SQLite file; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            path, timeout=60, isolation_level=None, check_same_thread=False
        )
        weakref.finalize(self, self._connection.close)  # where nobody closes it
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; the object cannot be used afterwards."""
        self._connection.close()

    def was_asked(self, question_digest: str) -> bool:
        """Return whether that question, day included, got its answer on this machine."""
        query = "SELECT 1 FROM asked WHERE question = ?"
        with self._lock:
            return self._connection.execute(query, [question_digest]).fetchone() is not None

    def note_asked(self, question_digest: str, as_of: dt.date) -> None:
        """Remember that the question was answered."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO asked VALUES (?, ?)", [question_digest, str(as_of)]
            )

    def save_set(self, answer: Answer) -> None:
        """Keep the whole set of a resolved *answer*."""
        body = json.dumps({"picks": answer.picks, "via": answer.via, "sdists": answer.sdists})
        with self._lock:
            self._connection.execute(
                "INSERT OR IGNORE INTO sets VALUES (?, ?)",
                [answer.set_digest, zlib.compress(body.encode(), 6)],
            )

    def compared(self, name: str) -> str | None:
        """Return the mark of the page of *name* that agreed with the records last."""
        query = "SELECT mark FROM compared WHERE name = ?"
        with self._lock:
            row = self._connection.execute(query, [name]).fetchone()
        return None if row is None else str(row[0])

    def note_compared(self, name: str, mark: str) -> None:
        """Keep the mark of a page that agrees with the records."""
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO compared VALUES (?, ?)", [name, mark])

    def load_set(self, digest: str) -> Answer | None:
        """Return the resolved set with that digest, or None."""
        query = "SELECT body FROM sets WHERE digest = ?"
        with self._lock:
            row = self._connection.execute(query, [digest]).fetchone()
        if row is None:
            return None
        body = json.loads(zlib.decompress(row[0]))
        return Answer(
            resolution=Resolution.RESOLVED,
            picks=body["picks"],
            via={name: tuple(askers) for name, askers in body["via"].items()},
            sdists=tuple(body["sdists"]),
        )

    def save_uploads(self, known: Mapping[str, Mapping[Version, dt.date]], *, day: dt.date) -> None:
        """Keep upload days per name, as they were read on *day*."""
        rows = [
            (
                name,
                str(day),
                json.dumps({str(version): str(when) for version, when in days.items()}),
            )
            for name, days in known.items()
        ]
        with self._lock:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")

    def load_uploads(self, *, day: dt.date) -> dict[str, dict[Version, dt.date]]:
        """Return the upload days that were read on *day*."""
        query = "SELECT name, body FROM uploads WHERE day = ?"
        with self._lock:
            rows = self._connection.execute(query, [str(day)]).fetchall()
        return {
            name: {
                Version(version): dt.date.fromisoformat(when)
                for version, when in json.loads(body).items()
            }
            for name, body in rows
        }
