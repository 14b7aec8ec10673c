"""Bisection over days finds the day a pair turned, and what came out on it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.advise.render_rot import load_timelines, render_line, render_markdown
from pytest_verlcompat.advise.rot import Sources, State, find_rot
from pytest_verlcompat.checks import resolution_facts
from pytest_verlcompat.checks.resolution_set import ResolvedSet
from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.resolve.question import Answer, Resolution
from pytest_verlcompat.resolve.space import Form
from tests.resolve.test_space import make_cell

if TYPE_CHECKING:
    from pathlib import Path

BORN = dt.date(2025, 11, 15)
TODAY = dt.date(2026, 11, 19)
TURN = dt.date(2026, 1, 26)


class History:
    """A pair whose set changes on known days; counts how often it is looked at."""

    def __init__(self, *, dead_from: dt.date | None = None, blind: dt.date | None = None) -> None:
        self.looked: list[dt.date] = []
        self.dead_from = dead_from
        self.blind = blind

    def look(self, day: dt.date) -> State:
        """Return the state of *day*."""
        self.looked.append(day)
        if day == self.blind:
            return State(
                answer=Answer(resolution=Resolution.ERRORED, why=("index down",)), traps=()
            )
        if self.dead_from and day >= self.dead_from:
            why = ("torch==2.8.0 depends on setuptools<80",)
            answer = Answer(
                resolution=Resolution.UNRESOLVABLE, why=why, between=("torch", "setuptools")
            )
            return State(answer=answer, traps=())
        picks = {
            "verl": "0.6.1",
            "transformers": "4.57.6" if day < TURN else "5.0.0",
            "tqdm": "4.67" if day < TURN else "4.68",
        }
        resolved = ResolvedSet(
            requirements=("verl==0.6.1",), python="3.12", as_of=day, picks=picks, via={}
        )
        traps = tuple(
            each
            for each in resolution_facts.check(resolved, None)  # type: ignore[arg-type]
            if each.code == "transformers-vision2seq"
        )
        return State(answer=Answer(resolution=Resolution.RESOLVED, picks=picks), traps=traps)

    def released(self, name: str, day: dt.date) -> str | None:
        """Return what came out on the day it died."""
        return "81.0" if (name, day) == ("setuptools", self.dead_from) else None


def find(history: History):  # noqa: ANN201 -- a Timeline
    """Return the timeline of *history*."""
    sources = Sources(look=history.look, released=history.released)
    return find_rot(make_cell(), born=BORN, today=TODAY, sources=sources)


def test_turn_names_its_day_and_the_release_at_fault() -> None:
    """Of two versions that changed on the day, the one the fault names is the culprit."""
    history = History()

    timeline = find(history)

    (turn,) = timeline.turns
    assert turn.day == TURN
    assert turn.culprits == ("transformers 4.57.6 -> 5.0.0",)
    assert turn.others == 1
    assert len(set(history.looked)) <= 14


def test_pair_that_cannot_be_resolved_any_more_names_what_came_out() -> None:
    """Where nothing is picked, the release of that day among the premises is shown."""
    day = dt.date(2025, 12, 24)

    timeline = find(History(dead_from=day))

    (turn,) = timeline.turns
    assert (turn.fault, turn.day) == ("unresolvable", day)
    assert turn.culprits == ("setuptools 81.0",)


def test_fault_of_the_first_day_is_no_rot() -> None:
    """What never worked did not rot."""
    sources = Sources(look=History().look, released=lambda _name, _day: None)
    timeline = find_rot(make_cell(), born=TURN, today=TODAY, sources=sources)

    assert not timeline.turns
    assert timeline.born_with == ("transformers-vision2seq",)


def test_failing_index_is_unknown_and_not_rot() -> None:
    """An errored end says nothing about the pair."""
    timeline = find(History(blind=TODAY))

    assert timeline.unknown == "index down"
    assert not timeline.turns


def test_errored_day_between_is_stepped_over() -> None:
    """One day without an answer does not stop the search."""
    middle = BORN + (TODAY - BORN) // 2

    assert find(History(blind=middle)).turns[0].day == TURN


@pytest.mark.parametrize(
    ("hints", "most"),
    [([TURN], 4), ([dt.date(2026, 6, 1), TURN], 6), ([dt.date(2020, 1, 1)], 14)],
)
def test_likely_day_saves_the_search_and_a_wrong_one_does_no_harm(
    hints: list[dt.date], most: int
) -> None:
    """The right hint needs the two ends, its day and the day before."""
    history = History()
    sources = Sources(
        look=history.look, released=history.released, likely=lambda _fault: iter(hints)
    )

    timeline = find_rot(make_cell(), born=BORN, today=TODAY, sources=sources)

    assert [turn.day for turn in timeline.turns] == [TURN]
    assert len(set(history.looked)) <= most


def test_report_joins_pairs_that_turned_together() -> None:
    """A row names day, fault, release, and the pairs as ranges with their Pythons and forms."""
    first = find(History())
    cells = [make_cell(), make_cell(python="3.11"), make_cell(release="0.33.0", form=Form.BARE)]
    timelines = [dataclasses.replace(first, cell=cell) for cell in cells]

    text = render_markdown(timelines, known={"vllm": ["0.8.5", "0.33.0"]})

    row = next(line for line in text.splitlines() if line.startswith("| 2026-01-26"))
    assert "| transformers 4.57.6 -> 5.0.0 | 3 |" in row
    assert "verl 0.6.1 vllm 0.8.5 (extra; 3.11, 3.12)" in row
    assert "verl 0.6.1 vllm 0.33.0 (bare; 3.12)" in row
    assert "| vllm | extra | 3.12 | 1 | 0 | 0 | 0 |" in text


def test_written_timeline_is_read_back(tmp_path: Path) -> None:
    """Turns of an earlier run are known to the next one, under the same rules only."""
    timeline = find(History())
    path = tmp_path / "rot.jsonl"
    path.write_text(render_line(timeline, rules="0011aabb") + "\n")

    found = load_timelines(path, rules="0011aabb")[timeline.cell]

    assert [(turn.fault, turn.day) for turn in found.turns] == [("transformers-vision2seq", TURN)]
    assert render_line(found, rules="0011aabb") + "\n" == path.read_text()
    assert load_timelines(path, rules="other") == {}


def test_foreign_line_is_named(tmp_path: Path) -> None:
    """The error says file and line."""
    path = tmp_path / "rot.jsonl"
    path.write_text('{"rules":"0011aabb"}\n')

    with pytest.raises(EvidenceError, match=r"rot\.jsonl:1"):
        load_timelines(path, rules="0011aabb")
