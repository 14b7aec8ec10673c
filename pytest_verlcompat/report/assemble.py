"""Choose, for every declared cell, the records that count, and judge them.

A record counts while its lock and the code of its probe are the ones of this checkout. Of
several for one subject the newest that says something (passed or failed) is taken; if another
one that counts says the opposite, the subject is marked as contradicted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import EvidenceError, LockError
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.model.verdict import Verdict, judge
from pytest_verlcompat.report.site_space import Space, load_space
from pytest_verlcompat.resolve.lock import Lock, load_lock
from pytest_verlcompat.resolve.space import releases_of
from pytest_verlcompat.store.jsonl import load, load_cell_evidence
from pytest_verlcompat.store.signatures import find_allowed_signers, load_signers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_verlcompat.matrix.load import Matrix
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.resolve.space import Release

_SPEAKS = (Outcome.PASSED, Outcome.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReport:
    """One cell and everything that is known about it."""

    cell: Cell
    lock: Lock | None
    """``None`` where it is missing or was made for other inputs."""
    verdict: Verdict
    records: tuple[Evidence, ...]
    """One a subject, lowest rung first."""
    contradicted: tuple[str, ...]
    """Subjects with counting records that say the opposite."""
    stale: int
    """Records that no longer count."""
    opposed: tuple[Evidence, ...] = ()
    """Of each contradicted subject the newest record that says the opposite."""
    history: tuple[Evidence, ...] = ()
    """Every record of the cell, counting or not, as they were written."""
    signed_by: Mapping[str, int] = field(default_factory=dict)
    """Who signed records of the cell, by number; nobody did the others."""

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one the cell file declares."""
        return self.cell.expects(self.verdict)

    @property
    def unsigned(self) -> int:
        """Records that nobody signed, or somebody who may not."""
        return len(self.history) - sum(self.signed_by.values())

    @property
    def versions(self) -> Mapping[str, str]:
        """Distribution to version, as locked."""
        return self.lock.versions if self.lock is not None else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Measurements of one command, kept as a file under ``reports/figures/``."""

    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a renderer may show."""

    cells: tuple[CellReport, ...]
    axes: tuple[str, ...]
    """Names of the axes in their order."""
    distributions: Mapping[str, str]
    """Axis name to normalized distribution name."""
    probe_titles: Mapping[str, str]
    figures: tuple[Figure, ...]
    damaged: tuple[str, ...]
    """Evidence lines that could not be read."""
    space: Space = field(default_factory=Space)
    """Every cell of the space, judged."""

    def published(self) -> Report:
        """Return it without the cells of a survey about which nothing was recorded yet."""
        cells = tuple(cell for cell in self.cells if cell.records or cell.cell.survey is None)
        return dataclasses.replace(self, cells=cells)

    @property
    def snapshot(self) -> str:
        """Digest of the records that count; every page names it."""
        digest = hashlib.sha256(self.space.digest.encode())
        for cell in self.cells:
            digest.update(cell.cell.id.encode())
            for record in cell.records:
                digest.update(render_line(record).encode())
        return digest.hexdigest()[:12]


def assemble(
    matrix: Matrix,
    *,
    evidence: Path,
    figures: Path,
    probes: Mapping[str, tuple[str, str]],
    needs: Mapping[str, str] | None = None,
    rules: Mapping[str, str] | None = None,
) -> Report:
    """Return the report on all cells of *matrix* and on the space.

    Args:
        evidence: Folder of the evidence files; ``space/`` below it holds what is known there.
        figures: Folder of the figure files.
        probes: Probe name to its title and to the digest of its present code.
        needs: Trap code to the requirement that avoids it.
        rules: Digest of the present code that judges traps, imports and loads of the space.

    Raises:
        EvidenceError: If a figure file cannot be read.
    """
    locks = matrix.folder / "locks"
    signers = load_signers(evidence, allowed_signers=find_allowed_signers(matrix.folder))
    digests = {name: sha256 for name, (_, sha256) in probes.items()}
    cells = tuple(
        _cell_report(cell, locks=locks, evidence=evidence, digests=digests, signers=signers)
        for cell in matrix.cells.values()
    )
    ordered = sorted(matrix.axes.values(), key=lambda axis: axis.place)
    space = load_space(
        evidence / "space",
        rot=evidence.parent / "space" / "rot.jsonl",
        needs=needs or {},
        cells=cells,
        rules=rules,
        releases=_releases(matrix),
    )
    return Report(
        cells=cells,
        axes=tuple(axis.name for axis in ordered),
        distributions={
            axis.name: axis.distribution for axis in ordered if axis.distribution is not None
        },
        probe_titles={name: title for name, (title, _) in probes.items()},
        figures=tuple(_figures(figures)),
        damaged=load(sorted(evidence.glob("*.jsonl"))).damaged,
        space=space,
    )


