"""Where the records of a running cell go, and which of its steps they make unnecessary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_verlcompat.execute.plan import due_probes, is_current
from pytest_verlcompat.store.jsonl import append, load_cell_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.probes.registry import Probe


class Book(Protocol):
    """Takes the records of one cell."""

    def add(self, record: Evidence) -> None:
        """Keep *record*; it is safe when this returns."""

    def has_current(self, record: Evidence) -> bool:
        """Return whether the step that would make *record* need not be taken again."""

    def due(
        self,
        probes: Sequence[Probe],
        *,
        lock_sha256: str,
        environment_id: str,
        find_lack: Callable[[int], str | None],
    ) -> tuple[Probe, ...]:
        """Return those of *probes* that have to be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBook:
    """The evidence file of a cell."""

    folder: Path
    cell_id: str
    keep: Callable[[Evidence], None] | None = None
    """Called in place of appending, by whoever appends."""

    def add(self, record: Evidence) -> None:
        """Append *record* to the file, or hand it to whoever does."""
        if self.keep is None:
            append(record, path=self.folder / f"{self.cell_id}.jsonl")
        else:
            self.keep(record)

    def has_current(self, record: Evidence) -> bool:
        """Return whether the file has a record of the same lock, environment and code."""
        return any(
            each.subject == record.subject
            and is_current(
                each,
                lock_sha256=str(record.lock_sha256),
                environment_id=record.environment_id,
                subject_sha256=record.subject_sha256,
            )
            for each in self._records()
        )

    def due(
        self,
        probes: Sequence[Probe],
        *,
        lock_sha256: str,
        environment_id: str,
        find_lack: Callable[[int], str | None],
    ) -> tuple[Probe, ...]:
        """Return the *probes* without a current record in the file."""
        return due_probes(
            probes,
            self._records(),
            lock_sha256=lock_sha256,
            environment_id=environment_id,
            find_lack=find_lack,
        )

    def _records(self) -> tuple[Evidence, ...]:
        return load_cell_evidence(self.folder, self.cell_id).records
