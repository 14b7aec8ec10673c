"""Say where a bisection ended, in the words of ``git bisect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.advise.bisect_log import changed_between

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_verlcompat.advise.bisect import Answer
    from pytest_verlcompat.advise.bisect_log import Look


def render_answer(
    answer: Answer,
    *,
    points: Sequence[str],
    axis: str,
    looks: Mapping[str, Look],
    bound: int,
) -> str:
    """Return first bad, last good, and what changed between them."""
    of_points = [looks[point] for point in points if point in looks]
    built = sum(look.built for look in of_points)
    spent_s = sum(look.duration_s for look in of_points)
    lines = [""]
    if answer.first_bad is None:
        lines.append(f"Nothing is bad up to {axis} {points[-1]}; it fails for another reason.")
    elif answer.last_good is None:
        lines.append(f"{axis} {points[answer.first_bad]} is bad, and nothing before it is good.")
    elif answer.between:
        named = ", ".join(points[each] for each in answer.between)
        lines.append(
            f"The first bad {axis} is {points[answer.first_bad]}, or one of those that had to "
            f"be skipped: {named}"
        )
    else:
        lines.append(f"{axis} {points[answer.first_bad]} is the first bad")
    if answer.last_good is not None:
        lines.append(f"last good: {points[answer.last_good]}")
    if answer.first_bad is not None:
        lines += _bad_lines(answer, points, looks)
    lines.append(
        f"{built} environments built for {len(points)} points (at most {bound} where none is "
        f"skipped), {spent_s:.1f} s"
    )
    return "\n".join(lines)


def _bad_lines(answer: Answer, points: Sequence[str], looks: Mapping[str, Look]) -> list[str]:
    assert answer.first_bad is not None  # noqa: S101 -- asked by the caller
    bad = looks[points[answer.first_bad]]
    lines = [f"cause: {bad.why}"]
    if answer.last_good is not None:
        moved = changed_between(looks[points[answer.last_good]], bad)
        lines.append("changed between: " + ("; ".join(moved) or "nothing"))
    return lines
