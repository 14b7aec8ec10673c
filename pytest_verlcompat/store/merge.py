"""Take records that were made elsewhere into the evidence of their cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.store.jsonl import append, load, load_cell_evidence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What was taken and what was not."""

    added: Mapping[str, int]
    """Cell id to the number of records that are new."""
    known: int
    """Records that were there already."""
    refused: tuple[str, ...]
    """One sentence for each record that belongs to no declared cell, and each damaged line."""


def merge(files: Sequence[Path], *, evidence: Path, cells: Collection[str]) -> Merged:
    """Append the records of *files* to those of their cells in the folder *evidence*.

    Merging again, or in another order, adds nothing.
    """
    loaded = load(files)
    refused = list(loaded.damaged)
    added: Counter[str] = Counter()
    known = 0
    there: dict[str, set[str]] = {}
    for record in loaded.records:
        cell = record.cell_id
        if cell is None or cell not in cells:
            of = "an installed environment" if cell is None else f"{cell}, which is not declared"
            refused.append(f"{record.subject} of {of}")
            continue
        lines = there.setdefault(
            cell, {render_line(each) for each in load_cell_evidence(evidence, cell).records}
        )
        line = render_line(record)
        if line in lines:
            known += 1
            continue
        append(record, path=evidence / f"{cell}.jsonl")
        lines.add(line)
        added[cell] += 1
    return Merged(added=dict(added), known=known, refused=tuple(refused))
