"""Which pair lends its days to which, whatever order the facts come in."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.advise.rot import Timeline
from pytest_verlcompat.advise.space_rot import judge_all
from pytest_verlcompat.resolve.ledger import Fact, Ledger
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Form, When
from tests.resolve.test_space import make_cell

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 19)


class Recorder:
    """Judges nothing, and keeps whose days each pair was given."""

    def __init__(self) -> None:
        self.lent: dict[str, str | None] = {}

    def judge(
        self,
        fact: Fact,
        *,
        today: dt.date,
        ledger: object,  # noqa: ARG002 -- as the real one takes it
        like: Timeline | None = None,
    ) -> Timeline:
        """Return an empty timeline."""
        self.lent[fact.cell.id] = like.cell.id if like else None
        return Timeline(cell=fact.cell, born=today, today=today, turns=(), born_with=())


def make_fact(day: str, **values: object) -> Fact:
    """Return a pair that resolved when it came out."""
    return Fact(
        cell=make_cell(when=When.RELEASE, **values),
        as_of=dt.date.fromisoformat(day),
        resolution=Resolution.RESOLVED,
        resolver="uv 1.0",
        set_digest="0011",
    )


FIRST = make_fact("2025-05-01", form=Form.BARE, verl="0.4.0")
LATER = [
    make_fact("2025-06-01", verl="0.6.1"),
    make_fact("2025-06-01", verl="0.6.1", python="3.11"),
    make_fact("2025-07-01", verl="0.7.0", form=Form.BARE),
]
OTHER = make_fact("2026-11-18", release="0.33.0")


@pytest.mark.parametrize("backwards", [False, True])
def test_pair_that_came_out_first_lends_its_days(tmp_path: Path, *, backwards: bool) -> None:
    """The order in which facts are given changes nothing, nor does leaving the first one out."""
    ledger = Ledger(tmp_path)
    for fact in [FIRST, *LATER, OTHER]:
        ledger.append(fact)
    facts = [*LATER, OTHER]
    recorder = Recorder()

    timelines = list(
        judge_all(
            reversed(facts) if backwards else facts,
            recorder,  # type: ignore[arg-type]
            today=TODAY,
            ledger=ledger,
            workers=2,
        )
    )

    assert {each.cell for each in timelines} == {fact.cell for fact in facts}
    assert recorder.lent == {
        FIRST.cell.id: None,
        OTHER.cell.id: None,
        **{fact.cell.id: FIRST.cell.id for fact in LATER},
    }


def test_pair_that_came_out_today_or_never_resolved_has_no_timeline(tmp_path: Path) -> None:
    """There is nothing between its first day and today."""
    ledger = Ledger(tmp_path)
    dead = dataclasses.replace(FIRST, resolution=Resolution.UNRESOLVABLE)

    found = judge_all(
        [make_fact("2026-11-19"), dead],
        Recorder(),  # type: ignore[arg-type]
        today=TODAY,
        ledger=ledger,
        workers=1,
    )

    assert not list(found)
