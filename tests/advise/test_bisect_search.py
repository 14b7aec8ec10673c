"""The search finds the first bad point, with no more looks than promised."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_verlcompat.advise.bisect import Word, most_looks, search, steps_left


@st.composite
def lines(draw: st.DrawFn) -> tuple[int, int, frozenset[int]]:
    """Return a number of points, the first bad of them (or their number), and those skipped."""
    count = draw(st.integers(min_value=1, max_value=400))
    first_bad = draw(st.integers(min_value=0, max_value=count))
    skipped = draw(st.frozensets(st.integers(min_value=0, max_value=count - 1), max_size=5))
    return count, first_bad, skipped


@given(lines())
def test_search_ends_at_the_turn_within_its_bound(
    line: tuple[int, int, frozenset[int]],
) -> None:
    """Good before, bad after, only skipped ones between, and one look more for each of them."""
    count, first_bad, skipped = line
    looked: list[int] = []

    def look(number: int) -> Word:
        looked.append(number)
        if number in skipped:
            return Word.SKIP
        return Word.BAD if number >= first_bad else Word.GOOD

    answer = search(count, look, known={})

    spoken = [each for each in looked if each not in skipped]
    bad = count if answer.first_bad is None else answer.first_bad
    good = -1 if answer.last_good is None else answer.last_good
    assert good < first_bad <= bad
    assert set(range(good + 1, bad)) == set(answer.between) <= skipped
    assert len(set(looked)) == len(looked) == answer.looked_at
    assert len(spoken) <= most_looks(count) + len(skipped)
    assert skipped or len(looked) <= most_looks(count)


@given(st.integers(min_value=1, max_value=10_000))
def test_bound_is_the_one_that_is_stated(count: int) -> None:
    """Never more than ``ceil(log2 n) + 1``, both ends unknown."""
    assert most_looks(count) <= math.ceil(math.log2(count)) + 1


def test_what_is_known_is_not_looked_at_again() -> None:
    """A search that was stopped goes on where it was."""
    looked: list[int] = []

    def look(number: int) -> Word:
        looked.append(number)
        return Word.BAD if number >= 6 else Word.GOOD

    answer = search(16, look, known={7: Word.BAD, 3: Word.GOOD})

    assert (answer.first_bad, answer.last_good) == (6, 5)
    assert set(looked) <= {4, 5, 6}


@pytest.mark.parametrize("jobs", [1, 2, 3, 8])
def test_looks_side_by_side_find_the_same(jobs: int) -> None:
    """More at once changes how long it takes, not what is found."""
    answer = search(
        100, lambda number: Word.BAD if number >= 37 else Word.GOOD, known={}, jobs=jobs
    )

    assert (answer.first_bad, answer.last_good) == (37, 36)


def test_steps_left_go_down() -> None:
    """What is said beforehand is not more than what comes."""
    assert steps_left(16, {}) == 5
    assert steps_left(16, {7: Word.BAD}) == 3
    assert steps_left(16, {7: Word.BAD, 6: Word.GOOD}) == 0
