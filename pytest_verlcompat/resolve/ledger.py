"""What is known about the space: JSON Lines, one file a verl release, appended and never edited.

A line is a fact about a cell as of a day. It holds no duration, machine or hour, so that two
machines that find the same write the same bytes, and a union of files is a merge. A cell of
today gets a new line only when its answer changes; ``runs.jsonl`` says up to which day it was
confirmed.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.names import AXES
from pytest_verlcompat.resolve.lines import append_line, read_lines
from pytest_verlcompat.resolve.question import POLICY, Answer, Resolution
from pytest_verlcompat.resolve.space import Form, SpaceCell, When

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SCHEMA_VERSION = 1
_RUNS = "runs.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What is known about one cell as of one day."""

    cell: SpaceCell
    as_of: dt.date | None
    """None where the index told no dates."""
    resolution: Resolution
    resolver: str
    set_digest: str | None = None
    count: int | None = None
    """Distributions in the set."""
    axes: Mapping[str, str] = field(default_factory=dict)
    sdists: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    policy: int = POLICY
    floor: str | None = None
    """Lowest glibc for which every pick has a wheel; None if unknown."""
    read: str | None = None
    """Digest of what the index said about the releases it rests on; None if it was not noted."""
    derived: str | None = None
    """Rule it follows by, without having been asked for; such a fact is never written."""
    source: str | None = None
    """Id of the cell it follows from; None if it follows from the axes alone."""

    @property
    def same(self) -> tuple[Any, ...]:
        """What must be equal for a later answer to be no news."""
        told = (self.resolution, self.set_digest, self.why, self.resolver, self.policy)
        return (*told, self.floor, self.read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that went through all the cells it was told to."""

    as_of: dt.date
    selection: str
    """Digest of the ids of its cells."""
    cells: int
    resolver: str
    policy: int = POLICY
    read: str | None = None
    """Digest of all that was read for the ledger."""


def fact_of(
    cell: SpaceCell,
    as_of: dt.date | None,
    answer: Answer,
    *,
    resolver: str,
    floor: str | None = None,
    read: str | None = None,
) -> Fact:
    """Return the fact that *answer* states about *cell*."""
    resolved = answer.resolution is Resolution.RESOLVED
    return Fact(
        cell=cell,
        as_of=as_of,
        resolution=answer.resolution,
        resolver=resolver,
        set_digest=answer.set_digest,
        count=len(answer.picks) if resolved else None,
        axes={name: answer.picks[name] for name in AXES if name in answer.picks},
        sdists=answer.sdists,
        why=answer.why,
        between=answer.between,
        floor=floor,
        read=read,
    )


def render_fact(fact: Fact) -> str:
    """Return *fact* as one canonical JSON line; what is empty is left out."""
    cell = fact.cell
    body: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "verl": cell.verl,
        "engine": cell.engine,
        "release": cell.release,
        "form": cell.form.value,
        "python": cell.python,
        "glibc": cell.glibc,
        "when": cell.when.value,
        "as_of": fact.as_of.isoformat() if fact.as_of else None,
        "resolution": fact.resolution.value,
        "resolver": fact.resolver,
        "policy": fact.policy,
        "set": fact.set_digest,
        "count": fact.count,
        "floor": fact.floor,
        "read": fact.read,
        "axes": {k: v for k, v in sorted(fact.axes.items()) if k not in {"verl", cell.engine}},
        "sdists": fact.sdists,
        "why": fact.why,
        "between": fact.between,
    }
    kept = {key: value for key, value in body.items() if value not in (None, (), {})}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def parse_fact(line: str, *, where: str) -> Fact:
    """Return the fact in *line*; unknown keys are ignored.

    Raises:
        EvidenceError: If it is not one of ours, or newer than this reader.
    """
    try:
        body = json.loads(line)
        if body["schema"] > SCHEMA_VERSION:
            raise EvidenceError(
                f"schema {body['schema']} is newer than {SCHEMA_VERSION}; upgrade", where=where
            )
        resolution = Resolution(body["resolution"])
        axes = dict(body.get("axes", {}))
        if resolution is Resolution.RESOLVED:
            axes |= {"verl": body["verl"], body["engine"]: body["release"]}
        return Fact(
            cell=SpaceCell(
                verl=body["verl"],
                engine=body["engine"],
                release=body["release"],
                form=Form(body["form"]),
                python=body["python"],
                glibc=body["glibc"],
                when=When(body["when"]),
            ),
            as_of=dt.date.fromisoformat(body["as_of"]) if body.get("as_of") else None,
            resolution=resolution,
            resolver=body["resolver"],
            policy=body["policy"],
            set_digest=body.get("set"),
            count=body.get("count"),
            floor=body.get("floor"),
            read=body.get("read"),
            axes=axes,
            sdists=tuple(body.get("sdists", ())),
            why=tuple(body.get("why", ())),
            between=tuple(body.get("between", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"not a fact about the space: {error!r}", where=where) from error


class Ledger:
    """The facts in *folder*; one writer at a time, any number of readers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._facts: dict[str, dict[dt.date | None, Fact]] = {}
        self._runs: list[Run] = []
        self._load()

    def facts(self) -> Iterator[Fact]:
        """Yield every fact, by cell id, then day."""
        for cell_id in sorted(self._facts):
            by_day = self._facts[cell_id]
            yield from (by_day[day] for day in sorted(by_day, key=str))

    def latest(self, cell: SpaceCell) -> Fact | None:
        """Return the fact with the latest day about *cell*."""
        by_day = self._facts.get(cell.id, {})
        return by_day[max(by_day, key=str)] if by_day else None

    def at(self, cell: SpaceCell, as_of: dt.date | None) -> Fact | None:
        """Return the fact about *cell* as of exactly that day."""
        return self._facts.get(cell.id, {}).get(as_of)

    def append(self, fact: Fact) -> None:
        """Write *fact* and flush it.

        Raises:
            ValueError: If it was derived: such facts follow anew from the others.
        """
        if fact.derived:
            raise ValueError(f"{fact.cell.id} was not asked for")
        with self._lock:
            self._keep(fact)
            append_line(self.folder / f"{fact.cell.verl}.jsonl", render_fact(fact))

    def has_run(self, run: Run) -> bool:
        """Return whether a run over the same cells, of the same day and resolver, is recorded."""
        return run in self._runs

    def append_run(self, run: Run) -> None:
        """Write that *run* was completed, once."""
        if run in self._runs:
            return
        self._runs.append(run)
        body = {"schema": SCHEMA_VERSION, "as_of": run.as_of.isoformat(), "cells": run.cells}
        body |= {"selection": run.selection, "resolver": run.resolver, "policy": run.policy}
        body |= {"read": run.read} if run.read else {}
        append_line(self.folder / _RUNS, json.dumps(body, separators=(",", ":")))

    def _keep(self, fact: Fact) -> None:
        self._facts.setdefault(fact.cell.id, {})[fact.as_of] = fact

    def _load(self) -> None:
        for path in sorted(self.folder.glob("*.jsonl")):
            for number, line in read_lines(path):
                where = f"{path.name}:{number}"
                if path.name == _RUNS:
                    self._runs.append(_parse_run(line, where=where))
                else:
                    self._keep(parse_fact(line, where=where))


def merge_ledgers(folders: Iterable[Path], into: Path) -> int:
    """Add to *into* every line of *folders* it lacks; return how many that were."""
    added = 0
    for folder in folders:
        for path in sorted(folder.rglob("*.jsonl")):
            target = into / path.relative_to(folder)
            known = {line for _, line in read_lines(target)} if target.exists() else set()
            for _, line in read_lines(path):
                if line not in known:
                    append_line(target, line)
                    known.add(line)
                    added += 1
    return added


def _parse_run(line: str, *, where: str) -> Run:
    try:
        body = json.loads(line)
        return Run(
            as_of=dt.date.fromisoformat(body["as_of"]),
            selection=body["selection"],
            cells=body["cells"],
            resolver=body["resolver"],
            policy=body["policy"],
            read=body.get("read"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"not a run over the space: {error!r}", where=where) from error
