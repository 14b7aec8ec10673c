"""Search an ordered line of points for the first that is bad, with as few looks as it takes.

The search knows nothing of releases or environments. It supposes, as ``git bisect`` does, that
what is broken stays broken; both ends are looked at only where the search leads there, so of n
points at most ``ceil(log2(n + 1))`` are looked at, skipped ones apart.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Word(Enum):
    """What a look at one point came to."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"
    """It could not be built or judged; it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where the search ended."""

    first_bad: int | None
    """Index of the first bad point known; ``None`` where none is bad."""
    last_good: int | None
    """Index of the last good point known; ``None`` where none is good."""
    between: tuple[int, ...]
    """Skipped points between the two; one of them may be the first bad."""
    looked_at: int
    """Looks taken now and before, skipped ones included."""


def most_looks(count: int) -> int:
    """Return how many looks *count* points take at most, if none is skipped."""
    return math.ceil(math.log2(count + 1)) if count else 0


def search(
    count: int,
    look: Callable[[int], Word],
    *,
    known: Mapping[int, Word],
    jobs: int = 1,
) -> Answer:
    """Return where the first bad of *count* points is.

    Args:
        count: Number of points, good ones first.
        look: Judges one point; called in *jobs* threads at once.
        known: What was found out before; those points are not looked at again.
        jobs: Points looked at side by side, which saves time and costs looks.
    """
    words = dict(known)
    with ThreadPoolExecutor(jobs) as pool:
        while True:
            good, bad = _ends(words, count)
            left = [each for each in range(good + 1, bad) if each not in words]
            if not left:
                break
            chosen = _spread(left, good, bad, jobs=jobs)
            words.update(zip(chosen, pool.map(look, chosen), strict=True))
    between = tuple(each for each in range(good + 1, bad) if words.get(each) is Word.SKIP)
    return Answer(
        first_bad=bad if bad < count else None,
        last_good=good if good >= 0 else None,
        between=between,
        looked_at=len(words),
    )


def steps_left(count: int, known: Mapping[int, Word]) -> int:
    """Return roughly how many looks are still needed."""
    good, bad = _ends(known, count)
    return most_looks(len([each for each in range(good + 1, bad) if each not in known]))


def _ends(words: Mapping[int, Word], count: int) -> tuple[int, int]:
    """Return the last good point before the first bad one; the ends stand in for none."""
    bad = min((each for each, word in words.items() if word is Word.BAD), default=count)
    good = max(
        (each for each, word in words.items() if word is Word.GOOD and each < bad), default=-1
    )
    return good, bad


def _spread(left: list[int], good: int, bad: int, *, jobs: int) -> list[int]:
    """Return up to *jobs* of *left* that cut the range into equal parts."""
    chosen: list[int] = []
    for part in range(1, jobs + 1):
        aim = good + (bad - good) * part / (jobs + 1)
        free = [each for each in left if each not in chosen]
        if free:
            chosen.append(min(free, key=lambda each: (abs(each - aim), each)))
    return sorted(chosen)
