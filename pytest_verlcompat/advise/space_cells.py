"""Account for every cell of the space: what its answer is, and whether it was asked for."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from pytest_verlcompat.resolve.question import Resolution

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_verlcompat.resolve.derive import Answers
    from pytest_verlcompat.resolve.ledger import Fact
    from pytest_verlcompat.resolve.space import SpaceCell

LETTERS = {
    Resolution.RESOLVED: "R",
    Resolution.UNRESOLVABLE: "U",
    Resolution.NOT_ATTEMPTED: "N",
    Resolution.ERRORED: "E",
}
"""One letter a cell; a small one where the answer was derived, ``?`` where there is none."""

_COLUMNS = ("engine", "form", "python", "glibc", "when")


def letter_of(fact: Fact | None) -> str:
    """Return the letter for what is known about a cell."""
    if fact is None:
        return "?"
    letter = LETTERS[fact.resolution]
    return letter.lower() if fact.derived else letter


def render_lines(cells: Iterable[SpaceCell], answers: Answers) -> Iterable[str]:
    """Yield a JSON line for all releases of an engine that are asked about in one way."""
    letters: dict[tuple[str, ...], list[str]] = {}
    releases: dict[str, dict[str, None]] = {}
    for cell in cells:
        how = (cell.form.value, cell.python, cell.glibc, cell.when.value)
        key: tuple[str, ...] = (cell.verl, cell.engine, *how)
        letters.setdefault(key, []).append(letter_of(answers.find(cell)))
        releases.setdefault(cell.engine, {})[cell.release] = None
    for engine, versions in releases.items():
        yield json.dumps({"engine": engine, "releases": list(versions)}, separators=(",", ":"))
    for key, found in letters.items():
        body = dict(zip(("verl", *_COLUMNS), key, strict=True))
        yield json.dumps({**body, "answers": "".join(found)}, separators=(",", ":"))


def render_markdown(cells: Sequence[SpaceCell], answers: Answers, *, day: str) -> str:
    """Return the counts as Markdown."""
    kinds: dict[tuple[str, ...], Counter[str]] = {}
    rules: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        fact = answers.find(cell)
        word = "untested" if fact is None else fact.resolution.value
        key = (cell.engine, cell.form.value, cell.python, cell.glibc, cell.when.value)
        kinds.setdefault(key, Counter())[word] += 1
        how = "-" if fact is None else (fact.derived or "asked")
        rules[how, word] += 1
    words = [each.value for each in Resolution] + ["untested"]
    shown = [word for word in words if any(word in counts for counts in kinds.values())]
    lines = ["# Every cell of the space", "", f"{len(cells)} cells, as of {day}.", ""]
    lines += ["How the answers were found; the rules are told in `resolve/derive.py`.", ""]
    lines += ["| how | answer | cells |", "|---|---|---|"]
    lines += [
        f"| {how} | {word} | {count} |"
        for (how, word), count in sorted(rules.items(), key=lambda each: (-each[1], each[0]))
    ]
    lines += ["", f"| {' | '.join((*_COLUMNS, *shown))} |", "|---" * (5 + len(shown)) + "|"]
    lines += [
        f"| {' | '.join(key)} | {' | '.join(str(counts[word]) for word in shown)} |"
        for key, counts in sorted(kinds.items())
    ]
    return "\n".join(lines) + "\n"
