"""Changes of verdict follow from dated records alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import judge
from pytest_verlcompat.report.assemble import CellReport
from pytest_verlcompat.report.history import Change, list_changes
from tests.tiny import make_cell, make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence


def _changes(*history: Evidence) -> list[Change]:
    """Return the changes of a cell with that history, the oldest first."""
    cell = CellReport(
        cell=make_cell(),
        lock=None,
        verdict=judge([]),
        records=(),
        contradicted=(),
        stale=0,
        history=history,
    )
    return list(reversed(list_changes([cell])))


def _on(day: int, outcome: Outcome = Outcome.PASSED, **changes: object) -> Evidence:
    """Return a record of that day of January."""
    started = f"2026-01-{day:02d}T{changes.pop('hour', 10):02d}:00:00Z"
    return make_evidence(started_at=started, outcome=outcome, **changes)


def _kinds(changes: list[Change]) -> list[str]:
    return [each.verdict.kind.value for each in changes]


def test_first_verdict_and_each_other_one_are_changes() -> None:
    """A day that says the same again is none."""
    found = _changes(_on(1), _on(2), _on(3, Outcome.FAILED), _on(4))

    assert _kinds(found) == ["compatible", "incompatible", "compatible"]
    assert [each.at[:10] for each in found] == ["2026-01-01", "2026-01-03", "2026-01-04"]
    assert [each.before.value if each.before else None for each in found] == [
        None,
        "compatible",
        "incompatible",
    ]


def test_verdicts_on_the_way_through_one_day_are_no_changes() -> None:
    """A run resolves, installs and probes; what counts is where the day ended."""
    resolves = {"subject": "resolve", "rung": Rung.RESOLVES, "subject_sha256": None}

    found = _changes(_on(1, hour=8, **resolves), _on(1, hour=9), _on(1, Outcome.FAILED, hour=11))

    assert _kinds(found) == ["incompatible"]


def test_nothing_is_told_before_something_was_tried() -> None:
    """That a cell is untested is no news."""
    assert _changes(_on(1, Outcome.SKIPPED, lacks=("a GPU",))) == []


def test_new_lock_begins_anew() -> None:
    """What the old lock failed says nothing about the new one, and stays in the history."""
    found = _changes(
        _on(1, Outcome.FAILED, subject="one"),
        _on(2, subject="two", lock_sha256="new"),
    )

    assert _kinds(found) == ["incompatible", "compatible"]


def test_new_code_of_a_probe_replaces_its_old_records() -> None:
    """A failure that the probe itself caused is not held against the stack for ever."""
    found = _changes(
        _on(1, Outcome.FAILED, subject_sha256="old"),
        _on(2, Outcome.SKIPPED, subject_sha256="new", lacks=("a GPU",)),
    )

    assert _kinds(found) == ["incompatible", "untested"]


def test_order_of_the_file_and_undated_records_change_nothing() -> None:
    """Branches are merged in any order, and a record may be older than its form."""
    history = [_on(1), _on(2, Outcome.FAILED), _on(3), make_evidence(started_at="long ago")]
    told = _changes(*history)
    for seed in range(5):
        random.Random(seed).shuffle(history)  # noqa: S311 -- an order, not a secret

        assert _changes(*history) == told