def _releases(matrix: Matrix) -> Mapping[str, tuple[Release, ...]] | None:
    """Return the releases of the axes that span the space, or None where one is not declared."""
    names = ("verl", "vllm", "sglang")
    if not set(names) <= set(matrix.axes):
        return None
    return {name: releases_of(matrix.axes[name]) for name in names}


def choose(records: Iterable[Evidence]) -> tuple[dict[str, Evidence], tuple[str, ...]]:
    """Return the record that counts for each subject, and the contradicted subjects."""
    chosen: dict[str, Evidence] = {}
    said: dict[str, set[Outcome]] = {}
    for record in records:
        before = chosen.get(record.subject)
        if before is None or _rank(record) >= _rank(before):
            chosen[record.subject] = record
        if record.outcome in _SPEAKS:
            said.setdefault(record.subject, set()).add(record.outcome)
    contradicted = tuple(sorted(subject for subject, words in said.items() if len(words) > 1))
    return chosen, contradicted


def _rank(record: Evidence) -> tuple[bool, str]:
    return record.outcome in _SPEAKS, record.started_at


def _cell_report(
    cell: Cell,
    *,
    locks: Path,
    evidence: Path,
    digests: Mapping[str, str],
    signers: Mapping[str, str],
) -> CellReport:
    try:
        lock = load_lock(cell, folder=locks)
    except LockError:
        lock = None
    loaded = load_cell_evidence(evidence, cell.id)
    everything = loaded.records
    counting = [
        record for record in everything if lock is not None and _counts(record, lock, digests)
    ]
    chosen, contradicted = choose(counting)
    records = tuple(sorted(chosen.values(), key=lambda each: (each.rung.order, each.subject)))
    return CellReport(
        cell=cell,
        lock=lock,
        verdict=judge(records),
        records=records,
        contradicted=contradicted,
        stale=len(everything) - len(counting),
        opposed=tuple(_opposed(counting, chosen, contradicted)),
        history=everything,
        signed_by=Counter(sorted(signers[line] for line in loaded.sha256 if line in signers)),
    )


def _opposed(
    records: Iterable[Evidence], chosen: Mapping[str, Evidence], contradicted: Iterable[str]
) -> Iterator[Evidence]:
    """Yield for each contradicted subject the newest record that says the opposite."""
    listed = list(records)
    for subject in contradicted:
        yield max(
            (
                each
                for each in listed
                if each.subject == subject
                and each.outcome in _SPEAKS
                and each.outcome is not chosen[subject].outcome
            ),
            key=_rank,
        )


def _counts(record: Evidence, lock: Lock, digests: Mapping[str, str]) -> bool:
    if record.lock_sha256 != lock.sha256:
        return False
    return record.subject_sha256 is None or record.subject_sha256 == digests.get(record.subject)


def _figures(folder: Path) -> Iterator[Figure]:
    for path in sorted(folder.glob("*.json")):
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise EvidenceError(f"is not JSON: {error}", where=f"figures/{path.name}") from error
        if not isinstance(body, dict):
            raise EvidenceError("is not a JSON object", where=f"figures/{path.name}")
        yield Figure(name=path.stem, body=body)
