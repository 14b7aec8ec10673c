"""Make the index of recommendations from the evidence, the ledger and the known failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.advise.recommend_index import Candidate, Index
from pytest_verlcompat.advise.trap_record import FOLDER as TRAPS
from pytest_verlcompat.advise.trap_record import load_caught
from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.facts import Facts, Holds, holds
from pytest_verlcompat.model.names import AXES
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.recipes.stack import parsed_versions
from pytest_verlcompat.resolve.ledger import Ledger
from pytest_verlcompat.resolve.question import Resolution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_verlcompat.report.assemble import CellReport, Report
    from pytest_verlcompat.resolve.ledger import Fact

_LAUNCH = ("env:", "module:", "program:", "library:")


def build_index(report: Report, *, ledger: Path) -> Index:
    """Return what *report* and the ledger in that folder know."""
    caught = {each.set_digest: each.traps for each in load_caught(ledger / TRAPS).values()}
    latest: dict[str, Fact] = {}
    for fact in Ledger(ledger).facts() if ledger.exists() else ():
        if fact.resolution is Resolution.RESOLVED:
            latest[fact.cell.id] = fact
    failures = tuple(_failures())
    known: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str, str], ...]] = {}
    space = (
        Candidate(
            cell_id=None,
            versions={name: fact.axes[name] for name in AXES if name in fact.axes},
            python=fact.cell.python,
            glibc=fact.cell.glibc,
            as_of=str(fact.as_of or ""),
            form=fact.cell.form.value,
            when=fact.cell.when.value,
            traps=(
                *caught.get(fact.set_digest or "", ()),
                *_failing(fact.axes, failures, known=known),
            ),
        )
        for fact in latest.values()
    )
    return Index(candidates=(*_declared(report.cells), *space), failures=failures)


def _failing(
    versions: Mapping[str, str],
    failures: Sequence[tuple[str, str, Mapping[str, str]]],
    *,
    known: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str, str], ...]],
) -> tuple[tuple[str, str, str], ...]:
    """Return the known failures that *versions* certainly lead to, as broken rules."""
    key = tuple(sorted(versions.items()))
    if key not in known:
        facts = Facts(versions=dict(parsed_versions(versions)))
        known[key] = tuple(
            (code, "broken", title)
            for code, title, condition in failures
            if holds(condition, facts) is Holds.YES
        )
    return known[key]


def _declared(cells: Iterable[CellReport]) -> Iterator[Candidate]:
    for each in cells:
        if each.lock is None or each.lock.explanation is not None:
            continue
        glibc = each.cell.platform.rpartition("manylinux_")[2].replace("_", ".")
        yield Candidate(
            cell_id=each.cell.id,
            versions=dict(each.lock.versions),
            python=each.cell.python,
            glibc=glibc,
            as_of=each.cell.as_of,
            outcomes={
                record.subject: (record.rung.value, record.outcome.value)
                for record in each.records
                if record.outcome in {Outcome.PASSED, Outcome.FAILED}
            },
            conditions=each.verdict.conditions,
            untried=tuple(
                record.subject
                for record in each.records
                if record.outcome is Outcome.SKIPPED and record.rung.order < Rung.GPU.order
            ),
            overrides=each.cell.overrides,
        )


def _failures() -> Iterator[tuple[str, str, dict[str, str]]]:
    for entry in load_catalogue():
        for condition in entry.precheck.when if entry.precheck.certain else ():
            if not any(key.startswith(_LAUNCH) for key in condition):
                yield entry.id, entry.title, dict(condition)
