"""Bisection over days finds the day a pair turned, and what came out on it."""

from __future__ import annotations

import datetime as dt

from pytest_verlcompat.advise.rot import State, find_rot, render_markdown
from pytest_verlcompat.checks import resolution_facts
from pytest_verlcompat.checks.resolution_set import ResolvedSet
from pytest_verlcompat.resolve.question import Answer, Resolution
from tests.resolve.test_space import make_cell

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
    return find_rot(
        make_cell(), born=BORN, today=TODAY, look=history.look, released=history.released
    )


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
    timeline = find_rot(
        make_cell(),
        born=TURN,
        today=TODAY,
        look=History().look,
        released=lambda _name, _day: None,
    )

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


def test_report_lists_rotten_pairs_with_the_day() -> None:
    """The Markdown names pair, day, fault and release."""
    text = render_markdown([find(History())])

    assert "verl[vllm]==0.6.1 vllm==0.8.5" in text
    assert "2026-01-26" in text
    assert "transformers 4.57.6 -> 5.0.0" in text
